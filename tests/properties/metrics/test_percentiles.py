"""Laws of the percentiles, against the sorted list of what was recorded."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from random import Random

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS, MAX_MICROSECONDS, index, representative
from gateway.metrics.percentiles import Ratio, percentile_cells, percentiles_ms
from tests.support.metrics import of_latencies

SAMPLES = st.lists(st.integers(0, MAX_MICROSECONDS) | st.integers(0, 200), min_size=1, max_size=60)
RATIOS = st.integers(1, 1000).flatmap(lambda denominator: st.tuples(st.integers(0, denominator), st.just(denominator)))


def record(samples: Sequence[int], times: int = 1) -> list[int]:
    """The cells after every sample was recorded `times` times."""
    cells = [0] * CELLS
    for sample in samples:
        cells[index(sample)] += times
    return cells


def only(cells: Sequence[int], ratio: Ratio) -> int:
    """The cell of one percentile of a distribution that is not empty."""
    found = percentile_cells(cells, [ratio])
    assert found is not None
    return found[0]


def nearest_rank(samples: Sequence[int], ratio: Ratio) -> int:
    """The element of the sorted list with rank ceil(n * q), at least 1, in exact arithmetic."""
    return sorted(samples)[max(1, ceil(Fraction(*ratio) * len(samples))) - 1]


@given(SAMPLES, RATIOS)
def test_percentile_is_the_cell_of_the_nearest_rank_element(samples: list[int], ratio: Ratio) -> None:
    """Law 7: the same cell as that of the element in the sorted list."""
    assert only(record(samples), ratio) == index(nearest_rank(samples, ratio))


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
@example(1, 19, 20)  # p95 of twenty
@example(1, 1, 2)  # p50 of two: int(n * q) as an index would give the maximum
def test_integral_ranks_are_exact(multiple: int, numerator: int, denominator: int) -> None:
    """Law 14: where n * q is a whole number, that is the rank, with no float in between."""
    samples = range(1, multiple * denominator + 1)
    rank = multiple * min(numerator, denominator)
    assert only(record(samples), (rank, len(samples))) == rank


@given(SAMPLES, RATIOS, RATIOS)
def test_percentiles_are_monotone(samples: list[int], one: Ratio, other: Ratio) -> None:
    """Law 8: a higher quantile is never in an earlier cell."""
    low, high = sorted((one, other), key=lambda ratio: Fraction(*ratio))
    found = percentile_cells(record(samples), [low, high])
    assert found is not None
    assert found[0] <= found[1]


@given(SAMPLES)
def test_the_hundredth_percentile_is_the_maximum(samples: list[int]) -> None:
    """Law 9: p100 is the cell of the longest latency, p0 that of the shortest."""
    assert percentile_cells(record(samples), [(1, 1), (0, 1)]) == (index(max(samples)), index(min(samples)))


@given(SAMPLES, st.randoms(use_true_random=False), RATIOS)
def test_order_of_arrival_does_not_matter(samples: list[int], random: Random, ratio: Ratio) -> None:
    """Law 10: shuffled samples have the same percentiles."""
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert only(record(shuffled), ratio) == only(record(samples), ratio)


@given(SAMPLES, st.integers(1, 1000), RATIOS)
def test_repeating_every_sample_changes_nothing(samples: list[int], times: int, ratio: Ratio) -> None:
    """Law 11: a percentile depends on proportions only."""
    assert only(record(samples, times), ratio) == only(record(samples), ratio)


@given(st.integers(0, MAX_MICROSECONDS), RATIOS)
def test_one_sample_is_every_percentile(sample: int, ratio: Ratio) -> None:
    """Law 12: with one request every percentile is its latency."""
    assert only(record([sample]), ratio) == index(sample)
    assert percentiles_ms(of_latencies([sample])) == (representative(index(sample)) / 1000,) * 3


def test_nothing_has_no_percentile() -> None:
    """Law 13: an empty distribution gives None and not 0, whether its cells are zero or left out."""
    for cells in ([0] * CELLS, ()):
        assert percentile_cells(cells, [(1, 2)]) is None
    assert percentiles_ms(0) == (None, None, None)


@given(st.integers(2**53, 2**80), st.integers(1, 100))
def test_ranks_beyond_the_precision_of_floats_are_exact(count: int, percent: int) -> None:
    """Law 14: with more requests than a float can count, the last of a percentage is told from the next one."""
    rank = -(-count * percent // 100)
    assert only([rank, count - rank], (percent, 100)) == 0
    assert only([rank - 1, count - rank + 1], (percent, 100)) == 1
