"""The ring file: continuing, reading, losing, and what a killed writer leaves."""

import mmap
import os
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.logs import ring
from gateway.logs.ring import LogRecord, RingFileError, RingReader, RingWriter


def payload(number: int) -> bytes:
    """A record whose event tells it from others."""
    return msgspec.json.encode({"event": f"e{number}", "n": number})


def numbers(records: list[LogRecord]) -> list[int]:
    """What tells the records from each other."""
    return [record.fields["n"] for record in records]


def fill(writer: RingWriter, count: int, start: int = 0) -> None:
    """Append records with consecutive numbers."""
    for number in range(start, start + count):
        writer.append(number, "info", payload(number))


def test_a_record_arrives_as_it_was(tmp_path: Path) -> None:
    """Time, level, event, source and fields come out of the file as they went in."""
    path = tmp_path / "worker-0.log"
    writer = RingWriter.create(path, pid=1)
    reader = RingReader.open(path)
    writer.append(1_700_000_000_123_456_789, "warning", b'{"event":"request","ms":1.5,"model":"m"}')
    fields = {"ms": 1.5, "model": "m"}
    assert reader.read_new() == [LogRecord(1, 1_700_000_000_123_456_789, "warning", "request", "worker-0", fields)]
    assert reader.read_new() == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_record_is_decoded_once_and_only_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number, time, level and source need no decoding; the event and the fields come from one."""
    record = LogRecord.undecoded(7, 8, "error", "worker-1", b'{"event":"boom","ms":2}')
    decoded = msgspec.json.decode(b'{"event":"boom","ms":2}')
    decodings = []

    class Decoder:
        @staticmethod
        def decode(payload: bytes) -> dict[str, Any]:
            decodings.append(payload)
            return dict(decoded)

    monkeypatch.setattr(ring, "_FIELDS", Decoder)
    assert (record.seq, record.time_ns, record.level, record.source) == (7, 8, "error", "worker-1")
    assert decodings == []
    assert (record.event, record.fields) == ("boom", {"ms": 2})
    assert record.fields is record.fields
    assert len(decodings) == 1


def test_records_are_compared_by_what_they_say(tmp_path: Path) -> None:
    """A decoded and an undecoded record are equal if and only if all of their six attributes are."""
    parts = (1, 2, "info", "request", "worker-0", {"ms": 3})
    record = LogRecord(*parts)
    assert record == LogRecord.undecoded(1, 2, "info", "worker-0", b'{"ms":3,"event":"request"}')
    others = (2, 3, "error", "other", "worker-1", {"ms": 4})
    for place, other in enumerate(others):
        assert record != LogRecord(*parts[:place], other, *parts[place + 1 :])  # type: ignore[arg-type]
    assert record != parts
    assert repr(record) == "LogRecord(1, 2, 'info', 'request', 'worker-0', {'ms': 3})"


@pytest.mark.parametrize("payload", [b"[1]", b'{"event":', b"\xff", b""])
def test_what_is_no_json_object_is_the_event(payload: bytes) -> None:
    """Nothing that a foreign writer left in a slot makes a viewer fail."""
    record = LogRecord.undecoded(1, 2, "info", "worker-0", payload)
    assert record.fields == {}
    assert record.event == payload.decode("utf-8", "backslashreplace")


def test_a_late_reader_sees_one_round_and_has_lost_nothing(tmp_path: Path) -> None:
    """A reader starts at the oldest record that is there."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    fill(writer, 10)
    reader = RingReader.open(path)
    assert numbers(reader.read_new()) == [6, 7, 8, 9]
    assert reader.lost == 0


