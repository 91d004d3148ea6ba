"""A real pseudo-terminal with an emulator behind it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from tests.support.process import PATIENCE_S

ROOT = Path(__file__).parents[2]


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
    ) -> None:
        self.main, self.side = pty.openpty()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._set_size(columns, rows)
        self.settings = termios.tcgetattr(self.side)
        self.raw = b""
        # What a shell exports must not be taken for the size.
        size = {"COLUMNS": "20", "LINES": "5"}
        self.process = subprocess.Popen(
            command,
            stdin=self.side,
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
        """Press keys."""
        os.write(self.main, keys)

    def read(self, seconds: float) -> None:
        """Take what the process writes within that time."""
        if select.select([self.main], [], [], seconds)[0]:
            data = os.read(self.main, 65_536)
            self.raw += data
            self._stream.feed(data)

    @property
    def text(self) -> str:
        """The screen as text."""
        return "\n".join(self.screen.display)

    def wait_for(self, what: str | Callable[[], bool]) -> None:
        """Read until the screen shows a text, or something is so."""
        is_so = what if callable(what) else lambda: what in self.text
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"{what} did not come; the screen is\n{self.text}"
            self.read(0.05)

    def ends(self) -> int:
        """Wait for the process to end, taking its last output; returns the exit status."""
        self.wait_for(lambda: self.process.poll() is not None)
        while select.select([self.main], [], [], 0.05)[0]:
            self.read(0)
        return self.process.returncode

    def assert_restored(self) -> None:
        """The terminal is as it was: settings, screen, cursor, wrapping and paste mode."""
        assert termios.tcgetattr(self.side) == self.settings
        for mode, state in ((b"1049", b"l"), (b"25", b"h"), (b"7", b"h"), (b"2004", b"l"), (b"2026", b"l")):
            last = max(self.raw.rfind(b"\x1b[?" + mode + b"h"), self.raw.rfind(b"\x1b[?" + mode + b"l"))
            assert self.raw[last:].startswith(b"\x1b[?" + mode + state), mode

    def close(self) -> None:
        """End the process, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.main)
        os.close(self.side)
