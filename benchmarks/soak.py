"""Whether anything leaks or is counted wrongly in a long load with faults and clients that leave.

Clients of every protocol, plain and streamed, and a provider that speaks and spoils them all, in this process; a real
`gateway serve` beside it. A tenth of the requests meet a fault, every twentieth client leaves. The load comes in legs;
between two of them nothing is under way, so that what is left then is a leak. It ends with an error if any line fails.

usage: python benchmarks/soak.py [--requests 100000] [--workers 2] [--lanes 64] [--legs 10] [--seed 1]
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.faulty_provider import FaultyProvider
from tests.support.process import RunningGateway, running_gateway
from tests.support.scripted_provider import read_body, read_head
from tests.support.speaking import PATHS
from tests.support.translating import ASKS

PROTOCOLS = ("chat", "messages", "responses")
LIMIT_S = 5.0
# Every fault that ends at once; those that take the time limit are few.
BEFORE_THE_HEAD = ("reset", "end", "garbage", "half a head", "header without end", "page under 502", "empty error")
ERRORS = (400, 401, 404, 408, 429, 500, 503, 529)
PLAIN = ("reset in the body", "body cut off", "bad chunk", "garbage body", "half of an object", "page under 200")
STREAMED = ("reset in the stream", "stream cut off", "stream ended in its middle", "bad chunk in the stream")
SLOW = {True: ("silence", "stream, then silence"), False: ("silence", "body, then silence")}
LEAVING = ("while sending", "while waiting", "while reading")
# A keep-alive connection to the provider is closed after 30 s.
EXPIRY_S = 45.0


@dataclass(frozen=True)
class Request:
    """One planned request; the outcome and the number of times that the provider must see it follow from the fault."""

    number: int
    client: str
    provider: str
    stream: bool
    fault: str
    targets: int
    leaves: str = ""

    @property
    def model(self) -> str:
        """What the client asks for."""
        number = self.number if self.leaves else 0
        return f"{self.targets}-{self.provider}-{number}/{self.fault}"

    @property
    def can_be_retried(self) -> bool:
        """Whether the fault invites another try at all: at another target, or, for some statuses, at the same."""
        if self.fault.startswith("status"):
            return int(self.fault.split()[1]) in (408, 429, 500, 503, 529)
        return self.fault in (*BEFORE_THE_HEAD, "silence")

    @property
    def outcome(self) -> str:
        """How it must be counted."""
        if self.leaves:
            return "cancelled"
        if self.fault == "good" or (self.can_be_retried and self.targets == 2):
            return "ok"
        return "timeout" if "silence" in self.fault else "upstream"

    @property
    def tries(self) -> int:
        """How often the provider must be asked."""
        if self.leaves:
            return 0 if self.leaves == "while sending" else 1
        if not self.can_be_retried:
            return 1
        # One target is asked again only for what it has answered.
        answered = self.fault.startswith("status") or self.fault in ("page under 502", "empty error")
        return 2 if self.targets == 2 or answered else 1

    def wire(self) -> bytes:
        """The bytes of the request; one that leaves while it sends has no body yet."""
        body = json.dumps(ASKS[self.client] | {"model": self.model, "stream": self.stream}).encode()
        expect = "expect: 100-continue\r\n" if self.leaves == "while sending" else ""
        head = f"POST {PATHS[self.client]} HTTP/1.1\r\nhost: x\r\n{expect}content-length: {len(body)}\r\n\r\n"
        return head.encode() + (b"" if expect else body)


def plan(first: int, count: int, numbers: random.Random) -> Iterator[Request]:
    """`count` requests, numbered from `first`: 10 % meet a fault, 1 in 100 of these a slow one; 5 % of clients go."""
    for number in range(first, first + count):
        client, provider = numbers.choice(PROTOCOLS), numbers.choice(PROTOCOLS)
        stream, targets = numbers.random() < 0.5, numbers.choice((1, 2))
        fault, leaves = "good", ""
        draw = numbers.random()
        if draw < 0.001:
            fault = numbers.choice(SLOW[stream])
        elif draw < 0.1:
            statuses = tuple(f"status {status}" for status in ERRORS)
            fault = numbers.choice((*BEFORE_THE_HEAD, *statuses, *(STREAMED if stream else PLAIN)))
        elif draw < 0.15:
            leaves = numbers.choice(LEAVING)
            fault = "stream, then silence" if leaves == "while reading" else "silence"
            stream = stream or leaves == "while reading"
        yield Request(number, client, provider, stream, fault, targets, leaves)


def configuration(port: int) -> str:
    """Providers that speak one protocol each; models of `2-` have a second target that answers well."""
    parts = [f"[timeouts]\nfirst_byte = {LIMIT_S}\nidle = {LIMIT_S}\n[retry]\nattempts = 2\n[cooldown]\nfailures = 0\n"]
    for protocol in PROTOCOLS:
        kind = "anthropic" if protocol == "messages" else "openai"
        parts.append(
            f'[[providers]]\nname = "{protocol}"\nkind = "{kind}"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
            f'protocols = ["{protocol}"]\n'
            f'[[models]]\nname = "1-{protocol}-*"\ntargets = [{{ provider = "{protocol}" }}]\n'
            f'[[models]]\nname = "2-{protocol}-*"\n'
            f'targets = [{{ provider = "{protocol}" }}, {{ provider = "{protocol}", model = "good" }}]\n'
        )
    return "".join(parts)


class Clients:
    """Carries the plan out, and counts what it sees."""

    def __init__(self, provider: FaultyProvider, address: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self.tries = 0
        self.surprises: list[str] = []
        self._provider = provider
        self._host, _, self._port = address.removeprefix("http://").rpartition(":")

    async def run(self, requests: Iterable[Request], lanes: int) -> None:
        """Send the requests over so many connections at a time."""
        left = iter(requests)
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(left))

    async def _lane(self, requests: Iterator[Request]) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        for request in requests:
            connection = connection or await asyncio.open_connection(self._host, int(self._port))
            self.outcomes[request.outcome] += 1
            self.tries += request.tries
            try:
                async with asyncio.timeout(60):
                    keep = await self._perform(request, *connection)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.surprises.append(f"{request}: {error!r}")
                keep = False
            if not keep:
                connection[1].transport.abort()
                connection = None
        if connection is not None:
            connection[1].close()

    async def _perform(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send a request and do what the plan says; whether the connection can be used again."""
        writer.write(request.wire())
        if request.leaves == "while waiting":
            while request.model not in self._provider.asked:
                await asyncio.sleep(0.002)
            return False
        start, headers = await read_head(reader)
        status = int(start.split()[1])
        if request.leaves == "while sending":
            assert status == 100, start
            return False
        if request.leaves == "while reading":
            await reader.readline()
            return False
        body = await read_body(reader, headers)
        if (request.outcome == "ok") != (status == 200 and b"quoted" in body and b'"error"' not in body[-400:]):
            is_failed = b'"error":null' in body or b'"error": null' in body
            if not (request.outcome == "ok" and is_failed):
                self.surprises.append(f"{request}: {status} {body[-200:]!r}")
        return headers.get(b"connection") != b"close"


