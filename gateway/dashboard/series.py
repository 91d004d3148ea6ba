"""Columns of a chart from the history: sums over stretches of time that are aligned to absolute time.

Theory of operation. A chart of n columns over w seconds has columns of w/n seconds (`column_ns`) whose edges are
multiples of that length on the clock, not distances from now: a sample never changes its column while the picture
moves, so nothing shimmers. A sample is spread over the columns that its interval overlaps, in proportion, so a late one
fills the time that it stands for and the sum over the columns is the sum over the samples. A step of latencies goes
whole to the columns whose middle lies in it, else to the one that holds its own middle: where columns are longer than
steps, each step is in exactly one, and a column's percentiles are those of its merged distributions; where they are
shorter, a step's columns repeat it.

Only the newest column is not complete. It shows the whole samples of the last w/n seconds instead, so that it is not
one noisy sample just after an edge. It is the only column that moves from frame to frame, and so the only one that
could make an axis jump back and forth: `Recent.peaks` is the highest that it has shown within its own length, which
an axis has to hold too. So an axis that has risen stays for a column's length at least. All of this is a function of
the samples; what is kept from reading to reading is only work that need not be done again. It is bounded by the charts
in use: what no panel asked for since the last reading is dropped.

What the cursor reads does not depend on the columns of any chart: it moves over stretches of `reading_ns`, aligned to
the clock too, each of which holds the whole steps whose middle lies in it. A step is taken together with a sample, so
counts, percentiles, errors and tokens of a stretch are those of the same requests, and the stretches add up to the
steps.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.metrics.bins import counts_between
from gateway.metrics.history import STEP_NS
from gateway.metrics.lanes import Distribution, merge
from gateway.metrics.outcome import ERRORS
from gateway.metrics.percentiles import count_and_percentiles_ms
from gateway.metrics.snapshot import ChartData, Latency, ScalarPoint, StepPoint

SECOND_NS = 1_000_000_000
# Two ticks of the sampler: in columns that are shorter, the newest sample stands until the next one.
_DUE_NS = SECOND_NS // 2

_P = TypeVar("_P", ScalarPoint, StepPoint)
_C = TypeVar("_C")
_G = TypeVar("_G", bound="_Samples | _Latencies | _Models")


def column_ns(window_s: int, count: int) -> int:
    """The length of a column in a chart of `count` columns over that window."""
    return max(1, window_s * SECOND_NS // count)


def reading_ns(window_s: int) -> int:
    """The length of the stretches that the cursor reads: no shorter than a step, and at most 90 in a window."""
    return max(STEP_NS, window_s * SECOND_NS // 90)


def cursor_column(cursor_ns: int, now_ns: int, window_s: int, count: int) -> int | None:
    """Which of `count` columns, oldest first, holds that instant; None if none does."""
    length_ns = column_ns(window_s, count)
    place = cursor_ns // length_ns - now_ns // length_ns + count - 1
    return place if 0 <= place < count else None


@dataclass(slots=True)
class Column:
    """One stretch of time: sums of what finished in it, and the highest of each gauge; `covered_ns` were sampled."""

    covered_ns: float = 0.0
    finished: float = 0.0
    errors: tuple[float, ...] = (0.0,) * len(ERRORS)
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    active: int = 0
    cpu_percent: float = 0.0
    rss_bytes: int = 0

    def rate(self, amount: float) -> float:
        """`amount` per second of the sampled time."""
        return amount * SECOND_NS / self.covered_ns if self.covered_ns else 0.0

    def add(self, point: ScalarPoint, share: float) -> None:
        """Add that share of a sample."""
        self.covered_ns += point.interval_ns * share
        if point.finished:
            self.finished += point.finished * share
            self.input_tokens += point.input_tokens * share
            self.output_tokens += point.output_tokens * share
            if point.outcomes[0] != point.finished:
                self.errors = tuple(
                    total + point.outcomes[kind] * share for total, kind in zip(self.errors, ERRORS, strict=True)
                )
        # Comparisons instead of max(): this runs thousands of times when a chart is first drawn.
        if point.active > self.active:
            self.active = point.active
        if point.cpu_percent > self.cpu_percent:
            self.cpu_percent = point.cpu_percent
        if point.rss_bytes > self.rss_bytes:
            self.rss_bytes = point.rss_bytes


@dataclass(frozen=True)
class LatencyColumn:
    """The latencies of one stretch of time, at least one, and their percentiles in milliseconds."""

    latencies: Distribution
    count: int
    p50: float
    p95: float
    p99: float
    _counted: dict[tuple[float, ...], tuple[int, ...]] = field(default_factory=dict, compare=False, repr=False)

    def counts(self, edges_ms: tuple[float, ...]) -> tuple[int, ...]:
        """How many lie below, between and above the edges; for the last two sets of edges it is remembered."""
        if edges_ms not in self._counted:
            while len(self._counted) > 1:
                del self._counted[next(iter(self._counted))]
            self._counted[edges_ms] = tuple(counts_between(self.latencies, edges_ms))
        return self._counted[edges_ms]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of the requests that ended between two moments; nothing, if the moments are the same."""

    begin_ns: int
    end_ns: int
    latency_ms: Latency
    errors: tuple[int, ...]
    input_tokens: int
    output_tokens: int

    @property
    def number(self) -> int | None:
        """How many requests ended; None if nobody counted."""
        return self.latency_ms.count if self.end_ns > self.begin_ns else None

    def rate(self, amount: int) -> float | None:
        """`amount` per second; None if nobody counted."""
        return amount * SECOND_NS / (self.end_ns - self.begin_ns) if self.end_ns > self.begin_ns else None


