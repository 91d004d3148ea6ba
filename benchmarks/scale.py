"""What grows with workers, open streams, models, requests and dead instances, and how. Loopback only, bounded.

usage: python -m benchmarks.scale [--only workers,streams,models,requests,stale] [--json FILE] [--peers DIR]
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.peers.cases import CASES, CHAT, CPU_CONNECTIONS, HELD, Case
from benchmarks.peers.contenders import Contender, gateway, rolter
from benchmarks.peers.load import Target, with_many, with_python
from benchmarks.peers.measure import Entrant, running_upstream, started
from benchmarks.peers.processes import cores
from benchmarks.peers.summary import Figure, table

PLAIN, STREAM = CASES[0], next(case for case in CASES if case.name == "stream-36")
MODELS = 512
STALE = 1000


@contextlib.contextmanager
def world() -> Iterator[int]:
    """The scripted upstream; yields its port."""
    with running_upstream(set.union(*cores())) as (_, port):
        yield port


def everywhere() -> set[int]:
    """All cores."""
    return set.union(*cores())


class Held(asyncio.Protocol):
    """A client with one open stream, which counts what comes."""

    def __init__(self, request: bytes, begun: list[int]) -> None:
        self.request = request
        self.begun = begun
        self.answered = False

    def connection_made(self, transport: Any) -> None:
        """Ask for the stream."""
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """The first bytes tell whether the stream was refused."""
        if not self.answered:
            self.answered = True
            self.begun[0 if data.startswith(b"HTTP/1.1 200") else 1] += 1


async def _hold(entrant: Entrant, count: int, seconds: float) -> dict[str, float]:
    """Open that many streams, keep them for a while, close them; kilobytes per stream, and CPU."""
    loop = asyncio.get_running_loop()
    request = entrant.target(HELD).request()
    begun = [0, 0]
    before = sum(entrant.tree.rss())
    cpu_before, began = entrant.tree.cpu_s(), time.monotonic()
    clients: list[Held] = []
    try:
        while len(clients) < count:
            some = min(100, count - len(clients))
            made = [
                loop.create_connection(lambda: Held(request, begun), "127.0.0.1", entrant.port) for _ in range(some)
            ]
            clients += [client for _, client in await asyncio.gather(*made)]
        deadline = loop.time() + 30
        while sum(begun) < count and loop.time() < deadline:
            await asyncio.sleep(0.05)
        opened, cpu_opened = time.monotonic(), entrant.tree.cpu_s()
        open_streams = begun[0]
        await asyncio.sleep(seconds)
        cpu = (entrant.tree.cpu_s() - cpu_opened) / (time.monotonic() - opened)
        during = sum(entrant.tree.rss())
    finally:
        for client in clients:
            client.transport.abort()
    await asyncio.sleep(3)
    after = sum(entrant.tree.rss())
    return {
        "asked": count,
        "open": open_streams,
        "refused": begun[1],
        "kb_per_stream": (during - before) / 1024 / max(1, open_streams),
        "open_us_per_stream": (cpu_opened - cpu_before) / max(1, open_streams) * 1e6,
        "opened_in_s": opened - began,
        "cpu_percent_while_open": cpu * 100,
        "kb_kept_per_stream": (after - before) / 1024 / max(1, open_streams),
    }


def streams(python: str, rolter_program: Path | None) -> list[dict[str, Any]]:
    """Memory of open streams, with one worker and with two, and rolter's."""
    rows = []
    wanted: list[tuple[Contender, int]] = [
        (gateway("gateway, 1 worker", python), 1000),
        (gateway("gateway, 1 worker", python), 5000),
        (gateway("gateway, 2 workers", python, "-w", "2"), 5000),
    ]
    if rolter_program:
        wanted += [(rolter(rolter_program), 1000), (rolter(rolter_program), 5000)]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for contender, count in wanted:
        if limit < 2 * count + 200:
            print(
                f"{count} streams need more than the {limit} open files allowed (ulimit -n): skipped", file=sys.stderr
            )
            continue
        with world() as port, started(contender, port, everywhere()) as (entrant, _):
            # Pools, caches and the allocator's arenas as they are in a server that has served.
            with_python(entrant.target(STREAM), CPU_CONNECTIONS, 2)
            rows.append({"who": contender.name} | uvloop.run(_hold(entrant, count, 10)))
            # What the first time left allocated is used again, if nothing leaks.
            rows.append({"who": f"{contender.name}, again"} | uvloop.run(_hold(entrant, count, 5)))
    return rows


