"""When to list a directory again: many times a second it costs one system call to see that nothing was added or gone.

Theory. Creating, renaming and removing a name sets the modification time of the directory. The time comes from a clock
with a coarse tick, so a change soon after a listing can leave it as it was. A listing is therefore final only if the
modification time was older than any tick when it began: every later change then makes it a newer one. Until that is so
the directory is listed on every call. A wall clock that is set back does the same until it has caught up.
"""

import os
import time
from pathlib import Path
from typing import Final

from gateway.metrics.clock import Clock

_TICK_NS: Final = 2 * 10**9
"""The coarsest modification time of any file system in use; Linux's own tick is at most 10 ms."""


class Directory:
    """The names in a directory, as often as they may have changed."""

    def __init__(self, path: Path, *, wall_clock: Clock = time.time_ns) -> None:
        """`wall_clock` is the one that the file system takes its times from, in nanoseconds since the Unix epoch."""
        self._path = path
        self._wall_clock = wall_clock
        self._stamp: tuple[int, int] | None = None
        self._is_final = False

    def names_if_changed(self) -> list[str] | None:
        """All names, in no order, or None if they are surely those of the call before; none in a missing directory."""
        now_ns = self._wall_clock()
        stamp = self._look()
        if self._is_final and stamp == self._stamp:
            return None
        self._stamp = stamp
        self._is_final = stamp is None or now_ns - stamp[1] > _TICK_NS
        try:
            return os.listdir(self._path)
        except FileNotFoundError:
            return []

    def _look(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns
