"""A run directory with everything in it that viewers read, and no server."""

import json
import os
import time
from pathlib import Path

from gateway.logs.ring import RingWriter
from gateway.metrics.clock import boottime_ns
from gateway.metrics.collector import Collector
from gateway.metrics.outcome import Outcome
from gateway.metrics.sampler import ProcessUsage, Sampler
from gateway.metrics.worker_file import WorkerFile
from gateway.serving.processes import is_alive, process_started
from gateway.serving.run_dir import Instance


class Gateway:
    """The writing side of a run directory, without a server: one worker's counts, the sampler and the log ring."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        run_dir.mkdir(exist_ok=True)
        started = process_started(os.getpid())
        assert started is not None
        self.worker = WorkerFile.open(run_dir / "worker-0.metrics", slot=0, pid=os.getpid(), process_started=started)
        self.collector = Collector(self.worker)
        self.sampler = Sampler(
            run_dir, clock=boottime_ns, probe=lambda pid: ProcessUsage(12.0, 64 * 2**20), is_alive=is_alive
        )
        self.ring = RingWriter.create(run_dir / "worker-0.log", pid=os.getpid(), capacity=200)
        self.logged = 0
        self.sampler.tick()

    def serve(self, requests: int) -> None:
        """Count requests of one model, and log a numbered line for each."""
        entry = self.collector.attribute("tiny-model")
        for _ in range(requests):
            self.collector.started()
            self.collector.finished(entry, Outcome.OK, 25_000_000, 100, 10)
        self.log(requests)
        self.sampler.tick()

    def log(self, lines: int) -> None:
        """Log numbered lines."""
        for _ in range(lines):
            self.logged += 1
            payload = json.dumps({"event": f"line {self.logged:05} of the log"}).encode()
            self.ring.append(time.time_ns(), "info", payload)

    def close(self) -> None:
        """Unmap everything."""
        self.ring.close()
        self.sampler.close()
        self.worker.close()

    def instance(self, pid: int | None = None, address: str = "http://127.0.0.1:8000") -> Instance:
        """What it is to viewers: a gateway in this process, or in another."""
        pid = os.getpid() if pid is None else pid
        started = process_started(pid)
        assert started is not None
        return Instance(pid, started, "0.1.0", address, "2026-01-01T00:00:00Z", 1, self.run_dir)
