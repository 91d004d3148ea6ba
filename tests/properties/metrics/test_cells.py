"""Laws of the latency cells; what depends only on the cell is checked for every cell."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS, MAX_MICROSECONDS, hi, index, lo, representative

MICROSECONDS = st.integers(0, MAX_MICROSECONDS) | st.integers(0, 32).map(lambda bits: (1 << bits) - 1)


@given(MICROSECONDS)
def test_a_value_lies_in_its_cell(microseconds: int) -> None:
    """lo(index(v)) <= v <= hi(index(v))."""
    cell = index(microseconds)
    assert 0 <= cell < CELLS
    assert lo(cell) <= microseconds <= hi(cell)


@given(MICROSECONDS, MICROSECONDS)
def test_index_is_monotone(one: int, other: int) -> None:
    """A longer latency never falls into an earlier cell."""
    assert (index(one) <= index(other)) or one > other


def test_cells_tile_the_range() -> None:
    """The cells cover 0 to 2^32 - 1 microseconds without a gap or an overlap, and index finds both ends of each."""
    assert lo(0) == 0
    assert hi(CELLS - 1) == MAX_MICROSECONDS
    for cell, following in pairwise(range(CELLS)):
        assert hi(cell) + 1 == lo(following)
    for cell in range(CELLS):
        assert index(lo(cell)) == index(hi(cell)) == cell


def test_representative_is_within_a_sixty_fifth() -> None:
    """In integers |r - v| * 65 <= v at both ends of every cell, where the error is largest, and r = v below 64."""
    for cell in range(CELLS):
        for microseconds in (lo(cell), hi(cell)):
            assert abs(representative(cell) - microseconds) * 65 <= microseconds
            assert representative(cell) == microseconds or microseconds >= 64


@given(MICROSECONDS)
def test_representative_of_any_value_is_within_a_sixty_fifth(microseconds: int) -> None:
    """The bound holds between the ends, too."""
    assert abs(representative(index(microseconds)) - microseconds) * 65 <= microseconds


def test_representative_lies_in_its_cell() -> None:
    """The value that stands for a cell could have been recorded in it."""
    for cell in range(CELLS):
        assert lo(cell) <= representative(cell) <= hi(cell)
