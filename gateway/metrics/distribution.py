"""Latency distributions, each one integer with a lane of 64 bits for the count of each cell."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from gateway.metrics.cells import CELLS, representative
from gateway.metrics.percentiles import percentiles_ms

Distribution = int
REPRESENTATIVE_MS = tuple(representative(cell) / 1000 for cell in range(CELLS))


def merge(distributions: Iterable[Distribution]) -> Distribution:
    """All together."""
    return sum(distributions)


def counts(distribution: Distribution) -> list[int]:
    """The count of each cell up to the last one that is not 0."""
    octets = distribution.to_bytes(-(-distribution.bit_length() // 64) * 8, "little")
    return memoryview(octets).cast("Q").tolist()


def count_and_percentiles_ms(
    distribution: Distribution,
) -> tuple[int, float, float, float] | tuple[int, None, None, None]:
    """The number of requests, and p50, p95 and p99 in milliseconds."""
    cells = counts(distribution)
    p50, p95, p99 = percentiles_ms(cells)
    if p50 is None or p95 is None or p99 is None:
        return 0, None, None, None
    return sum(cells), p50, p95, p99


def counts_between(distribution: Distribution, edges_ms: Sequence[float]) -> list[int]:
    """How many lie in each band from one edge up to before the next."""
    running = [0, *accumulate(counts(distribution))]
    below = [running[min(bisect_left(REPRESENTATIVE_MS, edge), len(running) - 1)] for edge in edges_ms]
    return [upper - lower for lower, upper in pairwise(below)]
