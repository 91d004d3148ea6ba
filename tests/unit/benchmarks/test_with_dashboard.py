"""The statistics behind what requests pay for a dashboard."""

import random
import statistics

import pytest

from benchmarks.with_dashboard import median_and_interval


def test_one_wild_turn_moves_neither_the_median_nor_its_interval() -> None:
    """What another program does for a second must not decide."""
    calm = [1 + number / 1000 for number in range(59)]
    assert median_and_interval([*calm, 1.06]) == median_and_interval([*calm, 1000.0])


@pytest.mark.parametrize("count", [8, 20, 60])
def test_the_interval_holds_the_true_median_nearly_always(count: int) -> None:
    """In 95 of 100 samples of a skewed distribution, whose median is 1, to within what 1,000 samples can tell."""
    draw = random.Random(7)
    hits = 0
    for _ in range(1000):
        values = [draw.lognormvariate(0, 0.5) for _ in range(count)]
        median, low, high = median_and_interval(values)
        assert median == statistics.median(values)
        hits += low <= 1 <= high
    assert 925 <= hits <= 995
