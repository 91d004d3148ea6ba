"""The reader behind `gateway top` and the dashboard: live worker files and the history, brought together.

The present comes from the worker files, the past from the history, and a window is their difference. The order of
reading makes every difference at least zero: first the clock, then the history, then the workers, whose counts can
only have grown meanwhile.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.metrics.chart import Chart
from gateway.metrics.clock import Clock
from gateway.metrics.entries import ENTRIES, EntryNames
from gateway.metrics.history import FILE_NAME, History, Sample, Step, WorkerUsage
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.percentiles import percentiles_ms
from gateway.metrics.snapshot import (
    SCHEMA,
    ChartData,
    InstanceInfo,
    Latency,
    Lifetime,
    LogFigures,
    ModelFigures,
    ModelWindow,
    Snapshot,
    Tokens,
    WindowFigures,
    WorkerFigures,
)
from gateway.metrics.window import RATE_NS, WINDOW_NS, Totals, per_second, total
from gateway.metrics.worker_file import WorkerFileReader, WorkerFiles, WorkerReading, instance_entry, roll_up

_STALE_NS: Final = 5 * 10**9
"""CPU and memory that were measured longer ago (20 ticks) are not shown as those of now."""

_Usage = dict[tuple[int, int, float], WorkerUsage]


class MetricsView:
    """Reads a run directory; nothing that it does can be noticed by the processes that write there."""

    def __init__(self, run_dir: Path, *, clock: Clock, is_alive: Callable[[int, float], bool]) -> None:
        """`clock` must be that of the sampler; `is_alive` tells from a pid and the start time of the process."""
        self._clock = clock
        self._is_alive = is_alive
        self._workers = WorkerFiles(run_dir)
        self._history_path = run_dir / FILE_NAME
        self._history: History | None = None
        self._chart: Chart | None = None
        self._now_ns = 0
        self._edge_number = -1
        self._edge: Step | None = None

    def snapshot(self, instance: InstanceInfo, taken_at: str) -> Snapshot:
        """The figures of this moment; raises MetricsError if a file is foreign or of another version."""
        now_ns, history = self._look()
        edge = self._left_edge(now_ns, history) if history else None
        minute = _minute_ago(now_ns, history) if history else None
        usage = _recent_usage(now_ns, history) if history else {}
        names = EntryNames(history.names() if history else ())

        readings = [(worker, worker.read()) for worker in self._workers.refresh()]
        workers = [self._worker(worker, reading, usage) for worker, reading in readings]
        started, active = [0] * ENTRIES, [0] * ENTRIES
        for (_, reading), worker in zip(readings, workers, strict=True):
            for entry in reading.entries:
                place = instance_entry(entry, names)
                started[place] += entry.started
                active[place] += entry.active if worker.alive else 0
        lifetimes = roll_up((reading for _, reading in readings), names)
        windows = [now.since(then) for now, then in zip(lifetimes, edge.totals, strict=True)] if edge else lifetimes
        lifetime = total(lifetimes)
        models = [
            ModelFigures(name, active[entry], _model(windows[entry]), _lifetime(started[entry], lifetimes[entry]))
            for name, entry in names.items()
            if started[entry]
        ]
        return Snapshot(
            schema=SCHEMA,
            instance=instance,
            taken_at=taken_at,
            active=sum(active),
            workers=workers,
            lifetime=_lifetime(sum(started), lifetime),
            window=_window(now_ns, total(windows), lifetime, edge, minute),
            models=sorted(models, key=lambda model: (-model.window.finished, model.name)),
            log=LogFigures(sum(reading.log_dropped for _, reading in readings)),
        )

    def chart(self, window_s: int = 900) -> ChartData:
        """The intervals that ended within the last `window_s` seconds, at most 900; a call decodes only what is new."""
        now_ns, _ = self._look()
        return self._chart.data(now_ns, window_s * 10**9) if self._chart else ChartData(now_ns, (), ())

    def close(self) -> None:
        """Unmap everything."""
        self._workers.close()
        if self._history is not None:
            self._history.close()

    def _look(self) -> tuple[int, History | None]:
        self._now_ns = max(self._now_ns, self._clock())
        if self._history is None:
            try:
                self._history = History.open(self._history_path)
            except FileNotFoundError:
                return self._now_ns, None
            self._chart = Chart(self._history)
        return self._now_ns, self._history

    def _left_edge(self, now_ns: int, history: History) -> Step:
        """The newest step that is at least a window old, else the beginning; decoded once."""
        while (number := history.steps.newest_until(now_ns - WINDOW_NS)) is not None:
            if self._edge is not None and self._edge_number == number:
                return self._edge
            self._edge_number, self._edge = number, history.step(number)
        return history.first_step()

    def _worker(self, file: WorkerFileReader, reading: WorkerReading, usage: _Usage) -> WorkerFigures:
        alive = self._is_alive(file.pid, file.process_started)
        measured = usage.get((file.slot, file.pid, file.process_started)) if alive else None
        return WorkerFigures(
            slot=file.slot,
            pid=file.pid,
            alive=alive,
            active=reading.active if alive else 0,
            cpu_percent=measured.cpu_percent if measured else None,
            rss_bytes=measured.rss_bytes if measured else None,
        )


def _minute_ago(now_ns: int, history: History) -> Sample:
    """The newest sample that is at least a minute old, else the beginning."""
    while (number := history.samples.newest_until(now_ns - RATE_NS)) is not None:
        sample = history.sample(number)
        if sample is not None:
            return sample
    return history.first_sample()


def _recent_usage(now_ns: int, history: History) -> _Usage:
    """What the workers use, by slot and process; empty if it was measured too long ago."""
    time_ns, workers = history.usage()
    if now_ns - time_ns > _STALE_NS:
        return {}
    return {(worker.slot, worker.pid, worker.process_started): worker for worker in workers}


def _window(now_ns: int, window: Totals, lifetime: Totals, edge: Step | None, minute: Sample | None) -> WindowFigures:
    last_minute = lifetime.since(Totals(minute.counters)) if minute else Totals()
    elapsed_ns = now_ns - minute.time_ns if minute else 0
    return WindowFigures(
        seconds=WINDOW_NS // 10**9,
        coverage_s=(now_ns - edge.time_ns) / 1e9 if edge else None,
        finished=window.finished,
        requests_per_second=per_second(last_minute.finished, elapsed_ns),
        errors_per_second=per_second(last_minute.errors, elapsed_ns),
        outcomes=_outcomes(window),
        tokens=_tokens(window),
        latency_ms=_latency(window),
    )


def _model(window: Totals) -> ModelWindow:
    return ModelWindow(window.finished, window.errors, _tokens(window), _latency(window))


def _lifetime(started: int, totals: Totals) -> Lifetime:
    return Lifetime(started, totals.finished, _outcomes(totals), _tokens(totals))


def _outcomes(totals: Totals) -> dict[str, int]:
    return {outcome.label: totals.counters[outcome] for outcome in OUTCOMES}


def _tokens(totals: Totals) -> Tokens:
    return Tokens(totals.input_tokens, totals.output_tokens)


def _latency(totals: Totals) -> Latency:
    return Latency(sum(totals.cells), *percentiles_ms(totals.cells))
