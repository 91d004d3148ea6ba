"""What a request costs, plain or streamed: CPU microseconds of the worker per request, at 32 connections.

Three processes besides this one: a scripted upstream, the gateway with one worker, and, as the floor, Granian with a
bare ASGI application that answers by itself. The gateway is asked in the upstream's protocol, which it passes through,
and in Anthropic's, which it translates. All three take turns in one run, so that their ratios hold on a noisy machine.
With `--stream` an answer is 36 server-sent events, which the upstream writes in bursts of three, as
a busy provider does, each in a turn of its own of its event loop. Loopback only; the number of requests is bounded.

usage: python benchmarks/passthrough.py [--stream] [--requests 4000] [--rounds 5] [--connections 32] [--json]
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httptools
import psutil

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x" * 400}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300},
    }
).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
MESSAGES = [{"role": "user", "content": "y" * 1000}]
PROMPT = json.dumps({"model": "bench", "messages": MESSAGES}).encode()
STREAM_PROMPT = json.dumps(
    {"model": "bench", "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
).encode()


def event(**members: object) -> bytes:
    """A chunk of a streamed completion."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench", **members}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def choice(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """A chunk with a piece of the text, or with the reason why there is no more."""
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}], usage=None)


EVENTS = [
    choice({"role": "assistant", "content": ""}),
    *(choice({"content": f" word{number}"}) for number in range(32)),
    choice({}, "stop"),
    event(choices=[], usage={"prompt_tokens": 200, "completion_tokens": 32, "total_tokens": 232}),
    b"data: [DONE]\n\n",
]
BURST = 3
BURSTS = [b"".join(EVENTS[start : start + BURST]) for start in range(0, len(EVENTS), BURST)]
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream(asyncio.Protocol):
    """Answers every request with the same bytes, those of a stream in bursts."""

    def __init__(self, *, stream: bool) -> None:
        self.stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start a parser for the connection."""
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        if self.stream:
            self.transport.write(STREAM_HEAD)  # type: ignore[attr-defined]
            self.write_burst(0)
        else:
            self.transport.write(RESPONSE)  # type: ignore[attr-defined]

    def write_burst(self, number: int) -> None:
        """Write a burst of events as one chunk, and the next one in the next turn."""
        burst = BURSTS[number]
        self.transport.write(b"%x\r\n%b\r\n" % (len(burst), burst))  # type: ignore[attr-defined]
        if number + 1 < len(BURSTS):
            asyncio.get_running_loop().call_soon(self.write_burst, number + 1)
        else:
            self.transport.write(b"0\r\n\r\n")  # type: ignore[attr-defined]


class Client(asyncio.Protocol):
    """Sends requests one after the other on one connection until none is left."""

    def __init__(self, left: list[int], request: bytes, latencies: list[float]) -> None:
        self.left = left
        self.request = request
        self.latencies = latencies
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        """Send a request, or stop."""
        if not self.left[0]:
            self.done.set_result(None)
            return
        self.left[0] -= 1
        self.parser = httptools.HttpResponseParser(self)
        self.sent = time.perf_counter()
        self.transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """A lost connection ends the benchmark."""
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed the connection"))

    def on_message_complete(self) -> None:
        """Check the answer, note the time, go on."""
        if self.parser.get_status_code() != 200:
            self.done.set_exception(RuntimeError(f"status {self.parser.get_status_code()}"))
            return
        self.latencies.append(time.perf_counter() - self.sent)
        self.send_next()


async def load(port: int, requests: int, connections: int, *, stream: bool, translated: bool) -> list[float]:
    """Send the requests and return their latencies in seconds."""
    prompt = STREAM_PROMPT if stream else PROMPT
    if translated:
        prompt = json.dumps({"model": "bench", "max_tokens": 500, "messages": MESSAGES, "stream": stream}).encode()
    path = "/v1/messages" if translated else "/v1/chat/completions"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer x\r\ncontent-length: {len(prompt)}\r\n\r\n"
    )
    left, latencies = [requests], list[float]()
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: Client(left, head.encode() + prompt, latencies), "127.0.0.1", port
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    for client in clients:
        client.transport.close()  # type: ignore[attr-defined]
    return latencies


async def floor_app(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    """The least that Python behind Granian can do: read the body, answer."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()  # type: ignore[operator]
        body += message["body"]
        if not message["more_body"]:
            break
    if body == STREAM_PROMPT:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        for burst in BURSTS:
            await send({"type": "http.response.body", "body": burst, "more_body": True})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"", "more_body": False})  # type: ignore[operator]
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": ANSWER, "more_body": False})  # type: ignore[operator]


