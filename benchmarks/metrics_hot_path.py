"""What the metrics cost: a request in a worker, as a multiple of an empty call, and a tick and a frame elsewhere.

Run it as `python benchmarks/metrics_hot_path.py`. Ratios carry over to other machines, times do not.
"""

import random
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path

from gateway.metrics.cells import index
from gateway.metrics.clock import ManualClock
from gateway.metrics.collector import Collector
from gateway.metrics.outcome import OUTCOMES, Outcome
from gateway.metrics.sampler import ProcessUsage, Sampler
from gateway.metrics.snapshot import InstanceInfo
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import WorkerFile, worker_file_name

WORKERS, MODELS = 8, 16
CALLS = 100_000
INFO = InstanceInfo(pid=1, version="0", address="", started_at="")


def empty(entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
    """What a call alone costs."""


def nanoseconds(call: str, names: dict[str, object]) -> float:
    """Per call, the best of seven rounds."""
    return min(timeit.repeat(call, globals=names, number=CALLS, repeat=7)) / CALLS * 1e9


def hot_path(run_dir: Path) -> None:
    """One request: started, attribute, finished."""
    file = WorkerFile.open(run_dir / worker_file_name(0), slot=0, pid=1, process_started=0.0)
    collector = Collector(file)
    names: dict[str, object] = {
        "empty": empty,
        "index": index,
        "collector": collector,
        "entry": collector.attribute("echo"),
        "OK": Outcome.OK,
    }
    base = nanoseconds("empty(entry, OK, 123456789, 100, 50)", names)
    print(f"{'empty call':<22}{base:8.0f} ns")
    for call in (
        "collector.started()",
        "collector.attribute('echo')",
        "collector.finished(entry, OK, 123456789, 100, 50)",
        "index(123456)",
    ):
        cost = nanoseconds(call, names)
        print(f"{call.split('(')[0]:<22}{cost:8.0f} ns{cost / base:7.1f} x an empty call")
    file.close()


def readers(run_dir: Path) -> None:
    """A quarter of an hour in which every worker serves every model between any two ticks."""
    clock = ManualClock(10**12)
    collectors = [
        Collector(WorkerFile.open(run_dir / worker_file_name(slot), slot=slot, pid=slot, process_started=0.0))
        for slot in range(WORKERS)
    ]
    sampler = Sampler(run_dir, clock=clock, probe=lambda pid: ProcessUsage(1.0, 1), is_alive=lambda pid, started: True)
    view = MetricsView(run_dir, clock=clock, is_alive=lambda pid, started: True)
    numbers = random.Random(1)
    costs: dict[str, list[float]] = {"tick": [], "snapshot": [], "chart": []}

    def measure(name: str, call: Callable[[], object]) -> None:
        begin = time.perf_counter()
        call()
        costs[name].append((time.perf_counter() - begin) * 1e3)

    for number in range(3700):
        for collector in collectors:
            for model in range(MODELS):
                collector.started()
                latency_ns = int(numbers.lognormvariate(18, 1))
                entry = collector.attribute(f"model-{model}")
                collector.finished(entry, OUTCOMES[number % 7], latency_ns, 100, 50)
        clock.advance(0.25)
        measure("tick", sampler.tick)
        if number >= 3600:
            measure("snapshot", lambda: view.snapshot(INFO, ""))
            measure("chart", view.chart)
    print(f"{'first chart':<22}{costs['chart'].pop(0):8.1f} ms (15 minutes of history)")
    for name, samples in costs.items():
        print(f"{name:<22}{statistics.median(samples):8.2f} ms median, {max(samples):.1f} ms at most")


if __name__ == "__main__":
    memory = Path("/dev/shm")
    for benchmark in (hot_path, readers):
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
            benchmark(Path(folder))
