"""Nearest-rank percentiles over the cells of a distribution."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from gateway.metrics.cells import representative

Ratio = tuple[int, int]
"""A quantile as numerator and denominator: with floats, 0.95 * 20 rounds up to one rank too many."""

P50: Ratio = (1, 2)
P95: Ratio = (19, 20)
P99: Ratio = (99, 100)


def percentile_cells(cells: Sequence[int], ratios: Sequence[Ratio]) -> tuple[int, ...] | None:
    """The cell of the element with rank ceil(n * q), at least 1, for each q; None for an empty distribution."""
    running = list(accumulate(cells))
    count = running[-1] if running else 0
    if count == 0:
        return None
    return tuple(
        bisect_left(running, max(1, -(-count * numerator // denominator))) for numerator, denominator in ratios
    )


def percentiles_ms(cells: Sequence[int]) -> tuple[float, float, float] | tuple[None, None, None]:
    """p50, p95 and p99 in milliseconds, each within 1/65 of the exact one; None where there is no data."""
    found = percentile_cells(cells, (P50, P95, P99))
    if found is None:
        return None, None, None
    p50, p95, p99 = (representative(cell) / 1000 for cell in found)
    return p50, p95, p99
