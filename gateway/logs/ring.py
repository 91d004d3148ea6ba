"""A bounded log in a memory-mapped file: one process writes, any number read, and no reader can slow the writer.

Theory of operation. The file is a header and `capacity` slots of equal size. Record n (1, 2, 3 ...) goes into slot
n mod capacity. The writer

    1. claims the next number,
    2. sets the slot's number to 0,            a reader from here on sees that the old record is gone
    3. writes time, level, length, checksum and payload,
    4. sets the slot's number to n,            a reader from here on sees the new record
    5. publishes n as the head.

A reader copies the slots from that of the record n that it expects up to the head, then looks at their numbers again.
What is a whole round behind the head is lost at once. Of the others it counts for each:

    number == n     the record counts only if the number still stands and the checksum is right, otherwise it was
                    overwritten meanwhile and is lost
    number > n      n is lost
    number < n      not written yet, or being written, or never finished by a writer that was killed. While the head
                    has not passed n there is nothing to do but come back. If it has, another thread of the writer was
                    quicker, or n was never finished: n is waited for until the next poll, and then it is lost.

So each record is read once or counted in `lost`. The numbers are aligned 8-byte stores, which x86-64 and ARM64 do not
tear; the checksum covers what the order of the stores does not, on machines that reorder them. Claiming is one
indivisible step under the GIL, so threads of the one writing process need no lock.
"""

import itertools
import mmap
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from gateway.logs.fit import fit

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVEL_NUMBER: Final = {level: number for number, level in enumerate(LEVELS)}
_INFO: Final = _LEVEL_NUMBER["info"]

_MAGIC: Final = b"GWLOGRNG"
_VERSION: Final = 1
# magic, version, record_bytes, capacity, pid, then the head; 64 bytes keep the slots on cache lines.
_HEADER: Final = struct.Struct("<8sIIQQ")
_HEAD_AT: Final = _HEADER.size
_HEADER_BYTES: Final = 64
_NUMBER: Final = struct.Struct("<Q")
# After the number: time_ns, checksum, length of the payload, level.
_META: Final = struct.Struct("<qIHB")
# Both at once, as a reader sees them.
_SLOT: Final = struct.Struct("<QqIHB")
_PAYLOAD_AT: Final = _NUMBER.size + 16
# A payload needs room for an event; a length must fit its 16 bits; numbers must stay aligned.
_MIN_RECORD_BYTES: Final = 128
_MAX_RECORD_BYTES: Final = 65_536
# A round is two runs of slots, one to the end of the file and one from its beginning.
_RUNS: Final = 4


class RingFileError(Exception):
    """The file is not a log ring of this version."""


_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])


class LogRecord:
    """One record as a reader sees it: `time_ns` since the Unix epoch, `source` such as "worker-0".

    Most records of a busy gateway leave the screen unseen: what was read from a ring is decoded once, when its event or
    its fields are first asked for. A payload that is not JSON is the event.
    """

    __slots__ = ("_event", "_fields", "_payload", "level", "seq", "source", "time_ns")

    def __init__(self, seq: int, time_ns: int, level: str, event: str, source: str, fields: dict[str, Any]) -> None:
        self.seq = seq
        self.time_ns = time_ns
        self.level = level
        self.source = source
        self._event = event
        self._fields = fields
        self._payload: bytes | None = None

    @classmethod
    def undecoded(cls, seq: int, time_ns: int, level: str, source: str, payload: bytes) -> "LogRecord":
        """A record whose event and fields are still in their JSON object."""
        record = cls.__new__(cls)
        record.seq = seq
        record.time_ns = time_ns
        record.level = level
        record.source = source
        record._payload = payload
        return record

    @property
    def event(self) -> str:
        """What happened."""
        if self._payload is not None:
            self._decode(self._payload)
        return self._event

    @property
    def fields(self) -> dict[str, Any]:
        """Everything else that was logged with it."""
        if self._payload is not None:
            self._decode(self._payload)
        return self._fields

    def _decode(self, payload: bytes) -> None:
        try:
            self._fields = _FIELDS.decode(payload)
            self._event = str(self._fields.pop("event", ""))
        except msgspec.DecodeError:
            self._fields = {}
            self._event = payload.decode("utf-8", "backslashreplace")
        self._payload = None

    def _figures(self) -> tuple[Any, ...]:
        return self.seq, self.time_ns, self.level, self.event, self.source, self.fields

    def __eq__(self, other: object) -> bool:
        return self._figures() == other._figures() if isinstance(other, LogRecord) else NotImplemented

    # Fields may hold lists, which have no hash.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"LogRecord{self._figures()}"


