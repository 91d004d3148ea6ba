"""Follow all log rings of a run directory as one log."""

import os
from collections import deque
from operator import attrgetter
from pathlib import Path
from typing import Final

from gateway.logs.ring import LogRecord, RingFileError, RingReader, Slots
from gateway.metrics.directory import Directory

_SUFFIX: Final = ".log"
_time_ns: Final = attrgetter("time_ns")


class LogTail:
    """The log of all workers and of the supervisor.

    `lost` counts the records that were overwritten before they were copied. `passed_over` counts those that were set
    aside, and that `keep` newer ones have followed before anybody asked for them. Files may come, be replaced and go;
    what is left in a file that goes is still read.
    """

    def __init__(self, run_dir: Path, *, keep: int = 10_000) -> None:
        self.passed_over = 0
        # Files that are no ring of this version, so that a viewer can say so.
        self.unreadable: set[str] = set()
        self._run_dir = run_dir
        self._keep = keep
        self._directory = Directory(run_dir)
        # By inode: a worker whose ring has another shape than its predecessor's replaces the file. An inode is not used
        # again while its file is still mapped here.
        self._readers: dict[int, RingReader] = {}
        self._lost_elsewhere = 0
        # What was copied at one time, and how many records that are.
        self._aside: deque[tuple[int, list[Slots]]] = deque()

    @property
    def lost(self) -> int:
        """Records that were overwritten before they could be read, of all files so far."""
        return self._lost_elsewhere + sum(reader.lost for reader in self._readers.values())

    def poll(self) -> list[LogRecord]:
        """The records that are new since the last call, those that were set aside included, ordered by time."""
        self._refresh()
        self._copy()
        new: list[LogRecord] = []
        for number, copied in self._aside:
            whole = [record for slots in copied for record in slots.records()]
            self._lost_elsewhere += number - len(whole)
            new += whole
        self._aside.clear()
        new.sort(key=_time_ns)
        return new

    def set_aside(self, fullness: float) -> bool:
        """Copy what waits in the rings, and decode it later, if one of them is fuller than that share of it.

        Whether that was so.
        """
        self._refresh()
        if self.backlog <= fullness:
            return False
        self._copy()
        return True

    @property
    def backlog(self) -> float:
        """The highest share of a ring that is waiting to be read, of those that were there at the last look."""
        return max((reader.backlog for reader in self._readers.values()), default=0.0)

    def close(self) -> None:
        """Unmap all files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _copy(self) -> None:
        """Set aside what is new, and drop the oldest as long as there is enough without it."""
        copied = [slots for reader in self._readers.values() for slots in reader.copy_new()]
        self._put_aside(copied)
        room = sum(number for number, _ in self._aside) - self._keep
        while self._aside and self._aside[0][0] <= room:
            number, _ = self._aside.popleft()
            self.passed_over += number
            room -= number

    def _put_aside(self, copied: list[Slots]) -> None:
        if copied:
            self._aside.append((sum(len(slots.numbers) for slots in copied), copied))

    def _refresh(self) -> None:
        """Map the files that are new, and set aside what is left in those that have gone."""
        names = self._directory.names_if_changed()
        if names is None:
            return
        for inode in self._follow(names):
            reader = self._readers.pop(inode)
            # Twice, since the first look waits for a record that its writer never finished.
            self._put_aside(reader.copy_new() + reader.copy_new())
            self._lost_elsewhere += reader.lost
            reader.close()

    def _follow(self, names: list[str]) -> list[int]:
        """Map the files that are new, and return the inodes of those that have gone."""
        present: set[int] = set()
        for name in sorted(names):
            if not name.endswith(_SUFFIX):
                continue
            path = self._run_dir / name
            try:
                inode = os.stat(path).st_ino
                if inode not in self._readers:
                    # The file may have been replaced since; the reader knows which one it has.
                    reader = RingReader.open(path)
                    inode = reader.inode
                    self._readers.setdefault(inode, reader)
                present.add(inode)
            except FileNotFoundError:
                # Gone between the listing and here.
                continue
            except RingFileError:
                self.unreadable.add(name)
        return [inode for inode in self._readers if inode not in present]
