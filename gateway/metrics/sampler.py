"""The sampler gives the counts of the workers a time: once per instance, it writes them into the history.

Time moves on a grid. A sample is taken by the first tick in each 250 ms of the clock, a step by the first in each
5 s, whatever the rhythm of the ticks: bursts cannot shorten the history, a late tick makes a longer interval, which
is stored as what it is, and a clock that stands still or goes back makes none until it has caught up.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.metrics.clock import Clock
from gateway.metrics.entries import EntryNames
from gateway.metrics.history import FILE_NAME, SAMPLE_NS, STEP_NS, HistoryWriter, Ring, Sample, SlotCounts, WorkerUsage
from gateway.metrics.window import total
from gateway.metrics.worker_file import WorkerFiles, WorkerReading, roll_up


class ProcessUsage(NamedTuple):
    """What a process uses: percent of one core over the last seconds, and resident memory."""

    cpu_percent: float
    rss_bytes: int


class Sampler:
    """The only writer of the history; `probe` measures a process by its pid, None if it cannot."""

    def __init__(
        self,
        run_dir: Path,
        *,
        clock: Clock,
        probe: Callable[[int], ProcessUsage | None],
        is_alive: Callable[[int, float], bool],
    ) -> None:
        """Begins or continues `run_dir`/history; raises HistoryFileError and OSError."""
        self._clock = clock
        self._probe = probe
        self._is_alive = is_alive
        self._workers = WorkerFiles(run_dir)
        self._history = HistoryWriter.create_or_continue(run_dir / FILE_NAME, now_ns=clock())
        self._names = EntryNames(self._history.names(), self._history.publish_name)

    def tick(self) -> None:
        """Take the sample and the step that are due, if any; raises OSError if there is no room for a new model.

        Worker files that cannot be read are left out: readers report them.
        """
        now_ns = self._clock()
        if not self._due(self._history.samples, now_ns, SAMPLE_NS):
            return
        step_is_due = self._due(self._history.steps, now_ns, STEP_NS)
        readings: list[WorkerReading] = []
        finished: dict[int, int] = {}
        usage: list[WorkerUsage] = []
        active = 0
        for worker in self._workers.refresh(skip_invalid=True):
            reading = worker.read(latencies=step_is_due)
            readings.append(reading)
            finished[worker.slot] = reading.finished
            if not self._is_alive(worker.pid, worker.process_started):
                continue
            active += reading.active
            measured = self._probe(worker.pid)
            if measured is not None:
                usage.append(WorkerUsage(worker.slot, worker.pid, worker.process_started, *measured))
        self._history.append_usage(now_ns, usage)
        self._history.append_sample(
            Sample(
                now_ns,
                total(entry.totals for reading in readings for entry in reading.entries).counters,
                active,
                sum(worker.cpu_percent for worker in usage),
                sum(worker.rss_bytes for worker in usage),
            )
        )
        if step_is_due:
            self._history.append_slot_counts(SlotCounts(now_ns, finished))
            self._history.append_step(now_ns, roll_up(readings, self._names))

    def close(self) -> None:
        """Unmap; the history stays."""
        self._workers.close()
        self._history.close()

    def _due(self, ring: Ring, now_ns: int, grid_ns: int) -> bool:
        return now_ns // grid_ns > self._history.last_ns(ring) // grid_ns
