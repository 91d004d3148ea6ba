"""Laws of the history: what is appended is read, and no reader takes a torn record for a good one."""

import tempfile
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS
from gateway.metrics.entries import ENTRIES
from gateway.metrics.history import FILE_NAME, History, HistoryWriter, Ring, Sample, SlotCounts, WorkerUsage
from gateway.metrics.layout import Record
from gateway.metrics.window import COUNTERS, Totals
from tests.support.metrics import of_cells

PLACES, KEPT, WORDS = 5, 3, 2
COUNT = 0


def make_ring() -> tuple["memoryview[int]", Ring]:
    """A ring of five places of which three are looked at; a record is two words that must be equal."""
    cells = memoryview(bytearray(8 * (1 + PLACES * WORDS))).cast("Q")
    return cells, Ring(cells, COUNT, 1, Record(time=1, rest=WORDS - 1), places=PLACES, kept=KEPT)


class Writer:
    """A writer that makes one store at a time; every word of record n is n + 1."""

    def __init__(self, cells: "memoryview[int]", ring: Ring) -> None:
        self.cells = cells
        self.ring = ring
        self.stores = 0

    def store(self, times: int) -> None:
        """The next words of a record, or its publication."""
        for _ in range(times):
            number, word = divmod(self.stores, WORDS + 1)
            if word < WORDS:
                self.cells[self.ring.at(number) + word] = number + 1
            else:
                self.ring.publish()
            self.stores += 1


def test_no_torn_record_passes_for_whole() -> None:
    """Law 23: however many stores come before, between and after the loads, what passes for whole is of one piece."""
    torn = 0
    for before, between, after in product(range(WORDS + 1, 30), range(16), range(16)):
        cells, ring = make_ring()
        writer = Writer(cells, ring)
        writer.store(before)
        number = ring.kept()[0]
        words = [cells[ring.at(number)]]
        writer.store(between)
        words.append(cells[ring.at(number) + 1])
        writer.store(after)
        if ring.whole(number):
            assert words == [number + 1] * WORDS
        torn += words != [number + 1] * WORDS
    assert torn > 0


@given(st.integers(0, 60), st.integers(0, 20))
def test_newest_until_agrees_with_a_search(stores: int, time_ns: int) -> None:
    """The newest kept record at or before a time is the one that a linear search finds."""
    cells, ring = make_ring()
    writer = Writer(cells, ring)
    writer.store(stores)
    found = [number for number in ring.kept() if number + 1 <= time_ns]
    assert ring.newest_until(time_ns) == (found[-1] if found else None)


@given(st.integers(0, 60))
def test_what_is_kept_is_whole_and_stays_so_for_one_more_record(stores: int) -> None:
    """The kept records are the newest three, and writing another one does not touch any of them."""
    cells, ring = make_ring()
    writer = Writer(cells, ring)
    writer.store(stores)
    published = stores // (WORDS + 1)
    assert list(ring.kept()) == list(range(max(0, published - KEPT), published))
    kept = list(ring.kept())
    writer.store(WORDS + 1)
    assert all(map(ring.whole, kept))


WORDS_64 = st.integers(0, 2**64 - 1)
COUNTS = st.tuples(*[WORDS_64] * COUNTERS)
SAMPLES = st.builds(Sample, WORDS_64, COUNTS, WORDS_64, st.floats(allow_nan=False), WORDS_64)
USAGES = st.builds(WorkerUsage, WORDS_64, WORDS_64, st.floats(allow_nan=False), st.floats(allow_nan=False), WORDS_64)
SLOTS = st.builds(SlotCounts, WORDS_64, st.dictionaries(WORDS_64, WORDS_64, max_size=5))
STEPS = st.tuples(st.integers(0, ENTRIES - 1), COUNTS.filter(any), st.integers(0, CELLS - 1), st.integers(0, 2**40))


@given(SAMPLES, st.lists(USAGES, max_size=5), SLOTS, STEPS)
def test_what_is_appended_is_read(
    sample: Sample, usage: list[WorkerUsage], slots: SlotCounts, step: tuple[int, tuple[int, ...], int, int]
) -> None:
    """Law 23: a sample, both tables and a step come back as they were written; a step's cells are cut to 32 bits."""
    entry, counters, cell, count = step
    cells = [0] * CELLS
    cells[cell] = count
    totals = [Totals()] * ENTRIES
    totals[entry] = Totals(counters, of_cells(cells))
    with tempfile.TemporaryDirectory() as folder:
        writer = HistoryWriter.create_or_continue(Path(folder) / FILE_NAME, now_ns=7)
        reader = History.open(Path(folder) / FILE_NAME)
        writer.append_sample(sample)
        writer.append_usage(sample.time_ns, usage)
        writer.append_slot_counts(slots)
        writer.append_step(sample.time_ns, totals)
        assert reader.started_ns == 7
        assert reader.sample(0) == sample
        assert reader.usage() == (sample.time_ns, usage)
        assert reader.slot_counts(0) == slots
        read = reader.step(0)
        assert read is not None
        cells[cell] = count % 2**32
        totals[entry] = Totals(counters, of_cells(cells))
        assert (read.time_ns, read.totals) == (sample.time_ns, totals)
        reader.close()
        writer.close()
