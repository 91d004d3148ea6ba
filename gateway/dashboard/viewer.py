"""The loop of the dashboard: look at the run directory, draw, take keys and signals.

Theory of operation. One thread, one poll: for keys, signals, room for output, the end of the gateway, and the next
instant at which something is due. Two things are due at times. A look, four times a second: it reads the log, because a
ring forgets, and sees whether the gateway lives; figures are read once a second by one of them, and only when a picture
shows them: nobody reads a number that changes more often, and reading and drawing them is most of what a picture costs.
A picture, when something asks for one: a look, a key, a resize, the age of the banner; `Pace` merges what asks for it.

Between a look, the reading of figures, laying out a picture and painting it the viewer pauses. Together they take up to
ten milliseconds, in which the requests of a gateway that has too few cores queue up; each alone is over before the
queue is long (docs/performance.md has the measurement). A picture that a key or a resize asks for does not wait.

A process that wakes up after a rest has cold caches, so that it costs more to look often than to see much: where lines
come faster than anybody reads there are two looks a second, and lines are drawn with the figures; frozen there is one,
which only keeps the log from being overwritten; hidden, where nothing but the log is read, there are two once it rests.

Every way out of the loop is a return or an exception, and the `with` block of `run` restores the terminal on both.
"""

import math
import os
import select
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from termios import error as TermiosError
from typing import TYPE_CHECKING, Literal

from gateway.dashboard import background
from gateway.dashboard.bindings import DISPATCH, Action
from gateway.dashboard.keys import KeyDecoder
from gateway.dashboard.logview import KEPT_LINES
from gateway.dashboard.pace import Pace
from gateway.dashboard.session import Session, Stopped
from gateway.dashboard.signals import ENDING, Signals
from gateway.dashboard.source import Source
from gateway.dashboard.state import Effect
from gateway.dashboard.terminal import Terminal
from gateway.dashboard.text import clean
from gateway.dashboard.theme import color_depth
from gateway.logs.render import render
from gateway.logs.ring import LogRecord
from gateway.metrics.clock import boottime_ns
from gateway.metrics.errors import MetricsError
from gateway.serving.run_dir import Instance

if TYPE_CHECKING:
    from gateway.dashboard.compositor import Screen

FRAMES_PER_SECOND = 4
_LOOK_S = 1 / FRAMES_PER_SECOND
_FIGURES_S = 1.0
# In ten milliseconds a gateway that serves a thousand requests a second has answered those that waited.
_PAUSE_S = 0.01
# While there is neither a picture nor a log to keep up with, and while there is more of the log than anybody can read:
# so many lines at a look, which are a hundred a second, or fifty once there are two looks a second.
_REST_S = 0.5
_FLOOD = 25
# A frozen picture waits for no log line. Half a second would cost half of what it may, a thousandth of a core.
_UNHURRIED_S = 1.0
# Nobody sees more than 40 pictures a second, and a key must show within 50 ms.
_KEY_S = 0.025
# A window that is dragged sends hundreds of sizes a second, each of which costs a whole picture. The last one has to be
# on the screen within 100 ms, of which this leaves 40 for drawing.
_RESIZE_S = 0.06
_SEARCH_S = 0.5
# A terminal on the same machine answers within milliseconds. A picture that comes before the answer of one that is far
# away is painted anew, so that the first one need not wait for long.
_FIRST_PICTURE_WAITS_S = 0.05
# Before somebody else has the terminal, whose input the answer would be.
_ANSWER_S = 0.1
_READ_S = 0.01
# An answer that has not come by now never will: Esc need not wait for it any more.
_LOST_S = 5.0
# Lines that are written at once while the dashboard is hidden; between two batches keys are looked at.
_BATCH = 500
# Ctrl-\, the key for a program that does not listen to others: before anything is made of the keys.
_CTRL_BACKSLASH = b"\x1c"

Ending = Literal["quit", "server-ended"]