def _latency_column(latencies: Distribution) -> LatencyColumn | None:
    count, p50, p95, p99 = count_and_percentiles_ms(latencies)
    if p50 is None or p95 is None or p99 is None:
        return None
    return LatencyColumn(latencies, count, p50, p95, p99)


@dataclass(slots=True)
class ModelsColumn:
    """How many requests of each model finished in one stretch of time, of which `covered_ns` are known."""

    covered_ns: float = 0.0
    finished: dict[str, float] = field(default_factory=dict)


class _Grid(ABC, Generic[_P, _C]):
    """`count` columns of one length by their index on the clock, continued from reading to reading."""

    def __init__(self, length_ns: int, count: int) -> None:
        self.length_ns = length_ns
        self.columns: dict[int, _C] = {}
        self._count = count
        self._oldest = 0
        self._seen_ns = -1
        self._listed: list[_C | None] = []

    def read(self, points: Sequence[_P], now_ns: int) -> list[_C | None]:
        """The columns up to now, oldest first, None where there is nothing; the same list while nothing changes."""
        oldest = now_ns // self.length_ns - self._count + 1
        fresh: list[_P] = []
        for point in reversed(points):
            if point.time_ns <= self._seen_ns:
                break
            fresh.append(point)
        for point in reversed(fresh):
            self.add(point, oldest)
        if fresh:
            self._seen_ns = fresh[0].time_ns
        if fresh or not self._listed or oldest != self._oldest:
            for index in [index for index in self.columns if index < oldest]:
                del self.columns[index]
            self._listed = [self.columns.get(index) for index in range(oldest, oldest + self._count)]
            self._oldest = oldest
        return self._listed

    @abstractmethod
    def add(self, point: _P, oldest: int) -> None:
        """Put a point into its columns; those before index `oldest` are not needed."""


