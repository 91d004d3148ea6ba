"""What comes from outside the loop, as events of the loop: signals, and exceptions of other threads."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

ENDING = frozenset((signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT))
"""All of them ask the viewer to go, which is a clean end with exit status 0; SIGQUIT dumps no core either."""


class ThreadError(Exception):
    """Another thread of the viewer's process has failed; its exception is the cause of this one."""


class Signals:
    """From entry to exit `fd` becomes readable when something came, and `take` tells which signals.

    A thread that fails makes the next `take` raise ThreadError, so that there is one way out, which restores the
    terminal before the traceback is printed.
    """

    _WATCHED = (*ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)

    def __init__(self) -> None:
        self.fd, self._wake_fd = os.pipe()
        # A set: hundreds of resizes are one.
        self._came: set[int] = set()
        self._failed: tuple[str, BaseException] | None = None
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._excepthook_before = threading.excepthook

    def __enter__(self) -> "Signals":
        os.set_blocking(self.fd, False)
        os.set_blocking(self._wake_fd, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wake_fd, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._note) for number in self._WATCHED}
        self._excepthook_before, threading.excepthook = threading.excepthook, self._note_failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        threading.excepthook = self._excepthook_before
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self.fd)
        os.close(self._wake_fd)

    def take(self) -> set[int]:
        """The signals since the last call; raises ThreadError."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        if self._failed is not None:
            name, error = self._failed
            raise ThreadError(f"the thread {name!r} has failed") from error
        came, self._came = self._came, set()
        return came

    def stop(self, number: int) -> None:
        """Stop as SIGTSTP does by default; returns when the process is continued, or at once where nobody could.

        For a key (`number` is 0) the whole process group stops, as it does in a terminal that makes signals of keys:
        a parent such as `make` that went on would keep the shell from coming back.
        """
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        if number:
            signal.raise_signal(number)
        else:
            os.kill(0, signal.SIGTSTP)
            # Whoever continued this process alone has not thought of those who stopped with it.
            os.kill(0, signal.SIGCONT)
        signal.signal(signal.SIGTSTP, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.add(number)

    def _note_failure(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit:
            return
        if self._failed is None:
            error = args.exc_value if args.exc_value is not None else args.exc_type()
            self._failed = (args.thread.name if args.thread is not None else "unknown", error)
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_fd, b"\0")
