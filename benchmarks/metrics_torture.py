"""Snapshots of real workers that write as fast as they can and are killed with -9 all the time: nothing may be wrong.

Run it as `python benchmarks/metrics_torture.py`, or with a number of snapshots; it stops after ten minutes at most.
Beside its counts each worker keeps a ledger: before a request it stores the number of the request, after it the same
number. So a reader knows how many finishes were published before its snapshot, and how many can have been after it.
"""

import mmap
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.process import BaseProcess
from operator import le
from pathlib import Path

from gateway.metrics.clock import boottime_ns
from gateway.metrics.collector import Collector
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.sampler import Sampler
from gateway.metrics.snapshot import InstanceInfo, Lifetime, Snapshot
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import WorkerFile, WorkerFileReader, worker_file_name

SNAPSHOTS = 100_000
LIMIT_S = 600.0
WORKERS = 3
KILL_EVERY = 100
MODELS = ("echo", "gpt", "clé")
INFO = InstanceInfo(pid=1, version="0", address="", started_at="")

_BEGUN, _PUBLISHED = 0, 1
_PAUSE_S = 0.001


@contextmanager
def ledgers(path: Path) -> Iterator["memoryview[int]"]:
    """Two numbers for each worker, shared by all processes."""
    with path.open("a+b") as file:
        file.truncate(16 * WORKERS)
        with mmap.mmap(file.fileno(), 16 * WORKERS) as memory, memoryview(memory) as octets, octets.cast("Q") as cells:
            yield cells


def work(run_dir: Path, slot: int, process_started: float) -> None:
    """Count requests until killed."""
    os.nice(5)  # the reader is not to wait for them
    path = run_dir / worker_file_name(slot)
    collector = Collector(WorkerFile.open(path, slot=slot, pid=os.getpid(), process_started=process_started))
    reader = WorkerFileReader(path)
    finished = sum(entry.totals.finished for entry in reader.read().entries)
    reader.close()
    with ledgers(run_dir / "ledgers") as cells:
        # The one before may have died between its last finish and the note of it.
        for number in count(finished):
            cells[2 * slot + _BEGUN] = number + 1
            cells[2 * slot + _PUBLISHED] = number
            collector.started()
            entry = collector.attribute(MODELS[number % 3]) if number % 4 else collector.UNATTRIBUTED
            collector.finished(entry, OUTCOMES[number % 7], number % 10**6 * 1000, 2, 3)


@dataclass
class Report:
    """What has been looked at."""

    snapshots: int = 0
    kills: int = 0
    finished: int = 0
    changes: int = 0
    seconds: float = 0.0


class Fleet:
    """The processes; one that is killed is replaced at once in the same slot."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        # Forked, because a spawned interpreter would take longer to start than it lives.
        self._context = multiprocessing.get_context("fork")
        self._births = count(1)
        self._alive: dict[tuple[int | None, float], BaseProcess] = {}
        self._slots = [self._born(slot) for slot in range(WORKERS)]

    def _born(self, slot: int) -> tuple[int | None, float]:
        born = float(next(self._births))
        process = self._context.Process(target=work, args=(self._run_dir, slot, born), daemon=True)
        process.start()
        self._alive[process.pid, born] = process
        return process.pid, born

    def is_alive(self, pid: int, process_started: float) -> bool:
        """Whether that process has not been killed."""
        return (pid, process_started) in self._alive

    def kill(self, slot: int, *, replace: bool = True) -> None:
        """Kill -9 the process of a slot, whatever it is doing."""
        process = self._alive.pop(self._slots[slot])
        process.kill()
        process.join()
        if replace:
            self._slots[slot] = self._born(slot)


def figures(lifetime: Lifetime) -> list[int]:
    """What must never shrink."""
    return [lifetime.started, lifetime.finished, *lifetime.outcomes.values(), lifetime.tokens.input or 0]


def check(before: Snapshot | None, snapshot: Snapshot, published: int, begun: int) -> None:
    """Monotonicity, visibility, and that the figures of one snapshot agree."""
    lifetime, window = snapshot.lifetime, snapshot.window
    assert published <= lifetime.finished <= begun, (published, lifetime.finished, begun)
    assert lifetime.finished == sum(lifetime.outcomes.values())
    assert lifetime.started >= lifetime.finished + snapshot.active
    assert window.latency_ms.count >= window.finished
    # What begins and ends between the two ends of a reading is shown as active, and nothing else than what runs.
    assert 0 <= snapshot.active <= begun - lifetime.finished, (snapshot.active, lifetime.finished, begun)
    assert sum(model.lifetime.finished for model in snapshot.models) <= lifetime.finished
    if before is not None:
        assert all(map(le, figures(before.lifetime), figures(lifetime))), (before, snapshot)
        known = {model.name: model.lifetime for model in snapshot.models}
        for model in before.models:
            assert all(map(le, figures(model.lifetime), figures(known[model.name])))


def torture(run_dir: Path, *, snapshots: int, limit_s: float) -> Report:
    """Take so many snapshots, for so long at most; raises AssertionError at the first that is wrong."""
    dice = random.Random(32)
    report = Report()
    begin = time.monotonic()
    with ledgers(run_dir / "ledgers") as cells:
        fleet = Fleet(run_dir)
        sampler = Sampler(run_dir, clock=boottime_ns, probe=lambda pid: None, is_alive=fleet.is_alive)
        view = MetricsView(run_dir, clock=boottime_ns, is_alive=fleet.is_alive)
        before: Snapshot | None = None
        try:
            while report.snapshots < snapshots and time.monotonic() - begin < limit_s:
                sampler.tick()
                published = sum(cells[_PUBLISHED::2])
                snapshot = view.snapshot(INFO, "")
                begun = sum(cells[_BEGUN::2])
                check(before, snapshot, published, begun)
                if before is None or before.lifetime != snapshot.lifetime:
                    report.changes += 1
                else:
                    # To look again at once would only keep the workers off the core.
                    time.sleep(_PAUSE_S)
                report.snapshots += 1
                before = snapshot
                if dice.random() * KILL_EVERY < 1:
                    fleet.kill(dice.randrange(WORKERS))
                    report.kills += 1
        finally:
            for slot in range(WORKERS):
                fleet.kill(slot, replace=False)
        last = view.snapshot(INFO, "")
        check(before, last, sum(cells[_PUBLISHED::2]), sum(cells[_BEGUN::2]))
        assert last.active == 0
        report.finished = last.lifetime.finished
        view.close()
        sampler.close()
    report.seconds = time.monotonic() - begin
    return report


if __name__ == "__main__":
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        print(torture(Path(folder), snapshots=int(sys.argv[1]) if sys.argv[1:] else SNAPSHOTS, limit_s=LIMIT_S))
