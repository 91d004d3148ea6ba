"""Follow all log rings of a run directory as one log."""

import os
from collections import deque
from operator import attrgetter
from pathlib import Path
from typing import Final

from gateway.logs.ring import LogRecord, RingFileError, RingReader
from gateway.metrics.directory import Directory

_SUFFIX: Final = ".log"
_time_ns: Final = attrgetter("time_ns")


class LogTail:
    """The latest records of all workers and of the supervisor, in the order in which they were seen.

    `records` keeps the last `keep` of them, and `lost` counts those that were overwritten before they were read.
    Files may come, be replaced and go; what is left in a file that goes is still read.
    """

    def __init__(self, run_dir: Path, *, keep: int = 10_000) -> None:
        self.records: deque[LogRecord] = deque(maxlen=keep)
        # Files that are no ring of this version, so that a viewer can say so.
        self.unreadable: set[str] = set()
        self._run_dir = run_dir
        self._directory = Directory(run_dir)
        # By inode: a worker whose ring has another shape than its predecessor's replaces the file. An inode is not used
        # again while its file is still mapped here.
        self._readers: dict[int, RingReader] = {}
        self._lost_in_gone_files = 0

    @property
    def lost(self) -> int:
        """Records that were overwritten before they could be read, of all files so far."""
        return self._lost_in_gone_files + sum(reader.lost for reader in self._readers.values())

    def poll(self) -> list[LogRecord]:
        """The records that are new since the last call, ordered by time."""
        names = self._directory.names_if_changed()
        gone = [] if names is None else self._follow(names)
        new = [record for reader in self._readers.values() for record in reader.read_new()]
        for inode in gone:
            reader = self._readers.pop(inode)
            # Once more, since the first look waits for a record that its writer never finished.
            new += reader.read_new()
            self._lost_in_gone_files += reader.lost
            reader.close()
        new.sort(key=_time_ns)
        self.records.extend(new)
        return new

    @property
    def backlog(self) -> float:
        """The highest share of a ring that is waiting to be read, of those that the last poll has found."""
        return max((reader.backlog for reader in self._readers.values()), default=0.0)

    def close(self) -> None:
        """Unmap all files."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

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
