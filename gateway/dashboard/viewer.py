"""The loop of the dashboard: read the run directory four times a second, draw, take keys and signals."""

import contextlib
import os
import select
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Literal

from gateway.dashboard.frame import build_tiles, focusable
from gateway.dashboard.keys import DISPATCH, Action, KeyDecoder
from gateway.dashboard.logview import LogView
from gateway.dashboard.series import History
from gateway.dashboard.state import Effect, Ui, press
from gateway.dashboard.terminal import Terminal
from gateway.dashboard.theme import color_depth, make_theme
from gateway.dashboard.view import View
from gateway.logs.render import render
from gateway.logs.ring import LogRecord
from gateway.logs.tail import LogTail
from gateway.metrics.clock import boottime_ns
from gateway.metrics.snapshot import InstanceInfo, Snapshot
from gateway.metrics.view import MetricsView
from gateway.serving.liveness import Liveness
from gateway.serving.processes import is_alive, process_started

if TYPE_CHECKING:
    from gateway.dashboard.compositor import Screen

FRAMES_PER_SECOND = 4
_FRAME_S = 1 / FRAMES_PER_SECOND
# As many as the log panel keeps; more than that since the last look are counted instead of printed.
_KEEP = 10_000
# Lines that are written at once while the dashboard is hidden; between two batches keys are looked at.
_BATCH = 500

Ending = Literal["quit", "server-ended"]


def run(
    run_dir: Path,
    instance: InstanceInfo,
    *,
    owns_server: bool,
    server_exit: Callable[[], int | None],
    environ: Mapping[str, str],
    stdin_fd: int,
    stdout_fd: int,
    welcome: Sequence[str] = (),
) -> str:
    """Show the gateway of that run directory until a key, a signal, or with `owns_server` the server's end.

    Returns "quit" or "server-ended". The terminal is restored on every way out; exceptions propagate after that.
    `welcome` are lines that stand there until the first request. Must run in the main thread, because of the signals.
    """
    screen_type = _load_compositor()
    with Signals() as signals, Terminal(stdin_fd, stdout_fd) as terminal:
        screen = screen_type(lambda text: terminal.write(text.encode("utf-8", "replace")), FRAMES_PER_SECOND)
        source = Source(run_dir, instance, None if owns_server else process_started(instance.pid))
        viewer = Viewer(source, terminal, screen, signals, environ, owns_server, welcome)
        return viewer.loop(server_exit)


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


class Signals:
    """Signals as events of the loop: `fd` becomes readable, and `take` tells which came."""

    _WATCHED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)

    def __init__(self) -> None:
        self.fd, self._wake_fd = os.pipe()
        self._came: list[int] = []
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> "Signals":
        os.set_blocking(self.fd, False)
        os.set_blocking(self._wake_fd, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wake_fd, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._note) for number in self._WATCHED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._wake_fd)

    def take(self) -> list[int]:
        """The signals since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        came, self._came = self._came, []
        return came

    def stop_process(self) -> None:
        """Stop as Ctrl-Z does by default; returns when the process is continued, or at once where nobody could."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)


class Source:
    """What there is to see: the figures, the history and the log, as of the last `read`."""

    def __init__(self, run_dir: Path, instance: InstanceInfo, watched_start: float | None) -> None:
        self._instance = instance
        self._watched_start = watched_start
        self._metrics = MetricsView(run_dir, clock=boottime_ns, is_alive=Liveness())
        self._tail = LogTail(run_dir, keep=0)
        self.history = History()
        self.log = LogView(keep=_KEEP)
        self.snapshot: Snapshot = self._take()

    def read_figures(self) -> None:
        """Read the figures and the history anew."""
        self.snapshot = self._take()
        self.history.update(self._metrics.chart())

    def read_log(self) -> list[LogRecord]:
        """Read the new log records, and return them."""
        records = self._tail.poll()
        self.log.add(records)
        self.log.lost = self._tail.lost
        return records

    def has_stopped(self) -> bool:
        """Whether the gateway's process, which is not ours, is gone."""
        return self._watched_start is None or not is_alive(self._instance.pid, self._watched_start)

    def _take(self) -> Snapshot:
        taken_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._metrics.snapshot(self._instance, taken_at)


