"""HTTP/1.1 without I/O: the bytes of a request, and one answer as its bytes arrive.

The grammar is llhttp's, through httptools. What llhttp leaves to its user is settled here:

- It does not know the request, so `bodiless` (a HEAD request) ends the answer at its head.
- It cannot be told of the end of the connection, so `eof` decides: complete for a body that ends with the
  connection, broken for everything else.
- It joins the pieces of a name or value without bound and skips chunk extensions of any length, so at most
  `MAX_HEAD` bytes in a row may carry no payload; that one rule bounds heads, interim answers, extensions and trailers.
- It calls `on_header` for trailers too; they are collected apart and dropped.
- It starts on a second message after the first; bytes after a complete answer only make the connection not reusable.
  (Bare line ends that follow in the same segment are skipped by llhttp unseen; they do no harm.)

Stricter than other clients, on purpose, because leniency here is how responses are smuggled: no bare line feeds, no
folded headers, no repeated Content-Length, no Content-Length beside Transfer-Encoding.
"""

import functools
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

import httptools
import httpx

# The name of the httpx extension under which a caller hands over a Head that it has kept.
ENCODED_HEAD: Final = "encoded_head"

MAX_HEAD: Final = 64 * 1024  # bytes; the largest real heads (long cookies, policy headers) stay under 32 KiB
MAX_HEADERS: Final = 200  # real answers of providers carry 15 to 40

_HOST, _CONTENT_LENGTH, _TRANSFER_ENCODING, _CONNECTION = 1, 2, 4, 8
_KINDS: Final = {
    b"host": _HOST,
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"connection": _CONNECTION,
}
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_VERSIONS: Final = {"1.0": b"HTTP/1.0", "1.1": b"HTTP/1.1"}
_METHODS_WITH_A_BODY: Final = frozenset({b"POST", b"PUT", b"PATCH"})


@functools.lru_cache(maxsize=1024)  # the same few dozen names come again and again
def _kind(name: bytes) -> int:
    if _TOKEN.fullmatch(name) is None:
        raise httpx.LocalProtocolError(f"{name!r} is not a legal header name or method.")
    return _KINDS.get(name.lower(), 0)


class OutgoingRequest:
    """The wire form of one request: `wire` goes out in one write, then whatever `rest` yields (None: nothing)."""

    __slots__ = ("bodiless", "closes", "rest", "wire")

    def __init__(self, wire: bytes, rest: AsyncIterator[bytes] | None, *, bodiless: bool, closes: bool) -> None:
        self.wire = wire
        self.rest = rest
        self.bodiless = bodiless  # the answer has no body, whatever its headers say
        self.closes = closes  # the request announces that this connection ends after it


