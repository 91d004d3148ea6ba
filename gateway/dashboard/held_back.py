"""Keeps aside what anything else in the process writes to its standard streams while a picture is on the screen."""

import fcntl
import os
import tempfile
from collections.abc import Sequence

# What a person reads of it afterwards is its end: a traceback, the last warnings.
_SHOWN = 65_536
_KEPT = 1_048_576


class HeldBack:
    """Standard streams that end on a terminal, led into a file from `begin` to `end`.

    A file, because a full pipe would stop the writer, which may be the thread that empties it. Streams that lead
    somewhere else, such as `2>errors.txt`, are left alone. Works below Python: warnings, logging, C libraries.
    """

    def __init__(self, fds: Sequence[int]) -> None:
        self._fds = [fd for fd in fds if os.isatty(fd)]
        self._saved: list[tuple[int, int]] = []
        self._file_fd = -1

    def begin(self) -> None:
        """Lead the streams away; without effect when they are already."""
        if self._file_fd >= 0:
            return
        self._file_fd = _open_unnamed()
        # Appending, so that the file can be cut under writers that go on.
        fcntl.fcntl(self._file_fd, fcntl.F_SETFL, fcntl.fcntl(self._file_fd, fcntl.F_GETFL) | os.O_APPEND)
        for fd in self._fds:
            self._saved.append((fd, os.dup(fd)))
            os.dup2(self._file_fd, fd)

    def trim(self) -> None:
        """Forget the beginning of what has become too much; to be called now and then."""
        if self._file_fd >= 0 and os.fstat(self._file_fd).st_size > _KEPT:
            end = self._end()
            os.ftruncate(self._file_fd, 0)
            os.write(self._file_fd, end)

    def end(self) -> bytes:
        """Lead the streams back, and return the end of what was written, in whole lines."""
        if self._file_fd < 0:
            return b""
        # Backwards, for the case that one descriptor stands there twice.
        for fd, saved in reversed(self._saved):
            os.dup2(saved, fd)
            os.close(saved)
        self._saved.clear()
        written = self._end()
        os.close(self._file_fd)
        self._file_fd = -1
        return written if not written or written.endswith(b"\n") else written + b"\n"

    def _end(self) -> bytes:
        """The last `_SHOWN` bytes, from the beginning of a line."""
        start = max(0, os.fstat(self._file_fd).st_size - _SHOWN)
        tail = os.pread(self._file_fd, _SHOWN, start)
        return tail if start == 0 else tail.partition(b"\n")[2] or tail


def _open_unnamed() -> int:
    """A file that nobody else can open; in memory where that is possible, so that a full disk does no harm."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("held-back")
    fd, path = tempfile.mkstemp()
    os.unlink(path)
    return fd
