"""The reader behind `gateway top` and the dashboard: live worker files and the history, brought together.

The present comes from the worker files, the past from the history, and a window is their difference. The order of
reading makes every difference at least zero: first the clock, then the history, then the workers, whose counts can
only have grown meanwhile.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from gateway.metrics.chart import Chart
from gateway.metrics.clock import Clock
from gateway.metrics.entries import ENTRIES, UNATTRIBUTED, EntryNames
from gateway.metrics.health import TargetReading, provider_figures, read_targets
from gateway.metrics.history import FILE_NAME, MAX_WORKERS, History, Sample, SlotCounts, Step, WorkerUsage
from gateway.metrics.outcome import LABELS
from gateway.metrics.percentiles import count_and_percentiles_ms
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
    UnattributedFigures,
    WindowFigures,
    WorkerFigures,
)
from gateway.metrics.window import RATE_NS, WINDOW_NS, Totals, per_second, total
from gateway.metrics.worker_file import WorkerFiles, instance_entry

_STALE_NS: Final = 5 * 10**9
"""CPU and memory that were measured longer ago (20 ticks) are not shown as those of now."""

_Counted = tuple[int, list[tuple[int, ...]]]
"""A time and the counters by entry."""

_Usage = dict[tuple[int, int, float], WorkerUsage]


class _EntryFigures(msgspec.Struct, frozen=True, eq=False):
    """What follows from the totals of the workers and the left edge of the window, for one entry of the instance."""

    parts: list[Totals]
    edge: Step | None
    lifetime: Totals
    window: Totals
    latency: Latency


class _InstanceFigures(msgspec.Struct, frozen=True, eq=False):
    """What follows from the figures of all entries."""

    entries: list[_EntryFigures]
    lifetime: Totals
    window: Totals
    latency: Latency


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
        self._minute_number = -1
        self._minute: _Counted | None = None
        self._slots_number = -1
        self._slots: SlotCounts | None = None
        # What is still true is not derived again.
        self._entries = [_entry_figures([], None, UNATTRIBUTED)] * ENTRIES
        self._all = _instance_figures(self._entries)

    def snapshot(self, instance: InstanceInfo, taken_at: str) -> Snapshot:
        """The figures of this moment; raises MetricsError if a file is foreign or of another version."""
        now_ns, history = self._look()
        edge = self._left_edge(now_ns, history) if history else None
        minute = _minute_ago(now_ns, history) if history else None
        usage = _recent_usage(now_ns, history) if history else {}
        names = EntryNames(history.names() if history else ())
        slots = self._minute_of_slots(now_ns, history) if history else None

        workers: list[WorkerFigures] = []
        parts: list[list[Totals]] = [[] for _ in range(ENTRIES)]
        started, active = [0] * ENTRIES, [0] * ENTRIES
        log_dropped = 0
        targets: list[list[TargetReading]] = []
        for file in self._workers.refresh():
            reading = file.read()
            alive = self._is_alive(file.pid, file.process_started)
            if alive:
                targets.append(read_targets(file))
            for entry in reading.entries:
                place = instance_entry(entry, names)
                parts[place].append(entry.totals)
                started[place] += entry.started
                if alive:
                    active[place] += entry.active
            log_dropped += reading.log_dropped
            measured = usage.get((file.slot, file.pid, file.process_started)) if alive else None
            workers.append(
                WorkerFigures(
                    slot=file.slot,
                    pid=file.pid,
                    alive=alive,
                    active=reading.active if alive else 0,
                    cpu_percent=measured.cpu_percent if measured else None,
                    rss_bytes=measured.rss_bytes if measured else None,
                    finished=reading.finished,
                    requests_per_second=_slot_rate(file.slot, reading.finished, slots, now_ns) if alive else None,
                )
            )
        self._derive(parts, edge)
        then_ns, then = self._minute_of_models(now_ns, history) if history else (now_ns, None)
        figures = [
            (
                active[place],
                _model_window(entry, then[place] if then else None, now_ns - then_ns),
                _lifetime(started[place], entry.lifetime),
            )
            for place, entry in enumerate(self._entries)
        ]
        models = [ModelFigures(name, *figures[place]) for name, place in names.items() if started[place]]
        return Snapshot(
            schema=SCHEMA,
            instance=instance,
            taken_at=taken_at,
            active=sum(active),
            workers=workers,
            lifetime=_lifetime(sum(started), self._all.lifetime),
            window=_window(now_ns, self._all, edge, minute),
            models=sorted(models, key=lambda model: (-model.window.finished, model.name)),
            unattributed=UnattributedFigures(*figures[UNATTRIBUTED]),
            log=LogFigures(log_dropped),
            providers=provider_figures(targets, now_ns / 1e9),
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

    def _minute_of_models(self, now_ns: int, history: History) -> _Counted:
        """What was counted by entry in the newest step that is at least a minute old, else in the beginning."""
        while (number := history.steps.newest_until(now_ns - RATE_NS)) is not None:
            if self._minute is None or self._minute_number != number:
                self._minute_number, self._minute = number, history.step_counters(number)
            if self._minute is not None:
                return self._minute
        first = history.first_step()
        return first.time_ns, [totals.counters for totals in first.totals]

    def _minute_of_slots(self, now_ns: int, history: History) -> SlotCounts:
        """What had ended in each slot at the newest step that is at least a minute old, else in the beginning."""
        while (number := history.slots.newest_until(now_ns - RATE_NS)) is not None:
            if self._slots is None or self._slots_number != number:
                self._slots_number, self._slots = number, history.slot_counts(number)
            if self._slots is not None:
                return self._slots
        return SlotCounts(history.started_ns, {})

    def _derive(self, parts: list[list[Totals]], edge: Step | None) -> None:
        self._entries = [
            known if known.edge is edge and known.parts == entry_parts else _entry_figures(entry_parts, edge, entry)
            for entry, (known, entry_parts) in enumerate(zip(self._entries, parts, strict=True))
        ]
        if self._entries != self._all.entries:
            self._all = _instance_figures(self._entries)


def _entry_figures(parts: list[Totals], edge: Step | None, entry: int) -> _EntryFigures:
    lifetime = total(parts)
    window = lifetime.since(edge.totals[entry]) if edge else lifetime
    return _EntryFigures(parts, edge, lifetime, window, _latency(window))


def _model_window(entry: _EntryFigures, then: tuple[int, ...] | None, elapsed_ns: int) -> ModelWindow:
    window = entry.window
    rate = per_second(entry.lifetime.finished - Totals(then).finished, elapsed_ns) if then else None
    return ModelWindow(window.finished, rate, window.errors, _tokens(window), entry.latency)


def _slot_rate(slot: int, finished: int, then: SlotCounts | None, now_ns: int) -> float | None:
    """A slot that was not there yet had counted nothing; one for which the table had no row, nobody knows what."""
    if then is None or (slot not in then.finished and len(then.finished) == MAX_WORKERS):
        return None
    return per_second(finished - then.finished.get(slot, 0), now_ns - then.time_ns)


def _instance_figures(entries: list[_EntryFigures]) -> _InstanceFigures:
    # Of the lifetime only the counters are shown.
    lifetime = total(Totals(entry.lifetime.counters) for entry in entries)
    window = total(entry.window for entry in entries)
    return _InstanceFigures(entries, lifetime, window, _latency(window))


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


def _window(now_ns: int, counted: _InstanceFigures, edge: Step | None, minute: Sample | None) -> WindowFigures:
    window = counted.window
    last_minute = counted.lifetime.since(Totals(minute.counters)) if minute else Totals()
    elapsed_ns = now_ns - minute.time_ns if minute else 0
    return WindowFigures(
        seconds=WINDOW_NS // 10**9,
        coverage_s=(now_ns - edge.time_ns) / 1e9 if edge else None,
        finished=window.finished,
        requests_per_second=per_second(last_minute.finished, elapsed_ns),
        errors_per_second=per_second(last_minute.errors, elapsed_ns),
        outcomes=_outcomes(window),
        tokens=_tokens(window),
        latency_ms=counted.latency,
    )


def _lifetime(started: int, totals: Totals) -> Lifetime:
    return Lifetime(started, totals.finished, _outcomes(totals), _tokens(totals))


def _outcomes(totals: Totals) -> dict[str, int]:
    return dict(zip(LABELS, totals.outcomes, strict=True))


def _tokens(totals: Totals) -> Tokens:
    """Every answer has tokens of one kind at least: of requests that came with none at all, no provider told any."""
    if totals.finished and not totals.input_tokens and not totals.output_tokens:
        return Tokens(None, None)
    return Tokens(totals.input_tokens, totals.output_tokens)


def _latency(totals: Totals) -> Latency:
    return Latency(*count_and_percentiles_ms(totals.latencies))