class _Samples(_Grid[ScalarPoint, Column]):
    def __init__(self, length_ns: int, count: int) -> None:
        super().__init__(length_ns, count)
        self.recent = Recent(length_ns)

    def add(self, point: ScalarPoint, oldest: int) -> None:
        self.recent.add(point)
        begin, end, length_ns = point.time_ns - point.interval_ns, point.time_ns, self.length_ns
        if point.interval_ns <= 0:
            begin = end - 1
        for index in range(max(oldest, begin // length_ns), (end - 1) // length_ns + 1):
            overlap = min(end, (index + 1) * length_ns) - max(begin, index * length_ns)
            column = self.columns.get(index)
            if column is None:
                column = self.columns[index] = Column()
            column.add(point, overlap / (end - begin))


class _Latencies(_Grid[StepPoint, LatencyColumn]):
    def add(self, point: StepPoint, oldest: int) -> None:
        alone = _latency_column(point.latencies)
        if alone is None:
            return
        for index in _places(point, self.length_ns):
            before = self.columns.get(index)
            together = before and _latency_column(merge([before.latencies, point.latencies]))
            self.columns[index] = together or alone


class _Models(_Grid[StepPoint, ModelsColumn]):
    def add(self, point: StepPoint, oldest: int) -> None:
        places = _places(point, self.length_ns)
        for index in places:
            column = self.columns.setdefault(index, ModelsColumn())
            column.covered_ns += point.interval_ns / len(places)
            for name, amount in point.models.items():
                column.finished[name] = column.finished.get(name, 0.0) + amount / len(places)


def _places(step: StepPoint, length_ns: int) -> range:
    """The columns, by their index on the clock, whose middle lies in the step, or else the one that holds its own."""
    half = length_ns // 2
    begin = step.time_ns - step.interval_ns
    first, last = -((half - begin) // length_ns), (step.time_ns - 1 - half) // length_ns
    if last < first:
        first = last = (begin + step.interval_ns // 2) // length_ns
    return range(first, last + 1)


class Recent:
    """The whole samples of one column's length up to the newest, and the highest rates of that within this length.

    Sums are of integers, so what leaves is subtracted without a trace.
    """

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._points: deque[ScalarPoint] = deque()
        # Interval, finished, tokens in and out, then the errors by type.
        self._sums = [0] * (4 + len(ERRORS))
        self._peaks = [deque[tuple[int, float]]() for _ in range(4)]

    def add(self, point: ScalarPoint) -> None:
        """Take the next sample."""
        self._points.append(point)
        self._count(point, 1)
        while self._points[0].time_ns <= point.time_ns - self._length_ns:
            self._count(self._points.popleft(), -1)
        elapsed, finished, coming, going, *errors = self._sums
        if elapsed > 0:
            for peaks, amount in zip(self._peaks, (finished, coming, going, sum(errors)), strict=True):
                _keep_highest(peaks, point.time_ns, amount * SECOND_NS / elapsed, self._length_ns)

    def _count(self, point: ScalarPoint, times: int) -> None:
        sums = self._sums
        sums[0] += point.interval_ns * times
        if point.finished:
            sums[1] += point.finished * times
            sums[2] += point.input_tokens * times
            sums[3] += point.output_tokens * times
            if point.outcomes[0] != point.finished:
                for place, kind in enumerate(ERRORS, 4):
                    sums[place] += point.outcomes[kind] * times

    def column(self, now_ns: int, aligned: Column | None) -> Column | None:
        """The newest column; its gauges are those since its edge. None if the next sample is long overdue."""
        if not self._points:
            return None
        last = self._points[-1]
        if last.time_ns <= now_ns - max(self._length_ns, _DUE_NS):
            return None
        gauges = aligned or last
        elapsed, finished, coming, going, *errors = self._sums
        return Column(
            elapsed,
            finished,
            tuple(map(float, errors)),
            coming,
            going,
            gauges.active,
            gauges.cpu_percent,
            gauges.rss_bytes,
        )

    @property
    def peaks(self) -> "Peaks":
        """The highest rates of the newest column at any sample within its own length."""
        return Peaks(*(peaks[0][1] if peaks else 0.0 for peaks in self._peaks))


def _keep_highest(peaks: deque[tuple[int, float]], time_ns: int, rate: float, length_ns: int) -> None:
    """Sliding maximum: only what nothing later exceeds is kept, so the highest is the first."""
    while peaks and peaks[-1][1] <= rate:
        peaks.pop()
    peaks.append((time_ns, rate))
    while peaks[0][0] <= time_ns - length_ns:
        peaks.popleft()


@dataclass(frozen=True, slots=True)
class Peaks:
    """Rates per second."""

    finished: float
    input_tokens: float
    output_tokens: float
    failed: float


class _Grids(Generic[_G]):
    """The grids of one kind by window and number of columns."""

    def __init__(self, make: Callable[[int, int], _G]) -> None:
        self._make = make
        self._grids: dict[tuple[int, int], _G] = {}
        self._used: set[tuple[int, int]] = set()

    def drop_unused(self) -> None:
        """There is a new reading: forget what nobody asked for since the last one."""
        self._grids = {key: grid for key, grid in self._grids.items() if key in self._used}
        self._used = set()

    def get(self, window_s: int, count: int) -> _G:
        """The grid of that many columns over the window."""
        key = (window_s, count)
        self._used.add(key)
        grid = self._grids.get(key)
        if grid is None:
            grid = self._grids[key] = self._make(column_ns(window_s, count), count)
        return grid


class History:
    """The history as chart columns; `update` is called with each new reading, then columns are asked for."""

    def __init__(self) -> None:
        self._chart = ChartData(now_ns=0, scalars=(), steps=())
        self._samples = _Grids(_Samples)
        self._latencies = _Grids(_Latencies)
        self._models = _Grids(_Models)
        # What was made of the columns, which stay the same list until the next step or edge.
        self._courses: dict[tuple[int, int], tuple[list[ModelsColumn | None], dict[str, list[float | None]]]] = {}
        # The last two: of the cursor and of the window, until a step comes or goes.
        self._readings: dict[tuple[int, int], Reading] = {}

    @property
    def now_ns(self) -> int:
        """The instant at the right edge."""
        return self._chart.now_ns

    @property
    def scalars(self) -> Sequence[ScalarPoint]:
        """The samples, oldest first."""
        return self._chart.scalars

    def update(self, chart: ChartData) -> None:
        """Take a new reading; sums that no panel asked for since the last one are dropped."""
        for grids in (self._samples, self._latencies, self._models):
            grids.drop_unused()
        self._chart = chart

    def columns(self, window_s: int, count: int) -> list[Column | None]:
        """`count` columns over the last `window_s` seconds, oldest first; None where nothing was sampled."""
        grid = self._samples.get(window_s, count)
        columns = grid.read(self._chart.scalars, self._chart.now_ns)
        return [*columns[:-1], grid.recent.column(self._chart.now_ns, columns[-1])]

    def peaks(self, window_s: int, count: int) -> Peaks:
        """The highest rates that the newest of these columns has shown within its own length."""
        grid = self._samples.get(window_s, count)
        grid.read(self._chart.scalars, self._chart.now_ns)
        return grid.recent.peaks

    def latencies(self, window_s: int, count: int) -> list[LatencyColumn | None]:
        """The latencies in `count` columns, oldest first, from the steps; None where no request ended."""
        return self._latencies.get(window_s, count).read(self._chart.steps, self._chart.now_ns)

    def model_courses(self, window_s: int, count: int) -> Mapping[str, list[float | None]]:
        """Requests per second of each model over `count` columns; None where there was no step."""
        columns = self._models.get(window_s, count).read(self._chart.steps, self._chart.now_ns)
        known = self._courses.get((window_s, count))
        if known is None or known[0] is not columns:
            while len(self._courses) > 1:
                del self._courses[next(iter(self._courses))]
            known = self._courses[window_s, count] = (columns, _courses(columns))
        return known[1]

    def since(self, window_s: int) -> Reading:
        """What the steps that ended in the last `window_s` seconds come to."""
        return self._together(self._steps_of(window_s), self._chart.now_ns)

    def peak(self, window_s: int) -> float | None:
        """The most requests a second in a step of the last `window_s` seconds; None before the first step."""
        rates = [step.count * SECOND_NS / step.interval_ns for step in self._steps_of(window_s) if step.interval_ns]
        return max(rates, default=None)

    def newest_ns(self) -> int:
        """The middle of the newest step, which the cursor reads first; now, if there is none."""
        return _middle(self._chart.steps[-1]) if self._chart.steps else self._chart.now_ns

    def reading(self, instant_ns: int, window_s: int) -> Reading:
        """What the cursor at that instant reads; in a gap, nothing."""
        length = reading_ns(window_s)
        index = instant_ns // length
        return self._together([step for step in self._chart.steps if _middle(step) // length == index], index * length)

    def _steps_of(self, window_s: int) -> list[StepPoint]:
        begin = self._chart.now_ns - window_s * SECOND_NS
        return [step for step in self._chart.steps if step.time_ns > begin]

    def _together(self, steps: Sequence[StepPoint], empty_ns: int) -> Reading:
        """Successive steps and the samples between their ends; for none of them, nothing at that moment."""
        begin = end = empty_ns
        if steps:
            begin, end = steps[0].time_ns - steps[0].interval_ns, steps[-1].time_ns
        known = self._readings.pop((begin, end), None) or Reading(
            begin,
            end,
            Latency(*count_and_percentiles_ms(merge([step.latencies for step in steps]))),
            tuple(sum(step.outcomes[kind] for step in steps) for kind in ERRORS),
            *self._tokens(begin, end),
        )
        while len(self._readings) > 1:
            del self._readings[next(iter(self._readings))]
        self._readings[begin, end] = known
        return known

    def _tokens(self, begin_ns: int, end_ns: int) -> tuple[int, int]:
        """In and out, of the samples after one moment up to another."""
        samples = [sample for sample in self._chart.scalars if begin_ns < sample.time_ns <= end_ns]
        return sum(sample.input_tokens for sample in samples), sum(sample.output_tokens for sample in samples)


def _middle(step: StepPoint) -> int:
    return step.time_ns - step.interval_ns // 2


def _courses(columns: Sequence[ModelsColumn | None]) -> dict[str, list[float | None]]:
    names = {name for column in columns if column is not None for name in column.finished}
    return {
        name: [
            None if column is None else column.finished.get(name, 0.0) * SECOND_NS / column.covered_ns
            for column in columns
        ]
        for name in sorted(names)
    }