class RingWriter:
    """The one writer of a ring file."""

    def __init__(self, buffer: mmap.mmap, path: Path, capacity: int, record_bytes: int) -> None:
        self.source = path.stem
        self._buffer = buffer
        self._capacity = capacity
        self._record_bytes = record_bytes
        self._room = record_bytes - _PAYLOAD_AT
        self._claim = itertools.count(_last_number(buffer, capacity, record_bytes) + 1).__next__

    @classmethod
    def create(cls, path: Path, *, pid: int, capacity: int = 1000, record_bytes: int = 1024) -> "RingWriter":
        """Create the file with mode 0600, or continue the numbers of a predecessor's file of the same shape.

        All memory is reserved here: raises OSError if the file system is full, and no later write can fail for it.
        """
        if record_bytes % 8 or not _MIN_RECORD_BYTES <= record_bytes <= _MAX_RECORD_BYTES or capacity < 1:
            raise ValueError(f"no ring of {capacity} records of {record_bytes} bytes")
        try:
            buffer, found_capacity, found_bytes, _ = _map(path, writable=True)
            if (found_capacity, found_bytes) == (capacity, record_bytes):
                _HEADER.pack_into(buffer, 0, _MAGIC, _VERSION, record_bytes, capacity, pid)
                return cls(buffer, path, capacity, record_bytes)
            buffer.close()
        except (FileNotFoundError, RingFileError):
            pass
        size = _HEADER_BYTES + capacity * record_bytes
        # Readers look for *.log: they see the file when it is complete, and a new one when the shape changed.
        draft = path.with_name(f".{path.name}.{pid}")
        draft.unlink(missing_ok=True)
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            # A sparse file would end the process with SIGBUS once the file system is full.
            os.posix_fallocate(fd, 0, size)
            buffer = mmap.mmap(fd, size)
            _HEADER.pack_into(buffer, 0, _MAGIC, _VERSION, record_bytes, capacity, pid)
            os.rename(draft, path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return cls(buffer, path, capacity, record_bytes)

    def append(self, time_ns: int, level: str, payload: bytes) -> None:
        """Write a record: `payload` is a JSON object with an `event`, shortened if it does not fit its slot.

        Neither blocks nor raises; after `close` it does nothing.
        """
        buffer = self._buffer
        if buffer.closed:
            return
        if len(payload) > self._room:
            payload = fit(payload, self._room)
        number = self._claim()
        at = _HEADER_BYTES + number % self._capacity * self._record_bytes
        _NUMBER.pack_into(buffer, at, 0)
        start = at + _PAYLOAD_AT
        buffer[start : start + len(payload)] = payload
        level_number = _LEVEL_NUMBER.get(level, _INFO)
        checksum = _checksum(number, time_ns, level_number, payload)
        _META.pack_into(buffer, at + 8, time_ns, checksum, len(payload), level_number)
        _NUMBER.pack_into(buffer, at, number)
        _NUMBER.pack_into(buffer, _HEAD_AT, number)

    def close(self) -> None:
        """Unmap the file; the records stay."""
        self._buffer.close()


class Slots(NamedTuple):
    """Slots as they lay in a ring, from that of the record `first` on; `numbers` are the records that were whole."""

    source: str
    first: int
    record_bytes: int
    numbers: Sequence[int]
    octets: bytes

    def records(self) -> list[LogRecord]:
        """The records, oldest first, without those whose checksum is wrong."""
        records: list[LogRecord] = []
        # A busy gateway writes hundreds a second, and most of what a viewer does with most of them is here.
        source, first, record_bytes, numbers, octets = self
        for number in numbers:
            at = (number - first) * record_bytes
            _, time_ns, checksum, length, level = _SLOT.unpack_from(octets, at)
            payload = octets[at + _PAYLOAD_AT : at + _PAYLOAD_AT + length]
            if _checksum(number, time_ns, level, payload) == checksum:
                records.append(LogRecord.undecoded(number, time_ns, LEVELS[level], source, payload))
        return records


class RingReader:
    """A reader of a ring file: starts at the oldest record that is there, and counts in `lost` what it then misses."""

    def __init__(self, buffer: mmap.mmap, path: Path, capacity: int, record_bytes: int, inode: int) -> None:
        self.source = path.stem
        self.inode = inode
        self.lost = 0
        self._buffer = buffer
        self._capacity = capacity
        self._record_bytes = record_bytes
        self._numbers = memoryview(buffer)[_HEADER_BYTES:].cast("Q")[:: record_bytes // 8]
        self._next = max(1, _last_number(buffer, capacity, record_bytes) - capacity + 1)
        self._waited_for = 0

    @classmethod
    def open(cls, path: Path) -> "RingReader":
        """Map the file read-only; raises RingFileError if it is not a ring, OSError if it cannot be read."""
        buffer, capacity, record_bytes, inode = _map(path, writable=False)
        return cls(buffer, path, capacity, record_bytes, inode)

    def read_new(self) -> list[LogRecord]:
        """The records since the last call, oldest first."""
        records: list[LogRecord] = []
        for slots in self.copy_new():
            whole = slots.records()
            self.lost += len(slots.numbers) - len(whole)
            records += whole
        return records

    def copy_new(self) -> list[Slots]:
        """The same as they lie in the ring: a tenth of the work, which leaves the rest for later.

        What a wrong checksum then shows to be no record is not in `lost`.
        """
        copied: list[Slots] = []
        capacity, record_bytes = self._capacity, self._record_bytes
        # Rounds enough for all that is there, lost ones included: however fast the writer is, the call ends.
        for _ in range(_RUNS):
            first, head = self._next, self._head()
            if head - first >= capacity:
                self._lose_up_to(head - capacity)
                continue
            place = first % capacity
            if head < first and self._numbers[place] < first:
                break
            # Up to the end of the file; the one behind the head may be there, too.
            count = max(1, min(head - first + 1, capacity - place))
            at = _HEADER_BYTES + place * record_bytes
            octets = self._buffer[at : at + count * record_bytes]
            before = memoryview(octets).cast("Q")[:: record_bytes // 8].tolist()
            after = self._numbers[place : place + count].tolist()
            numbers = self._whole(before, after)
            if numbers:
                copied.append(Slots(self.source, first, record_bytes, numbers, octets))
            if self._next < first + count:
                break
        return copied

    def _whole(self, before: Sequence[int], after: Sequence[int]) -> Sequence[int]:
        """Which of the next records were whole, from the numbers of their slots before and after they were copied.

        Goes on to the first one that has to be waited for.
        """
        expected = list(range(self._next, self._next + len(before)))
        if before == expected == after:
            self._next += len(before)
            return expected
        numbers: list[int] = []
        for wanted, was, still in zip(expected, before, after, strict=True):
            if was == still == wanted:
                numbers.append(wanted)
                self._next = wanted + 1
            elif was >= wanted:
                self._lose_up_to(wanted)
            elif not self._is_given_up():
                break
        return numbers

    @property
    def backlog(self) -> float:
        """The share of the ring that is waiting to be read; from 1 on, records have been lost."""
        return (self._head() - self._next + 1) / self._capacity

    def close(self) -> None:
        """Unmap the file."""
        self._numbers.release()
        self._buffer.close()

    def check_valid(self) -> None:
        """Assert what always holds: the next record is numbered, and what was waited for is not behind it."""
        assert self._next >= 1
        assert self.lost >= 0
        assert self._waited_for <= self._next

    def _head(self) -> int:
        return int(_NUMBER.unpack_from(self._buffer, _HEAD_AT)[0])

    def _lose_up_to(self, number: int) -> None:
        self.lost += number - self._next + 1
        self._next = number + 1

    def _is_given_up(self) -> bool:
        """Whether the next record will not come: passed by a whole round, or by any record since the last poll."""
        head = self._head()
        if head - self._next >= self._capacity or (head > self._next and self._waited_for == self._next):
            self._lose_up_to(self._next)
            return True
        if head > self._next:
            self._waited_for = self._next
        return False


def _map(path: Path, *, writable: bool) -> tuple[mmap.mmap, int, int, int]:
    """The mapped file, its capacity, its record size and its inode."""
    fd = os.open(path, os.O_RDWR if writable else os.O_RDONLY)
    try:
        status = os.fstat(fd)
        size = status.st_size
        if size < _HEADER_BYTES:
            raise RingFileError(f"{path} is not a log ring")
        buffer = mmap.mmap(fd, size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(fd)
    magic, version, record_bytes, capacity, _pid = _HEADER.unpack_from(buffer, 0)
    shape_is_right = (
        size == _HEADER_BYTES + capacity * record_bytes
        and capacity > 0
        and record_bytes > _PAYLOAD_AT
        and record_bytes % 8 == 0
    )
    if magic != _MAGIC or version != _VERSION or not shape_is_right:
        buffer.close()
        raise RingFileError(f"{path} is not a log ring of version {_VERSION}")
    return buffer, capacity, record_bytes, status.st_ino


def _checksum(number: int, time_ns: int, level: int, payload: bytes) -> int:
    return zlib.crc32(payload, (number ^ time_ns ^ level) & 0xFFFFFFFF)


def _last_number(buffer: mmap.mmap, capacity: int, record_bytes: int) -> int:
    """The highest number written; a writer that was killed may have left the head one behind it."""
    slots = (_HEADER_BYTES + index * record_bytes for index in range(capacity))
    return max(int(_NUMBER.unpack_from(buffer, at)[0]) for at in itertools.chain([_HEAD_AT], slots))
