"""The terminal as a resource: raw keys, the alternate screen, output that never waits, and a restore that always works.

Theory of operation. `enter` saves the settings once and `leave` puts them back; both can be called in any order and
any number of times, and `leave` also runs at interpreter exit. Between them, `show` and `hide` switch between the
alternate screen, which belongs to pictures, and the normal one, which belongs to text.

Output goes through a descriptor of our own: making the caller's non-blocking would make it so for every process that
shares it. What the terminal does not take waits in an `Output`; callers write nothing while it is `stalled`, so a
terminal that nobody reads costs nothing and blocks nothing.

A process that is killed by SIGKILL cannot restore anything; `reset` does.
"""

import atexit
import os
import select
import signal
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from gateway.dashboard.held_back import HeldBack
from gateway.dashboard.output import Output

# A terminal that takes nothing for this long at the end is left as it is.
_RESTORE_S = 0.5
# As much as a paste brings at once; the rest is read the next time.
_READ = 65_536


class Terminal:
    """A terminal in the state that the dashboard needs, from `enter` to `leave`, or as a `with` block."""

    def __init__(self, stdin_fd: int, stdout_fd: int, stderr_fd: int) -> None:
        # Without a keyboard on standard input, the terminal that shows the picture has one.
        self._keyboard_fd = stdin_fd if os.isatty(stdin_fd) else stdout_fd
        self._stdout_fd = stdout_fd
        self._held_back = HeldBack((stdout_fd, stderr_fd))
        self.input_fd = -1
        self.output_fd = -1
        self._shares_description = False
        self._saved: list[Any] | None = None
        self._taken: list[Any] = []
        self._on_screen = False
        self._output = Output(lambda data: os.write(self.output_fd, data))

    def __enter__(self) -> "Terminal":
        try:
            self.enter()
            self.show()
        except BaseException:
            self.leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    @property
    def entered(self) -> bool:
        """Whether the terminal is ours."""
        return self._saved is not None

    def enter(self) -> None:
        """Take keys one by one and without echo; raises termios.error without a terminal.

        In the background this stops the process until it is in the foreground, as for every program on a terminal.
        """
        if self._saved is None:
            self._saved = termios.tcgetattr(self._keyboard_fd)
            # While text is held back, the caller's descriptors lead elsewhere.
            self.input_fd = os.dup(self._keyboard_fd)
            self._open_output()
            atexit.register(self.leave)
        iflag, oflag, cflag, lflag, ispeed, ospeed, control = termios.tcgetattr(self.input_fd)
        iflag &= ~(termios.BRKINT | termios.ICRNL | termios.INLCR | termios.IGNCR | termios.ISTRIP | termios.IXON)
        # Ctrl-C, Ctrl-Z and Ctrl-\ arrive as keys: a signal from the terminal would hit the whole process group.
        lflag &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
        control = [*control]
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        termios.tcsetattr(self.input_fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, control])
        self._taken = termios.tcgetattr(self.input_fd)

    def leave(self) -> None:
        """Put everything back as it was before `enter`; text that the terminal has not taken waits for the next one."""
        if self._saved is None:
            return
        self.hide()
        self._flush_for(_RESTORE_S)
        self._restore_settings(self._saved)
        self._saved = None
        if self._shares_description:
            os.set_blocking(self.output_fd, True)
        os.close(self.output_fd)
        os.close(self.input_fd)
        self.input_fd = self.output_fd = -1
        atexit.unregister(self.leave)

    def show(self) -> None:
        """Switch to the alternate screen, once the text before it is written; its next picture must be a whole one."""
        self._held_back.begin()
        self._on_screen = True
        self._output.show()

    def hide(self) -> None:
        """Switch back to the normal screen, and show there what was written to the standard streams meanwhile."""
        if self._on_screen:
            self._on_screen = False
            self._output.hide()
            self._output.text(self._held_back.end())

    def size(self) -> tuple[int, int]:
        """Columns and rows, from the terminal itself: the variables COLUMNS and LINES do not follow a resize.

        (0, 0) when the terminal is gone.
        """
        try:
            columns, rows = os.get_terminal_size(self.output_fd)
        except OSError:
            return 0, 0
        return columns, rows

    def read(self) -> bytes:
        """What was typed, once a poll says that there is something; empty when the terminal is gone."""
        try:
            return os.read(self.input_fd, _READ)
        except OSError:
            return b""

    def read_until(self, is_enough: Callable[[bytes], bool], seconds: float) -> None:
        """Hand over what is typed until it is enough, for that long at most; nothing once the terminal is gone."""
        deadline = time.monotonic() + seconds
        readable = select.poll()
        readable.register(self.input_fd, select.POLLIN)
        while readable.poll(max(0.0, deadline - time.monotonic()) * 1000):
            data = self.read()
            if not data or is_enough(data) or time.monotonic() >= deadline:
                return

    @property
    def stalled(self) -> bool:
        """Whether output waits for the terminal."""
        return self._output.pending

    def write_picture(self, data: bytes) -> None:
        """Write a frame to the alternate screen; what the terminal does not take now waits."""
        self._output.picture(data)

    def write_text(self, data: bytes) -> None:
        """Write lines to the normal screen; what the terminal does not take now waits."""
        self._output.text(data)

    def flush(self) -> None:
        """Send what the terminal takes now."""
        self._output.flush()

    def trim(self) -> None:
        """Bound what is held back of other writers; to be called now and then."""
        self._held_back.trim()

    def _flush_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        writable = select.poll()
        writable.register(self.output_fd, select.POLLOUT)
        while self.stalled and (left := deadline - time.monotonic()) > 0:
            writable.poll(left * 1000)
            self.flush()

    def _open_output(self) -> None:
        try:
            self.output_fd = os.open(os.ttyname(self._stdout_fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            self._shares_description = False
        except OSError:
            # The terminal belongs to another user (su) or to another mount namespace: share it, and put it back.
            self.output_fd = os.dup(self._stdout_fd)
            os.set_blocking(self.output_fd, False)
            self._shares_description = True

    def _restore_settings(self, settings: list[Any]) -> None:
        # In the background this would stop the process, which is on its way out.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))
        try:
            # After a stop that cannot be caught, a shell with its prompt there may have set its own.
            # Not after draining: a terminal that takes nothing never drains.
            if self._in_foreground() or termios.tcgetattr(self.input_fd) == self._taken:
                termios.tcsetattr(self.input_fd, termios.TCSANOW, settings)
        except termios.error:
            # The terminal is gone, and its settings with it.
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self.input_fd) == os.getpgrp()
        except OSError:
            # Not the controlling terminal, so nobody takes turns on it.
            return True