@dataclass
class Level:
    """What the gateway has while nothing is under way."""

    requests: int
    active: int
    rss: list[int]
    fds: int
    """Of all workers, without the connections to the provider."""
    idle: int
    """Connections that the provider sees."""


async def level(gateway: RunningGateway, provider: FaultyProvider, requests: int) -> Level:
    """Wait until nothing is active, and look."""
    snapshot = await asyncio.to_thread(gateway.settled)
    # The server closes its clients' connections in its own time.
    await asyncio.sleep(1)
    processes = [psutil.Process(worker["pid"]) for worker in snapshot["workers"]]
    rss = [process.memory_info().rss for process in processes]
    idle = provider.open_connections
    fds = sum(process.num_fds() for process in processes) - idle
    return Level(requests, snapshot["active"], rss, fds, idle)


def read_log(gateway: RunningGateway) -> tuple[Counter[str], int, int]:
    """Outcomes, attempts and the number of distinct request ids of the log."""
    outcomes: Counter[str] = Counter()
    attempts, ids = 0, set()
    with gateway.log.open() as file:
        for line in file:
            if '"event":"request"' in line:
                record: dict[str, Any] = json.loads(line)
                outcomes[record["outcome"]] += 1
                attempts += record.get("attempts", 0)
                ids.add(record["request_id"])
    return outcomes, attempts, len(ids)


