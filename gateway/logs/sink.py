"""Lines to a file descriptor through a bounded queue and one thread, so that a slow reader never slows a request.

Every line that is put is either written whole or counted in `dropped`; none waits without bound.
"""

import errno
import os
import select
import stat
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Final

# POSIX: a write of at most PIPE_BUF bytes to a pipe is not mixed with those of other processes, and does not block
# once poll() has said that the pipe is writable. Workers share one stdout.
_PIECE_BYTES: Final = select.PIPE_BUF
# Files take whatever they are given, and each system call lets the requests in between, at two thread switches a time.
_FILE_PIECE_BYTES: Final = 64 * 1024
# Waking the thread for each line costs the request path a system call and a fight for the GIL; with a pause after each
# batch it is at most 20 times a second. A line after a quiet time is written at once.
_PAUSE_S: Final = 0.05
# How often a blocked thread looks whether it is to end.
_POLL_MS: Final = 50


def wants_color(fd: int, environ: Mapping[str, str]) -> bool:
    """Whether to colour what goes to `fd`: a terminal that knows colours, and no NO_COLOR (https://no-color.org)."""
    return os.isatty(fd) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


class LineSink:
    """Writes lines to `fd` from one daemon thread.

    At most `limit` lines wait; a line that comes on top is dropped. `on_dropped` gets the number of lines that were
    just dropped, from whichever thread dropped them. A pipe whose reader has gone ends the writing: all further lines
    are dropped and counted. A disk that is full may have room again: only what it did not take is dropped, and the next
    line begins a new one.
    """

    def __init__(
        self,
        fd: int,
        *,
        color: bool = False,
        limit: int = 10_000,
        on_dropped: Callable[[int], None] | None = None,
    ) -> None:
        self.color = color
        self.dropped = 0
        self.on_dropped = on_dropped
        self._fd = fd
        self._limit = limit
        self._is_file = _is_file(fd)
        self._piece_bytes = _FILE_PIECE_BYTES if self._is_file else _PIECE_BYTES
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        # put() of a SimpleQueue does not block, and is the one thing that both sides touch.
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._ended = False
        self._is_well = True
        self._is_torn = False
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="log-sink", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line, with its line end; never blocks."""
        if self._ended or self._queue.qsize() >= self._limit:
            self._drop(1)
        else:
            self._queue.put(line)

    @property
    def is_keeping_up(self) -> bool:
        """Whether the last lines were written and there is room for many more."""
        return self._is_well and not self._ended and 2 * self._queue.qsize() < self._limit

    def close(self, timeout_s: float) -> bool:
        """Write what is queued, for at most `timeout_s`; what is left then is dropped. Says whether all was written.

        Call it once; lines that are put later are dropped and counted.
        """
        self._deadline = time.monotonic() + timeout_s
        dropped = self.dropped
        self._queue.put(None)
        # The thread watches the deadline by itself; the rest is for a descriptor that blocks although it was ready.
        self._thread.join(timeout_s + 1.0)
        self._ended = True
        return self.dropped == dropped and not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            line = self._queue.get()
            batch: list[bytes] = []
            size = 0
            # A batch is whole lines of one piece in all, or a single longer line.
            while line is not None:
                if batch and size + len(line) > self._piece_bytes:
                    self._write(batch)
                    batch, size = [], 0
                batch.append(line)
                size += len(line)
                try:
                    line = self._queue.get_nowait()
                except Empty:
                    break
            if batch:
                self._write(batch)
            if line is None:
                return
            if self._deadline is None:
                time.sleep(_PAUSE_S)

    def _write(self, batch: list[bytes]) -> None:
        self._is_well = not self._ended and self._write_all(b"".join(batch))
        if not self._is_well:
            self._drop(len(batch))

    def _write_all(self, content: bytes) -> bool:
        if self._is_torn:
            content = b"\n" + content
        rest = content
        while rest:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                return False
            try:
                if self._is_file or self._poll.poll(_POLL_MS):
                    rest = rest[os.write(self._fd, rest[: self._piece_bytes]) :]
            except BlockingIOError:
                continue
            except OSError as error:
                # ENOSPC, EDQUOT, EIO may pass; a reader that has gone does not come back.
                self._ended = error.errno in (errno.EPIPE, errno.EBADF)
                self._is_torn = self._is_torn or len(rest) < len(content)
                return False
        self._is_torn = False
        return True

    def _drop(self, count: int) -> None:
        # No thread switch falls between reading and writing of one `+=` on an attribute under the GIL.
        self.dropped += count
        if self.on_dropped is not None:
            self.on_dropped(count)


def _is_file(fd: int) -> bool:
    """Whether `fd` is a file or a device such as /dev/null, which are always ready, and no pipe, socket or terminal."""
    try:
        mode = os.fstat(fd).st_mode
        return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd))
    except OSError:
        return False
