"""The run: everybody is up at the same time, and short slices of load go round, A B C A B C: noise hits all alike.

For CPU and throughput a contender has one core, with its whole tree of processes; for latency it has all of them, as in
real life. Upstream and load have the other cores. A slice is one case at one number of connections for about a second.
Direct calls to the upstream are a contender like the others.
"""

import contextlib
import fcntl
import os
import platform
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import CASES, CPU_CONNECTIONS, PACED, Case
from benchmarks.peers.contenders import ROOT, Contender
from benchmarks.peers.forwarding import delays
from benchmarks.peers.load import LoadError, Target, load, with_python
from benchmarks.peers.processes import Tree, cores, free_port, running, wait_until

DIRECT = "direct"
SLOW_RATE = 300.0
"""Requests a second below which a contender is slow: its slices are longer, and nothing of them is dropped."""
LONGEST_SLICE_S = 4.0
STARTS = 3
FORWARDING_CONNECTIONS = (1, 16)


@dataclass(frozen=True)
class Slice:
    """What one slice showed; `cpu_us` is per request, `rate` per second, `rss` in bytes in the middle of the slice."""

    round: int
    contender: str
    case: str
    connections: int
    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float
    rss: int


@dataclass(frozen=True)
class Forwarding:
    """How long events of paced streams were under way, in milliseconds."""

    round: int
    contender: str
    connections: int
    p50_ms: float
    p99_ms: float


class Entrant:
    """A contender that runs."""

    def __init__(self, contender: Contender, tree: Tree, port: int, upstream: int) -> None:
        self.contender = contender
        self.tree = tree
        self.port = port
        self.upstream = upstream
        self.skipped: dict[str, str] = {}
        self.rates: dict[str, float] = {}

    def target(self, case: Case) -> Target:
        """Where its requests of that case go."""
        return Target(self.port, case.path, case.body, self.contender.headers(case, self.upstream))

    def takes(self, case: Case) -> bool:
        """Whether it is to take part in a case."""
        return not self.contender.only or case.name in self.contender.only

    def pause(self) -> None:
        """Stop what would work while others are measured: the viewer, which is the root of its tree."""
        if self.contender.on_terminal:
            self.tree.root.suspend()

    @contextlib.contextmanager
    def awake(self, on: set[int]) -> Iterator[None]:
        """Be no longer paused for as long as the context is open, and run on those cores."""
        self.tree.place(on)
        if self.contender.on_terminal:
            self.tree.root.resume()
            time.sleep(0.5)
        try:
            yield
        finally:
            self.pause()

    def refuses(self, case: Case) -> str | None:
        """Why it cannot take part in a case, or None; found out with one request."""
        if case.translated and not self.contender.translates:
            return "does not translate"
        target = self.target(case)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{case.path}", case.body, target.all_headers())
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return None if case.is_answered_by(answer.read()) else "gives another answer"
        except urllib.error.HTTPError as error:
            return f"answers {error.code}"
        except OSError as error:
            return f"does not answer: {error}"

    def warm_up(self, case: Case, seconds: float) -> None:
        """Note how many requests a second it can take; connections, caches and branch predictors are warm then."""
        self.rates[case.name] = with_python(self.target(case), 8, seconds).rate

    def slice(self, round_: int, case: Case, connections: int, seconds: float, folder: Path) -> Slice:
        """Load it for a while."""
        rate = self.rates[case.name]
        slow = rate < SLOW_RATE
        if slow:
            seconds = min(max(SLOW_RATE / rate, seconds), LONGEST_SLICE_S)
            # All connections together are answered within three seconds.
            connections_now = min(connections, max(1, int(rate * 3)))
        else:
            connections_now = connections
        rss: list[int] = []
        middle = threading.Timer(seconds / 2, lambda: rss.append(sum(self.tree.rss())))
        middle.start()
        before = self.tree.cpu_s()
        result = load(self.target(case), connections_now, seconds, folder, slow=slow)
        # What was under way when wrk stopped comes to its end.
        time.sleep(0.05)
        cpu = self.tree.cpu_s() - before
        middle.join()
        return Slice(
            round_, self.contender.name, case.name, connections, round(cpu / result.requests * 1e6, 1),
            round(result.rate, 1), round(result.p50 * 1e3, 4), round(result.p99 * 1e3, 4), rss[0],
        )  # fmt: skip


