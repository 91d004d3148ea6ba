"""Requests a second of each worker, from the counts that a viewer has seen: the history keeps no counts by worker."""

from collections import deque
from collections.abc import Iterable, Mapping

from gateway.metrics.snapshot import WorkerFigures

_OVER_NS = 60 * 10**9
# Sixty points over the minute that the rates are over, or some more: figures that come every second are all taken.
_APART_NS = 9 * 10**8


class WorkerRates:
    """The counts of the last minute, a second apart, and the rate of each slot between its oldest and its newest.

    Readings that are closer together are ignored.
    """

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
        rates = {slot: self._rate(slot, count, now_ns) for slot, count in finished.items()}
        self.rates = {slot: rate for slot, rate in rates.items() if rate is not None}

    def _rate(self, slot: int, count: int, now_ns: int) -> float | None:
        """Since a slot was seen first; None at that moment."""
        then_ns, then = next((time_ns, seen[slot]) for time_ns, seen in self._seen if slot in seen)
        return (count - then) * 1e9 / (now_ns - then_ns) if now_ns > then_ns else None