def interleaved(entrants: list[Entrant], run: Callable[[Entrant], Any], rounds: int) -> list[list[Any]]:
    """What each entrant gives in each round, the first round not counted."""
    seen: list[list[Any]] = [[] for _ in entrants]
    for number in range(rounds + 1):
        for entrant, results in zip(entrants, seen, strict=True):
            result = run(entrant)
            if number:
                results.append(result)
    return seen


def cost(entrant: Entrant, targets: list[Target]) -> tuple[float, float]:
    """CPU microseconds per request and requests a second of a slice."""
    before = entrant.tree.cpu_s()
    result = with_many(targets, CPU_CONNECTIONS, 1.5)
    return (entrant.tree.cpu_s() - before) / result.requests * 1e6, result.rate


def compared(entrants: list[Entrant], targets: Callable[[Entrant], list[Target]], rounds: int) -> list[dict[str, Any]]:
    """Cost and throughput of each, and as a multiple of the first."""
    seen = interleaved(entrants, lambda entrant: cost(entrant, targets(entrant)), rounds)
    rows = []
    for entrant, results in zip(entrants, seen, strict=True):
        row: dict[str, Any] = {"who": entrant.contender.name}
        for place, name in enumerate(("cpu_us", "rate")):
            row[name] = statistics.median(one[place] for one in results)
            pairs = zip(results, seen[0], strict=True)
            row[f"{name}_ratio"] = vars(Figure.of(mine[place] / first[place] for mine, first in pairs))
        row["rss_mb"] = sum(entrant.tree.rss()) / 2**20
        rows.append(row)
    return rows


def workers(python: str, rounds: int) -> list[dict[str, Any]]:
    """One worker and two, on all cores, which upstream and load need too."""
    with world() as port, contextlib.ExitStack() as stack:
        entrants = [
            stack.enter_context(started(gateway(f"{count} workers", python, "-w", str(count)), port, everywhere()))[0]
            for count in (1, 2)
        ]
        rows = []
        for case in (PLAIN, STREAM):
            found = compared(entrants, lambda entrant, case=case: [entrant.target(case)], rounds)  # type: ignore[misc]
            rows += [row | {"case": case.name} for row in found]
        return rows


def models(python: str, rounds: int) -> list[dict[str, Any]]:
    """One model, many by name, many by pattern; the requests go to all of them in turn."""
    names = [f"chat-many-{number:03}" for number in range(MODELS)]
    target = 'targets = [{ provider = "chat" }]'
    exact = "".join(f'[[models]]\nname = "{name}"\n{target}\n' for name in names)
    globs = "".join(f'[[models]]\nname = "{name}*"\n{target}\n' for name in names)
    contenders = [
        gateway("1 model", python),
        gateway(f"{MODELS} names", python, more=exact),
        gateway(f"{MODELS} patterns", python, more=globs),
    ]
    bodies = {
        contenders[0].name: ["chat-plain"],
        contenders[1].name: names,
        contenders[2].name: [f"{name}-tail" for name in names],
    }
    with world() as port, contextlib.ExitStack() as stack:
        entrants = [stack.enter_context(started(one, port, everywhere()))[0] for one in contenders]

        def targets(entrant: Entrant) -> list[Target]:
            asked = bodies[entrant.contender.name]
            return [entrant.target(Case("many", CHAT, model)) for model in asked]

        return compared(entrants, targets, rounds)


