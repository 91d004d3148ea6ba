"""Many slow streams on one worker: does every event come, and soon, and what is held for clients that read nothing.

A thousand clients read a stream each whose provider sends an event every half second; the time at which it was sent
stands in the event. Some more clients read nothing of what a provider would send without end.

usage: python benchmarks/slow_streams.py [--streams 1000] [--events 30] [--stalled 32]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.faulty_provider import Exchange, FaultyProvider
from tests.support.process import RunningGateway, running_gateway
from tests.support.scripted_provider import read_head
from tests.support.upstream import piece_of

PAUSE_S = 0.5
EVENT_KB = 16
CONFIG = """
[[providers]]
name = "up"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
name = "*"
targets = [{{ provider = "up" }}]
"""


class Provider(FaultyProvider):
    """Streams slowly, or as fast as it is taken; `taken` is how many bytes that were."""

    def __init__(self, events: int) -> None:
        super().__init__({"slow": self._slow, "flood": self._flood})
        self._events = events
        self.taken = 0

    async def _slow(self, exchange: Exchange) -> None:
        exchange.write(exchange.head)
        for _ in range(self._events):
            exchange.write(piece_of(b'data: {"sent":%d,"choices":[]}\n\n' % time.monotonic_ns()))
            await asyncio.sleep(PAUSE_S)
        exchange.write(piece_of(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    async def _flood(self, exchange: Exchange) -> None:
        exchange.write(exchange.head)
        event = piece_of(b": %s\n\n" % (b"x" * (EVENT_KB << 10)))
        while True:
            exchange.write(event)
            await exchange.writer.drain()
            self.taken += len(event)


async def opened(gateway: RunningGateway, model: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that has asked for a stream."""
    host, _, port = gateway.address.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"model": f"m/{model}", "stream": True}).encode()
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return reader, writer


async def read_all(gateway: RunningGateway) -> list[float]:
    """Read a slow stream to its end; the milliseconds that each event was under way."""
    reader, writer = await opened(gateway, "slow")
    await read_head(reader)
    delays = []
    while b"[DONE]" not in (line := await reader.readline()):
        assert line, "the stream broke off"
        if line.startswith(b"data: "):
            delays.append((time.monotonic_ns() - json.loads(line[6:])["sent"]) / 1e6)
    writer.close()
    # The first comes in the rush of a thousand requests.
    return delays[1:]


async def run(options: argparse.Namespace, folder: Path) -> bool:
    """Print what was seen; whether every stream was whole."""
    async with Provider(options.events).listening() as provider:
        running = running_gateway(folder, CONFIG.format(port=provider.port))
        gateway = await asyncio.to_thread(running.__enter__)
        try:
            (worker,) = (await asyncio.to_thread(gateway.top))["workers"]
            process = psutil.Process(worker["pid"])
            before, cpu, began = process.memory_info().rss, sum(process.cpu_times()[:2]), time.monotonic()
            streams = [asyncio.create_task(read_all(gateway)) for _ in range(options.streams)]
            await asyncio.sleep(options.events * PAUSE_S / 2)
            during = process.memory_info().rss
            delays = await asyncio.gather(*streams)
            share = (sum(process.cpu_times()[:2]) - cpu) / (time.monotonic() - began)
            each_kb = (during - before) / 1024 / options.streams
            print(f"{options.streams:,} slow streams: {each_kb:.0f} KB each, ", end="")
            print(f"{share * 100:.0f} % of a core for {options.streams / PAUSE_S:,.0f} events a second")
            ordered = sorted(delay for stream in delays for delay in stream)
            p99 = ordered[len(ordered) * 99 // 100]
            print(f"an event was under way for {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms")
            is_whole = all(len(stream) == options.events - 1 for stream in delays)
            print("every stream was whole" if is_whole else "STREAMS ARE NOT WHOLE")
            before = process.memory_info().rss
            stalled = [await opened(gateway, "flood") for _ in range(options.stalled)]
            seen = -1
            while provider.taken != seen:
                seen = provider.taken
                await asyncio.sleep(1)
            grown = process.memory_info().rss - before
            sent_mb, grown_kb = seen / 2**20 / options.stalled, grown / 1024 / options.stalled
            print(
                f"{options.stalled} clients that read nothing: each provider could send {sent_mb:.1f} MB to each, ",
                end="",
            )
            print(f"for which the worker grew by {grown_kb:.0f} KB")
            for _, writer in stalled:
                writer.transport.abort()
            snapshot = await asyncio.to_thread(gateway.settled)
            print(f"active afterwards: {snapshot['active']}")
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    return is_whole


def main() -> int:
    """Exit code 1 when a stream was not whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--stalled", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(run(options, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