class Direct(Entrant):
    """The upstream without anybody in front of it, asked in the client's protocol; it stays where it is."""

    @contextlib.contextmanager
    def awake(self, on: set[int]) -> Iterator[None]:
        """It never sleeps."""
        yield

    def target(self, case: Case) -> Target:
        """The upstream, and the model that answers the same in the protocol of the client."""
        body = case.body.replace(case.model.encode(), case.native_model.encode(), 1)
        return Target(self.port, case.path, body)


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """A pseudo-terminal of 120x40 whose output is read and thrown away, as a terminal reads it.

    The reader is a program of its own: a thread would hold up the load, and only where there is something to read.
    """
    main, side = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    reader = subprocess.Popen(["cat"], stdin=main, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(main)
    try:
        yield side
    finally:
        os.close(side)
        reader.wait(5)


@contextlib.contextmanager
def started(contender: Contender, upstream: int, on: set[int]) -> Iterator[tuple[Entrant, float]]:
    """A contender that has answered a request, and the seconds that it took from its start."""
    with contextlib.ExitStack() as stack:
        # On tmpfs, for the gateway's run directory is in it.
        place = "/dev/shm" if Path("/dev/shm").is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="peers-", dir=place)))
        side = stack.enter_context(terminal()) if contender.on_terminal else None
        port = free_port()
        launch = contender.launch(folder, port, upstream)
        begin = time.monotonic()
        tree = stack.enter_context(
            running(launch.command, folder=folder, environment=launch.environment, on=on, terminal=side)
        )
        entrant = Entrant(contender, tree, port, upstream)
        plain = CASES[0]
        wait_until(lambda: entrant.refuses(plain) is None, tree, contender.name)
        yield entrant, time.monotonic() - begin


@contextlib.contextmanager
def running_upstream(on: set[int]) -> Iterator[tuple[Tree, int]]:
    """The scripted upstream and its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.peers.upstream", str(port)]
    with running(command, folder=ROOT, environment={}, on=on) as tree:
        direct = Direct(Contender(DIRECT, "", _cannot_launch), tree, port, port)
        wait_until(lambda: direct.refuses(CASES[0]) is None, tree, "the upstream")
        yield tree, port


def _cannot_launch(folder: Path, port: int, upstream: int) -> Any:
    raise AssertionError("the upstream is there already")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}


def run(
    contenders: Sequence[Contender],
    cases: Sequence[Case],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """All rounds; returns what was seen, ready for JSON. A quick run is about the CPU per request only."""
    here, there = cores()
    everywhere = here | there
    ready: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    ready_cpu: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    seen: dict[str, Any] = {"machine": machine(), "taken_at": time.strftime("%Y-%m-%d"), "rounds": rounds}
    seen["versions"] = {contender.name: contender.version for contender in contenders}
    with contextlib.ExitStack() as stack:
        # Not on the core of the contenders, and with all that is started from here but them.
        stack.callback(os.sched_setaffinity, 0, everywhere)
        os.sched_setaffinity(0, there)
        upstream, port = stack.enter_context(running_upstream(there))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for _ in range(1 if quick else STARTS):
            for contender in contenders:
                if not ready[contender.name] or ready[contender.name][0] < 5:
                    with started(contender, port, everywhere) as (entrant, took):
                        ready[contender.name].append(round(took, 3))
                        ready_cpu[contender.name].append(round(entrant.tree.cpu_s(), 3))
        say("time to ready: " + ", ".join(f"{name} {min(times):.2f} s" for name, times in ready.items()))
        entrants: list[Entrant] = [Direct(Contender(DIRECT, "", _cannot_launch), upstream, port, port)]
        for contender in contenders:
            entrants.append(stack.enter_context(started(contender, port, here))[0])
        # A stopped process cannot be ended with a signal that it handles.
        for entrant in entrants[1:]:
            stack.callback(entrant.tree.root.resume)
        time.sleep(1)
        idle = {entrant.contender.name: entrant.tree.rss() for entrant in entrants[1:]}
        for entrant in entrants:
            for case in cases:
                if not entrant.takes(case):
                    continue
                if reason := entrant.refuses(case):
                    entrant.skipped[case.name] = reason
                    say(f"{entrant.contender.name} skips {case.name}: {reason}")
                else:
                    entrant.warm_up(case, seconds)
            entrant.pause()
        slices, forwarded = [], []
        for round_ in range(rounds):
            for case in cases:
                for connections in (CPU_CONNECTIONS,) if quick else case.connections:
                    for entrant in entrants:
                        if case.name in entrant.rates:
                            with entrant.awake(here if connections == CPU_CONNECTIONS else everywhere):
                                try:
                                    slices.append(entrant.slice(round_, case, connections, seconds, folder))
                                except LoadError as error:
                                    entrant.skipped[f"{case.name}@{connections}"] = str(error)
                                    say(f"{entrant.contender.name} fails {case.name} at {connections}: {error}")
            for connections in () if quick else FORWARDING_CONNECTIONS:
                for entrant in entrants:
                    if any(name.startswith("stream") for name in entrant.rates) and PACED.name not in entrant.skipped:
                        with entrant.awake(everywhere):
                            try:
                                found = delays(entrant.target(PACED), connections)
                            except (LoadError, TimeoutError) as error:
                                entrant.skipped[PACED.name] = str(error) or "timed out"
                                continue
                        at = [round(found[len(found) * percent // 100] * 1e3, 4) for percent in (50, 99)]
                        forwarded.append(Forwarding(round_, entrant.contender.name, connections, *at))
            say(f"round {round_ + 1} of {rounds}")
    seen["ready_s"] = ready
    seen["ready_cpu_s"] = ready_cpu
    seen["idle_rss"] = idle
    seen["skipped"] = {entrant.contender.name: entrant.skipped for entrant in entrants if entrant.skipped}
    seen["slices"] = [asdict(one) for one in slices]
    seen["forwarding"] = [asdict(one) for one in forwarded]
    return seen
