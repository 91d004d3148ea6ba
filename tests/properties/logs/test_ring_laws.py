"""Laws of the ring: whatever runs between which two lines of the other side, each record is read once or lost."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.logs.fit import fit
from gateway.logs.ring import RingReader, RingWriter

CAPACITY = 3


class Ring:
    """A small ring with its reader, and the books of what was written and what was read."""

    def __init__(self, path: Path, *, written_before: int = 0) -> None:
        self.path = path
        self.written = 0
        self.read: list[tuple[int, int]] = []
        self.writer = RingWriter.create(path, pid=1, capacity=CAPACITY, record_bytes=128)
        for _ in range(written_before):
            self.append()
        self.reader = RingReader.open(path)
        self.poll()
        self.missed_before = self.written - len(self.read)

    def append(self) -> None:
        """Write a record whose payload says its number."""
        self.written += 1
        self.writer.append(0, "info", msgspec.json.encode({"event": "x" * (self.written % 70), "n": self.written}))

    def poll(self) -> None:
        """Read what is there."""
        self.read += [(record.seq, record.fields["n"]) for record in self.reader.read_new()]
        self.reader.check_valid()

    def check(self) -> None:
        """Nothing twice, in order, and read plus lost is written."""
        for _ in range(2 * CAPACITY):
            self.poll()
        seqs = [seq for seq, _ in self.read]
        assert seqs == sorted(set(seqs))
        assert len(self.read) + self.reader.lost == self.written - self.missed_before


@contextmanager
def between_lines(codes: set[CodeType], at: list[int], act: Callable[[], None]) -> Iterator[None]:
    """Run `act` before the given lines, counted over the running of these functions."""
    seen = 0

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen
        if event == "line":
            seen += 1
            if seen in at:
                sys.settrace(None)
                try:
                    act()
                finally:
                    sys.settrace(on_call)
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        return on_line if frame.f_code in codes else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)


WRITER = {RingWriter.append.__code__}
READER = {function.__code__ for function in (RingReader.copy_new, RingReader._whole, RingReader._is_given_up)}

lines = st.lists(st.integers(1, 60), max_size=12)


@contextmanager
def ring(written_before: int) -> Iterator[Ring]:
    """A ring in a folder of its own."""
    with TemporaryDirectory() as folder:
        yield Ring(Path(folder, "worker-0.log"), written_before=written_before)


@settings(max_examples=150, deadline=None)
@given(before=st.integers(0, 5), count=st.integers(1, 8), at=lines)
def test_a_reader_inside_the_writer_sees_each_record_once_or_counts_it(before: int, count: int, at: list[int]) -> None:
    """Polling between any two lines of the writer reads nothing torn, nothing twice, and misses nothing uncounted."""
    with ring(before) as books:
        with between_lines(WRITER, at, books.poll):
            for _ in range(count):
                books.append()
        books.check()
        assert all(seq == number for seq, number in books.read)


@settings(max_examples=150, deadline=None)
@given(before=st.integers(0, 5), at=lines, burst=st.integers(1, 2 * CAPACITY), polls=st.integers(1, 4))
def test_a_writer_inside_the_reader_is_seen_once_or_counted(before: int, at: list[int], burst: int, polls: int) -> None:
    """Bursts of writing between any two lines of the reader, also whole rounds, lose nothing uncounted."""

    with ring(before) as books:

        def write() -> None:
            for _ in range(burst):
                books.append()

        with between_lines(READER, at, write):
            for _ in range(polls):
                books.append()
                books.poll()
        books.check()
        assert all(seq == number for seq, number in books.read)


@settings(max_examples=150, deadline=None)
@given(at=lines, burst=st.integers(1, CAPACITY - 1), count=st.integers(1, 5))
def test_threads_inside_one_another_write_each_record_once_or_it_is_counted(
    at: list[int], burst: int, count: int
) -> None:
    """A thread of the writer that is held up anywhere while others write and a reader reads breaks no record."""
    with ring(0) as books:

        def others() -> None:
            for _ in range(burst):
                books.append()
            books.poll()

        with between_lines(WRITER, at, others):
            for _ in range(count):
                books.append()
        books.check()
        assert len({number for _, number in books.read}) == len(books.read)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(1, 12), before=st.integers(0, 5), after=st.integers(0, 2 * CAPACITY))
def test_a_killed_writer_loses_at_most_the_record_in_hand(at: int, before: int, after: int) -> None:
    """A writer that dies between any two lines leaves a ring that its successor continues."""

    def die() -> None:
        raise KeyboardInterrupt

    with ring(before) as books:
        try:
            with between_lines(WRITER, [at], die):
                books.append()
        except KeyboardInterrupt:
            # Whether the record in hand was written, is lost, or has its number used again depends on the line.
            books.poll()
        books.writer = RingWriter.create(books.path, pid=2, capacity=CAPACITY, record_bytes=128)
        for _ in range(after):
            books.append()
        for _ in range(2 * CAPACITY):
            books.poll()
        missing = books.written - books.missed_before - len(books.read) - books.reader.lost
        assert 0 <= missing <= 1
        assert [number for _, number in books.read] == sorted({number for _, number in books.read})


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(event=st.text(), fields=st.dictionaries(st.text(max_size=8), values, max_size=5), room=st.integers(64, 300))
def test_a_fitted_record_fits_and_is_json(event: str, fields: dict[str, Any], room: int) -> None:
    """Whatever a record holds, what is left fits, is valid JSON, and its event is the beginning of the event."""
    payload = msgspec.json.encode({**fields, "event": event})
    fitted = fit(payload, room)
    assert len(fitted) <= room
    kept = msgspec.json.decode(fitted)["event"]
    assert kept == event or (kept.endswith("…") and event.startswith(kept[:-1]))
