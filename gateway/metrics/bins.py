"""A distribution in coarse bins of latency, as a heat map or a histogram shows it."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

from gateway.metrics.lanes import Distribution, counts
from gateway.metrics.percentiles import REPRESENTATIVE_MS


def counts_between(distribution: Distribution, edges_ms: Sequence[float]) -> list[int]:
    """How many requests took less than the first edge, from each edge to the next, and from the last edge on.

    There is one bin more than there are edges, which must ascend (else ValueError). Each cell goes whole into the bin
    of the latency that it stands for, its representative, so that the sum of the bins is the number of requests.
    """
    first, cells = counts(distribution)
    running = [0, *accumulate(cells)]
    below = [running[min(max(0, cell - first), len(cells))] for cell in _cells_at(tuple(edges_ms))]
    return [until - since for since, until in pairwise([0, *below, running[-1]])]


@lru_cache(maxsize=16)
def _cells_at(edges_ms: tuple[float, ...]) -> list[int]:
    """The first cell at or above each edge; a picture asks for the same edges many times."""
    if any(later < earlier for earlier, later in pairwise(edges_ms)):
        raise ValueError(f"the edges do not ascend: {edges_ms}")
    return [bisect_left(REPRESENTATIVE_MS, edge_ms) for edge_ms in edges_ms]
