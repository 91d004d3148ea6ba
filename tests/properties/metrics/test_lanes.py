"""Laws of distributions as integers, against lists of counts."""

import ast
import sys
from array import array

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS
from gateway.metrics.lanes import counts, describe, from_cells, from_halves, merge, since, to_halves
from gateway.metrics.snapshot import StepPoint
from gateway.metrics.window import COUNTERS, Totals
from tests.support.metrics import cells_of, of_cells


@st.composite
def lists(draw: st.DrawFn, limit: int) -> list[int]:
    """Counts of all cells, each at most `limit`: few that are not zero, anywhere, and often at both ends of lanes."""
    cells = [0] * CELLS
    places = st.sampled_from([0, 1, 190, 191, 192, 193, 894, 895]) | st.integers(0, CELLS - 1)
    numbers = st.integers(0, limit) | st.sampled_from([1, limit, limit // 2, limit // 2 + 1])
    for place, number in draw(st.lists(st.tuples(places, numbers), max_size=8)):
        cells[place] = number
    return cells


COUNTS = lists(2**64 - 1)
CUT = lists(2**32 - 1)
FULL = [[limit] * CELLS for limit in (0, 1, 2**32 - 1, 2**64 - 1)]


def test_this_machine_is_little_endian() -> None:
    """Which is what the lanes are read by."""
    assert sys.byteorder == "little"


@given(COUNTS)
@example(FULL[0])
@example(FULL[3])
def test_the_counts_come_back(cells: list[int]) -> None:
    """Law 23: a distribution has the counts that it was made from, and is 0 if and only if all of them are."""
    distribution = of_cells(cells)
    assert cells_of(distribution) == cells
    assert (distribution == 0) is not any(cells)
    assert distribution >= 0


@given(COUNTS, st.integers(0, CELLS))
def test_cells_that_are_left_out_are_zero(cells: list[int], length: int) -> None:
    """Decoding the bytes up to the last one in use gives the same as decoding all of them."""
    assert cells_of(of_cells(cells[:length])) == cells[:length] + [0] * (CELLS - length)
    octets = array("Q", cells).tobytes()
    in_use = octets.rstrip(b"\0")
    assert from_cells(in_use) == from_cells(octets, len(in_use)) == from_cells(octets)


@given(COUNTS, COUNTS)
def test_a_distribution_is_unique(one: list[int], other: list[int]) -> None:
    """Two are equal if and only if all counts are."""
    assert (of_cells(one) == of_cells(other)) is (one == other)


@given(COUNTS)
@example([0] * CELLS)
@example([1] * CELLS)
def test_the_counts_that_are_left_out_are_zero(cells: list[int]) -> None:
    """What `counts` gives are consecutive cells, and outside of them there is nothing."""
    first, found = counts(of_cells(cells))
    assert list(found) == cells[first : first + len(found)]
    assert not any(cells[:first])
    assert not any(cells[first + len(found) :])


@given(st.lists(lists(2**60), max_size=8))
@example([[2**60 - 1] * CELLS] * 15)
def test_merging_adds_every_count(parts: list[list[int]]) -> None:
    """Law 19: the counts of all together are the sums, and no lane runs over into another."""
    assert cells_of(merge(map(of_cells, parts))) == [sum(column) for column in zip([0] * CELLS, *parts, strict=True)]


@given(COUNTS, lists(2**63 - 1))
@example(FULL[0], FULL[2])
@example(FULL[3], FULL[1])
@example(FULL[1], [2**63 - 1] * CELLS)
def test_subtracting_is_modular_in_every_lane(now: list[int], edge: list[int]) -> None:
    """Law 31: each count is the difference modulo 2^32, also where it is negative, and no lane borrows."""
    expected = [(later - earlier) % 2**32 for later, earlier in zip(now, edge, strict=True)]
    assert cells_of(since(of_cells(now), of_cells(edge))) == expected


@given(CUT, lists(2**40))
def test_since_undoes_merge(window: list[int], past: list[int]) -> None:
    """Law 21: what was added since an edge that was cut to 32 bits is what was added."""
    cut = of_cells([count % 2**32 for count in past])
    assert since(merge([of_cells(past), of_cells(window)]), cut) == of_cells(window)


@given(COUNTS)
@example(FULL[3])
def test_halves_are_the_counts_modulo_two_to_the_32(cells: list[int]) -> None:
    """Law 23: cutting and reading back gives every count modulo 2^32, in the order of the cells."""
    halves = to_halves(of_cells(cells))
    assert halves.tolist() == [count % 2**32 for count in cells]
    assert cells_of(from_halves(halves)) == halves.tolist()


@given(COUNTS)
@example(FULL[3])
def test_what_is_shown_are_the_counts(cells: list[int]) -> None:
    """However large a distribution is, it can be written, as can what holds it."""
    shown = describe(of_cells(cells))
    assert ast.literal_eval(shown) == {cell: count for cell, count in enumerate(cells) if count}
    assert shown in repr(Totals((0,) * COUNTERS, of_cells(cells)))
    point = StepPoint(1, 2, 3, 4.0, 5.0, None, {"echo": 6}, (7,), of_cells(cells))
    assert repr(point) == (
        "StepPoint(time_ns=1, interval_ns=2, count=3, p50_ms=4.0, p95_ms=5.0, p99_ms=None, "
        f"models={{'echo': 6}}, outcomes=(7,), latencies={shown})"
    )
