"""The same bytes through the lean transport, httpx's own and h11: the same response, or the same class of error."""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h11
import httpx
import pytest

from gateway.upstream.http1 import Answer
from gateway.upstream.lean import LeanTransport

CLASS_OF_ERROR = {
    httpx.ReadTimeout: "timeout",
    httpx.ReadError: "read",
    httpx.RemoteProtocolError: "protocol",
    httpx.ConnectError: "connect",
}


NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused, and far cheaper than httpx's default


@dataclass(frozen=True)
class Case:
    name: str
    sent: bytes
    method: str = "POST"


CASES = [
    Case("length", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"),
    Case("empty", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    Case("no reason", b"HTTP/1.1 429 \r\ncontent-length: 2\r\nretry-after: 1\r\n\r\nno"),
    Case("spaces", b"HTTP/1.1 200 OK\r\nx:   a b \t \r\nempty:\r\ncontent-length:  2  \r\n\r\nok"),
    Case("chunks", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    Case("trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0;z\r\nt: 1\r\n\r\n"),
    Case("interim", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"),
    Case("until the end", b"HTTP/1.1 200 OK\r\nx: y\r\n\r\nhello world"),
    Case("http/1.0", b"HTTP/1.0 200 OK\r\n\r\nold"),
    Case("close", b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy"),
    Case("204", b"HTTP/1.1 204 No Content\r\nx: 1\r\n\r\n"),
    Case("304", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"),
    Case("head", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", method="HEAD"),
    Case("latin-1", b"HTTP/1.1 200 OK\r\nx: \xe9\r\ncontent-length: 1\r\n\r\nx"),
    Case("garbage", b"what is this?\r\n\r\n"),
    Case("nothing", b""),
    Case("half a head", b"HTTP/1.1 200 OK\r\ncontent-le"),
    Case("truncated", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"),
    Case("truncated chunks", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello"),
    Case("bad chunk", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
    Case("bad length", b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello"),
    Case("lengths that differ", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello"),
    Case("bad name", b"HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 0\r\n\r\n"),
    Case("other coding", b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello"),
]
STRICTER = [
    Case("same length twice", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello"),
    Case("length and chunks", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    Case("line feeds", b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello"),
    Case("folded", b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 5\r\n\r\nhello"),
]

Outcome = tuple[Any, ...]


def by_h11(case: Case, pieces: Iterable[bytes]) -> Outcome:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=case.method, target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    status, headers, body = 0, [], b""
    try:
        for piece in (*pieces, b""):
            client.receive_data(piece)
            while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Response):
                    status = event.status_code
                    headers = [(bytes(name), bytes(value)) for name, value in event.headers]
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return (status, headers, body)
                elif isinstance(event, h11.ConnectionClosed):
                    return ("protocol",)
    except h11.RemoteProtocolError:
        return ("protocol",)
    raise AssertionError("h11 came to no end")


def by_answer(case: Case, pieces: Iterable[bytes]) -> Outcome:
    answer = Answer(bodiless=case.method == "HEAD")
    for piece in pieces:
        if not answer.over:
            answer.feed(piece)
    if not answer.over:
        answer.eof()
    if answer.failure is not None:
        return (CLASS_OF_ERROR[answer.failure[0]],)
    return (answer.status, [(name.lower(), value) for name, value in answer.headers], b"".join(answer.chunks))


async def by_transport(transport: httpx.AsyncBaseTransport, url: str, method: str) -> Outcome:
    limits = {"connect": 5.0, "write": 5.0, "pool": 5.0, "read": 0.1 if url.endswith("silent") else 5.0}
    content = b"" if method == "HEAD" else b"x"
    try:
        response = await transport.handle_async_request(
            httpx.Request(method, url, content=content, extensions={"timeout": limits})
        )
        body = b""
        async with asyncio.timeout(5):
            async for chunk in response.stream:  # type: ignore[union-attr]
                body += chunk
        await response.aclose()
    except httpx.TransportError as error:
        return (CLASS_OF_ERROR[type(error)],)
    return (response.status_code, [(name.lower(), value) for name, value in response.headers.raw], body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_answers_split_anywhere_are_those_of_h11(case: Case) -> None:
    """Whole, cut in two at every byte, and byte by byte, the outcome is that of h11 for the whole."""
    expected = by_h11(case, [case.sent] if case.sent else [])
    for cut in range(len(case.sent) + 1):
        pieces = [piece for piece in (case.sent[:cut], case.sent[cut:]) if piece]
        assert by_answer(case, pieces) == expected, cut
    assert by_answer(case, [bytes([byte]) for byte in case.sent]) == expected


@pytest.mark.parametrize("case", STRICTER, ids=lambda case: case.name)
def test_ambiguous_answers_are_refused_where_h11_is_lenient(case: Case) -> None:
    """What two parsers could read in two ways is an error here."""
    assert by_answer(case, [case.sent]) == ("protocol",)
    assert by_h11(case, [case.sent]) != ("protocol",)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_answers_over_sockets_are_those_of_httpx(case: Case, serve: Any) -> None:
    """Whole and in three segments, both transports give the same on a real connection."""
    whole, third = len(case.sent), len(case.sent) // 3

    async def script(peer: Any) -> None:
        cut = whole if b"whole" in await peer.request() else third
        for piece in (case.sent[:cut], case.sent[cut : 2 * cut], case.sent[2 * cut :]):
            await peer.send(piece)
            await asyncio.sleep(0)

    server = await serve(script)
    outcomes = []
    for path in ("whole", "cut"):
        for transport in (LeanTransport(), httpx.AsyncHTTPTransport(verify=NO_TLS)):
            async with transport:
                outcomes.append(await by_transport(transport, f"{server.url}/{path}", case.method))
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes


async def test_failures_of_the_connection_are_those_of_httpx(serve: Any) -> None:
    """Refusal, silence, and resets before, within and after the head are told apart as httpx does."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"

    async def script(peer: Any) -> None:
        request = await peer.request()
        if b"silent" in request:
            await peer.until_closed()
        else:
            await peer.send({b"/within": head[:20], b"/body": head + b"he"}.get(request.split()[1], b""))
            await asyncio.sleep(0.01)  # lets the segment arrive: a reset may overtake what the kernel still holds
            peer.reset()

    server = await serve(script)
    base = server.url.removesuffix("/v1")
    outcomes = {}
    for path in ("silent", "before", "within", "body"):
        for name, transport in (("lean", LeanTransport()), ("httpcore", httpx.AsyncHTTPTransport(verify=NO_TLS))):
            async with transport:
                outcomes[path, name] = await by_transport(transport, f"{base}/{path}", "POST")
    server.stop()
    for name, transport in (("lean", LeanTransport()), ("httpcore", httpx.AsyncHTTPTransport(verify=NO_TLS))):
        async with transport:
            outcomes["refused", name] = await by_transport(transport, base, "POST")
    expected = {"silent": "timeout", "before": "read", "within": "read", "body": "read", "refused": "connect"}
    assert outcomes == {(path, name): (kind,) for path, kind in expected.items() for name in ("lean", "httpcore")}
