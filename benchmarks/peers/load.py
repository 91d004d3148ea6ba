"""Two load generators with one interface: wrk, and one in Python that finishes what it has begun.

wrk costs less and is used where it is installed. It drops the requests that are under way when its time is over, which
is nothing beside thousands of requests, but makes the CPU per request of a slow contender too high: the slow are loaded
by the other one.
"""

import asyncio
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
import uvloop

from benchmarks.peers.cases import KEY

# wrk's `done` runs once, in the end; latencies are in microseconds, the duration too.
WRK_SCRIPT = """
local file = io.open("%(body)s", "rb")
wrk.method, wrk.path, wrk.body = "POST", "%(path)s", file:read("*a")
file:close()
%(headers)s
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests": %%d, "us": %%d, "p50": %%d, "p99": %%d, "errors": %%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Target:
    """Where requests of one kind go."""

    port: int
    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def all_headers(self) -> dict[str, str]:
        """With those that every client sends."""
        common = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {KEY}",
            "anthropic-version": "2023-06-01",
        }
        return common | dict(self.headers)

    def request(self) -> bytes:
        """The whole request in bytes."""
        lines = [f"{name}: {value}\r\n" for name, value in self.all_headers().items()]
        head = f"POST {self.path} HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(self.body)}\r\n\r\n"
        return head.encode() + self.body


@dataclass(frozen=True)
class Result:
    """What a load saw: requests in all, seconds, latencies in seconds."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class LoadError(RuntimeError):
    """A request of a load failed, so that its figures would mean nothing."""


def with_wrk(target: Target, connections: int, seconds: int, folder: Path) -> Result:
    """Load with one thread of wrk."""
    body, script = folder / "body", folder / "load.lua"
    body.write_bytes(target.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in target.all_headers().items())
    script.write_text(WRK_SCRIPT % {"body": body, "path": target.path, "headers": headers})
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "20", "-s", str(script)]
    printed = subprocess.run(
        [*command, f"http://127.0.0.1:{target.port}"], capture_output=True, text=True, timeout=seconds + 60, check=True
    ).stdout
    seen = json.loads(printed.rpartition("RESULT ")[2])
    if seen["errors"] or not seen["requests"]:
        raise LoadError(f"{seen['errors']} errors in {seen['requests']} requests")
    return Result(seen["requests"], seen["us"] / 1e6, seen["p50"] / 1e6, seen["p99"] / 1e6)


class Client(asyncio.Protocol):
    """Sends requests one after the other on one connection until the time is over."""

    def __init__(self, requests: Iterator[bytes], until: float, latencies: list[float]) -> None:
        self.requests = requests
        self.until = until
        self.latencies = latencies
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        """Send a request, or stop."""
        self.sent = time.perf_counter()
        if self.sent >= self.until:
            self.done.set_result(None)
            return
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """A lost connection ends the load."""
        if not self.done.done():
            self.done.set_exception(LoadError("the server closed the connection"))

    def on_message_complete(self) -> None:
        """Check the answer, note the time, go on."""
        if self.parser.get_status_code() != 200:
            self.done.set_exception(LoadError(f"status {self.parser.get_status_code()}"))
            return
        self.latencies.append(time.perf_counter() - self.sent)
        self.send_next()


async def _load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Result:
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    following = itertools.cycle(requests)
    made = [
        loop.create_connection(lambda: Client(following, begin + seconds, latencies), "127.0.0.1", port)
        for _ in range(connections)
    ]
    clients = [client for _, client in await asyncio.gather(*made)]
    await asyncio.gather(*(client.done for client in clients))
    took = time.perf_counter() - begin
    for client in clients:
        client.transport.close()
    latencies.sort()
    count = len(latencies)
    return Result(count, took, latencies[count // 2], latencies[min(count - 1, count * 99 // 100)])


def with_python(target: Target, connections: int, seconds: float) -> Result:
    """Load from this process; every request that was sent is answered before the end."""
    return uvloop.run(_load(target.port, [target.request()], connections, seconds))


def with_many(targets: Sequence[Target], connections: int, seconds: float) -> Result:
    """Load from this process with requests of several kinds, in turn."""
    return uvloop.run(_load(targets[0].port, [target.request() for target in targets], connections, seconds))


def load(target: Target, connections: int, seconds: float, folder: Path, *, slow: bool = False) -> Result:
    """Load with wrk, or, where it is missing or the contender is slow, from this process."""
    if slow or not shutil.which("wrk"):
        return with_python(target, connections, seconds)
    return with_wrk(target, connections, max(1, round(seconds)), folder)