def run(
    instance: Instance,
    *,
    server_exit: Callable[[], int | None] | None = None,
    find_successor: Callable[[Instance], Instance | None] = lambda instance: None,
    environ: Mapping[str, str],
    stdin_fd: int,
    stdout_fd: int,
    stderr_fd: int,
    welcome: Sequence[str] = (),
) -> Ending:
    """Show a gateway until a key, a signal, the end of the terminal, or the end of a server that the caller owns.

    `server_exit` tells the exit code of that server, None while it runs. Without it the gateway is somebody else's:
    its death is shown, and the one that `find_successor` then finds is shown in its place. `welcome` are lines that
    stand there until the first request.

    The terminal is restored on every way out; exceptions, such as MetricsError for a gateway of another version,
    propagate after that. Must run in the main thread, because of the signals.
    """
    source = Source(instance)
    with Signals() as signals, Terminal(stdin_fd, stdout_fd, stderr_fd) as terminal:
        asks = background.told(environ) is None and background.may_ask(environ)
        asked_s = time.monotonic()
        if asks:
            terminal.write_picture(background.QUESTION)
        # While the terminal thinks about it.
        screen_type = _load_compositor()
        screen = screen_type(lambda text: terminal.write_picture(text.encode("utf-8", "replace")), FRAMES_PER_SECOND)
        viewer = Viewer(source, terminal, screen, signals, environ, server_exit, find_successor, welcome)
        if asks:
            viewer.expect_ground(asked_s)
        return viewer.loop()


def _load_compositor() -> "type[Screen]":
    """Import pytermgui and undo what that does to the process.

    The import replaces the handler of SIGWINCH and the filter of warnings, and fails on an unknown PTG_COLOR_SYSTEM.
    """
    handler = signal.getsignal(signal.SIGWINCH)
    color_system = os.environ.pop("PTG_COLOR_SYSTEM", None)
    try:
        with warnings.catch_warnings():
            from gateway.dashboard.compositor import Screen
    finally:
        signal.signal(signal.SIGWINCH, handler)
        if color_system is not None:
            os.environ["PTG_COLOR_SYSTEM"] = color_system
    return Screen


