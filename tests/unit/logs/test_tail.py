"""Following the rings of a run directory."""

import os
from pathlib import Path

import pytest

from gateway.logs.ring import RingWriter
from gateway.logs.tail import LogTail


def write(writer: RingWriter, time_ns: int, event: str) -> None:
    """Append a record that consists of its event."""
    writer.append(time_ns, "info", b'{"event":"%s"}' % event.encode())


def test_files_are_merged_in_time_order_and_new_ones_are_picked_up(tmp_path: Path) -> None:
    """Records of all files come in the order of their times, also of files that appear later."""
    tail = LogTail(tmp_path)
    assert tail.poll() == []
    first = RingWriter.create(tmp_path / "worker-0.log", pid=1)
    second = RingWriter.create(tmp_path / "supervisor.log", pid=2)
    write(first, 10, "a")
    write(second, 20, "b")
    write(first, 30, "c")
    assert [(record.event, record.source) for record in tail.poll()] == [
        ("a", "worker-0"),
        ("b", "supervisor"),
        ("c", "worker-0"),
    ]
    write(RingWriter.create(tmp_path / "worker-1.log", pid=3), 40, "d")
    assert [record.event for record in tail.poll()] == ["d"]
    tail.close()


def test_an_unchanged_folder_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New records in known files are read without looking for files, and a new file is still found."""
    tail = LogTail(tmp_path)
    writer = RingWriter.create(tmp_path / "worker-0.log", pid=1)
    os.utime(tmp_path, (0, 0))
    assert tail.poll() == []
    with monkeypatch.context() as patch:
        patch.delattr(os, "listdir")
        write(writer, 1, "a")
        assert [record.event for record in tail.poll()] == ["a"]
    write(RingWriter.create(tmp_path / "worker-1.log", pid=2), 2, "b")
    assert [record.event for record in tail.poll()] == ["b"]


def test_what_is_set_aside_is_not_overwritten(tmp_path: Path) -> None:
    """A reader without haste copies a ring that fills up, and reads it later; a ring that does not is left alone."""
    tail = LogTail(tmp_path)
    writer = RingWriter.create(tmp_path / "worker-0.log", pid=1, capacity=4)
    for number in range(8):
        assert tail.set_aside(0.5) == (number in (3, 6))
        write(writer, number, f"e{number}")
    assert [record.event for record in tail.poll()] == [f"e{number}" for number in range(8)]
    assert (tail.poll(), tail.lost, tail.passed_over) == ([], 0, 0)


def test_only_so_many_are_set_aside(tmp_path: Path) -> None:
    """The oldest of them are passed over, and counted, once there are enough without them."""
    tail = LogTail(tmp_path, keep=3)
    writer = RingWriter.create(tmp_path / "worker-0.log", pid=1, capacity=4)
    for number in range(6):
        write(writer, number, f"e{number}")
        tail.set_aside(0.4)
    assert [record.event for record in tail.poll()] == ["e2", "e3", "e4", "e5"]
    assert (tail.lost, tail.passed_over) == (0, 2)


def test_a_full_round_that_was_missed_is_lost(tmp_path: Path) -> None:
    """What was overwritten before it was read is counted, a record that is no record too."""
    tail = LogTail(tmp_path)
    path = tmp_path / "worker-0.log"
    writer = RingWriter.create(path, pid=1, capacity=4)
    for number in range(10):
        write(writer, number, f"e{number}")
    assert len(tail.poll()) == 4
    write(writer, 11, "torn")
    octets = bytearray(path.read_bytes())
    at = octets.index(b"torn")
    octets[at : at + 4] = b"TORN"
    path.write_bytes(octets)
    assert (tail.poll(), tail.lost) == ([], 1)


def test_a_file_that_goes_is_read_to_its_end(tmp_path: Path) -> None:
    """What was written before the run directory went is still read, and what it lost still counts."""
    tail = LogTail(tmp_path)
    path = tmp_path / "worker-0.log"
    writer = RingWriter.create(path, pid=1, capacity=2)
    tail.poll()
    for number in range(3):
        write(writer, number, f"e{number}")
    path.unlink()
    assert tail.set_aside(1.0) is False
    assert [record.event for record in tail.poll()] == ["e1", "e2"]
    tmp_path.joinpath("gone").mkdir()
    assert (tail.poll(), tail.lost) == ([], 1)


def test_a_replaced_file_is_followed(tmp_path: Path) -> None:
    """A successor of another shape replaces the file, and nothing of either is read twice or missed."""
    tail = LogTail(tmp_path)
    path = tmp_path / "worker-0.log"
    old = RingWriter.create(path, pid=1, capacity=2)
    write(old, 1, "a")
    assert [record.event for record in tail.poll()] == ["a"]
    write(old, 2, "b")
    write(RingWriter.create(path, pid=2, capacity=3), 3, "c")
    assert [record.event for record in tail.poll()] == ["b", "c"]
    assert (tail.poll(), tail.lost) == ([], 0)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """A run directory that has gone has no records."""
    assert LogTail(tmp_path / "none").poll() == []


def test_files_that_are_no_rings_are_named(tmp_path: Path) -> None:
    """A foreign file is passed over and named."""
    (tmp_path / "notes.log").write_text("hello")
    tail = LogTail(tmp_path)
    assert tail.poll() == []
    assert tail.unreadable == {"notes.log"}


def test_backlog_is_that_of_the_fullest_ring(tmp_path: Path) -> None:
    """How much of a ring is unread tells a reader without haste when to come; what is lost fills it all."""
    busy, idle = (RingWriter.create(tmp_path / f"worker-{slot}.log", pid=slot, capacity=10) for slot in range(2))
    tail = LogTail(tmp_path)
    assert tail.backlog == 0.0
    tail.poll()
    for number in range(4):
        write(busy, number, "a")
    write(idle, 0, "b")
    assert tail.backlog == 0.4
    for number in range(8):
        write(busy, number, "a")
    assert tail.backlog >= 1.0
    tail.poll()
    assert (tail.backlog, tail.lost) == (0.0, 2)