def worker_of(supervisor: int) -> psutil.Process:
    """The one worker of a Granian supervisor: the child that uses the most memory."""
    return max(psutil.Process(supervisor).children(recursive=True), key=lambda child: child.memory_info().rss)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process."""
    times = process.cpu_times()
    return times.user + times.system


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    import socket

    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def free_port() -> int:
    """A port that nobody uses now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the context is open; what it prints is of no interest here."""
    running = subprocess.Popen(
        arguments, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait(30)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.upstream:
        asyncio.run(serve_upstream(options.upstream, stream=options.stream))
        return
    here = Path(__file__).resolve()
    upstream_port, gateway_port, floor_port = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        config = Path(folder) / "gateway.toml"
        config.write_text(
            f'[server]\nport = {gateway_port}\n[[providers]]\nname = "up"\nkind = "openai"\n'
            f'base_url = "http://127.0.0.1:{upstream_port}/v1"\napi_key = "k"\n'
            '[[models]]\nname = "bench"\ntargets = [{ provider = "up" }]\n'
        )
        kind = ["--stream"] if options.stream else []
        stack.enter_context(process(sys.executable, str(here), "--upstream", str(upstream_port), *kind))
        gateway = stack.enter_context(
            process(sys.executable, "-m", "gateway", "serve", "-c", str(config), XDG_RUNTIME_DIR=folder)
        )
        granian = str(Path(sys.executable).parent / "granian")
        floor = stack.enter_context(
            process(
                granian, "--interface", "asgi", "--loop", "uvloop", "--no-ws", "--port", str(floor_port),
                "--working-dir", str(here.parent), "passthrough:floor_app",
            )
        )  # fmt: skip
        for port in (upstream_port, gateway_port, floor_port):
            wait_for(port)
        servers = {
            "gateway": (gateway_port, gateway),
            "translated": (gateway_port, gateway),
            "floor": (floor_port, floor),
        }
        results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in servers}
        for number in range(options.rounds + 1):
            for name, (port, supervisor) in servers.items():
                worker = worker_of(supervisor.pid)
                before, started = cpu_seconds(worker), time.perf_counter()
                latencies = asyncio.run(
                    load(
                        port,
                        options.requests,
                        options.connections,
                        stream=options.stream,
                        translated=name == "translated",
                    )
                )
                elapsed = time.perf_counter() - started
                cost = (cpu_seconds(worker) - before) / options.requests * 1e6
                # The first round warms up connections, caches and the branch predictors of everybody.
                if number:
                    results[name].append((cost, options.requests / elapsed, sorted(latencies)[-len(latencies) // 100]))
    report(results, options.json)


def report(results: dict[str, list[tuple[float, float, float]]], as_json: bool) -> None:
    """Print CPU, throughput and p99, with the spread of the CPU figures over the rounds."""
    figures = {
        name: {
            "cpu_us": statistics.median(cost for cost, _, _ in rounds),
            "cpu_us_lowest": min(cost for cost, _, _ in rounds),
            "cpu_us_highest": max(cost for cost, _, _ in rounds),
            "requests_per_second": statistics.median(rate for _, rate, _ in rounds),
            "p99_ms": statistics.median(p99 for _, _, p99 in rounds) * 1000,
        }
        for name, rounds in results.items()
    }
    ratio = figures["gateway"]["cpu_us"] / figures["floor"]["cpu_us"]
    translated_ratio = figures["translated"]["cpu_us"] / figures["gateway"]["cpu_us"]
    if as_json:
        print(json.dumps(figures | {"ratio": ratio, "translated_ratio": translated_ratio}))
        return
    print(f"{'':10}{'CPU us/request':>16}{'lowest':>9}{'highest':>9}{'req/s':>9}{'p99 ms':>9}")
    for name, figure in figures.items():
        print(
            f"{name:10}{figure['cpu_us']:16.0f}{figure['cpu_us_lowest']:9.0f}{figure['cpu_us_highest']:9.0f}"
            f"{figure['requests_per_second']:9.0f}{figure['p99_ms']:9.1f}"
        )
    print(f"the gateway costs {ratio:.1f} times the floor, and {translated_ratio:.1f} times as much when it translates")


async def serve_upstream(port: int, *, stream: bool) -> None:
    """Be the upstream until ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Upstream(stream=stream), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    main()
