"""The terminal as a resource: raw keys, the alternate screen, output that never waits, and a restore that always works.

Theory of operation. `enter` saves the settings once and `leave` puts them back; both can be called in any order and
any number of times, and `leave` also runs at interpreter exit. Output goes through a descriptor of our own: making the
caller's non-blocking would make it so for every process that shares it. What the terminal does not take stays queued;
the caller draws no new frame until the queue is empty, so a stalled terminal costs nothing and blocks nothing.
"""

import atexit
import contextlib
import os
import select
import termios
import time
from types import TracebackType
from typing import Any

# Alternate screen, no cursor, no wrapping at the margin, bracketed paste.
_SHOW = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h"
# Also ends a frame that was cut in the middle; the alternate screen goes last, so that nothing shows on the normal one.
_HIDE = b"\x1b[?2026l\x1b[?2004l\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
# A terminal that takes nothing for this long at the end is left as it is.
_RESTORE_S = 0.5
_CHUNK = 65_536


class Terminal:
    """A terminal in the state that the dashboard needs, from `enter` to `leave`, or as a `with` block."""

    def __init__(self, stdin_fd: int, stdout_fd: int) -> None:
        # Without a keyboard on standard input, the terminal that shows the picture has one.
        self.input_fd = stdin_fd if os.isatty(stdin_fd) else stdout_fd
        self._stdout_fd = stdout_fd
        self.output_fd = -1
        self._shares_description = False
        self._saved: list[Any] | None = None
        self._on_screen = False
        self._queue = b""

    def __enter__(self) -> "Terminal":
        self.enter()
        self.show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def enter(self) -> None:
        """Take keys one by one and without echo; raises termios.error without a terminal."""
        if self._saved is None:
            self._saved = termios.tcgetattr(self.input_fd)
            self._open_output()
            atexit.register(self.leave)
        iflag, oflag, cflag, lflag, ispeed, ospeed, control = termios.tcgetattr(self.input_fd)
        iflag &= ~(termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON)
        # Ctrl-C and Ctrl-Z arrive as keys: a signal from the terminal would hit the server as well.
        lflag &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
        control = [*control]
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        termios.tcsetattr(self.input_fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, control])

    def leave(self) -> None:
        """Put everything back as it was before `enter`."""
        if self._saved is None:
            return
        self.hide()
        self._flush_for(_RESTORE_S)
        self._queue = b""
        # An error means that the terminal is gone, and its settings with it. Not after draining: a terminal that takes
        # nothing never drains.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self.input_fd, termios.TCSANOW, self._saved)
        self._saved = None
        if self._shares_description:
            os.set_blocking(self.output_fd, True)
        os.close(self.output_fd)
        self.output_fd = -1
        atexit.unregister(self.leave)

    def show(self) -> None:
        """Switch to the alternate screen; what was queued for the normal one is written first."""
        self._queue += _SHOW
        self._on_screen = True
        self.flush()

    def hide(self) -> None:
        """Switch back to the normal screen; what is left of a frame is dropped."""
        if self._on_screen:
            self._queue = _HIDE
            self._on_screen = False
            self.flush()

    def size(self) -> tuple[int, int]:
        """Columns and rows, from the terminal itself: the variables COLUMNS and LINES do not follow a resize.

        (0, 0) when the terminal is gone.
        """
        try:
            columns, rows = os.get_terminal_size(self._stdout_fd)
        except OSError:
            return 0, 0
        return columns, rows

    def read(self) -> bytes:
        """What was typed, once `select` says that there is something; empty when the terminal is gone."""
        try:
            return os.read(self.input_fd, _CHUNK)
        except OSError:
            return b""

    @property
    def stalled(self) -> bool:
        """Whether output waits for the terminal."""
        return bool(self._queue)

    def write(self, data: bytes) -> None:
        """Queue output and send what the terminal takes now."""
        self._queue += data
        self.flush()

    def flush(self) -> None:
        """Send what the terminal takes now."""
        while self._queue:
            try:
                sent = os.write(self.output_fd, self._queue[:_CHUNK])
            except BlockingIOError:
                return
            except OSError:
                # The terminal is gone; reading tells the loop.
                self._queue = b""
                return
            self._queue = self._queue[sent:]

    def _flush_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._queue and (left := deadline - time.monotonic()) > 0:
            select.select([], [self.output_fd], [], left)
            self.flush()

    def _open_output(self) -> None:
        try:
            self.output_fd = os.open(os.ttyname(self._stdout_fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            # The terminal belongs to another user (su) or to another mount namespace: share it, and put it back.
            self.output_fd = os.dup(self._stdout_fd)
            os.set_blocking(self.output_fd, False)
            self._shares_description = True
