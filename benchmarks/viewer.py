"""What the dashboard costs and how quick it is: a viewer on a pseudo-terminal, in front of a made-up busy gateway.

The run directory is real (8 workers, 16 models, 15 minutes of history, log rings) and is written to at a constant rate
by this process; the viewer is `gateway top` in a process of its own. Measured are its CPU as a share of one core while
it is shown, frozen and hidden, the bytes of its frames, the time to the first frame, from a key to the picture and from
a resize to the picture. With `--frames`, a viewer's drawing alone is driven through that many frames in
which everything changes, without a clock, and the growth of its memory is measured.

usage: python benchmarks/viewer.py [--seconds 20] [--rate 400] [--size 120x40] [--frames 20000] [--json]
"""

import argparse
import contextlib
import fcntl
import json
import multiprocessing
import os
import pty
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from gateway.logs.ring import RingWriter
from gateway.logs.tail import LogTail
from gateway.metrics.clock import boottime_ns
from gateway.metrics.collector import Collector
from gateway.metrics.outcome import Outcome
from gateway.metrics.sampler import ProcessUsage, Sampler
from gateway.metrics.snapshot import InstanceInfo
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import WorkerFile
from gateway.serving.liveness import Liveness
from gateway.serving.processes import is_alive, process_started
from gateway.serving.run_dir import announce

WORKERS, MODELS = 8, 16
TICK_NS = 250_000_000
HISTORY_FRAMES = 3600
BEGIN = b"\x1b[?2026h"
# A frame is whole when its last mark has come.
END = b"\x1b[?2026l"


class BusyGateway:
    """The writing side of a run directory: workers, models, sampler and log rings, without a server."""

    def __init__(self, run_dir: Path, rate: float) -> None:
        self.rate = rate
        self.dice = random.Random(1)
        pid, started = os.getpid(), process_started(os.getpid())
        assert started is not None
        files = [
            WorkerFile.open(run_dir / f"worker-{slot}.metrics", slot=slot, pid=pid, process_started=started)
            for slot in range(WORKERS)
        ]
        self.workers = [Collector(file) for file in files]
        self.rings = [RingWriter.create(run_dir / f"worker-{slot}.log", pid=pid) for slot in range(WORKERS)]
        self.now_ns = boottime_ns() - 900 * 10**9
        self.sampler = Sampler(
            run_dir, clock=lambda: self.now_ns, probe=lambda _: ProcessUsage(12.0, 64 << 20), is_alive=is_alive
        )
        self.models = [f"model-{number:02}-of-the-benchmark" for number in range(MODELS)]
        self.owed = 0.0
        while self.now_ns < boottime_ns():
            self.serve(0.25, log=False)
            self.sampler.tick()
            self.now_ns += TICK_NS
        announce(run_dir, pid=pid, address="http://127.0.0.1:8000", workers=WORKERS, now=time.time())

    def serve(self, seconds: float, *, log: bool = True) -> None:
        """Count what the rate makes of that time, and log it."""
        self.owed += self.rate * seconds
        while self.owed >= 1:
            self.owed -= 1
            slot, number = self.dice.randrange(WORKERS), self.dice.randrange(MODELS)
            worker = self.workers[slot]
            worker.started()
            entry = worker.attribute(self.models[number])
            outcome = Outcome.OK if self.dice.random() < 0.98 else self.dice.choice(list(Outcome))
            took_ns = int(self.dice.lognormvariate(19, 1))
            tokens = self.dice.randrange(2000), self.dice.randrange(500)
            worker.finished(entry, outcome, took_ns, *tokens)
            if log:
                fields = {
                    "event": "request",
                    "method": "POST",
                    "path": "/v1/chat/completions",
                    "model": self.models[number],
                    "provider": "openai",
                    "status": 200,
                    "outcome": outcome.label,
                    "ms": took_ns / 1e6,
                    "input_tokens": tokens[0],
                    "output_tokens": tokens[1],
                    "attempts": 1,
                    "request_id": f"req_{self.dice.getrandbits(64):016x}",
                }
                self.rings[slot].append(time.time_ns(), "info", json.dumps(fields).encode())

    def advance(self) -> None:
        """Count and sample for a quarter of a second of its own time."""
        self.serve(0.25)
        self.now_ns += TICK_NS
        self.sampler.tick()

    def live(self) -> None:
        """Count and sample up to now."""
        now_ns = boottime_ns()
        self.serve((now_ns - self.now_ns) / 1e9)
        if now_ns // TICK_NS > self.now_ns // TICK_NS:
            self.now_ns = now_ns
            self.sampler.tick()
        self.now_ns = now_ns