class Viewer:
    """The state of the loop; `loop` runs once."""

    def __init__(
        self,
        source: Source,
        terminal: Terminal,
        screen: "Screen",
        signals: Signals,
        environ: Mapping[str, str],
        server_exit: Callable[[], int | None] | None,
        find_successor: Callable[[Instance], Instance | None],
        welcome: Sequence[str],
    ) -> None:
        self._source = source
        self._terminal = terminal
        self._screen = screen
        self._signals = signals
        self._environ = environ
        self._server_exit = server_exit
        self._find_successor = find_successor
        self._session = Session(
            source.figures,
            environ,
            memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            wall_ns_at_zero=time.time_ns() - boottime_ns(),
            label=source.instance.label,
            welcome=welcome,
            owns_gateway=server_exit is not None,
        )
        self._session.assume_theme(background.told(environ))
        self._keys = KeyDecoder()
        self._answer_due = self._answer_lost = 0.0
        self._last_input = time.monotonic()
        self._pace = Pace()
        now = time.monotonic()
        # The source has just read what the first picture shows.
        self._pace.ask(now, 0.0)
        self._next_look, self._next_figures, self._next_banner = now, _after_figures(now), 0.0
        self._reading_due = math.inf
        self._hidden = False
        # Another gateway is looked for once ours, which is not our own, is gone; one of another version is left alone.
        self._next_search = 0.0
        self._refused_pid = 0
        # Whether the next picture has to be written whole, and whether somebody waits for it.
        self._is_spoiled = self._is_hurried = True
        self._unprinted: deque[LogRecord] = deque(maxlen=KEPT_LINES)
        self._not_printed = 0
        self._lost_told = self._passed_over_told = 0
        # What the normal screen has to say besides the log, each of it once: a dictionary keeps the order.
        self._notices: dict[str, None] = {}

    def expect_ground(self, asked_s: float) -> None:
        """The terminal was asked for its ground at that time: the first picture waits for the answer, a little."""
        self._keys.expects_reply = True
        # What has come already has to be read.
        self._answer_due = max(asked_s + _FIRST_PICTURE_WAITS_S, time.monotonic() + _READ_S)
        self._answer_lost = asked_s + _LOST_S

    def loop(self) -> Ending:
        """Run until something ends it."""
        if self._server_exit is None:
            # Somebody else's terminal has those lines.
            self._session.take_log(self._source.read_log(), self._source.lost)
            self._lost_told = self._source.lost
        while True:
            now = time.monotonic()
            if now >= self._next_look:
                # A loop that was held up goes on from here instead of catching up.
                self._next_look = max(self._next_look + self._look(now), now)
            elif now >= self._reading_due:
                self._read_figures()
            elif self._can_draw and self._pace.is_due(now):
                self._draw()
            if self._can_print:
                self._print_log()
            if self._server_exit is not None and self._server_exit() is not None:
                self._await_answer()
                return "server-ended"
            ready = self._wait()
            is_told_to_end = self._signals.fd in ready and self._take_signals()
            if is_told_to_end or self._take_keys(self._terminal.input_fd in ready):
                self._await_answer()
                return "quit"

    @property
    def _is_live(self) -> bool:
        return self._can_draw and not self._session.frozen and self._session.stopped is None

    # A terminal that has not taken the last output gets no more.

    @property
    def _can_draw(self) -> bool:
        return not self._hidden and not self._terminal.stalled and not self._awaits_theme

    @property
    def _awaits_theme(self) -> bool:
        return self._keys.expects_reply and time.monotonic() < self._answer_due

    @property
    def _can_print(self) -> bool:
        return self._hidden and bool(self._unprinted or self._notices) and not self._terminal.stalled

    def _wait(self) -> Collection[int]:
        """Wait for a key, a signal, room for output or the next thing that is due; the descriptors that are ready."""
        due = min(self._next_look, self._reading_due)
        if self._awaits_theme:
            due = min(due, self._answer_due)
        elif self._can_draw and self._pace.due is not None:
            due = min(due, self._pace.due)
        timeout_s = 0.0 if self._can_print else max(0.0, due - time.monotonic())
        if self._keys.timeout_s is not None:
            timeout_s = min(timeout_s, self._keys.timeout_s)
        poll = select.poll()
        poll.register(self._terminal.input_fd, select.POLLIN)
        poll.register(self._signals.fd, select.POLLIN)
        if self._session.stopped is None and self._source.life.fd >= 0:
            poll.register(self._source.life.fd, select.POLLIN)
        if self._terminal.stalled:
            poll.register(self._terminal.output_fd, select.POLLOUT)
        # Rounded up: waking just before the time would mean to wait once more.
        ready = [fd for fd, _ in poll.poll(math.ceil(timeout_s * 1000))]
        if self._terminal.output_fd in ready:
            self._terminal.flush()
        if self._source.life.fd in ready:
            self._next_look = time.monotonic()
        return ready

    def _look(self, now: float) -> float:
        """See what is new; in how many seconds to look again."""
        self._terminal.trim()
        if now >= self._answer_lost:
            self._keys.expects_reply = False
        if self._server_exit is None:
            self._watch(now)
        if self._session.frozen and not self._hidden:
            self._ask_for_banner(now)
            return _LOOK_S if self._source.set_log_aside() else _UNHURRIED_S
        records = self._source.read_log()
        self._take_log(records)
        is_live = self._is_live
        if is_live and now >= self._next_figures:
            self._next_figures = _after_figures(now)
            self._reading_due = time.monotonic() + _PAUSE_S
        elif 0 < len(records) < _FLOOD and not self._hidden:
            self._pace.ask(time.monotonic() + _PAUSE_S, 0.0)
        elif self._session.stopped is not None:
            self._ask_for_banner(now)
        return _LOOK_S if (is_live or records) and len(records) < _FLOOD else _REST_S

    def _read_figures(self) -> None:
        self._reading_due = math.inf
        # It may have been frozen or hidden in the pause.
        if self._is_live:
            self._source.read_figures()
            self._session.take(*self._source.figures)
            self._pace.ask(time.monotonic() + _PAUSE_S, 0.0)

    def _ask_for_banner(self, now: float) -> None:
        """Have the age in it drawn if it is another one."""
        if now >= self._next_banner:
            self._next_banner = now + self._session.banner_s(time.monotonic_ns()) - _LOOK_S / 2
            self._pace.ask(now, 0.0)

    def _take_log(self, records: Sequence[LogRecord]) -> None:
        self._session.take_log(records, self._source.lost, self._source.passed_over)
        self._remember(records)

    def _watch(self, now: float) -> None:
        """See whether the gateway lives, and once it does not, whether another one has taken its place."""
        instance = self._source.instance
        if self._session.stopped is None:
            if not self._source.life.is_over():
                return
            missed = not self._is_live
            self._session.stopped = Stopped(time.monotonic_ns(), clean(instance.address), missed=missed)
            self._session.changed()
            self._next_search = now
            self._pace.ask(now, 0.0)
            if self._hidden:
                self._notices["The gateway has stopped; if it comes back, its log goes on here."] = None
        if now < self._next_search:
            return
        self._next_search = now + _SEARCH_S
        successor = self._find_successor(instance)
        if successor is None or successor.pid == self._refused_pid:
            return
        try:
            self._take_log(self._source.follow(successor))
        except MetricsError as error:
            self._refused_pid = successor.pid
            problem = f"its successor with pid {successor.pid} cannot be shown: {error}"
            self._session.stopped = replace(self._session.stopped, problem=problem)
        else:
            self._session.stopped = None
            self._session.start(*self._source.figures, successor.label)
        self._pace.ask(now, 0.0)

    def _spoil(self, now: float, spacing_s: float) -> None:
        """Whatever the screen should show, it has to be written whole."""
        self._is_spoiled = self._is_hurried = True
        self._pace.ask(now, spacing_s)

    def _draw(self) -> None:
        size = self._terminal.size()
        tiles, theme = self._session.picture(size, time.monotonic_ns())
        if not self._is_hurried:
            # Asleep, not in the poll: a key can wait that long, and nothing can change what has been laid out.
            time.sleep(_PAUSE_S)
        self._screen.show(tiles, theme, size, force=self._is_spoiled)
        self._is_spoiled = self._is_hurried = False
        # After the work, so that there is time for something else however long it takes.
        self._pace.drawn(time.monotonic())

    def _take_keys(self, is_typed: bool) -> bool:
        """Do what the keys say; whether that is to quit, as when the terminal is gone."""
        if not is_typed and self._keys.timeout_s is None:
            return False
        data = self._terminal.read() if is_typed else b""
        if (is_typed and not data) or _CTRL_BACKSLASH in data:
            return True
        now = time.monotonic()
        keys = self._keys.feed(data, now - self._last_input)
        if data or keys:
            self._last_input = now
        was_live = self._is_live
        ground = self._keys.take_ground()
        if ground is not None:
            self._session.assume_theme(background.theme_on(ground))
            self._pace.ask(now, 0.0)
        for key in keys:
            effect = self._on_key(key)
            if effect is Effect.QUIT:
                return True
            if effect is Effect.TOGGLE:
                self._toggle(now)
            elif effect is Effect.SUSPEND:
                self._suspend(0)
                return self._take_signals()
        if keys:
            self._is_hurried = True
            self._pace.ask(now, _KEY_S)
            self._next_banner = now
        if self._is_live and not was_live:
            # Without a pause: the next picture is to show them.
            self._next_look = self._reading_due = now
            self._next_figures = _after_figures(now)
        return False

    def _on_key(self, key: str) -> Effect:
        if self._hidden:
            return self._on_key_while_hidden(key)
        return self._session.press(key, self._terminal.size(), time.monotonic_ns())

    def _on_key_while_hidden(self, key: str) -> Effect:
        binding = DISPATCH["hidden"].get(key)
        if binding is None:
            return Effect.NONE
        if binding.action is Action.BACK and self._server_exit is not None:
            self._notices["Esc does not stop the gateway: q stops it, d shows the dashboard."] = None
            return Effect.NONE
        return _WHILE_HIDDEN[binding.action]

    def _take_signals(self) -> bool:
        """Do what the signals say, those included that came while the process was stopped; whether to quit."""
        now = time.monotonic()
        is_back = False
        while came := self._signals.take():
            if came & ENDING:
                return True
            if signal.SIGTSTP in came:
                self._suspend(signal.SIGTSTP)
            # After a stop that nobody could catch, the shell has put its own settings on the terminal.
            is_back = is_back or signal.SIGCONT in came
            if signal.SIGWINCH in came:
                self._spoil(now, _RESIZE_S)
        if is_back or not self._terminal.entered:
            return not self._resume()
        return False

    def _await_answer(self) -> None:
        """What the terminal was asked must not be answered to whoever has it next."""
        if self._keys.expects_reply and self._terminal.entered:
            self._terminal.read_until(self._is_answered, _ANSWER_S)

    def _is_answered(self, data: bytes) -> bool:
        self._keys.feed(data, 0.0)
        return not self._keys.expects_reply

    def _suspend(self, number: int) -> None:
        self._await_answer()
        self._terminal.leave()
        self._signals.stop(number)

    def _resume(self) -> bool:
        """Take the terminal again; whether it is still there."""
        try:
            self._terminal.enter()
        except TermiosError:
            return False
        if not self._hidden:
            self._terminal.show()
        self._spoil(time.monotonic(), 0.0)
        return True

    def _toggle(self, now: float) -> None:
        self._hidden = not self._hidden
        if self._hidden:
            self._terminal.hide()
            self._notices["The dashboard is hidden: d shows it again, q quits."] = None
            self._take_log(self._source.read_log())
        else:
            self._terminal.show()
            self._spoil(now, 0.0)

    def _remember(self, records: Sequence[LogRecord]) -> None:
        """Keep lines for the normal screen, the newest `KEPT_LINES` of them."""
        self._not_printed += max(0, len(self._unprinted) + len(records) - KEPT_LINES)
        self._unprinted.extend(records)

    def _print_log(self) -> None:
        """Write some of the lines that the normal screen has not had yet."""
        color = color_depth(self._environ) != "none"
        lines = list(self._notices)
        self._notices.clear()
        older = self._not_printed + self._source.passed_over - self._passed_over_told
        if older:
            lines.append(f"{older} older lines are not shown.")
            self._not_printed, self._passed_over_told = 0, self._source.passed_over
        if self._source.lost > self._lost_told:
            lines.append(f"{self._source.lost - self._lost_told} lines were overwritten before they could be read.")
            self._lost_told = self._source.lost
        batch = [self._unprinted.popleft() for _ in range(min(_BATCH, len(self._unprinted)))]
        lines += [render(record, "console", color=color) for record in batch]
        self._terminal.write_text("".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))


def _after_figures(now: float) -> float:
    """From when on a look has figures read again; one that comes a little early is the one for them, too."""
    return now + _FIGURES_S - _LOOK_S / 2


# Without a picture there is nothing for Esc to close.
_WHILE_HIDDEN: Mapping[Action, Effect] = {
    Action.TOGGLE: Effect.TOGGLE,
    Action.QUIT: Effect.QUIT,
    Action.BACK: Effect.QUIT,
    Action.SUSPEND: Effect.SUSPEND,
}