async def soak(options: argparse.Namespace, folder: Path) -> bool:
    """Run the legs, print what was seen, and say whether all is well."""
    numbers = random.Random(options.seed)
    async with FaultyProvider().listening() as provider:
        opened = running_gateway(folder, configuration(provider.port), "-w", str(options.workers))
        gateway = await asyncio.to_thread(opened.__enter__)
        try:
            clients = Clients(provider, gateway.address)
            size = options.requests // options.legs
            levels = []
            print(f"{'requests':>9}{'a second':>10}{'active':>8}{'RSS, MB':>20}{'open files':>12}{'idle upstream':>15}")
            for leg in range(options.legs):
                before = time.monotonic()
                await clients.run(plan(leg * size, size, numbers), options.lanes)
                rate = size / (time.monotonic() - before)
                now = await level(gateway, provider, (leg + 1) * size)
                levels.append(now)
                rss = " ".join(f"{one / 2**20:.1f}" for one in now.rss)
                print(f"{now.requests:9,}{rate:10,.0f}{now.active:8}{rss:>20}{now.fds:12}{now.idle:15}", flush=True)
            deadline = time.monotonic() + EXPIRY_S
            while provider.open_connections and time.monotonic() < deadline:
                await asyncio.sleep(0.5)
            last = await level(gateway, provider, options.requests)
            snapshot = await asyncio.to_thread(gateway.top)
            logged, attempts, ids = await asyncio.to_thread(read_log, gateway)
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
    sent = sum(clients.outcomes.values())
    lifetime = snapshot["lifetime"]
    counted = {name: count for name, count in lifetime["outcomes"].items() if count}
    growth = max(end / start for start, end in zip(levels[0].rss, levels[-1].rss, strict=True)) - 1
    lines = [
        ("requests: sent, started, finished", sent, (lifetime["started"], lifetime["finished"]), (sent, sent)),
        *(
            (
                f"outcome {name}: clients, metrics, log",
                clients.outcomes[name],
                (counted.get(name), logged[name]),
                (clients.outcomes[name],) * 2,
            )
            for name in sorted(clients.outcomes | Counter(counted))
        ),
        ("log: lines, one for each request", sent, (sum(logged.values()), ids), (sent, sent)),
        (
            "tries: planned, logged, seen by the provider",
            clients.tries,
            (attempts, sum(provider.asked.values())),
            (clients.tries,) * 2,
        ),
        ("answers that were not as planned", 0, len(clients.surprises), 0),
        ("log records dropped", 0, snapshot["log"]["dropped"], 0),
        ("active at the end", 0, last.active, 0),
        ("connections to the provider at the end", 0, last.idle, 0),
    ]
    print(f"\n{'':48}{'right':>10}{'found':>24}")
    well = True
    for name, right, found, wanted in lines:
        holds = found == wanted
        well &= holds
        print(f"{name:48}{right:10,}{found!s:>24}{'' if holds else '  DIFFERS'}")
    for name, right, found, holds in (
        ("open files: after the first leg, at the end", levels[0].fds, last.fds, last.fds <= levels[0].fds),
        ("RSS: growth since the first leg, at most 5 %", 5, f"{growth * 100:+.1f} %", growth <= 0.05),
    ):
        well &= holds
        print(f"{name:48}{right:10,}{found!s:>24}{'' if holds else '  DIFFERS'}")
    print("\n".join(clients.surprises[:20]))
    return well


def main() -> int:
    """Exit code 1 when a line fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lanes", type=int, default=64, help="connections at a time")
    parser.add_argument("--legs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(soak(options, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
