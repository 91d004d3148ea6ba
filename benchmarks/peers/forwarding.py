"""How long an event of a stream is under way: the upstream writes the time into each event, the client reads it."""

import asyncio
import re
import time
from typing import Any

import httptools
import uvloop

from benchmarks.peers.load import LoadError, Target

# The time may be cut in two by the end of a read.
STAMP = re.compile(rb"t(\d{9,}) word1")


class Reader(asyncio.Protocol):
    """Reads one stream and notes the age of each event when its last byte is here."""

    def __init__(self, request: bytes, found: list[float]) -> None:
        self.request = request
        self.found = found
        self.pending = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the stream."""
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.now = time.monotonic_ns()
        self.parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        """Find the events that are whole."""
        self.pending += data
        end = 0
        for stamp in STAMP.finditer(self.pending):
            self.found.append((self.now - int(stamp[1])) / 1e9)
            end = stamp.end()
        self.pending = self.pending[max(end, len(self.pending) - 64) :]

    def on_message_complete(self) -> None:
        """The stream is over."""
        self.transport.close()
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """A stream that breaks ends the measurement."""
        if not self.done.done():
            self.done.set_exception(LoadError("a paced stream broke"))


async def _read(target: Target, connections: int) -> list[float]:
    found: list[float] = []
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(connections):
        _, reader = await loop.create_connection(lambda: Reader(target.request(), found), "127.0.0.1", target.port)
        readers.append(reader)
    async with asyncio.timeout(60):
        await asyncio.gather(*(reader.done for reader in readers))
    if not found:
        raise LoadError("no event of a paced stream was found")
    return sorted(found)


def delays(target: Target, connections: int) -> list[float]:
    """Seconds from upstream to client of all events of that many streams at the same time, in ascending order."""
    return uvloop.run(_read(target, connections))
