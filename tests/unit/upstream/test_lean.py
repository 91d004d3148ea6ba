"""The lean transport against scripted servers, on asyncio and on uvloop."""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import gateway.upstream.lean
from gateway.upstream.lean import LeanTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def lean() -> AsyncIterator[LeanTransport]:
    """A transport that is checked and closed at the end."""
    async with LeanTransport(max_connections=50) as transport:
        yield transport
        transport.check_valid()


async def answer_all(peer: Any) -> None:
    while await peer.request():
        await peer.send(OK)


async def send(transport: LeanTransport, url: str, content: Any = b"body", **limits: float | None) -> httpx.Response:
    request = httpx.Request("POST", url, content=content, extensions={"timeout": limits})
    return await transport.handle_async_request(request)


async def test_response_has_what_the_server_sent(lean: LeanTransport, serve: Any) -> None:
    """Status, reason, version, headers and body arrive, through httpx's own client too."""
    server = await serve(answer_all)
    async with httpx.AsyncClient(transport=lean) as client:
        response = await client.post(server.url, content=b"body")
    assert response.status_code == 200
    assert response.extensions["http_version"] == b"HTTP/1.1"
    assert response.reason_phrase == "OK"
    assert response.content == b"hello"


async def test_nothing_is_added_followed_kept_or_decoded(lean: LeanTransport, serve: Any) -> None:
    """No header is made up, no redirect followed, no cookie replayed, no content coding undone."""
    requests = []

    async def script(peer: Any) -> None:
        while request := await peer.request():
            requests.append(request)
            await peer.send(
                b"HTTP/1.1 302 Found\r\nlocation: /other\r\nset-cookie: a=b\r\ncontent-encoding: gzip\r\n"
                b"content-length: 3\r\n\r\nraw"
            )

    server = await serve(script)
    for _ in range(2):
        response = await send(lean, server.url)
        assert response.status_code == 302
        assert [chunk async for chunk in response.stream] == [b"raw"]  # type: ignore[union-attr]
    host = f"localhost:{server.port}".encode()
    assert requests == [b"POST /v1 HTTP/1.1\r\nHost: %b\r\nContent-Length: 4\r\n\r\nbody" % host] * 2


async def test_connections_are_reused(lean: LeanTransport, serve: Any) -> None:
    """Requests one after another share a connection; at once they do not."""
    server = await serve(answer_all)
    for _ in range(3):
        await (await send(lean, server.url)).aread()
    assert len(server.peers) == 1
    await asyncio.gather(*(send(lean, server.url) for _ in range(5)))
    assert len(server.peers) == 5


async def test_reading_what_has_arrived_does_not_suspend(lean: LeanTransport, serve: Any) -> None:
    """A response that came whole with its head is read without a turn of the event loop."""
    server = await serve(answer_all)
    response = await send(lean, server.url)
    stream: Any = response.stream
    reading = anext(stream)
    with pytest.raises(StopIteration) as step:
        reading.send(None)
    assert step.value.value == b"hello"


async def test_chunks_arrive_as_they_are_sent(lean: LeanTransport, serve: Any) -> None:
    """Each chunk is handed on before the next is sent."""
    seen = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(STREAM)
        for word in (b"one", b"two", b"three"):
            await peer.send(b"%x\r\n%b\r\n" % (len(word), word))
            await seen.wait()
            seen.clear()
        await peer.send(b"0\r\n\r\n")

    server = await serve(script)
    response = await send(lean, server.url)
    words = []
    async for word in response.stream:  # type: ignore[union-attr]
        words.append(word)
        seen.set()
    assert words == [b"one", b"two", b"three"]