class Head:
    """The encoded head of requests that differ in their bodies only, without its end and without the body's framing."""

    __slots__ = ("bodiless", "closes", "coding", "expects_body", "framed", "length", "wire")

    def __init__(self, method: str, url: httpx.URL, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Encodes the headers as they are, plus Host where it is missing.

        Raises httpx.LocalProtocolError for what no well-framed message can have: line ends or NUL in the target, a name
        or a value, and contradictory framing.
        """
        name_of_method = method.encode("ascii", "replace")
        target = url.raw_path
        _kind(name_of_method)
        if b" " in target:
            raise httpx.LocalProtocolError("The request target contains a space.")

        seen = 0
        self.length = self.coding = connection = b""
        lines: list[bytes] = []
        for name, value in headers:
            kind = _kind(name)
            if kind:
                if kind & seen & (_CONTENT_LENGTH | _TRANSFER_ENCODING | _HOST):
                    raise httpx.LocalProtocolError(f"The header {name.decode()} is given twice.")
                seen |= kind
                if kind == _CONTENT_LENGTH:
                    self.length = value
                elif kind == _TRANSFER_ENCODING:
                    self.coding = value
                elif kind == _CONNECTION:
                    connection += value.lower()
            lines += (name, b": ", value, b"\r\n")
        start = [name_of_method, b" ", target, b" HTTP/1.1\r\n"]
        line_count = 1 + len(headers)
        if not seen & _HOST:
            start += (b"Host: ", url.netloc, b"\r\n")
            line_count += 1
        if seen & _TRANSFER_ENCODING and (self.coding.lower() != b"chunked" or seen & _CONTENT_LENGTH):
            raise httpx.LocalProtocolError("The body is framed by chunks or by Content-Length, and by nothing else.")
        self.wire = b"".join(start + lines)
        if self.wire.count(b"\n") != line_count or self.wire.count(b"\r") != line_count or b"\0" in self.wire:
            raise httpx.LocalProtocolError("The request head contains a line end or NUL inside a field.")
        self.framed = bool(seen & (_CONTENT_LENGTH | _TRANSFER_ENCODING))
        self.expects_body = name_of_method in _METHODS_WITH_A_BODY
        self.bodiless = name_of_method == b"HEAD"
        self.closes = b"close" in connection


def encode(request: httpx.Request) -> OutgoingRequest:
    """Encodes a request: its head, or the one in its extension `encoded_head`, and the body with its framing.

    Raises httpx.LocalProtocolError as Head does, and for a Content-Length that is not the body's.
    """
    head: Head = request.extensions.get(ENCODED_HEAD) or Head(request.method, request.url, request.headers.raw)
    stream = request.stream
    body: bytes | None = b"".join(stream) if isinstance(stream, httpx.SyncByteStream) else None
    framing = b""
    coding = head.coding
    if not head.framed:
        if body is None:
            coding = b"chunked"
            framing = b"Transfer-Encoding: chunked\r\n"
        elif body or head.expects_body:
            framing = b"Content-Length: %d\r\n" % len(body)
    elif not coding and not (head.length.isdigit() and (body is None or int(head.length) == len(body))):
        raise httpx.LocalProtocolError("Content-Length is not the length of the body.")

    rest: AsyncIterator[bytes] | None = None
    if body is None:
        assert isinstance(stream, httpx.AsyncByteStream)
        rest = _chunked(stream) if coding else _counted(stream, int(head.length))
        body = b""
    elif coding:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return OutgoingRequest(
        b"".join((head.wire, framing, b"\r\n", body)), rest, bodiless=head.bodiless, closes=head.closes
    )


async def _chunked(stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    async for piece in stream:
        if piece:  # an empty chunk would end the body
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


async def _counted(stream: httpx.AsyncByteStream, length: int) -> AsyncIterator[bytes]:
    left = length
    async for piece in stream:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise httpx.LocalProtocolError("The body is longer or shorter than its Content-Length.")


class Answer:
    """One answer as it arrives: open, then over, either complete or with a `failure`.

    `status` is 0 until the final head is complete. `chunks` holds the payload that was not taken yet and `buffered` an
    upper bound of its bytes. `reusable` says whether the connection may serve another request after a complete answer.
    """

    __slots__ = (
        "_bodiless",
        "_fields",
        "_overhead",
        "_parser",
        "_until_eof",
        "buffered",
        "chunks",
        "failure",
        "headers",
        "on_body",
        "over",
        "reason",
        "received",
        "reusable",
        "status",
        "version",
    )

    def __init__(self, *, bodiless: bool) -> None:
        self.status = 0
        self.version = b""
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.buffered = 0
        self.received = False  # whether any byte has come
        self.over = False
        self.reusable = False
        self.failure: tuple[type[httpx.TransportError], str] | None = None
        self.on_body = self.chunks.append  # called by the parser without a Python frame for each chunk
        self._bodiless = bodiless
        self._until_eof = False
        self._overhead = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes bytes as they came from the connection; not to be called once the answer is over."""
        assert self._parser is not None
        self.received = True
        chunks_before = len(self.chunks)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.over:
                cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
                self.fail(httpx.RemoteProtocolError, f"The upstream's answer is not valid HTTP/1.1: {cause or error}.")
                return
            self.reusable = False  # garbage after a complete answer
        if self.over:
            if self._bodiless and self.chunks:
                self.chunks.clear()
                self.reusable = False
            self._parser = None  # the parser holds bound methods of this object: a reference cycle
        elif len(self.chunks) > chunks_before:
            self.buffered += len(data)
            self._overhead = 0
        else:
            self._overhead += len(data)
            if self._overhead > MAX_HEAD:
                self.fail(httpx.RemoteProtocolError, f"The upstream sent more than {MAX_HEAD} bytes without payload.")

    def eof(self) -> None:
        """The upstream ended the connection in good order: completes a body that has no other end, else fails."""
        if self._until_eof:
            self.over = True
            self._parser = None
        elif self.status:
            self.fail(httpx.RemoteProtocolError, "The upstream closed the connection within the body.")
        elif self.received:
            self.fail(httpx.RemoteProtocolError, "The upstream closed the connection within the head of its answer.")
        else:
            self.fail(httpx.RemoteProtocolError, "The upstream closed the connection without an answer.")

    def fail(self, kind: type[httpx.TransportError], message: str) -> None:
        """The answer will never be complete. (A class and a text: a stored exception would keep its frames alive.)"""
        self.failure = (kind, message)
        self.over = True
        self.reusable = False  # where the next answer would begin, nobody knows
        self._parser = None

    def take(self) -> bytes:
        """All the payload that has arrived, joined; at least one chunk must be there."""
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered = 0
        return data

    def on_message_begin(self) -> None:
        """Called by the parser: a message starts, which must not be a second answer."""
        if self.over:
            raise httpx.RemoteProtocolError("bytes after a complete answer")

    def on_status(self, reason: bytes) -> None:
        """Called by the parser with the next piece of the reason phrase."""
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header or trailer."""
        self._fields.append((name, value.rstrip(b" \t")))  # llhttp keeps the space after a value

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head: settles the framing, or skips an interim answer."""
        parser = self._parser
        assert parser is not None
        headers, self._fields = self._fields, []
        status = parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise httpx.RemoteProtocolError(f"unexpected status {status}")
            self.reason = b""
            return
        version = _VERSIONS.get(parser.get_http_version())
        if version is None:
            raise httpx.RemoteProtocolError(f"unexpected version {parser.get_http_version()}")
        size = 0
        framed = self._bodiless or status == 204 or status == 304
        for name, value in headers:
            size += len(name) + len(value)
            kind = _KINDS.get(name.lower(), 0)
            if kind == _TRANSFER_ENCODING and value.lower() != b"chunked":
                raise httpx.RemoteProtocolError("a transfer coding other than chunked")
            if kind & (_CONTENT_LENGTH | _TRANSFER_ENCODING):
                framed = True
        if size > MAX_HEAD or len(headers) > MAX_HEADERS:
            raise httpx.RemoteProtocolError(f"more than {MAX_HEAD} bytes or {MAX_HEADERS} lines of headers")
        self.version = version
        self.headers = headers
        self._until_eof = not framed
        self.reusable = parser.should_keep_alive()
        self.status = status
        if self._bodiless:
            self.over = True

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, interim ones included."""
        if self.status:
            self.over = True
