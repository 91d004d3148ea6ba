"""Columns of a chart from the history: sums over stretches of time that are aligned to absolute time.

Theory of operation. A chart of n columns over w seconds has columns of w/n seconds whose edges are multiples of that
length on the clock, not distances from now: a sample never changes its column while the picture moves, so
nothing shimmers. A sample is spread over the columns that its interval overlaps, in proportion, so a late one fills
the time that it stands for and the sum over the columns is the sum over the samples. Only the newest column is not
complete; it shows the last w/n seconds up to now instead. Sums are kept per length and number of columns and continued
from frame to frame; the memory is bounded by the charts in use.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.metrics.outcome import ERRORS
from gateway.metrics.snapshot import ChartData, ScalarPoint, StepPoint

SECOND_NS = 1_000_000_000


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
        # Comparisons instead of max(): this runs a thousand times a frame.
        if point.active > self.active:
            self.active = point.active
        if point.cpu_percent > self.cpu_percent:
            self.cpu_percent = point.cpu_percent
        if point.rss_bytes > self.rss_bytes:
            self.rss_bytes = point.rss_bytes


class _Sums:
    """The columns of one length by their index on the clock."""

    def __init__(self, length_ns: int) -> None:
        self.length_ns = length_ns
        self.columns: dict[int, Column] = {}
        self.seen_ns = -1

    def extend(self, points: Sequence[ScalarPoint], oldest: int) -> None:
        """Take in the points that are new, and forget the columns before index `oldest`."""
        fresh: list[ScalarPoint] = []
        for point in reversed(points):
            if point.time_ns <= self.seen_ns:
                break
            fresh.append(point)
        for point in reversed(fresh):
            _spread(point, self.length_ns, oldest, self.columns)
        if fresh:
            self.seen_ns = fresh[0].time_ns
        for index in [index for index in self.columns if index < oldest]:
            del self.columns[index]


def _spread(point: ScalarPoint, length_ns: int, oldest: int, columns: dict[int, Column]) -> None:
    begin, end = point.time_ns - point.interval_ns, point.time_ns
    if point.interval_ns <= 0:
        begin = end - 1
    for index in range(max(oldest, begin // length_ns), (end - 1) // length_ns + 1):
        overlap = min(end, (index + 1) * length_ns) - max(begin, index * length_ns)
        columns.setdefault(index, Column()).add(point, overlap / (end - begin))


class History:
    """The history as chart columns; `update` is called with each new reading, then columns are asked for."""

    def __init__(self) -> None:
        self._chart = ChartData(now_ns=0, scalars=(), steps=())
        self._sums: dict[tuple[int, int], _Sums] = {}
        # What was asked for since the last reading: several panels ask for the same.
        self._asked: dict[tuple[int, int], list[Column | None]] = {}

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
        self._sums = {key: sums for key, sums in self._sums.items() if key in self._asked}
        self._asked = {}
        self._chart = chart

    def columns(self, window_s: int, count: int) -> list[Column | None]:
        """`count` columns over the last `window_s` seconds, oldest first; None where nothing was sampled."""
        key = (window_s, count)
        if key in self._asked:
            return self._asked[key]
        length_ns = max(1, window_s * SECOND_NS // count)
        newest = self._chart.now_ns // length_ns
        oldest = newest - count + 1
        sums = self._sums.setdefault(key, _Sums(length_ns))
        sums.extend(self._chart.scalars, oldest)
        columns = [sums.columns.get(index) for index in range(oldest, newest)]
        self._asked[key] = [*columns, self._up_to_now(length_ns)]
        return self._asked[key]

    def _up_to_now(self, length_ns: int) -> Column | None:
        latest = Column()
        begin = self._chart.now_ns - length_ns
        for point in reversed(self._chart.scalars):
            if point.time_ns <= begin:
                break
            outside = max(0, begin - (point.time_ns - point.interval_ns))
            latest.add(point, 1 - outside / point.interval_ns if point.interval_ns > 0 else 1.0)
        return latest if latest.covered_ns else None

    def percentiles(self, window_s: int, count: int) -> dict[str, list[float | None]]:
        """`p50`, `p95` and `p99` in milliseconds over `count` columns; the highest where a column holds several steps.

        Percentiles cannot be averaged; the highest keeps their order and hides no peak.
        """
        columns: dict[str, list[float | None]] = {name: [None] * count for name in ("p50", "p95", "p99")}
        p50, p95, p99 = columns.values()
        for step, places in self._placed(window_s, count):
            if step.p50_ms is None or step.p95_ms is None or step.p99_ms is None:
                continue
            for place in places:
                p50[place] = max(p50[place] or 0.0, step.p50_ms)
                p95[place] = max(p95[place] or 0.0, step.p95_ms)
                p99[place] = max(p99[place] or 0.0, step.p99_ms)
        return columns

    def model_courses(self, window_s: int, count: int) -> dict[str, list[float | None]]:
        """Requests per second of each model over `count` columns; None where there was no step."""
        elapsed_s = [0.0] * count
        finished: dict[str, list[float]] = {}
        for step, places in self._placed(window_s, count):
            for place in places:
                elapsed_s[place] += step.interval_ns / len(places) / SECOND_NS
            for name, amount in step.models.items():
                row = finished.setdefault(name, [0.0] * count)
                for place in places:
                    row[place] += amount / len(places)
        return {
            name: [amount / elapsed if elapsed else None for amount, elapsed in zip(row, elapsed_s, strict=True)]
            for name, row in finished.items()
        }

    def model_rates(self) -> dict[str, float]:
        """Requests per second of each model over the steps of the last minute."""
        begin = self._chart.now_ns - 60 * SECOND_NS
        elapsed, finished = 0, dict[str, int]()
        for step in reversed(self._chart.steps):
            if step.time_ns - step.interval_ns < begin and elapsed:
                break
            elapsed += step.interval_ns
            for name, amount in step.models.items():
                finished[name] = finished.get(name, 0) + amount
        return {name: amount * SECOND_NS / elapsed for name, amount in finished.items()} if elapsed else {}

    def _placed(self, window_s: int, count: int) -> Iterable[tuple[StepPoint, Sequence[int]]]:
        """Each step with the columns whose middle lies in it, or else the one that holds its own middle."""
        length_ns = max(1, window_s * SECOND_NS // count)
        oldest = self._chart.now_ns // length_ns - count + 1
        half = length_ns // 2
        for step in self._chart.steps:
            begin = step.time_ns - step.interval_ns
            first = -((half - begin) // length_ns)
            last = (step.time_ns - 1 - half) // length_ns
            if last < first:
                first = last = (begin + step.interval_ns // 2) // length_ns
            places = range(max(0, first - oldest), min(count - 1, last - oldest) + 1)
            if places:
                yield step, places
