"""The terminal as a resource, on a pseudo-terminal in this process: what is queued, dropped and restored."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import warnings
from collections.abc import Iterator

import pytest

from gateway.dashboard.held_back import HeldBack
from gateway.dashboard.output import HIDE, SHOW
from gateway.dashboard.signals import Signals, ThreadError
from gateway.dashboard.terminal import Terminal

# More than a pseudo-terminal takes while nobody reads it.
MUCH = b"x" * 100_000


class Pair:
    """Both ends of a pseudo-terminal whose output is not processed."""

    def __init__(self) -> None:
        self.main, self.side = pty.openpty()
        settings = termios.tcgetattr(self.side)
        settings[1] &= ~termios.OPOST
        termios.tcsetattr(self.side, termios.TCSANOW, settings)
        self.settings = termios.tcgetattr(self.side)
        self.terminal = Terminal(self.side, self.side, self.side)

    def read(self) -> bytes:
        """Everything that the terminal gets until it wants no more."""
        got = b""
        while True:
            self.terminal.flush()
            if not select.select([self.main], [], [], 0)[0]:
                return got
            got += os.read(self.main, 65_536)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A terminal that is not taken yet."""
    pair = Pair()
    yield pair
    pair.terminal.leave()
    os.close(pair.main)
    os.close(pair.side)


def test_leave_puts_back_what_enter_changed(pair: Pair) -> None:
    """Settings, screen, cursor, wrapping and paste mode, in the order that works everywhere; again does nothing."""
    with pair.terminal as terminal:
        assert termios.tcgetattr(pair.main) != pair.settings
        terminal.write_picture(b"a frame")
    assert pair.read() == SHOW + b"a frame" + HIDE
    assert termios.tcgetattr(pair.side) == pair.settings
    terminal.leave()
    assert pair.read() == b""


def test_an_answer_is_read_to_its_end_and_no_further(pair: Pair) -> None:
    """What comes until it is enough is handed over and is gone; without anything it is over when the time is."""
    with pair.terminal as terminal:
        os.write(pair.main, b"first")
        got: list[bytes] = []

        def is_enough(data: bytes) -> bool:
            got.append(data)
            if len(got) == 1:
                os.write(pair.main, b"second")
            return len(got) == 2

        terminal.read_until(is_enough, 60.0)
        assert got == [b"first", b"second"]
        os.write(pair.main, b"third")
        assert terminal.read() == b"third"
        terminal.read_until(is_enough, 0.0)
        assert len(got) == 2


def test_it_can_be_taken_again(pair: Pair) -> None:
    """Suspend and resume: enter and leave in turn, and twice each, end with the first settings."""
    for _ in range(3):
        pair.terminal.enter()
        pair.terminal.enter()
        pair.terminal.show()
        pair.terminal.leave()
        pair.terminal.leave()
        assert termios.tcgetattr(pair.side) == pair.settings
        assert pair.read() == SHOW + HIDE


