"""What the metrics cost: a request in a worker, as a multiple of an empty call; a tick, a frame, files and memory.

Run it as `python benchmarks/metrics_hot_path.py`; it ends with 1 when a limit is not kept. Ratios carry over to other
machines, times do not: the limits of a frame are for a core of which nobody else takes a part. What a frame costs is
time of the CPU, also as a part of what adding the latencies of all workers in lists costs in the same run.
"""

import random
import statistics
import sys
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from gateway.metrics.cells import CELLS, index
from gateway.metrics.clock import ManualClock
from gateway.metrics.collector import Collector
from gateway.metrics.entries import ENTRIES
from gateway.metrics.history import FILE_NAME
from gateway.metrics.outcome import OUTCOMES, Outcome
from gateway.metrics.sampler import ProcessUsage, Sampler
from gateway.metrics.snapshot import InstanceInfo
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import ENTRY, WorkerFile, WorkerFileReader, entry_offset, worker_file_name

WORKERS = 8
CALLS = 100_000
INFO = InstanceInfo(pid=1, version="0", address="", started_at="")


class Limits:
    """Prints figures, and remembers whether each was within its limit."""

    def __init__(self) -> None:
        self.kept = True

    def show(self, name: str, figure: float, unit: str, limit: float | None = None, more: str = "") -> None:
        """One line."""
        broken = limit is not None and figure > limit
        self.kept = self.kept and not broken
        bound = f"at most {limit:g}" + " BROKEN" * broken if limit is not None else ""
        print(f"{name:<44}{figure:10.2f} {unit:<4} {bound:<20}{more}".rstrip())


def empty(entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
    """What a call alone costs."""


def request(collector: Collector) -> None:
    """All that is counted of a request."""
    collector.started()
    collector.finished(collector.attribute("echo"), Outcome.OK, 123456789, 100, 50)


def nanoseconds(call: str, names: dict[str, object]) -> float:
    """Per call, the best of seven rounds."""
    return min(timeit.repeat(call, globals=names, number=CALLS, repeat=7)) / CALLS * 1e9


def hot_path(run_dir: Path, limits: Limits) -> None:
    """One request in a worker."""
    path = run_dir / worker_file_name(0)
    file = WorkerFile.open(path, slot=0, pid=1, process_started=0.0)
    collector = Collector(file)
    names: dict[str, object] = {
        "empty": empty,
        "index": index,
        "request": request,
        "collector": collector,
        "entry": collector.attribute("echo"),
        "OK": Outcome.OK,
    }
    base = nanoseconds("empty(entry, OK, 123456789, 100, 50)", names)
    limits.show("empty call", base, "ns")
    for call, limit in (
        ("collector.started()", None),
        ("collector.attribute('echo')", None),
        ("collector.finished(entry, OK, 123456789, 100, 50)", 25.0),
        ("request(collector)", 100.0),
        ("index(123456)", None),
    ):
        cost = nanoseconds(call, names)
        limits.show(call.partition("(")[0] + ", in empty calls", cost / base, "x", limit, f"{cost:.0f} ns")
    tracemalloc.start()
    request(collector)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        request(collector)
    # Whole bytes: the two figures of the tracing itself are among them.
    kept = (tracemalloc.get_traced_memory()[0] - before) // 1000
    limits.show("memory that a request allocates and keeps", kept, "B", 0.0)
    tracemalloc.stop()
    limits.show("file of a worker", path.stat().st_size / 1e3, "kB", 300.0, "mapped by it, all reserved")
    file.close()


def add_in_lists(workers: list[WorkerFileReader]) -> list[list[int]]:
    """The latencies of every entry over all workers, added cell by cell."""
    starts = [entry_offset(entry) + ENTRY["cells"] for entry in range(ENTRIES)]
    return [
        list(map(sum, zip(*[worker.file.cells[start : start + CELLS].tolist() for worker in workers], strict=True)))
        for start in starts
    ]


def readers(run_dir: Path, limits: Limits, *, models: int, part: float) -> None:
    """A quarter of an hour in which every worker serves every model between any two frames."""
    print(f"\n{WORKERS} workers, {models} models in use, 15 minutes of history")
    clock = ManualClock(10**12)
    collectors = [
        Collector(WorkerFile.open(run_dir / worker_file_name(slot), slot=slot, pid=slot, process_started=0.0))
        for slot in range(WORKERS)
    ]
    sampler = Sampler(run_dir, clock=clock, probe=lambda pid: ProcessUsage(1.0, 1), is_alive=lambda pid, started: True)
    view = MetricsView(run_dir, clock=clock, is_alive=lambda pid, started: True)
    numbers = random.Random(1)
    names = ("tick", "snapshot", "snapshot, nothing new", "chart", "adding in lists")
    costs: dict[str, list[float]] = {name: [] for name in names}
    files = [WorkerFileReader(run_dir / worker_file_name(slot)) for slot in range(WORKERS)]

    def measure(name: str, call: Callable[[], object]) -> None:
        begin = time.process_time_ns()
        call()
        costs[name].append((time.process_time_ns() - begin) / 1e6)

    for number in range(3700):
        for collector in collectors:
            for model in range(models):
                collector.started()
                latency_ns = int(numbers.lognormvariate(18, 1))
                entry = collector.attribute(f"model-{model}")
                collector.finished(entry, OUTCOMES[number % 7], latency_ns, 100, 50)
        clock.advance(0.25)
        measure("tick", sampler.tick)
        if number >= 3600:
            measure("snapshot", lambda: view.snapshot(INFO, ""))
            measure("snapshot, nothing new", lambda: view.snapshot(INFO, ""))
            measure("chart", view.chart)
            measure("adding in lists", lambda: add_in_lists(files))
    limits.show("first chart", costs["chart"].pop(0), "ms")
    for name, samples in costs.items():
        limits.show(f"{name}, median", statistics.median(samples), "ms", more=f"{max(samples):.1f} ms at most")
    whole = statistics.median(costs["adding in lists"])
    limits.show("snapshot, in additions in lists", statistics.median(costs["snapshot"]) / whole, "x", part)
    status = (run_dir / FILE_NAME).stat()
    limits.show("history, length", status.st_size / 1e6, "MB", 25.0)
    limits.show("history, allocated", status.st_blocks * 512 / 1e6, "MB", 25.0)
    for file in files:
        file.close()
    view.close()
    sampler.close()


def main() -> int:
    """0 if every limit is kept."""
    memory = Path("/dev/shm")
    limits = Limits()

    def in_a_folder(benchmark: Callable[[Path], None]) -> None:
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            benchmark(Path(folder))

    in_a_folder(lambda folder: hot_path(folder, limits))
    in_a_folder(lambda folder: readers(folder, limits, models=1, part=0.3))
    in_a_folder(lambda folder: readers(folder, limits, models=16, part=0.9))
    return 0 if limits.kept else 1


if __name__ == "__main__":
    sys.exit(main())
