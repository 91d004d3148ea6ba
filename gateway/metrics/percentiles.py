"""Nearest-rank percentiles of a distribution."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from gateway.metrics.cells import CELLS, representative
from gateway.metrics.lanes import Distribution, counts

Ratio = tuple[int, int]
"""A quantile as numerator and denominator: with floats, 0.95 * 20 rounds up to one rank too many."""

P50: Ratio = (1, 2)
P95: Ratio = (19, 20)
P99: Ratio = (99, 100)
_RATIOS: Final = (P50, P95, P99)

REPRESENTATIVE_MS: Final = tuple(representative(cell) / 1000 for cell in range(CELLS))
"""What each cell stands for, in milliseconds; strictly growing."""


def percentile_cells(cells: Sequence[int], ratios: Sequence[Ratio]) -> tuple[int, ...] | None:
    """The cell of the element with rank ceil(n * q), at least 1, for each q; None for an empty distribution.

    `cells` are the counts of the first cells.
    """
    return _ranked(list(accumulate(cells)), ratios)


def percentiles_ms(distribution: Distribution) -> tuple[float, float, float] | tuple[None, None, None]:
    """p50, p95 and p99 in milliseconds, each within 1/65 of the exact one; None where there is no data."""
    return count_and_percentiles_ms(distribution)[1:]


def count_and_percentiles_ms(
    distribution: Distribution,
) -> tuple[int, float, float, float] | tuple[int, None, None, None]:
    """The number of requests, and their percentiles as above."""
    first, cells = counts(distribution)
    running = list(accumulate(cells))
    found = _ranked(running, _RATIOS)
    if found is None:
        return 0, None, None, None
    p50, p95, p99 = found
    return (
        running[-1],
        REPRESENTATIVE_MS[first + p50],
        REPRESENTATIVE_MS[first + p95],
        REPRESENTATIVE_MS[first + p99],
    )


def _ranked(running: list[int], ratios: Sequence[Ratio]) -> tuple[int, ...] | None:
    count = running[-1] if running else 0
    if count == 0:
        return None
    return tuple(
        [bisect_left(running, max(1, -(-count * numerator // denominator))) for numerator, denominator in ratios]
    )