def test_a_screen_that_cannot_be_shown_leaves_nothing_behind(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on the way in is a way out too."""

    def fail(self: HeldBack) -> None:
        raise OSError("no file")

    monkeypatch.setattr(HeldBack, "begin", fail)
    with pytest.raises(OSError, match="no file"), pair.terminal:
        pass
    assert termios.tcgetattr(pair.side) == pair.settings
    assert not pair.terminal.entered


def test_text_that_was_not_taken_before_a_stop_comes_after_it(pair: Pair) -> None:
    """Ctrl-Z while hidden and stalled loses no line."""
    with pair.terminal as terminal:
        terminal.hide()
        pair.read()
        terminal.write_text(MUCH)
        terminal.leave()
        terminal.enter()
        assert pair.read() == MUCH


def test_a_closed_terminal_is_no_error(pair: Pair) -> None:
    """Writing drops, reading says the end, the size is nothing, and leaving goes through."""
    with pair.terminal as terminal:
        os.close(pair.main)
        terminal.write_picture(MUCH)
        assert not terminal.stalled
        assert terminal.read() == b""
    assert not terminal.entered
    pair.main = os.open(os.devnull, os.O_RDONLY)


def test_other_writers_are_held_back_until_the_screen_is_hidden(pair: Pair) -> None:
    """Whatever writes to standard error below or above Python shows on the normal screen, not in the picture."""
    kept = os.dup(2)
    os.dup2(pair.side, 2)
    try:
        terminal = Terminal(pair.side, pair.side, 2)
        with terminal:
            terminal.write_picture(b"a frame")
            os.write(2, b"first\n")
            terminal.hide()
            os.write(2, b"second\n")
            terminal.show()
            os.write(2, b"third, unfinished")
        os.write(2, b"fourth\n")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert pair.read() == (SHOW + b"a frame" + HIDE + b"first\nsecond\n" + SHOW + HIDE + b"third, unfinished\nfourth\n")


def test_a_terminal_that_cannot_be_opened_is_shared(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `su` it belongs to another user: output goes through the caller's own, which blocks again afterwards."""

    def refuse(fd: int) -> str:
        raise PermissionError("not yours")

    monkeypatch.setattr(os, "ttyname", refuse)
    with pair.terminal as terminal:
        assert not os.get_blocking(terminal.output_fd)
        terminal.write_picture(b"a frame")
    assert pair.read() == SHOW + b"a frame" + HIDE
    assert os.get_blocking(pair.side)


def test_a_stream_that_is_no_terminal_is_left_alone(pair: Pair) -> None:
    """`2>errors.txt` still gets what is written, at once."""
    readable, writable = os.pipe()
    with Terminal(pair.side, pair.side, writable):
        os.write(writable, b"for the file")
        assert os.read(readable, 100) == b"for the file"
    os.close(readable)
    os.close(writable)


def test_a_flood_is_cut_to_its_last_lines(pair: Pair) -> None:
    """What is held back is bounded, and its end survives."""
    held_back = HeldBack((pair.side,))
    held_back.begin()
    for number in range(40_000):
        os.write(pair.side, f"line {number} of a flood of text\n".encode())
        if number % 1000 == 0:
            held_back.trim()
    lines = held_back.end().decode().splitlines()
    assert lines[-1] == "line 39999 of a flood of text"
    assert lines == [f"line {40_000 - len(lines) + place} of a flood of text" for place in range(len(lines))]
    assert 1000 < len(lines) < 3000


def test_signals_become_a_set_of_events() -> None:
    """A thousand resizes are one, each kind is told once, and the handlers are put back."""
    before = signal.getsignal(signal.SIGWINCH)
    with Signals() as signals:
        for _ in range(1000):
            signal.raise_signal(signal.SIGWINCH)
        signal.raise_signal(signal.SIGQUIT)
        assert select.select([signals.fd], [], [], 0)[0]
        assert signals.take() == {signal.SIGWINCH, signal.SIGQUIT}
        assert signals.take() == set()
        assert not select.select([signals.fd], [], [], 0)[0]
    assert signal.getsignal(signal.SIGWINCH) is before


def test_a_thread_that_fails_is_an_error_of_the_loop() -> None:
    """The next look for signals raises, with the thread's own exception as the cause; the hook is put back."""
    before = threading.excepthook

    def fail() -> None:
        raise ValueError("in the thread")

    with Signals() as signals:
        thread = threading.Thread(target=fail, name="helper")
        thread.start()
        thread.join()
        assert select.select([signals.fd], [], [], 0)[0]
        with pytest.raises(ThreadError, match="'helper'") as caught:
            signals.take()
    assert repr(caught.value.__cause__) == "ValueError('in the thread')"
    assert threading.excepthook is before


def test_a_thread_that_exits_is_no_failure() -> None:
    """sys.exit in a thread ends the thread only, as everywhere in Python."""
    with Signals() as signals:
        thread = threading.Thread(target=sys.exit, args=(1,))
        thread.start()
        thread.join()
        assert signals.take() == set()


def test_the_screen_library_changes_nothing_of_the_process() -> None:
    """Its import leaves the handler of SIGWINCH and the filter of warnings as they were."""
    from gateway.dashboard import viewer

    handler, filters = signal.getsignal(signal.SIGWINCH), list(warnings.filters)
    viewer._load_compositor()
    assert signal.getsignal(signal.SIGWINCH) is handler
    assert warnings.filters == filters


def test_a_viewer_imports_nothing_of_the_server() -> None:
    """What `gateway top` starts with is the dashboard alone, so that its first picture is there at once."""
    code = (
        "import sys, gateway.cli, gateway.commands, gateway.dashboard.viewer as viewer; viewer._load_compositor();"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
    )
    unwanted = ["anyio", "asyncio", "granian", "httptools", "httpx", "litestar", "psutil", "structlog", "uvloop"]
    ended = subprocess.run([sys.executable, "-c", code, *unwanted], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("\n", "")