async def test_bodies_of_any_kind_and_size_arrive_whole(lean: LeanTransport, serve: Any) -> None:
    """Short and long bytes and streamed pieces reach the server unchanged."""
    received = []

    async def script(peer: Any) -> None:
        while request := await peer.request():
            received.append(request.split(b"\r\n\r\n", 1)[1])
            await peer.send(OK)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    server = await serve(script)
    long = bytes(range(256)) * 8192
    for content in (b"", b"short", long, pieces()):
        await (await send(lean, server.url, content, write=5.0)).aread()
    assert received == [b"", b"short", long, b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"]
    assert len(server.peers) == 1


def close_now(peer: Any) -> None:
    """Closes the server's side in this very moment, before any event loop can see it."""
    connection = peer.writer.get_extra_info("socket")
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


async def test_connection_that_was_closed_idle_is_replaced_once(lean: LeanTransport, serve: Any) -> None:
    """A POST that crosses the idle close of the server goes out on one fresh connection, and arrives once."""
    server = await serve(answer_all)
    await (await send(lean, server.url, b"first")).aread()
    close_now(server.peers[0])  # nothing is awaited between the close and the write
    response = await send(lean, server.url, b"second")
    assert await response.aread() == b"hello"
    assert [[request[-6:] for request in peer.requests] for peer in server.peers] == [[b"\nfirst"], [b"second"]]


async def test_fresh_connection_that_is_closed_too_is_an_error(lean: LeanTransport, serve: Any) -> None:
    """The replacement is not replaced."""

    async def script(peer: Any) -> None:
        if len(server.peers) == 1:
            await answer_all(peer)

    server = await serve(script)
    await (await send(lean, server.url)).aread()
    close_now(server.peers[0])
    with pytest.raises(httpx.TransportError):
        await send(lean, server.url)
    assert len(server.peers) == 2


@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_request_that_was_read_is_not_sent_again(lean: LeanTransport, serve: Any, ending: str) -> None:
    """A server that reads a POST on a connection that has served before, and then dies, has read it once."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if ending == "reset":
            peer.reset()

    server = await serve(script)
    await (await send(lean, server.url, b"first")).aread()
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(lean, server.url, b"second")
    assert [len(peer.requests) for peer in server.peers] == [2]


@pytest.mark.parametrize("case", ["first use", "streamed body", "long body", "first byte seen"])
async def test_nothing_else_is_sent_twice(lean: LeanTransport, serve: Any, case: str) -> None:
    """A new connection, a body that comes in pieces and an answer that had begun are never retried."""

    async def script(peer: Any) -> None:
        if case == "first use":
            await peer.request()
            return
        await peer.request()
        await peer.send(OK)
        if case == "first byte seen":
            await peer.request()
            await peer.send(b"H")
        else:
            await peer.until_closed()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    server = await serve(script)
    if case != "first use":
        await (await send(lean, server.url)).aread()
    if case in ("streamed body", "long body"):
        close_now(server.peers[0])
    content = {"streamed body": pieces(), "long body": bytes(1024 * 1024)}.get(case, b"once")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await send(lean, server.url, content)
    assert len(server.peers) == 1


async def test_idle_close_race_sends_no_request_twice(lean: LeanTransport, serve: Any) -> None:
    """A server that closes after each answer, sooner or later, reads no request twice, and each is answered or fails.

    A close with a request unread in a buffer of the server looks like one with a request that was
    read: those fail.
    """

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        for _ in range(len(server.peers) % 4):
            await asyncio.sleep(0)

    server = await serve(script)
    answered = []

    async def client(number: int) -> None:
        for turn in range(20):
            body = b"%02d-%02d" % (number, turn)
            with contextlib.suppress(httpx.ReadError, httpx.RemoteProtocolError):
                assert await (await send(lean, server.url, body)).aread() == b"hello"
                answered.append(body)
            await asyncio.sleep(0)

    await asyncio.gather(*(client(number) for number in range(10)))
    read = [request[-5:] for peer in server.peers for request in peer.requests]
    assert sorted(read) == sorted(answered)


async def test_refused_connection_is_a_connect_error_with_its_request(lean: LeanTransport) -> None:
    """Errors carry the request that they belong to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(httpx.ConnectError) as caught:
            await send(lean, f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert caught.value.request.method == "POST"


async def test_unknown_host_is_a_connect_error(lean: LeanTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve is a failure to connect."""

    async def no_such_name(host: str, port: int) -> socket.socket:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gateway.upstream.lean, "dial", no_such_name)
    with pytest.raises(httpx.ConnectError):
        await send(lean, "http://upstream.test/")


async def test_slow_connect_is_a_connect_timeout(lean: LeanTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting has its own limit."""

    async def never(host: str, port: int) -> socket.socket:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(gateway.upstream.lean, "dial", never)
    with pytest.raises(httpx.ConnectTimeout):
        await send(lean, "http://upstream.test/", connect=0.01)


@pytest.mark.parametrize("limits", [{"first_byte": 0.02, "read": None}, {"read": 0.02}])
async def test_silent_server_is_a_read_timeout(lean: LeanTransport, serve: Any, limits: dict[str, Any]) -> None:
    """The head is limited by first_byte or, without it, by read; the connection is closed."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.until_closed()

    server = await serve(script)
    with pytest.raises(httpx.ReadTimeout, match="first byte") as caught:
        await send(lean, server.url, **limits)
    assert caught.value.request.method == "POST"
    await server.all_ended()


async def test_silence_within_the_body_is_a_read_timeout(lean: LeanTransport, serve: Any) -> None:
    """A stream that stops is ended by the idle limit, with its request."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(STREAM + b"2\r\nhi\r\n")
        await peer.until_closed()

    server = await serve(script)
    response = await send(lean, server.url, first_byte=None, read=0.02)
    with pytest.raises(httpx.ReadTimeout, match="silent") as caught:
        await response.aread()
    assert caught.value.request.method == "POST"
    await server.all_ended()


async def test_full_pool_is_a_pool_timeout(serve: Any) -> None:
    """More requests than connections wait, and not for ever."""

    arrived = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    server = await serve(script)
    async with LeanTransport(max_connections=1) as lean:
        first = asyncio.ensure_future(send(lean, server.url))
        await arrived.wait()
        with pytest.raises(httpx.PoolTimeout):
            await send(lean, server.url, pool=0.01)
        first.cancel()


async def test_waiting_requests_share_the_connections(serve: Any) -> None:
    """A hundred requests over three connections all get their answers."""
    server = await serve(answer_all)
    async with LeanTransport(max_connections=3) as lean:

        async def one() -> bytes:
            return await (await send(lean, server.url)).aread()

        assert await asyncio.gather(*(one() for _ in range(100))) == [b"hello"] * 100
        lean.check_valid()
    assert len(server.peers) == 3


async def test_trickled_answer_arrives_whole(lean: LeanTransport, serve: Any) -> None:
    """An answer that comes in single bytes is an answer like any other."""

    async def script(peer: Any) -> None:
        while await peer.request():
            for byte in OK:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)

    server = await serve(script)
    for _ in range(2):
        assert await (await send(lean, server.url)).aread() == b"hello"
    assert len(server.peers) == 1


async def test_response_dropped_without_close_ends_its_connection(lean: LeanTransport, serve: Any) -> None:
    """A response that nobody holds any more does not hold a connection either."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(STREAM + b"2\r\nhi\r\n")
        await peer.until_closed()

    server = await serve(script)
    response = await send(lean, server.url)
    del response
    gc.collect()
    await server.all_ended()


@pytest.mark.parametrize("read", [False, True])
async def test_closed_response_ends_its_connection(lean: LeanTransport, serve: Any, read: bool) -> None:
    """Closing before the end closes the socket, with or without a chunk read."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(STREAM + b"2\r\nhi\r\n")
        await peer.until_closed()

    server = await serve(script)
    response = await send(lean, server.url)
    if read:
        assert await anext(response.stream.__aiter__()) == b"hi"  # type: ignore[union-attr]
    await response.aclose()
    await server.all_ended()


async def test_closing_the_transport_ends_running_requests(serve: Any) -> None:
    """Requests that run when the transport closes fail, later ones do not start."""

    arrived = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    server = await serve(script)
    lean = LeanTransport()
    running = asyncio.ensure_future(send(lean, server.url))
    await arrived.wait()
    await lean.aclose()
    with pytest.raises(httpx.ReadError):
        await running
    with pytest.raises(httpx.ConnectError):
        await send(lean, server.url)
    await server.all_ended()
    lean.check_valid()


async def test_slow_reader_holds_the_server_back(lean: LeanTransport, serve: Any) -> None:
    """While nobody reads, what the server can send is bounded by buffers; after that everything still arrives."""
    size, sent = 32 * 1024 * 1024, 0

    async def script(peer: Any) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await peer.send(bytes(65536))
            sent += 65536

    server = await serve(script)
    response = await send(lean, server.url)
    before = -1
    while sent > before:  # until the server is stuck
        before = sent
        await asyncio.sleep(0.02)
    assert sent < size / 2  # socket buffers of loopback take 4 to 8 MB, ours 256 KiB
    largest = total = 0
    async for chunk in response.stream:  # type: ignore[union-attr]
        total += len(chunk)
        largest = max(largest, len(chunk))
    assert total == size
    assert largest <= 256 * 1024 + 256 * 1024  # the buffer and one read of the event loop


@pytest.mark.parametrize("url", ["ftp://upstream.test/", "http:///v1"])
async def test_url_that_is_not_http_is_refused(lean: LeanTransport, url: str) -> None:
    """Only http and https with a host can be reached."""
    with pytest.raises(httpx.UnsupportedProtocol):
        await send(lean, url)
