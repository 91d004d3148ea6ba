"""Files of aligned 8-byte cells that one process writes and any number of processes read without locks.

Rules. Every cell lies at a multiple of 8 bytes in a page-aligned mapping and is stored through
`memoryview.cast("Q")`, as one machine word that a reader never sees half-written. (`struct.pack_into` is not: it
zeroes first.) What spans several cells is published by the cell that is stored last. That stores become visible in
program order is what x86-64 promises; Python has no fences for processors that promise less.
A file comes into being under another name and is renamed: a reader sees the whole header or no file at all.
"""

import mmap
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.metrics.errors import MetricsError

_CELL = 8


class Record:
    """Named runs of cells, one after another; `record["name"]` is the offset of a run in cells."""

    def __init__(self, **runs: int) -> None:
        self.runs = runs
        self._offsets: dict[str, int] = {}
        self.cells = 0
        for name, length in runs.items():
            self._offsets[name] = self.cells
            self.cells += length

    def __getitem__(self, name: str) -> int:
        return self._offsets[name]


IDENTITY: Final = Record(magic=1, version=1, checksum=1)
"""What every header starts with."""


class MappedFile:
    """One mapped file as unsigned integers of 8 bytes (`cells`), floats of 8 bytes and unsigned integers of 4 bytes."""

    def __init__(self, fd: int, size: int, *, writable: bool) -> None:
        """Takes over `fd`."""
        self._fd = fd
        self.inode = os.fstat(fd).st_ino
        self._map = mmap.mmap(fd, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        self._octets = memoryview(self._map)
        self.cells = self._octets.cast("Q")
        self.floats = self._octets.cast("d")
        self.halves = self._octets.cast("I")

    def reserve(self, first: int, count: int) -> None:
        """Allocate cells that are about to be written; raises OSError if there is no room.

        A store into a hole of a full tmpfs would kill the process with SIGBUS instead.
        """
        os.posix_fallocate(self._fd, first * _CELL, count * _CELL)

    def copy(self, first: int, count: int) -> bytes:
        """The bytes of consecutive cells, each as it was at some moment during the call.

        A bulk copy of aligned cells does not tear either. It moves the cells in aligned words or in registers of
        several words that begin at one; no word straddles two cache lines, and one that is moved twice is whole each
        time. (11 million copies of 1 to 4,000 cells beside a process that stored at full speed had no torn cell.)
        """
        return self._map[first * _CELL : (first + count) * _CELL]

    def put_text(self, at: int, text: str) -> None:
        """Write UTF-8 behind the cell `at`, then publish it by storing its length there."""
        data = text.encode()
        start = (at + 1) * _CELL
        self._octets[start : start + len(data)] = data
        self.cells[at] = len(data)

    def get_text(self, at: int) -> str:
        """The text at `at`, empty while there is none."""
        start = (at + 1) * _CELL
        return bytes(self._octets[start : start + self.cells[at]]).decode()

    def close(self) -> None:
        """Unmap; every later access raises ValueError."""
        for view in (self.cells, self.floats, self.halves, self._octets):
            view.release()
        self._map.close()
        os.close(self._fd)


class FileKind:
    """A magic, a version and a layout: what a file must have for its cells to mean what the reader thinks."""

    def __init__(
        self, magic: bytes, version: int, layout: tuple[tuple[Record, int], ...], error: type[MetricsError]
    ) -> None:
        """`layout` is records and how often each is repeated; the first one starts with the runs of IDENTITY."""
        self._magic = int.from_bytes(magic, sys.byteorder)
        self._version = version
        self._checksum = zlib.crc32(repr([(record.runs, times) for record, times in layout]).encode())
        self._size = _CELL * sum(record.cells * times for record, times in layout)
        self._error = error

    def create(self, path: Path, fill: Callable[[MappedFile], None], *, reserve: int | None = None) -> MappedFile:
        """Make the file, let `fill` write into it and put it in its place; what was there is replaced.

        The first `reserve` cells, by default all, are reserved. Raises OSError.
        """
        new = path.with_name(path.name + ".new")
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, self._size)
            file = MappedFile(fd, self._size, writable=True)
        except BaseException:
            os.close(fd)
            raise
        try:
            file.reserve(0, self._size // _CELL if reserve is None else reserve)
            fill(file)
            file.cells[IDENTITY["magic"]] = self._magic
            file.cells[IDENTITY["version"]] = self._version
            file.cells[IDENTITY["checksum"]] = self._checksum
            new.rename(path)
        except BaseException:
            file.close()
            raise
        return file

    def open(self, path: Path, *, writable: bool = False) -> MappedFile:
        """Map an existing file; raises FileNotFoundError or the MetricsError of this kind."""
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            problem = self._problem(os.pread(fd, IDENTITY.cells * _CELL, 0), size)
            if problem is not None:
                raise self._error(path, problem)
            return MappedFile(fd, size, writable=writable)
        except BaseException:
            os.close(fd)
            raise

    def _problem(self, start: bytes, size: int) -> str | None:
        if len(start) < IDENTITY.cells * _CELL:
            return f"is only {size} bytes long: it is not a metrics file, or it is truncated."
        identity = memoryview(start).cast("Q")
        if identity[IDENTITY["magic"]] != self._magic:
            return "is not a metrics file of this kind."
        version, checksum = identity[IDENTITY["version"]], identity[IDENTITY["checksum"]]
        if (version, checksum) != (self._version, self._checksum):
            return (
                f"has layout {version}-{checksum:08x} and this gateway reads {self._version}-{self._checksum:08x}: "
                "it was written by another version of the gateway."
            )
        return None if size == self._size else f"is {size} bytes long instead of {self._size}: it is truncated."
