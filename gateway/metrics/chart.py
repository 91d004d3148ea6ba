"""The history as two series of intervals, decoded record by record as it grows."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.metrics.entries import UNATTRIBUTED
from gateway.metrics.history import SAMPLES, STEPS, History, Ring, Sample, Step
from gateway.metrics.percentiles import count_and_percentiles_ms
from gateway.metrics.snapshot import ChartData, ScalarPoint, StepPoint
from gateway.metrics.window import Totals, total

_R = TypeVar("_R")
_P = TypeVar("_P", bound=ScalarPoint | StepPoint)


class Chart:
    """Keeps what it has decoded, of the newest 3,600 samples and 181 steps; a call decodes only what is new."""

    def __init__(self, history: History) -> None:
        self._scalars = _Trail(history.samples, history.sample, _scalar_point, history.first_sample(), SAMPLES)
        self._steps = _Trail(history.steps, history.step, _step_point, history.first_step(), STEPS)

    def data(self, now_ns: int, window_ns: int) -> ChartData:
        """The intervals that ended less than `window_ns` before `now_ns`."""
        return ChartData(
            now_ns, self._scalars.ended_after(now_ns - window_ns), self._steps.ended_after(now_ns - window_ns)
        )


class _Trail(Generic[_R, _P]):
    """The differences of successive records of a ring.

    A reader that comes late, or not for a long time, finds the ring lapped. The one difference that then spans what it
    has missed is the oldest, and falls out because a ring keeps more records than there are points here.
    """

    def __init__(
        self,
        ring: Ring,
        read: Callable[[int], _R | None],
        difference: Callable[[_R, _R], _P],
        beginning: _R,
        length: int,
    ) -> None:
        self._ring = ring
        self._read = read
        self._difference = difference
        self._points: list[_P] = []
        self._length = length
        self._last = beginning
        self._next = 0

    def ended_after(self, time_ns: int) -> list[_P]:
        """The intervals that ended after a time, oldest first."""
        numbers = self._ring.kept()
        for number in range(max(self._next, numbers.start), numbers.stop):
            record = self._read(number)
            if record is not None:
                self._points.append(self._difference(record, self._last))
                self._last = record
        self._next = numbers.stop
        # On every call: what would be left for later would be as much again as what is shown.
        del self._points[: -self._length]
        return self._points[bisect_right(self._points, time_ns, key=_time_ns) :]


def _time_ns(point: ScalarPoint | StepPoint) -> int:
    return point.time_ns


def _scalar_point(now: Sample, then: Sample) -> ScalarPoint:
    counted = Totals(now.counters).since(Totals(then.counters))
    return ScalarPoint(
        now.time_ns,
        now.time_ns - then.time_ns,
        counted.finished,
        counted.outcomes,
        counted.input_tokens,
        counted.output_tokens,
        now.active,
        now.cpu_percent,
        now.rss_bytes,
    )


def _step_point(now: Step, then: Step) -> StepPoint:
    counted = total(now.totals).since(total(then.totals))
    count, p50_ms, p95_ms, p99_ms = count_and_percentiles_ms(counted.latencies)
    entries = {"": UNATTRIBUTED, **now.names}
    finished = {name: now.totals[entry].finished - then.totals[entry].finished for name, entry in entries.items()}
    return StepPoint(
        now.time_ns,
        now.time_ns - then.time_ns,
        count,
        p50_ms,
        p95_ms,
        p99_ms,
        {name: count for name, count in finished.items() if count},
        counted.outcomes,
        counted.latencies,
    )
