"""The percentiles against those of two other libraries: they differ by no more than both of their errors together."""

from ddsketch import DDSketch
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS, MAX_MICROSECONDS, index, representative
from gateway.metrics.percentiles import percentile_cells

SAMPLES = st.lists(st.integers(1, MAX_MICROSECONDS) | st.integers(1, 10**5), min_size=1, max_size=40)
OURS = 1 / 65
DDSKETCH = 0.01
"""The relative accuracy that it is made with."""
HDRHISTOGRAM = 0.01
"""Two significant figures; it answers with the upper end of a cell."""


def our_percentile(samples: list[int], rank: int) -> int:
    """Microseconds at a rank, 1..n, of n samples."""
    cells = [0] * CELLS
    for sample in samples:
        cells[index(sample)] += 1
    found = percentile_cells(cells, [(rank, len(samples))])
    assert found is not None
    return representative(found[0])


@given(SAMPLES, st.data())
def test_percentiles_agree_with_ddsketch(samples: list[int], data: st.DataObject) -> None:
    """Law 15: at every rank the difference is at most the sum of the bounds, 1/65 and 1 % of the exact sample."""
    rank = data.draw(st.integers(1, len(samples)))
    sketch = DDSketch(DDSKETCH)
    for sample in samples:
        sketch.add(sample)
    # Its rank is quantile * (n - 1) from 0, rounded down: half a rank more keeps floats out of the matter.
    theirs = sketch.get_quantile_value(min(1.0, (rank - 0.5) / max(1, len(samples) - 1)))
    exact = sorted(samples)[rank - 1]
    assert theirs is not None
    assert abs(our_percentile(samples, rank) - theirs) <= (OURS + DDSKETCH) * exact * (1 + 1e-9)


@given(SAMPLES, st.data())
def test_percentiles_agree_with_hdrhistogram(samples: list[int], data: st.DataObject) -> None:
    """Law 15: at every rank the difference is at most the sum of the bounds, 1/65 and 1 % of the exact sample."""
    rank = data.draw(st.integers(1, len(samples)))
    histogram = HdrHistogram(1, MAX_MICROSECONDS, 2)
    for sample in samples:
        assert histogram.record_value(sample)
    theirs = histogram.get_value_at_percentile(100 * rank / len(samples))
    exact = sorted(samples)[rank - 1]
    assert abs(our_percentile(samples, rank) - theirs) <= (OURS + HDRHISTOGRAM) * exact
