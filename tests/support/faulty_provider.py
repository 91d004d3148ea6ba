"""A provider of all protocols that fails in every way that is known to us; the model's name says how.

Theory of operation. A fault is a coroutine that is given the connection, the wire form of a good answer, and the head
that belongs in front of it. It breaks one thing and leaves the rest as it should be, so that what the gateway does can
only come from that. Faults before the head are the same for plain and streamed requests; those behind it differ.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tests.support.native import ANSWERS, BODIES, STREAMS
from tests.support.scripted_provider import SocketProvider, read_body, read_head
from tests.support.upstream import head_of, piece_of

PROTOCOLS = {b"/v1/chat/completions": "chat", b"/v1/messages": "messages", b"/v1/responses": "responses"}
HTML = b"<!doctype html><html><body>502 Bad Gateway</body></html>"
DRIP_S = 0.05
MEGABYTE = b"x" * (1 << 20)


@dataclass
class Exchange:
    """One request at the provider: what is asked for, and the good answer to it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: str
    model: str
    stream: bool

    @property
    def good(self) -> bytes:
        """The body of a good answer, without any framing."""
        return (STREAMS if self.stream else BODIES)[self.protocol](ANSWERS["text"])

    @property
    def head(self) -> bytes:
        """The head of a good answer, whose body comes in pieces if it is a stream."""
        if self.stream:
            return head_of(200, b"text/event-stream", None)
        return head_of(200, b"application/json", len(self.good))

    def write(self, *parts: bytes) -> None:
        """Write, in one segment if the system likes."""
        self.writer.write(b"".join(parts))

    def error(self, status: int, text: bytes = b"no luck") -> bytes:
        """A whole answer that is an error in the protocol's envelope."""
        if self.protocol == "messages":
            body = b'{"type":"error","error":{"type":"api_error","message":"%s"}}' % text
        else:
            body = b'{"error":{"message":"%s","type":"server_error","param":null,"code":null}}' % text
        return head_of(status, b"application/json", len(body)) + body

    def reset(self) -> None:
        """End the connection with a reset instead of an end."""
        connection: socket.socket = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hold(self) -> None:
        """Say nothing more until the gateway gives up."""
        await self.reader.read(1)

    async def drip(self, data: bytes, pause_s: float) -> None:
        """Write byte by byte, until the gateway gives up."""
        for byte in data:
            self.write(bytes([byte]))
            await self.writer.drain()
            await asyncio.sleep(pause_s)


Fault = Callable[[Exchange], Awaitable[bool | None]]
"""True keeps the connection for another request; otherwise it ends."""


def written(make: Callable[[Exchange], bytes]) -> Fault:
    """A fault that writes these bytes and ends the connection."""

    async def fault(exchange: Exchange) -> None:
        exchange.write(make(exchange))

    return fault


def kept(make: Callable[[Exchange], bytes]) -> Fault:
    """A fault that writes these bytes, a whole answer, and keeps the connection, as a server must that says nothing."""

    async def answer(exchange: Exchange) -> bool:
        exchange.write(make(exchange))
        return True

    return answer


def then_reset(make: Callable[[Exchange], bytes]) -> Fault:
    """A fault that writes these bytes and resets the connection."""

    async def fault(exchange: Exchange) -> None:
        exchange.write(make(exchange))
        await exchange.writer.drain()
        # What is not acknowledged yet, a reset would take along.
        await asyncio.sleep(DRIP_S)
        exchange.reset()

    return fault


def then_silent(make: Callable[[Exchange], bytes]) -> Fault:
    """A fault that writes these bytes and says nothing more."""

    async def fault(exchange: Exchange) -> None:
        exchange.write(make(exchange))
        await exchange.hold()

    return fault


async def _dripped_head(exchange: Exchange) -> None:
    await exchange.drip(exchange.head[:-2] + b"x-more: %s\r\n\r\n" % (b"1" * 10_000), DRIP_S)


async def _dripped_body(exchange: Exchange) -> bool:
    exchange.write(exchange.head)
    for byte in exchange.good:
        exchange.write(piece_of(bytes([byte])) if exchange.stream else bytes([byte]))
        await exchange.writer.drain()
    exchange.write(b"0\r\n\r\n" if exchange.stream else b"")
    return True


