"""Requests a second of each worker, from the counts that a viewer has seen: the history keeps no counts by worker."""

from collections import deque
from collections.abc import Iterable, Mapping

from gateway.metrics.snapshot import WorkerFigures

_OVER_NS = 60 * 10**9
# Sixty points over the minute that the rates are over.
_APART_NS = 10**9


class WorkerRates:
    """The counts of at most the last minute, a second apart, and the rates between the oldest and the newest."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, Mapping[int, int]]] = deque()
        self.rates: Mapping[int, float] = {}
        """By slot; a slot that has just come has none yet."""

    def update(self, now_ns: int, workers: Iterable[WorkerFigures]) -> None:
        """Take the counts of this moment; time that stands still or goes back is ignored."""
        if self._seen and now_ns < self._seen[-1][0] + _APART_NS:
            return
        finished = {worker.slot: worker.finished for worker in workers}
        self._seen.append((now_ns, finished))
        while self._seen[0][0] < now_ns - _OVER_NS:
            self._seen.popleft()
        then_ns, then = self._seen[0]
        if now_ns > then_ns:
            elapsed_s = (now_ns - then_ns) / 1e9
            self.rates = {slot: (count - then[slot]) / elapsed_s for slot, count in finished.items() if slot in then}
