"""Real processes: a worker that is killed while it writes, and a reader that looks all the time."""

import itertools
import os
import subprocess
import sys
from operator import le
from pathlib import Path

import pytest

from gateway.metrics.layout import MappedFile
from gateway.metrics.worker_file import WorkerFile, WorkerFileReader, WorkerReading

WORKER = """
import os, sys
from pathlib import Path
from gateway.metrics.collector import Collector
from gateway.metrics.outcome import Outcome
from gateway.metrics.worker_file import WorkerFile

collector = Collector(WorkerFile.open(Path(sys.argv[1]), slot=0, pid=os.getpid(), process_started=1.0))
print("ready", flush=True)
while True:
    for latency_ns in range(0, 10**9, 10**6):
        collector.started()
        collector.finished(collector.attribute("other"), Outcome.OK, latency_ns, 2, 3)
"""


STORER = """
import mmap, sys

with open(sys.argv[1], "r+b") as file:
    cells = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
print("ready", flush=True)
while True:
    for number in (2**64 - 1, 0):
        for cell in range(len(cells)):
            cells[cell] = number
"""


def figures(reading: WorkerReading) -> list[int]:
    """Everything in a reading that must not shrink."""
    return [reading.started, *(figure for entry in reading.entries for figure in entry.totals.counters)]


@pytest.mark.parametrize(("first", "count"), [(0, 896), (3, 896), (5, 1), (1, 77), (2, 1000)])
def test_no_cell_in_a_copy_is_half_written(tmp_path: Path, first: int, count: int) -> None:
    """Copies of cells that another process flips from all zeros to all ones hold both, whole, wherever they begin."""
    path = tmp_path / "cells"
    path.write_bytes(bytes(8 * (first + count)))
    storer = subprocess.Popen([sys.executable, "-c", STORER, str(path)], stdout=subprocess.PIPE)
    file = MappedFile(os.open(path, os.O_RDONLY), path.stat().st_size, writable=False)
    try:
        assert storer.stdout is not None
        assert storer.stdout.readline() == b"ready\n"
        seen: set[int] = set()
        for copies in itertools.count():
            seen.update(memoryview(file.copy(first, count)).cast("Q"))
            assert seen <= {0, 2**64 - 1}
            assert storer.poll() is None
            if copies >= 2000 and len(seen) == 2:
                break
    finally:
        storer.kill()
        storer.communicate()
        file.close()


def test_counts_never_shrink_and_survive_kill_9(tmp_path: Path) -> None:
    """Every reading of a running writer is valid and at least the one before; the successor goes on from the last."""
    path = tmp_path / "worker-0.metrics"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE)
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        reader = WorkerFileReader(path)
        previous, changes = reader.read(), 0
        while changes < 20:
            assert worker.poll() is None
            reading = reader.read()
            reading.check_valid()
            assert all(map(le, figures(previous), figures(reading)))
            changes += figures(previous) != figures(reading)
            previous = reading
    finally:
        worker.kill()
        worker.communicate()
    last = reader.read()
    last.check_valid()
    assert reader.pid == worker.pid
    assert last.active in (0, 1)

    WorkerFile.open(path, slot=0, pid=worker.pid, process_started=2.0)  # the same pid, come again
    after = WorkerFileReader(path).read()
    assert after.active == 0
    assert after.started == last.started >= previous.started
