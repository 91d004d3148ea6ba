"""Fifteen minutes of the past in one memory-mapped file, written by the sampler alone and read by anyone at any time.

Rings. Record n of a ring lies at place n % places. Publication is one store: the writer fills the place completely,
then advances the ring's count. While the count is c, it may be writing record c over record c - places; every younger
one is whole. Readers look back less far than there are places, which leaves them the time of several records to copy
one, and check afterwards that it is still among the whole ones. So no reader takes a torn record for a good one, and
none can hold up the writer.

- samples, every 250 ms: the totals over all workers (outcomes, tokens), the gauges (active, CPU, memory).
- tables, with every sample: CPU and memory of each worker.
- slots, with every step: how many requests have ever ended in each worker slot.
- steps, every 5 s: the totals of every entry with its latency cells. They are cumulative, so that a window is one
  subtraction; cells are cut to 32 bits, because differences are taken modulo 2^32.

The steps of an entry are allocated when it is first used: 0.7 MB for each model that is in use, 12 MB for all.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import le
from pathlib import Path
from typing import Final, NamedTuple, Self

from gateway.metrics.cells import CELLS
from gateway.metrics.entries import ENTRIES, MAX_NAME_BYTES, NAMED, EntryNames
from gateway.metrics.errors import HistoryFileError
from gateway.metrics.lanes import from_halves, to_halves
from gateway.metrics.layout import IDENTITY, FileKind, MappedFile, Record
from gateway.metrics.window import COUNTERS, RATE_NS, Totals

FILE_NAME: Final = "history"
SAMPLE_NS: Final = 250 * 10**6
STEP_NS: Final = 5 * 10**9
SAMPLES: Final = 3600
"""Intervals of 250 ms in 15 minutes."""
STEPS: Final = 181
"""Multiples of 5 s in 15 minutes, both ends included."""
MAX_WORKERS: Final = 256
"""More are counted like the others, but their CPU and memory and what ended in their slots are not kept one by one."""


class Sample(NamedTuple):
    """Totals over all workers, and the gauges of the living ones, at one moment."""

    time_ns: int
    counters: tuple[int, ...]
    active: int
    cpu_percent: float
    rss_bytes: int


class Step(NamedTuple):
    """Totals by entry of the instance at one moment, and what the entries are called."""

    time_ns: int
    totals: list[Totals]
    names: EntryNames


class SlotCounts(NamedTuple):
    """How many requests had ended in each slot at one moment; a slot that is not there had none."""

    time_ns: int
    finished: dict[int, int]


class WorkerUsage(NamedTuple):
    """CPU and memory of one worker process."""

    slot: int
    pid: int
    process_started: float
    cpu_percent: float
    rss_bytes: int


_HEADER: Final = Record(
    **IDENTITY.runs,
    started=1,
    names=1,  # how many, as with the following four
    samples=1,
    tables=1,
    slots=1,
    steps=1,
    used=1,  # a bit for each entry whose steps are allocated
)
_NAME: Final = Record(text=1 + MAX_NAME_BYTES // 8)
_SAMPLE: Final = Record(time=1, counters=COUNTERS, active=1, cpu_percent=1, rss_bytes=1)
_WORKER: Final = Record(slot=1, pid=1, process_started=1, cpu_percent=1, rss_bytes=1)
_TABLE: Final = Record(time=1, length=1, workers=MAX_WORKERS * _WORKER.cells)
_SLOT: Final = Record(slot=1, finished=1)
_SLOTS: Final = Record(time=1, length=1, slots=MAX_WORKERS * _SLOT.cells)
_STEP: Final = Record(time=1)
_STEP_ENTRY: Final = Record(counters=COUNTERS, cells=CELLS // 2)

# There is one total more than there are differences. One step more, too: the first tick in 5 s of the clock may come
# late in them, but the step before the 181 newest is always old enough to be the left edge of the window.
# The further places are the time that a reader has to copy a record: at least 5 s.
_SAMPLES_KEPT: Final = SAMPLES + 1
_SAMPLE_PLACES: Final = _SAMPLES_KEPT + 21
_TABLE_PLACES: Final = 1 + 21
# Those of a minute, both ends included, and one more as with the steps.
_SLOTS_KEPT: Final = RATE_NS // STEP_NS + 2
_SLOTS_PLACES: Final = _SLOTS_KEPT + 2
_STEPS_KEPT: Final = STEPS + 1
_STEP_PLACES: Final = _STEPS_KEPT + 2

_NAMES_AT: Final = _HEADER.cells
_SAMPLES_AT: Final = _NAMES_AT + len(NAMED) * _NAME.cells
_TABLES_AT: Final = _SAMPLES_AT + _SAMPLE_PLACES * _SAMPLE.cells
_SLOTS_AT: Final = _TABLES_AT + _TABLE_PLACES * _TABLE.cells
_STEPS_AT: Final = _SLOTS_AT + _SLOTS_PLACES * _SLOTS.cells
_STEP_ENTRIES_AT: Final = _STEPS_AT + _STEP_PLACES * _STEP.cells

_KIND: Final = FileKind(
    b"gwhistry",
    1,
    (
        (_HEADER, 1),
        (_NAME, len(NAMED)),
        (_SAMPLE, _SAMPLE_PLACES),
        (_TABLE, _TABLE_PLACES),
        (_SLOTS, _SLOTS_PLACES),
        (_STEP, _STEP_PLACES),
        (_STEP_ENTRY, _STEP_PLACES * ENTRIES),
    ),
    HistoryFileError,
)


class Ring:
    """Where the records of one kind are, and which of them are whole; each starts with its time."""

    def __init__(
        self, cells: "memoryview[int]", count: int, first: int, record: Record, *, places: int, kept: int
    ) -> None:
        """`count` and `first` are the cells of the published count and of the first record."""
        self._cells = cells
        self._count = count
        self._first = first
        self._record = record
        self._places = places
        self._kept = kept

    def kept(self) -> range:
        """The numbers of the records to look at, oldest first."""
        published = self.published()
        return range(max(0, published - self._kept), published)

    def published(self) -> int:
        """How many records have ever been published; the number of the next one."""
        return self._cells[self._count]

    def whole(self, number: int) -> bool:
        """Whether the record could not have been overwritten until now; to be asked after it has been copied."""
        return number > self.published() - self._places

    def at(self, number: int) -> int:
        """The first cell of a record."""
        return self._first + number % self._places * self._record.cells

    def time_ns(self, number: int) -> int:
        """The time of a record."""
        return self._cells[self.at(number)]

    def newest_until(self, time_ns: int) -> int | None:
        """The number of the newest kept record at or before a time; None if all are younger."""
        numbers = self.kept()
        place = bisect_right(numbers, time_ns, key=self.time_ns)
        return numbers[place - 1] if place else None

    def publish(self) -> None:
        """The writer has filled the record after the last one."""
        self._cells[self._count] += 1


class History:
    """A reader's side."""

    def __init__(self, file: MappedFile) -> None:
        self._file = file
        self.started_ns = file.cells[_HEADER["started"]]
        self._names: list[str] = []
        self._first_step = Step(self.started_ns, [Totals()] * ENTRIES, EntryNames(()))
        cells = file.cells
        self.samples = Ring(cells, _HEADER["samples"], _SAMPLES_AT, _SAMPLE, places=_SAMPLE_PLACES, kept=_SAMPLES_KEPT)
        self.tables = Ring(cells, _HEADER["tables"], _TABLES_AT, _TABLE, places=_TABLE_PLACES, kept=1)
        self.slots = Ring(cells, _HEADER["slots"], _SLOTS_AT, _SLOTS, places=_SLOTS_PLACES, kept=_SLOTS_KEPT)
        self.steps = Ring(cells, _HEADER["steps"], _STEPS_AT, _STEP, places=_STEP_PLACES, kept=_STEPS_KEPT)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the history; raises FileNotFoundError, or HistoryFileError if it is none of this layout."""
        return cls(_KIND.open(path))

    def names(self) -> list[str]:
        """The models that have an entry of their own in this instance, in the order of the entries."""
        for entry in NAMED[len(self._names) : self._file.cells[_HEADER["names"]]]:
            self._names.append(self._file.get_text(_name_at(entry)))
        return list(self._names)

    def last_ns(self, ring: Ring) -> int:
        """The time of the newest record, or when the history began."""
        published = ring.published()
        return ring.time_ns(published - 1) if published else self.started_ns

    def sample(self, number: int) -> Sample | None:
        """One sample; None if it has been overwritten."""
        at, cells = self.samples.at(number), self._file.cells
        counters = at + _SAMPLE["counters"]
        sample = Sample(
            cells[at],
            tuple(cells[counters : counters + COUNTERS]),
            cells[at + _SAMPLE["active"]],
            self._file.floats[at + _SAMPLE["cpu_percent"]],
            cells[at + _SAMPLE["rss_bytes"]],
        )
        return sample if self.samples.whole(number) else None

    def first_sample(self) -> Sample:
        """What lies before the samples: nothing was counted when the history began."""
        return Sample(self.started_ns, Totals().counters, 0, 0.0, 0)

    def step(self, number: int) -> Step | None:
        """One step; None if it has been overwritten."""
        time_ns = self.steps.time_ns(number)
        totals = [self._step_entry(number, entry) if self._used(entry) else Totals() for entry in range(ENTRIES)]
        return Step(time_ns, totals, EntryNames(self.names())) if self.steps.whole(number) else None

    def step_counters(self, number: int) -> tuple[int, list[tuple[int, ...]]] | None:
        """The time of a step and the counters of every entry in it, without the latencies; None if overwritten."""
        cells = self._file.cells
        time_ns = self.steps.time_ns(number)
        firsts = [_step_entry_at(number, entry) for entry in range(ENTRIES)]
        counters = [
            tuple(cells[first : first + COUNTERS]) if self._used(entry) else Totals().counters
            for entry, first in enumerate(firsts)
        ]
        return (time_ns, counters) if self.steps.whole(number) else None

    def slot_counts(self, number: int) -> SlotCounts | None:
        """The requests that had ended in each slot at one step; None if it has been overwritten."""
        cells, at = self._file.cells, self.slots.at(number)
        rows = at + _SLOTS["slots"]
        pairs = cells[rows : rows + cells[at + _SLOTS["length"]] * _SLOT.cells].tolist()
        counts = SlotCounts(cells[at], dict(zip(pairs[::2], pairs[1::2], strict=True)))
        return counts if self.slots.whole(number) else None

    def first_step(self) -> Step:
        """What lies before the steps: nothing was counted when the history began."""
        return self._first_step

    def usage(self) -> tuple[int, list[WorkerUsage]]:
        """When the workers were last measured and what was found; empty if there is nothing."""
        cells, floats = self._file.cells, self._file.floats
        for number in self.tables.kept():
            at = self.tables.at(number)
            rows = at + _TABLE["workers"]
            time_ns, end = cells[at], rows + cells[at + _TABLE["length"]] * _WORKER.cells
            workers = [
                WorkerUsage(
                    cells[row + _WORKER["slot"]],
                    cells[row + _WORKER["pid"]],
                    floats[row + _WORKER["process_started"]],
                    floats[row + _WORKER["cpu_percent"]],
                    cells[row + _WORKER["rss_bytes"]],
                )
                for row in range(rows, end, _WORKER.cells)
            ]
            if self.tables.whole(number):
                return time_ns, workers
        return self.started_ns, []

    def close(self) -> None:
        """Unmap."""
        self._file.close()

    def check_valid(self) -> None:
        """Assert that time moves forward on its grid and that no total ever shrinks; for tests, it reads everything."""
        for ring, grid_ns in ((self.samples, SAMPLE_NS), (self.steps, STEP_NS), (self.slots, STEP_NS)):
            lines = [ring.time_ns(number) // grid_ns for number in ring.kept()]
            assert all(earlier < later for earlier, later in pairwise([self.started_ns // grid_ns, *lines]))
        samples = [self.first_sample(), *filter(None, map(self.sample, self.samples.kept()))]
        for then, now in pairwise(samples):
            assert all(map(le, then.counters, now.counters))
        assert len(set(self.names())) == len(self.names())

    def _used(self, entry: int) -> bool:
        return bool(self._file.cells[_HEADER["used"]] >> entry & 1)

    def _step_entry(self, number: int, entry: int) -> Totals:
        at = _step_entry_at(number, entry)
        counters = tuple(self._file.cells[at : at + COUNTERS])
        if not any(counters):
            return Totals()
        first = 2 * (at + _STEP_ENTRY["cells"])
        return Totals(counters, from_halves(self._file.halves[first : first + CELLS]))


class HistoryWriter(History):
    """The sampler's side."""

    @classmethod
    def create_or_continue(cls, path: Path, *, now_ns: int) -> Self:
        """Go on with the history of an earlier sampler, or begin one now; raises HistoryFileError and OSError."""

        def fill(file: MappedFile) -> None:
            file.cells[_HEADER["started"]] = now_ns

        try:
            return cls(_KIND.open(path, writable=True))
        except FileNotFoundError:
            return cls(_KIND.create(path, fill, reserve=_STEP_ENTRIES_AT))

    def publish_name(self, entry: int, name: str) -> None:
        """Give the next free entry its name."""
        self._file.put_text(_name_at(entry), name)
        self._file.cells[_HEADER["names"]] = entry

    def append_sample(self, sample: Sample) -> None:
        """Publish a sample that is younger than the last one."""
        at = self.samples.at(self.samples.published())
        cells, counters = self._file.cells, at + _SAMPLE["counters"]
        cells[at] = sample.time_ns
        cells[counters : counters + COUNTERS] = memoryview(array("Q", sample.counters))
        cells[at + _SAMPLE["active"]] = sample.active
        self._file.floats[at + _SAMPLE["cpu_percent"]] = sample.cpu_percent
        cells[at + _SAMPLE["rss_bytes"]] = sample.rss_bytes
        self.samples.publish()

    def append_usage(self, time_ns: int, workers: Sequence[WorkerUsage]) -> None:
        """Publish what the first MAX_WORKERS workers use."""
        at = self.tables.at(self.tables.published())
        cells, floats = self._file.cells, self._file.floats
        cells[at] = time_ns
        cells[at + _TABLE["length"]] = len(workers[:MAX_WORKERS])
        for place, worker in enumerate(workers[:MAX_WORKERS]):
            row = at + _TABLE["workers"] + place * _WORKER.cells
            cells[row + _WORKER["slot"]] = worker.slot
            cells[row + _WORKER["pid"]] = worker.pid
            floats[row + _WORKER["process_started"]] = worker.process_started
            floats[row + _WORKER["cpu_percent"]] = worker.cpu_percent
            cells[row + _WORKER["rss_bytes"]] = worker.rss_bytes
        self.tables.publish()

    def append_slot_counts(self, counts: SlotCounts) -> None:
        """Publish what has ended in the slots, MAX_WORKERS of them at most, at the time of a step."""
        pairs = [cell for pair in list(counts.finished.items())[:MAX_WORKERS] for cell in pair]
        at, cells = self.slots.at(self.slots.published()), self._file.cells
        rows = at + _SLOTS["slots"]
        cells[at] = counts.time_ns
        cells[at + _SLOTS["length"]] = len(pairs) // _SLOT.cells
        cells[rows : rows + len(pairs)] = memoryview(array("Q", pairs))
        self.slots.publish()

    def append_step(self, time_ns: int, totals: Sequence[Totals]) -> None:
        """Publish the totals by entry at a time that is later than that of the last step; raises OSError if full.

        Entries that have never been used are not touched.
        """
        number = self.steps.published()
        for entry, entry_totals in enumerate(totals):
            if any(entry_totals.counters):
                self._write_step_entry(number, entry, entry_totals)
        self._file.cells[self.steps.at(number)] = time_ns
        self.steps.publish()

    def _write_step_entry(self, number: int, entry: int, totals: Totals) -> None:
        if not self._used(entry):
            self._file.reserve(_step_entry_at(0, entry), _STEP_PLACES * _STEP_ENTRY.cells)
            self._file.cells[_HEADER["used"]] |= 1 << entry
        at = _step_entry_at(number, entry)
        first = 2 * (at + _STEP_ENTRY["cells"])
        self._file.cells[at : at + COUNTERS] = memoryview(array("Q", totals.counters))
        self._file.halves[first : first + CELLS] = to_halves(totals.latencies)


def _name_at(entry: int) -> int:
    return _NAMES_AT + (entry - NAMED[0]) * _NAME.cells


def _step_entry_at(number: int, entry: int) -> int:
    return _STEP_ENTRIES_AT + (entry * _STEP_PLACES + number % _STEP_PLACES) * _STEP_ENTRY.cells