def cpu_ns(pid: int) -> int:
    """What all threads of a process have used, exactly: /proc/<pid>/stat counts in ticks of 10 ms."""
    # What clock_getcpuclockid(3) gives on Linux: the clock of that process (CPUCLOCK_SCHED).
    return time.clock_gettime_ns(~pid << 3 | 2)


class WatchedViewer:
    """`gateway top` on a pseudo-terminal whose output is read as it comes."""

    def __init__(self, gateway: BusyGateway, run_dir: Path, columns: int, rows: int) -> None:
        self.gateway = gateway
        self.main, side = pty.openpty()
        self.resize(columns, rows)
        self.frames: list[tuple[float, int]] = []
        self.buffer = b""
        environ = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        command = [sys.executable, "-m", "gateway", "top", "--run-dir", str(run_dir)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ)
        os.close(side)
        self.usage = psutil.Process(self.process.pid)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def watch(self, seconds: float, *, until_frame: bool = False) -> None:
        """Let the gateway work and note the frames, for that long or until the next whole one."""
        deadline = time.monotonic() + seconds
        seen = len(self.frames)
        while time.monotonic() < deadline and not (until_frame and len(self.frames) > seen):
            self.gateway.live()
            if select.select([self.main], [], [], 0.002 if until_frame else 0.02)[0]:
                self.buffer += os.read(self.main, 1 << 20)
                while END in self.buffer:
                    frame, self.buffer = self.buffer.split(END, 1)
                    begin = frame.rfind(BEGIN)
                    if begin >= 0:
                        self.frames.append((time.monotonic(), len(frame) - begin + len(END)))

    def share_of_a_core(self, seconds: float) -> float:
        """The CPU of the viewer over that time, in percent of one core."""
        before_ns, begin_ns = cpu_ns(self.process.pid), time.monotonic_ns()
        self.watch(seconds)
        return 100 * (cpu_ns(self.process.pid) - before_ns) / (time.monotonic_ns() - begin_ns)

    def answer_ms(self, act: str | tuple[int, int]) -> float:
        """Milliseconds from a key or a resize to the end of the next frame."""
        # Not in step with the frames.
        self.watch(0.3 + self.gateway.dice.random() / 4)
        begin = time.monotonic()
        if isinstance(act, str):
            os.write(self.main, act.encode())
        else:
            self.resize(*act)
            self.process.send_signal(signal.SIGWINCH)
        self.watch(2.0, until_frame=True)
        return 1000 * (self.frames[-1][0] - begin)

    def close(self) -> None:
        """End the viewer."""
        self.process.terminate()
        self.process.wait(5)
        os.close(self.main)


