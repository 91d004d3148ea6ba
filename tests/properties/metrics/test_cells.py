"""Laws of the latency cells; what depends only on the cell is checked for every cell, at every resolution."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.cells import BITS, CELLS, MAX_MICROSECONDS, coarsen, hi, index, lo, representative

MICROSECONDS = st.integers(0, MAX_MICROSECONDS) | st.integers(0, 32).map(lambda bits: (1 << bits) - 1)
RESOLUTIONS = st.integers(0, BITS)
every_resolution = pytest.mark.parametrize("bits", range(BITS + 1))


def number_of_cells(bits: int) -> int:
    """How many there are with so many bits to an octave."""
    return index(MAX_MICROSECONDS, bits) + 1


def record(samples: list[int], bits: int = BITS) -> list[int]:
    """The cells after every sample was recorded."""
    cells = [0] * number_of_cells(bits)
    for sample in samples:
        cells[index(sample, bits)] += 1
    return cells


@given(MICROSECONDS, RESOLUTIONS)
def test_a_value_lies_in_its_cell(microseconds: int, bits: int) -> None:
    """Law 1: lo(index(v)) <= v <= hi(index(v))."""
    cell = index(microseconds, bits)
    assert 0 <= cell < number_of_cells(bits)
    assert lo(cell, bits) <= microseconds <= hi(cell, bits)


@given(MICROSECONDS, MICROSECONDS, RESOLUTIONS)
def test_index_is_monotone(one: int, other: int, bits: int) -> None:
    """Law 2: a longer latency never falls into an earlier cell."""
    assert (index(one, bits) <= index(other, bits)) or one > other


@every_resolution
def test_cells_tile_the_range(bits: int) -> None:
    """Law 3: the cells cover 0 to 2^32 - 1 microseconds without gap or overlap, and index finds both ends of each."""
    cells = range(number_of_cells(bits))
    assert lo(0, bits) == 0
    assert hi(cells[-1], bits) == MAX_MICROSECONDS
    for cell, following in pairwise(cells):
        assert hi(cell, bits) + 1 == lo(following, bits)
    for cell in cells:
        assert index(lo(cell, bits), bits) == index(hi(cell, bits), bits) == cell


def test_there_are_896_cells() -> None:
    """Five bits to an octave, unless it is said otherwise, need as many cells as a file has room for."""
    assert number_of_cells(BITS) == CELLS == 896
    for cell in range(CELLS):
        assert (lo(cell), hi(cell), representative(cell)) == (lo(cell, 5), hi(cell, 5), representative(cell, 5))
        assert index(lo(cell)) == cell


@every_resolution
def test_representative_is_within_a_sixty_fifth(bits: int) -> None:
    """Law 4: |r - v| * 65 <= v in integers at both ends of every cell, where the error is largest; exact below 64."""
    inverse = 2 ** (bits + 1) + 1
    for cell in range(number_of_cells(bits)):
        for microseconds in (lo(cell, bits), hi(cell, bits)):
            assert abs(representative(cell, bits) - microseconds) * inverse <= microseconds
            assert representative(cell, bits) == microseconds or microseconds >= inverse - 1


@given(MICROSECONDS)
def test_representative_of_any_value_is_within_a_sixty_fifth(microseconds: int) -> None:
    """Law 4 between the ends, too."""
    assert abs(representative(index(microseconds)) - microseconds) * 65 <= microseconds


@every_resolution
def test_representative_lies_in_its_cell(bits: int) -> None:
    """Law 5: the value that stands for a cell could have been recorded in it."""
    for cell in range(number_of_cells(bits)):
        assert lo(cell, bits) <= representative(cell, bits) <= hi(cell, bits)


@every_resolution
def test_representative_is_nearest_to_the_harmonic_mean(bits: int) -> None:
    """No other integer is closer to 2*lo*hi/(lo + hi), where the errors at both ends are equal."""
    for cell in range(1, number_of_cells(bits)):
        low, high = lo(cell, bits), hi(cell, bits)
        assert abs(representative(cell, bits) * (low + high) - 2 * low * high) * 2 <= low + high


@every_resolution
def test_a_cell_lies_whole_in_one_coarser_cell(bits: int) -> None:
    """Law 22 for every cell: both ends of it have the same cell at fewer bits, so all values between them do."""
    for cell in range(CELLS):
        assert index(lo(cell), bits) == index(hi(cell), bits)


@given(st.lists(MICROSECONDS, max_size=60), RESOLUTIONS)
def test_coarsening_equals_recording_at_the_coarse_resolution(samples: list[int], bits: int) -> None:
    """Law 22: what was recorded finely and coarsened is what would have been recorded coarsely."""
    assert coarsen(record(samples), bits) == record(samples, bits)
    assert coarsen(record(samples), BITS) == record(samples)


def test_coarsening_nothing_gives_empty_cells() -> None:
    """A distribution whose cells are left out because they are zero has zero cells at every resolution."""
    assert coarsen((), 3) == [0] * number_of_cells(3)