def requests(python: str, count: int) -> list[dict[str, Any]]:
    """Memory and CPU before and after many requests; the log's ring is full before the first look."""
    with world() as port, started(gateway("gateway", python), port, everywhere()) as (entrant, _):
        target = entrant.target(PLAIN)
        served, rows = 0, []
        for goal in (count // 10, count // 2, count + count // 10):
            cpu, rate = 0.0, 0.0
            while served < goal:
                before = entrant.tree.cpu_s()
                result = with_python(target, CPU_CONNECTIONS, 2)
                served += result.requests
                cpu, rate = (entrant.tree.cpu_s() - before) / result.requests * 1e6, result.rate
            time.sleep(1)
            rss = entrant.tree.rss()
            rows.append(
                {
                    "requests": served,
                    "worker_mb": rss[0] / 2**20,
                    "all_mb": sum(rss) / 2**20,
                    "cpu_us": cpu,
                    "rate": rate,
                }
            )
        return rows


def stale(python: str) -> list[dict[str, Any]]:
    """The time to the first answer with the run directories of dead instances to sweep, and with none."""
    rows = []
    with world() as port:
        for count in (0, STALE):

            def littered(folder: Path, port: int, upstream: int, count: int = count) -> Any:
                base = folder / "gateway"
                base.mkdir(mode=0o700)
                for number in range(count):
                    # No process has such a number.
                    dead = base / f"{(1 << 22) + number}-1.00"
                    dead.mkdir(mode=0o700)
                    (dead / "worker-0.metrics").write_bytes(bytes(1 << 16))
                    (dead / "instance.json").write_text("{}")
                return gateway("", python).launch(folder, port, upstream)

            took = []
            for _ in range(3):
                with started(Contender(f"{count} dead", "", littered), port, everywhere()) as (_, seconds):
                    took.append(seconds)
            rows.append({"who": f"{count} dead instances", "ready_s": vars(Figure.of(took))})
    return rows


def run_directory(python: str) -> list[dict[str, Any]]:
    """The size of a run directory by the number of workers, and how long a viewer takes to read it."""
    rows = []
    with world() as port:
        for count in (1, 2, 8):
            with started(gateway("gateway", python, "-w", str(count)), port, everywhere()) as (entrant, _):
                with_python(entrant.target(PLAIN), CPU_CONNECTIONS, 2)
                environment = entrant.tree.root.environ()
                run_dir = next(Path(environment["XDG_RUNTIME_DIR"]).glob("gateway/*-*"))
                files = [path.stat() for path in run_dir.iterdir()]
                command = [python, "-m", "gateway", "top", "--once", "--format", "json", "--run-dir", str(run_dir)]
                begin = time.monotonic()
                subprocess.run(
                    command, env=os.environ | environment, capture_output=True, check=True, timeout=60, cwd="/"
                )
                rows.append(
                    {
                        "workers": count,
                        "files": len(files),
                        "kb": sum(stat.st_size for stat in files) / 1024,
                        "kb_in_memory": sum(stat.st_blocks for stat in files) / 2,
                        "top_once_s": time.monotonic() - begin,
                        "rss_mb": sum(entrant.tree.rss()) / 2**20,
                    }
                )
    return rows


def shown(value: Any) -> str:
    """A cell of a table."""
    if isinstance(value, dict):
        return Figure(**value).text(2)
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the Python that has the gateway")
    parser.add_argument("--peers", type=Path, help="where `make peers-install` put them, for the streams of rolter")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--only", help="measure only these")
    parser.add_argument("--json", type=Path, help="write what was seen to this file")
    options = parser.parse_args()
    program = options.peers / "rolter/bin/rolter" if options.peers else None
    if program and not program.exists():
        print("rolter is not installed: its streams are skipped", file=sys.stderr)
        program = None
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "workers": lambda: workers(options.python, options.rounds),
        "streams": lambda: streams(options.python, program),
        "models": lambda: models(options.python, options.rounds),
        "requests": lambda: requests(options.python, options.requests),
        "stale": lambda: stale(options.python),
        "run-directory": lambda: run_directory(options.python),
    }
    seen = {}
    for name, measure in parts.items():
        if options.only and name not in options.only.split(","):
            continue
        seen[name] = measure()
        print(f"\n{name}\n")
        print(table(list(seen[name][0]), [[shown(value) for value in row.values()] for row in seen[name]]), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(seen, indent=1) + "\n")


if __name__ == "__main__":
    main()