def test_what_is_overwritten_is_counted(tmp_path: Path) -> None:
    """A reader that was too slow counts what it missed."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    reader = RingReader.open(path)
    fill(writer, 3)
    assert numbers(reader.read_new()) == [0, 1, 2]
    fill(writer, 11, start=3)
    assert numbers(reader.read_new()) == [10, 11, 12, 13]
    assert reader.lost == 7
    reader.check_valid()


def test_a_successor_continues_the_numbers(tmp_path: Path) -> None:
    """The next writer of the same shape goes on in the same file, and its reader notices nothing."""
    path = tmp_path / "w.log"
    first = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    reader = RingReader.open(path)
    fill(first, 2)
    first.close()
    fill(RingWriter.create(path, pid=2, capacity=4, record_bytes=128), 2, start=2)
    assert [(record.seq, record.fields["n"]) for record in reader.read_new()] == [(1, 0), (2, 1), (3, 2), (4, 3)]


def test_another_shape_replaces_the_file(tmp_path: Path) -> None:
    """A writer of another shape starts a new file, as it does over a file that is no ring."""
    path = tmp_path / "w.log"
    fill(RingWriter.create(path, pid=1, capacity=4, record_bytes=128), 2)
    inode = path.stat().st_ino
    fill(RingWriter.create(path, pid=2, capacity=8, record_bytes=128), 1)
    assert path.stat().st_ino != inode
    assert [record.seq for record in RingReader.open(path).read_new()] == [1]
    path.write_bytes(b"something else")
    fill(RingWriter.create(path, pid=3, capacity=8, record_bytes=128), 1)
    assert len(RingReader.open(path).read_new()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.log"]


def test_a_record_that_was_never_finished_is_waited_for_once(tmp_path: Path) -> None:
    """A gap that a killed writer left is waited for until the next poll, and then it is lost."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    reader = RingReader.open(path)
    fill(writer, 3)
    fd = os.open(path, os.O_RDWR)
    with mmap.mmap(fd, 0) as buffer:
        struct.pack_into("<Q", buffer, 64 + 2 * 128, 0)
    os.close(fd)
    assert numbers(reader.read_new()) == [0]
    assert reader.lost == 0
    assert numbers(reader.read_new()) == [2]
    assert reader.lost == 1


def test_a_torn_record_is_lost(tmp_path: Path) -> None:
    """A record whose bytes do not match its checksum is counted and not shown."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    reader = RingReader.open(path)
    fill(writer, 2)
    content = path.read_bytes().replace(b'"e0"', b'"eX"')
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, content, 0)
    os.close(fd)
    assert numbers(reader.read_new()) == [1]
    assert reader.lost == 1


def test_a_long_record_is_shortened(tmp_path: Path) -> None:
    """A payload longer than its slot arrives as valid JSON with its longest text cut."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    writer.append(0, "error", msgspec.json.encode({"event": "boom", "exception": "x" * 5000, "n": 1}))
    [record] = RingReader.open(path).read_new()
    assert (record.level, record.event, record.fields["n"]) == ("error", "boom", 1)
    assert record.fields["exception"].endswith("x…")


def test_a_payload_that_is_not_json_is_still_shown(tmp_path: Path) -> None:
    """A short payload that is not JSON becomes the event."""
    path = tmp_path / "w.log"
    RingWriter.create(path, pid=1, capacity=4, record_bytes=128).append(0, "odd", b"plain \xff")
    [record] = RingReader.open(path).read_new()
    assert (record.level, record.event) == ("info", "plain \\xff")


def test_threads_of_the_writer_never_share_a_slot(tmp_path: Path) -> None:
    """A thread that is held up between claiming and writing leaves the others' records whole."""
    path = tmp_path / "w.log"
    writer = RingWriter.create(path, pid=1, capacity=4, record_bytes=128)
    reader = RingReader.open(path)
    fill(writer, 1)
    claimed = writer._claim()
    fill(writer, 1, start=2)
    assert numbers(reader.read_new()) == [0]
    writer._claim = iter([claimed]).__next__
    fill(writer, 1, start=1)
    assert numbers(reader.read_new()) == [1, 2]
    assert reader.lost == 0


@pytest.mark.parametrize("content", [b"", b"x" * 30, b"x" * 4096])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no ring is refused by name."""
    path = tmp_path / "w.log"
    path.write_bytes(content)
    with pytest.raises(RingFileError, match=r"w\.log"):
        RingReader.open(path)


@pytest.mark.parametrize(("capacity", "record_bytes"), [(0, 128), (4, 120), (4, 130), (4, 1 << 20)])
def test_impossible_shapes_are_refused(tmp_path: Path, capacity: int, record_bytes: int) -> None:
    """A ring has at least one record, and records of a sensible size that keep the numbers aligned."""
    with pytest.raises(ValueError, match="no ring of"):
        RingWriter.create(tmp_path / "w.log", pid=1, capacity=capacity, record_bytes=record_bytes)