def _half(exchange: Exchange) -> bytes:
    return exchange.good[: len(exchange.good) // 2]


def _page(status: int) -> Callable[[Exchange], bytes]:
    return lambda _: head_of(status, b"text/html", len(HTML)) + HTML


def _framed(body: Callable[[Exchange], bytes]) -> Callable[[Exchange], bytes]:
    """A well-framed answer whose body is wrong."""

    def make(exchange: Exchange) -> bytes:
        data = body(exchange)
        if exchange.stream:
            return exchange.head + (piece_of(data) if data else b"") + b"0\r\n\r\n"
        return head_of(200, b"application/json", len(data)) + data

    return make


BEFORE_THE_HEAD: dict[str, Fault] = {
    "reset": then_reset(lambda _: b""),
    "end": written(lambda _: b""),
    "silence": then_silent(lambda _: b""),
    "garbage": written(lambda _: b"\x00\xff\xfe garbage \x80\r\n\r\n"),
    "page without a head": written(lambda _: HTML),
    "half a head": written(lambda exchange: exchange.head[:20]),
    "half a head, then silence": then_silent(lambda exchange: exchange.head[:-2]),
    "dripped head": _dripped_head,
    "header without end": written(lambda exchange: exchange.head[:-2] + b"x-huge: " + MEGABYTE),
    "too many headers": written(
        lambda exchange: exchange.head[:-2] + b"".join([b"x-%d: 1\r\n" % number for number in range(1000)]) + b"\r\n"
    ),
    "header that is none": written(lambda exchange: exchange.head[:-2] + b"no colon here\r\n\r\n" + exchange.good),
    "two lengths": written(lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}"),
    "switched protocols": written(lambda _: b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
    "interim answers without end": written(lambda _: b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 10_000),
    "page under 200": kept(_page(200)),
    "page under 502": kept(_page(502)),
    "empty error": kept(lambda _: head_of(500, b"application/json", 0)),
    "error in invalid UTF-8": kept(lambda exchange: exchange.error(500, b"\xff\xfe")),
    "error cut off": written(lambda exchange: exchange.error(500)[:-9]),
    "error, then silence": then_silent(lambda exchange: exchange.error(500)[:-9]),
}
PLAIN: dict[str, Fault] = {
    "reset in the body": then_reset(lambda exchange: exchange.head + _half(exchange)),
    "body cut off": written(lambda exchange: exchange.head + _half(exchange)),
    "body, then silence": then_silent(lambda exchange: exchange.head + _half(exchange)),
    "bad chunk": written(lambda exchange: head_of(200, b"application/json", None) + b"zz\r\n" + exchange.good),
    "garbage body": kept(_framed(lambda _: b"\x00\x01\x02\xff")),
    "half of an object": kept(_framed(_half)),
    "body in invalid UTF-8": kept(_framed(lambda exchange: exchange.good.replace(b'"', b'"\xff\xfe'))),
    "empty body": kept(_framed(lambda _: b"")),
    "stream unasked": kept(
        lambda exchange: (
            head_of(200, b"text/event-stream", None)
            + piece_of(STREAMS[exchange.protocol](ANSWERS["text"])[:120])
            + b"0\r\n\r\n"
        )
    ),
}
STREAMED: dict[str, Fault] = {
    "reset in the stream": then_reset(lambda exchange: exchange.head + piece_of(_half(exchange))),
    "stream cut off": written(lambda exchange: exchange.head + piece_of(_half(exchange))),
    "stream ended in its middle": kept(_framed(_half)),
    "stream, then silence": then_silent(lambda exchange: exchange.head + piece_of(_half(exchange))),
    "silence behind the head": then_silent(lambda exchange: exchange.head),
    "empty stream": kept(_framed(lambda _: b"")),
    "bad chunk in the stream": written(lambda exchange: exchange.head + piece_of(_half(exchange)) + b"zz\r\n"),
    "garbage in the stream": kept(_framed(lambda exchange: _half(exchange) + b"\n\n\x00\xff\xfe\x80\n\n")),
    "page in the stream": kept(_framed(lambda exchange: _half(exchange) + b"\n\n" + HTML)),
    "line without end": written(
        lambda exchange: exchange.head + piece_of(_half(exchange)) + piece_of(b"\n\ndata: " + 3 * MEGABYTE)
    ),
}
# What looks like a fault and is none.
HARMLESS: dict[str, Fault] = {
    "good": kept(lambda exchange: exchange.head + _sent(exchange)),
    "interim answers": kept(
        lambda exchange: b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3 + exchange.head + _sent(exchange)
    ),
    "header in Latin-1": kept(lambda exchange: exchange.head[:-2] + b"x-note: \xe9\r\n\r\n" + _sent(exchange)),
    "dripped": _dripped_body,
}
STATUSES = (204, 205, 301, 302, 304, 307, 308, *range(400, 432), 451, 499, *range(500, 512), 529, 599)


def _sent(exchange: Exchange) -> bytes:
    return piece_of(exchange.good) + b"0\r\n\r\n" if exchange.stream else exchange.good


def _status(status: int) -> Fault:
    if status in (204, 205, 304):
        return kept(lambda _: b"HTTP/1.1 %d X\r\n%s\r\n" % (status, b"" if status != 205 else b"content-length: 0\r\n"))
    return kept(lambda exchange: exchange.error(status).replace(b"\r\n", b"\r\nlocation: http://x.invalid/\r\n", 1))


FAULTS: dict[str, Fault] = {
    **BEFORE_THE_HEAD,
    **PLAIN,
    **STREAMED,
    **HARMLESS,
    **{f"status {status}": _status(status) for status in STATUSES},
}


class FaultyProvider(SocketProvider):
    """Serves in the caller's event loop; `asked` counts the requests by the model's name."""

    def __init__(self, faults: Mapping[str, Fault] = FAULTS) -> None:
        super().__init__()
        self._faults = faults
        self.asked: dict[str, int] = {}

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # The gateway closes what it has given up.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                keep: bool | None = True
                while keep:
                    start, headers = await read_head(reader)
                    body = json.loads(await read_body(reader, headers))
                    model: str = body["model"]
                    self.asked[model] = self.asked.get(model, 0) + 1
                    protocol = PROTOCOLS[start.split()[1]]
                    exchange = Exchange(reader, writer, protocol, model, bool(body.get("stream")))
                    keep = await self._faults[model.rpartition("/")[2]](exchange)
                    await writer.drain()
        finally:
            writer.close()
