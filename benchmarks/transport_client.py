"""CPU of the HTTP client alone: LeanTransport against httpx's own transport, both called directly.

    python benchmarks/transport_client.py [--requests N] [--rounds N] [--connections N] [--loop uvloop|asyncio]

A scripted server runs in another process. Rounds are interleaved, so that the ratio holds on a noisy machine.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from typing import cast

import httpx
import uvloop

from gateway.upstream.lean import LeanTransport

BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 900 + b'"}]}'
PLAIN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Mon, 01 Jan 2026 00:00:00 GMT\r\nserver: mock\r\n"
    b"x-request-id: req_0123456789\r\nx-ratelimit-remaining-requests: 9999\r\ncontent-length: 1024\r\n\r\n"
    + b"y"
    * 1024
)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"w"}}]}\n\n'
)
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
CHUNKS = 36  # one answer of a typical short chat


class Server(asyncio.Protocol):
    """Answers each request by its path; the 36 chunks of a stream leave in 36 turns of the loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.buffer.endswith(b'"}]}'):
            return
        stream = self.buffer.startswith(b"POST /stream")
        self.buffer = b""
        if stream:
            self.transport.write(STREAM_HEAD)
            asyncio.get_running_loop().call_soon(self.send_chunk, CHUNKS)
        else:
            self.transport.write(PLAIN)

    def send_chunk(self, left: int) -> None:
        self.transport.write(CHUNK if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_soon(self.send_chunk, left - 1)


def serve(pipe: Pipe) -> None:
    """Runs the scripted server; sends its port through the pipe."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def lean(connections: int) -> httpx.AsyncBaseTransport:
    """The transport of this project."""
    return LeanTransport(max_connections=connections)


def httpcore(connections: int) -> httpx.AsyncBaseTransport:
    """The transport that httpx brings."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncHTTPTransport(limits=limits, verify=False)


async def drive(transport: httpx.AsyncBaseTransport, url: httpx.URL, connections: int, requests: int) -> int:
    """Sends the requests over that many tasks; the number of pieces that the bodies came in."""
    headers = httpx.Headers(
        {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "authorization": "Bearer k",
            "accept": "*/*",
            "content-length": str(len(BODY)),
        }
    )
    extensions = {"timeout": {"connect": 5.0, "write": 5.0, "pool": 5.0, "first_byte": 120.0, "read": 60.0}}
    left = requests
    pieces = 0

    async def client() -> None:
        nonlocal left, pieces
        while left > 0:
            left -= 1
            request = httpx.Request(
                "POST", url, headers=headers, stream=httpx.ByteStream(BODY), extensions=dict(extensions)
            )
            response = await transport.handle_async_request(request)
            async for _ in response.stream:  # type: ignore[union-attr]
                pieces += 1
            await response.aclose()

    await asyncio.gather(*(client() for _ in range(connections)))
    return pieces


async def measure(
    make: Callable[[int], httpx.AsyncBaseTransport], url: httpx.URL, connections: int, requests: int
) -> tuple[float, float]:
    """CPU microseconds of this process per request, and body pieces per request."""
    async with make(connections) as transport:
        await drive(transport, url, connections, connections * 4)  # opens the connections
        before = time.process_time()
        pieces = await drive(transport, url, connections, requests)
        spent = time.process_time() - before
    return spent / requests * 1e6, pieces / requests


def main() -> None:
    """Interleaves the rounds and prints each figure and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    run = uvloop.run if options.loop == "uvloop" else asyncio.run

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port = ours.recv()
    try:
        print(f"{options.loop}, {options.connections} connections, {os.cpu_count()} cores; CPU us per request")
        for path in ("plain", "stream"):
            url = httpx.URL(f"http://127.0.0.1:{port}/{path}")
            figures: dict[str, list[float]] = {"lean": [], "httpcore": []}
            for _ in range(options.rounds):
                for name, make, share in (("lean", lean, 1), ("httpcore", httpcore, 10)):  # the slow one gets fewer
                    cost, pieces = run(
                        measure(make, url, options.connections, max(options.requests // share, options.connections))
                    )
                    figures[name].append(cost)
                    print(f"  {path:6} {name:8} {cost:8.1f}   {pieces:.1f} pieces of body")
            ratio = statistics.median(figures["httpcore"]) / statistics.median(figures["lean"])
            print(f"{path}: httpcore / lean = {ratio:.1f}")
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
