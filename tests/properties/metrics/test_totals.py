"""Laws of merging and subtracting totals."""

from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.window import COUNTERS, Totals, per_second, total
from tests.support.metrics import cells_of, of_cells

FINISHES = st.lists(
    st.tuples(st.sampled_from(OUTCOMES), st.integers(0, CELLS - 1), st.integers(0, 1000), st.integers(0, 1000)),
    max_size=8,
)


def record(finishes: list[tuple[int, int, int, int]]) -> Totals:
    """The totals of requests given as outcome, cell, input and output tokens."""
    counters, cells = [0] * COUNTERS, [0] * CELLS
    for outcome, cell, input_tokens, output_tokens in finishes:
        counters[outcome] += 1
        counters[-2] += input_tokens
        counters[-1] += output_tokens
        cells[cell] += 1
    return Totals(tuple(counters), of_cells(cells))


TOTALS = FINISHES.map(record)


def cut(totals: Totals) -> Totals:
    """As the history stores it."""
    return Totals(totals.counters, of_cells([cell % 2**32 for cell in cells_of(totals.latencies)]))


@given(TOTALS, TOTALS)
def test_merge_is_commutative(one: Totals, other: Totals) -> None:
    """Law 16: a + b = b + a."""
    assert total([one, other]) == total([other, one])


@given(TOTALS, TOTALS, TOTALS)
def test_merge_is_associative(one: Totals, two: Totals, three: Totals) -> None:
    """Law 17: (a + b) + c = a + (b + c) = a + b + c."""
    assert total([total([one, two]), three]) == total([one, total([two, three])]) == total([one, two, three])


@given(TOTALS)
def test_nothing_is_the_identity(totals: Totals) -> None:
    """Law 18: a + 0 = a, and the sum of nothing is 0."""
    assert total([totals, Totals()]) == total([totals]) == totals
    assert total([]) == Totals()


@given(FINISHES, FINISHES)
def test_merge_equals_recording_both(
    one: list[tuple[int, int, int, int]], two: list[tuple[int, int, int, int]]
) -> None:
    """Law 19: totals of parts add up to the totals of the whole."""
    assert total([record(one), record(two)]) == record(one + two)


@given(TOTALS, TOTALS)
def test_since_undoes_merge(edge: Totals, window: Totals) -> None:
    """Law 21: (a + b) - a = b, and no figure is negative."""
    difference = total([edge, window]).since(edge)
    assert difference == window


@given(TOTALS, TOTALS, st.integers(0, 2**40) | st.just(2**32))
@example(Totals(), record([(0, 7, 1, 1)]), 2**32)  # the cut edge is empty
def test_differences_survive_the_wrap_of_cells(edge: Totals, window: Totals, already: int) -> None:
    """Law 31: cells that have passed 2^32 give the same difference from an edge that was cut to 32 bits."""
    ages = Totals((already,) * COUNTERS, of_cells([already] * CELLS))
    before = total([ages, edge])
    assert total([before, window]).since(cut(before)) == window


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**12)), max_size=50))
def test_rates_times_elapsed_time_give_the_count(intervals: list[tuple[int, int]]) -> None:
    """Law 30: the sum of rate * dt is the number of requests, however uneven the intervals are."""
    counts = [round((per_second(count, elapsed) or 0) * elapsed / 1e9) for count, elapsed in intervals]
    assert list(accumulate(counts)) == list(accumulate(count for count, _ in intervals))


@given(st.integers(0, 10**6), st.integers(-(10**12), 0))
def test_no_elapsed_time_has_no_rate(count: int, elapsed_ns: int) -> None:
    """Law 30: a rate over no time, or over a clock that went back, is None."""
    assert per_second(count, elapsed_ns) is None


@given(TOTALS)
def test_errors_are_the_five_error_types(totals: Totals) -> None:
    """Law 36: finished = ok + cancelled + errors."""
    assert totals.finished == totals.outcomes[0] + totals.outcomes[1] + totals.errors


def test_totals_of_different_shapes_have_neither_sum_nor_difference() -> None:
    """Fewer counters are an error, and nothing is cut to what both have."""
    with pytest.raises(ValueError, match="shorter"):
        total([Totals((1,))])
    with pytest.raises(ValueError, match="shorter"):
        Totals().since(Totals((1,)))
