"""The law of the history's rings: no reader takes a torn record for a good one, whatever the interleaving."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.history import Ring
from gateway.metrics.layout import Record

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
    """For every number of stores before, between and after the loads, a record that is whole is all of one piece."""
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