class Viewer:
    """The state of the loop; one instance shows one gateway once."""

    def __init__(
        self,
        source: Source,
        terminal: Terminal,
        screen: "Screen",
        signals: Signals,
        environ: Mapping[str, str],
        owns_server: bool,
        welcome: Sequence[str],
    ) -> None:
        self._source = source
        self._terminal = terminal
        self._screen = screen
        self._signals = signals
        self._environ = environ
        self._owns_server = owns_server
        self._welcome = welcome
        self._ui = Ui()
        self._keys = KeyDecoder()
        self._hidden = False
        self._stopped = False
        self._force = True
        self._memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._unprinted: deque[LogRecord] = deque(maxlen=_KEEP)
        self._not_printed = 0

    def loop(self, server_exit: Callable[[], int | None]) -> Ending:
        """Run until something ends it."""
        if not self._owns_server:
            # Somebody else's terminal has those lines.
            self._source.read_log()
        next_frame = time.monotonic()
        last_input = next_frame
        while True:
            now = time.monotonic()
            if now >= next_frame:
                self._tick()
                # A loop that was held up goes on from here instead of catching up.
                next_frame = max(next_frame + _FRAME_S, now)
            if self._owns_server and server_exit() is not None:
                return "server-ended"
            ready = self._wait(next_frame)
            for number in self._signals.take():
                if number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    return "quit"
                self._on_signal(number)
            data = b""
            if self._terminal.input_fd in ready:
                data = self._terminal.read()
                if not data:
                    return "quit"
            now = time.monotonic()
            keys = self._keys.feed(data, now - last_input)
            if data or keys:
                last_input = now
            for key in keys:
                if self._on_key(key) is Effect.QUIT:
                    return "quit"
            if keys or self._force:
                self._draw()

    def _wait(self, next_frame: float) -> list[int]:
        """Wait for a key, a signal, room for output or the next frame; returns the readable descriptors."""
        timeout = max(0.0, next_frame - time.monotonic())
        if self._keys.timeout_s is not None:
            timeout = min(timeout, self._keys.timeout_s)
        blocked = [self._terminal.output_fd] if self._terminal.stalled else []
        readable, writable, _ = select.select([self._terminal.input_fd, self._signals.fd], blocked, [], timeout)
        if writable:
            self._terminal.flush()
        return readable

    def _tick(self) -> None:
        self._unprint(self._source.read_log())
        if self._hidden:
            self._print_log()
            return
        if not self._ui.frozen:
            self._source.read_figures()
        self._stopped = not self._owns_server and self._source.has_stopped()
        self._draw()

    def _draw(self) -> None:
        # A terminal that has not taken the last frame gets no next one.
        if self._hidden or self._terminal.stalled:
            return
        size = self._terminal.size()
        view = self._view()
        self._screen.show(build_tiles(view, *size), view.theme, size, force=self._force)
        self._force = False

    def _view(self) -> View:
        source = self._source
        return View(
            snapshot=source.snapshot,
            history=source.history,
            log=source.log,
            ui=self._ui,
            theme=make_theme(self._ui.theme, self._environ),
            memory_bytes=self._memory_bytes,
            stopped=self._stopped,
            welcome=self._welcome,
        )

    def _on_key(self, key: str) -> Effect:
        if self._hidden:
            effect = _WHILE_HIDDEN.get(DISPATCH.get(key), Effect.NONE)
        else:
            panels = focusable(self._view(), *self._terminal.size())
            self._ui, effect = press(self._ui, key, self._source.log, panels)
        if effect is Effect.TOGGLE:
            self._toggle()
        elif effect is Effect.SUSPEND:
            self._suspend()
        return effect

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGTSTP:
            self._suspend()
        elif number == signal.SIGCONT:
            # After a stop that nobody could catch, the shell has put its own settings on the terminal.
            self._resume()
        else:
            self._force = True

    def _suspend(self) -> None:
        self._terminal.leave()
        self._signals.stop_process()
        self._resume()

    def _resume(self) -> None:
        self._terminal.enter()
        if not self._hidden:
            self._terminal.show()
        self._force = True

    def _toggle(self) -> None:
        self._hidden = not self._hidden
        if self._hidden:
            self._terminal.hide()
            self._terminal.write(b"The dashboard is hidden: d shows it again, q quits.\n")
            self._unprint(self._source.read_log())
            self._print_log()
        else:
            self._terminal.show()
            self._source.read_figures()
            self._force = True

    def _unprint(self, records: list[LogRecord]) -> None:
        self._not_printed += max(0, len(self._unprinted) + len(records) - _KEEP)
        self._unprinted.extend(records)

    def _print_log(self) -> None:
        """Write the lines that the normal screen has not had yet, as far as the terminal takes them."""
        color = color_depth(self._environ) != "none"
        if self._not_printed:
            self._terminal.write(f"{self._not_printed} older lines are not shown.\n".encode())
            self._not_printed = 0
        while self._unprinted and not self._terminal.stalled:
            batch = [self._unprinted.popleft() for _ in range(min(_BATCH, len(self._unprinted)))]
            text = "".join(f"{render(record, 'console', color=color)}\n" for record in batch)
            self._terminal.write(text.encode("utf-8", "replace"))


# Without a picture only these keys have a meaning, and there is nothing for Esc to close.
_WHILE_HIDDEN: Mapping[Action | None, Effect] = {
    Action.TOGGLE: Effect.TOGGLE,
    Action.QUIT: Effect.QUIT,
    Action.BACK: Effect.QUIT,
    Action.SUSPEND: Effect.SUSPEND,
}
