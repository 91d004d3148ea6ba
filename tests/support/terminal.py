"""A real pseudo-terminal with an emulator behind it."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyte

from gateway.dashboard.background import QUESTION
from tests.support.process import PATIENCE_S, clean_environment

ROOT = Path(__file__).parents[2]
# What xterm answers to DA1, the question for its attributes.
ATTRIBUTES = b"\x1b[?64;1;2;6;9;15;18;21;22c"
# Makes the terminal the controlling one of the session, as a login does, and becomes the command.
_LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class TerminalProcess:
    """A program on a pseudo-terminal: its bytes, its screen, and a keyboard."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environ: Mapping[str, str],
        *,
        cwd: Path = ROOT,
        columns: int = 80,
        rows: int = 24,
        controlling: bool = False,
        stdin: int | None = None,
        answer: bytes = ATTRIBUTES,
    ) -> None:
        """Start the command; `controlling` gives it signals and job control, `stdin` another standard input.

        `answer` is what the terminal says, at once, when it is asked for the colour of its ground and its attributes.
        """
        self.main, self.side = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._set_size(columns, rows)
        self.settings = termios.tcgetattr(self.side)
        self.raw = b""
        self._answer = answer
        # What a shell exports must not be taken for the size.
        size = {"COLUMNS": "20", "LINES": "5"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LOGIN, *command] if controlling else command,
            stdin=self.side if stdin is None else stdin,
            stdout=self.side,
            stderr=self.side,
            cwd=cwd,
            env={**environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **size},
            start_new_session=True,
        )

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the terminal, as a window manager does."""
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def type(self, keys: bytes) -> None:
        """Press keys, or answer as a terminal does."""
        if keys:
            os.write(self.main, keys)

    def read(self, seconds: float) -> bytes:
        """Take and return what the process writes within that time."""
        if not select.select([self.main], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.main, 65_536)
        except OSError:
            # The session has ended, and the kernel has taken the terminal from everybody.
            return b""
        is_asked = QUESTION in self.raw
        self.raw += data
        if not is_asked and QUESTION in self.raw:
            self.type(self._answer)
        self._stream.feed(data)
        return data

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(self.screen.display)

    def wait_for(self, what: str | Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Read until the screen shows a text, or something is so; fails after `within_s`."""
        is_so = what if callable(what) else lambda: what in self.text
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, f"{what} did not come; the screen is\n{self.text}"
            self.read(0.05)

    def ends(self) -> int:
        """Wait for the process to end, taking its last output; returns the exit status."""
        self.wait_for(lambda: self.process.poll() is not None)
        while self.read(0.05):
            pass
        return self.process.returncode

    def assert_restored(self) -> None:
        """The terminal is as it was: settings, screen, cursor, wrapping and paste mode."""
        assert termios.tcgetattr(self.main) == self.settings
        for mode, state in ((b"1049", b"l"), (b"25", b"h"), (b"7", b"h"), (b"2004", b"l"), (b"2026", b"l")):
            last = max(self.raw.rfind(b"\x1b[?" + mode + b"h"), self.raw.rfind(b"\x1b[?" + mode + b"l"))
            assert self.raw[last:].startswith(b"\x1b[?" + mode + state), mode

    def hang_up(self) -> None:
        """Close the terminal, as the end of a connection does."""
        os.close(self.side)
        os.close(self.main)
        self.side = self.main = -1

    def close(self) -> None:
        """End the process, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self.main, self.side):
            if fd >= 0:
                os.close(fd)


GATEWAY = (sys.executable, "-m", "gateway")


@contextlib.contextmanager
def gateway_on_a_terminal(
    folder: Path, *arguments: str, columns: int = 80, rows: int = 24
) -> Iterator[TerminalProcess]:
    """Run a command of the gateway on a terminal, and end it at the end whatever happens."""
    running = TerminalProcess([*GATEWAY, *arguments], clean_environment(folder), cwd=folder, columns=columns, rows=rows)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            running.ends()
        running.close()
