"""The metrics of a whole gateway in one process: workers, sampler and viewer, and a manual clock."""

from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.metrics.cells import CELLS, index
from gateway.metrics.clock import ManualClock
from gateway.metrics.collector import Collector
from gateway.metrics.lanes import Distribution, counts, from_cells
from gateway.metrics.sampler import ProcessUsage, Sampler
from gateway.metrics.snapshot import ChartData, InstanceInfo, Snapshot
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import WorkerFile, worker_file_name

INFO = InstanceInfo(pid=1, version="0.1.0", address="http://127.0.0.1:8000", started_at="2026-01-01T00:00:00Z")
START_NS = 10**12
"""A multiple of 250 ms and of 5 s, so that tests can say on which side of a grid line they are."""


def of_cells(cells: Sequence[int]) -> Distribution:
    """The distribution with these counts; those of further cells are 0."""
    return from_cells(array("Q", cells).tobytes())


def of_latencies(latencies_us: Iterable[int]) -> Distribution:
    """The distribution of latencies in microseconds."""
    cells = [0] * CELLS
    for latency_us in latencies_us:
        cells[index(latency_us)] += 1
    return of_cells(cells)


def cells_of(distribution: Distribution) -> list[int]:
    """The counts of all cells."""
    first, found = counts(distribution)
    cells = [0] * CELLS
    cells[first : first + len(found)] = found
    return cells


class Instance:
    """Starts without workers; pids are given out in order and are alive until their worker is killed."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.clock = ManualClock(START_NS)
        self.alive: set[int] = set()
        self.usage: dict[int, ProcessUsage] = {}
        self.files: dict[int, WorkerFile] = {}
        self.pids: dict[int, int] = {}
        self.sampler = self.new_sampler()
        self.view = self.new_view()
        self._next_pid = 100

    def is_alive(self, pid: int, process_started: float) -> bool:
        """Whether the process runs; it was started at pid / 2 seconds."""
        return pid in self.alive and process_started == pid / 2

    def new_sampler(self) -> Sampler:
        """A sampler, as after a restart of the supervisor."""
        return Sampler(self.run_dir, clock=self.clock, probe=lambda pid: self.usage.get(pid), is_alive=self.is_alive)

    def new_view(self) -> MetricsView:
        """A viewer that attaches now."""
        return MetricsView(self.run_dir, clock=self.clock, is_alive=self.is_alive)

    def start_worker(self, slot: int) -> Collector:
        """A new process in a slot, after the end of the one before."""
        pid = self._next_pid
        self._next_pid += 1
        self.alive.add(pid)
        self.pids[slot] = pid
        path = self.run_dir / worker_file_name(slot)
        self.files[slot] = WorkerFile.open(path, slot=slot, pid=pid, process_started=pid / 2)
        return self.collector(slot)

    def collector(self, slot: int) -> Collector:
        """Another collector of the process in a slot."""
        return Collector(self.files[slot])

    def kill_worker(self, slot: int) -> None:
        """End the process of a slot as kill -9 does: its file stays as it is."""
        self.alive.remove(self.pids.pop(slot))
        self.files.pop(slot).close()

    def tick(self, after_s: float = 0.0) -> None:
        """Let time pass, then tick."""
        self.clock.advance(after_s)
        self.sampler.tick()

    def snapshot(self) -> Snapshot:
        """What the resident viewer sees now."""
        return self.view.snapshot(INFO, "now")

    def chart(self, window_s: int = 900) -> ChartData:
        """What the resident viewer draws now."""
        return self.view.chart(window_s)

    def close(self) -> None:
        """Unmap everything."""
        self.sampler.close()
        self.view.close()
        for file in self.files.values():
            file.close()
