"""Laws of merged steps and of bins, against the sorted latencies."""

import tempfile
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.metrics.bins import counts_between
from gateway.metrics.cells import MAX_MICROSECONDS, index, representative
from gateway.metrics.lanes import merge
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.percentiles import percentiles_ms
from tests.support.metrics import Instance, of_latencies

LATENCIES_US = st.lists(st.integers(0, MAX_MICROSECONDS) | st.integers(0, 10**5) | st.integers(0, 100), max_size=40)
EDGES_MS = st.lists(st.floats(-1, 5e6) | st.integers(0, 1100).map(float), max_size=8).map(sorted)


def stands_for_ms(latency_us: int) -> float:
    """What the cell of a latency stands for, in milliseconds."""
    return representative(index(latency_us)) / 1000


@given(LATENCIES_US, EDGES_MS)
@example([5, 70, 999, 1000, 1023, 1024, 2000], [])
@example([1024], [1.0, stands_for_ms(1024), stands_for_ms(1024)])
@example([1000, 1023], [stands_for_ms(1023), 1e9])
def test_every_request_is_in_the_bin_of_its_cell(latencies_us: list[int], edges_ms: list[float]) -> None:
    """Bin i counts the latencies whose representative is at or above edge i - 1 and below edge i."""
    expected = Counter(bisect_right(edges_ms, stands_for_ms(latency_us)) for latency_us in latencies_us)
    bins = counts_between(of_latencies(latencies_us), edges_ms)
    assert bins == [expected[place] for place in range(len(edges_ms) + 1)]


@given(LATENCIES_US, EDGES_MS)
def test_bins_sum_to_the_count(latencies_us: list[int], edges_ms: list[float]) -> None:
    """Wherever the edges are, no request is lost or counted twice."""
    bins = counts_between(of_latencies(latencies_us), edges_ms)
    assert sum(bins) == len(latencies_us)
    assert min(bins) >= 0


@given(st.lists(LATENCIES_US, max_size=5), EDGES_MS)
def test_bins_of_a_merge_are_the_sums_of_the_bins(parts: list[list[int]], edges_ms: list[float]) -> None:
    """A column of a heat map can be put together from others."""
    columns = [counts_between(of_latencies(part), edges_ms) for part in parts]
    sums = [sum(column[place] for column in columns) for place in range(len(edges_ms) + 1)]
    assert counts_between(merge(map(of_latencies, parts)), edges_ms) == sums


def test_edges_that_do_not_ascend_are_refused() -> None:
    """They are no bins."""
    with pytest.raises(ValueError, match="do not ascend"):
        counts_between(0, [1.0, 3.0, 2.0])


@given(st.lists(LATENCIES_US, max_size=5))
def test_percentiles_of_a_merge_are_those_of_all_latencies(parts: list[list[int]]) -> None:
    """Percentiles cannot be averaged; those of a merge are the nearest-rank ones of everything together."""
    together = sorted(latency_us for part in parts for latency_us in part)
    ranks = [-(-len(together) * percent // 100) for percent in (50, 95, 99)]
    expected = tuple(stands_for_ms(together[rank - 1]) if together else None for rank in ranks)
    assert percentiles_ms(merge(map(of_latencies, parts))) == expected


@given(st.lists(st.lists(st.tuples(st.sampled_from(OUTCOMES), st.integers(0, 10**7)), max_size=6), max_size=5))
def test_steps_add_up_to_their_union(steps: list[list[tuple[int, int]]]) -> None:
    """Each step has the latencies and outcomes of its own interval, and merging them gives those of all."""
    with tempfile.TemporaryDirectory() as folder:
        instance = Instance(Path(folder))
        collectors = [instance.start_worker(slot) for slot in range(2)]
        for number, step in enumerate(steps):
            for place, (outcome, latency_us) in enumerate(step):
                collector = collectors[place % 2]
                collector.started()
                entry = collector.attribute(f"model-{(place + number) % 3}")
                collector.finished(entry, OUTCOMES[outcome], latency_us * 1000, 0, 0)
            instance.tick(after_s=5.0)
        points = instance.chart().steps
        instance.close()
    assert [point.latencies for point in points] == [of_latencies(latency for _, latency in step) for step in steps]
    for point, step in zip(points, steps, strict=True):
        assert point.outcomes == tuple(sum(outcome is kind for outcome, _ in step) for kind in OUTCOMES)
        assert point.count == len(step)
        assert (point.p50_ms, point.p95_ms, point.p99_ms) == percentiles_ms(point.latencies)
    everything = of_latencies(latency for step in steps for _, latency in step)
    assert merge(point.latencies for point in points) == everything