def measure(seconds: float, rate: float, columns: int, rows: int) -> dict[str, float]:
    """All figures of a viewer in a process of its own."""
    with run_directory() as folder:
        gateway = BusyGateway(folder, rate)
        viewer = WatchedViewer(gateway, folder, columns, rows)
        try:
            viewer.watch(5.0, until_frame=True)
            first = 1000 * (viewer.frames[0][0] - viewer.started)
            viewer.watch(3.0)
            viewer.frames.clear()
            shown = viewer.share_of_a_core(seconds)
            sizes = sorted(size for _, size in viewer.frames)
            frames = len(viewer.frames) / seconds
            keys = [viewer.answer_ms(key) for key in "?" * 10 + "t" * 10]
            resizes = [viewer.answer_ms((columns - number % 2, rows)) for number in range(1, 11)]
            rss = viewer.usage.memory_info().rss
            os.write(viewer.main, b"f")
            viewer.watch(1.0)
            frozen = viewer.share_of_a_core(seconds)
            unfreezing = viewer.answer_ms("f")
            os.write(viewer.main, b"d")
            viewer.watch(1.0)
            hidden = viewer.share_of_a_core(seconds)
            gateway.rate = 0
            viewer.watch(1.0)
            hidden_quiet = viewer.share_of_a_core(seconds)
        finally:
            viewer.close()
    return {
        "shown_percent": shown,
        "frozen_percent": frozen,
        "hidden_percent": hidden,
        "hidden_quiet_percent": hidden_quiet,
        "frames_per_second": frames,
        "frame_bytes_p50": sizes[len(sizes) // 2],
        "frame_bytes_p95": sizes[len(sizes) * 95 // 100],
        "first_frame_ms": first,
        "key_to_paint_ms_p50": statistics.median(keys),
        "key_to_paint_ms_max": max(keys),
        "unfreezing_to_paint_ms": unfreezing,
        "resize_to_paint_ms_max": max(resizes),
        "rss_mb": rss / 2**20,
    }


class Follower:
    """A made-up gateway in another process."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.now_ns: int = pipe.recv()

    def advance(self) -> None:
        """Let it work for a quarter of a second."""
        self.pipe.send(True)
        self.now_ns = self.pipe.recv()


class Drawing:
    """What a viewer does for a frame, without a loop and a terminal: reads the run directory and draws."""

    def __init__(self, gateway: BusyGateway | Follower, run_dir: Path, columns: int, rows: int) -> None:
        from gateway.dashboard.compositor import Screen
        from gateway.dashboard.session import Session

        self.gateway = gateway
        self.size = columns, rows
        self.metrics = MetricsView(run_dir, clock=lambda: gateway.now_ns, is_alive=Liveness())
        self.tail = LogTail(run_dir)
        self.instance = InstanceInfo(os.getpid(), "0.1.0", "http://127.0.0.1:8000", "2026-01-01T00:00:00Z")
        figures = self.metrics.snapshot(self.instance, "2026-01-01T00:00:00Z"), self.metrics.chart()
        self.session = Session(
            figures, {"TERM": "xterm-direct", "LANG": "C.UTF-8"}, memory_bytes=1 << 34, wall_ns_at_zero=0
        )
        self.bytes = 0
        self.screen = Screen(self.write, 4)

    def write(self, text: str) -> None:
        """Take what the terminal would get."""
        self.bytes += len(text.encode())

    def frame(self) -> None:
        """Draw a frame a quarter of a second after the last one."""
        self.gateway.advance()
        self.look()

    def look(self) -> None:
        """Read and draw."""
        self.session.take_log(self.tail.poll(), self.tail.lost)
        self.session.take(self.metrics.snapshot(self.instance, "2026-01-01T00:00:00Z"), self.metrics.chart())
        tiles, theme = self.session.picture(self.size, self.gateway.now_ns)
        self.screen.show(tiles, theme, self.size, force=False)


def growth_kb(frames: int, rate: float, columns: int, rows: int) -> float:
    """Kilobytes by which a viewer's drawing grows over that many frames in which everything changes.

    The gateway is written by a process of its own, in step with the frames. What counts is anonymous memory: pages of
    the run directory are no viewer's. Before that, all that is bounded has to be full: the history goes past twice.
    """
    here, there = multiprocessing.Pipe()
    with run_directory() as folder:
        writer = multiprocessing.get_context("fork").Process(target=write_in_step, args=(folder, rate, there))
        writer.start()
        try:
            drawing = Drawing(Follower(here), folder, columns, rows)
            for _ in range(2 * HISTORY_FRAMES):
                drawing.frame()
            before = anonymous_kb()
            for _ in range(frames):
                drawing.frame()
            return anonymous_kb() - before
        finally:
            here.send(False)
            writer.join()


def write_in_step(folder: Path, rate: float, pipe: Connection) -> None:
    """Be that process: a quarter of a second for each message that is true."""
    gateway = BusyGateway(folder, rate)
    pipe.send(gateway.now_ns)
    while pipe.recv():
        gateway.advance()
        pipe.send(gateway.now_ns)


def anonymous_kb() -> int:
    """The anonymous memory of this process that is resident."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


@contextlib.contextmanager
def run_directory() -> Iterator[Path]:
    """A folder on tmpfs where there is one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=400.0, help="requests a second over all workers")
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--frames", type=int, default=0, help="also measure the growth over that many frames")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    columns, rows = (int(part) for part in arguments.size.split("x"))
    figures = measure(arguments.seconds, arguments.rate, columns, rows)
    if arguments.frames:
        figures["growth_kb"] = growth_kb(arguments.frames, arguments.rate, columns, rows)
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:24}{value:10.2f}")


if __name__ == "__main__":
    main()
