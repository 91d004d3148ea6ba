"""Which transport a provider gets, and the limit that httpx's own needs."""

import asyncio

import httpx
import pytest

from gateway.config import Provider
from gateway.upstream.echo import EchoTransport
from gateway.upstream.lean import LeanTransport
from gateway.upstream.transports import FirstByteLimit, transport_for
from tests.unit.upstream.conftest import Peer, Serve


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        (Provider(name="a", kind="openai", base_url="http://a.invalid/v1"), LeanTransport),
        (Provider(name="b", kind="openai", base_url="https://b.invalid/v1", transport="httpcore"), FirstByteLimit),
        (Provider(name="c", kind="echo"), EchoTransport),
    ],
)
async def test_each_kind_of_provider_gets_its_transport(provider: Provider, kind: type[httpx.AsyncBaseTransport]):
    """Lean by default, httpx's own by configuration, the echo provider without a network."""
    transport = transport_for(provider)
    assert type(transport) is kind
    await transport.aclose()


async def test_a_head_that_never_comes_is_a_read_timeout():
    """The limits of connecting and of the first byte together hold for the whole head."""

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError("never")

    request = httpx.Request("GET", "http://a.invalid", extensions={"timeout": {"connect": 0.005, "first_byte": 0.005}})
    with pytest.raises(httpx.ReadTimeout):
        await FirstByteLimit(Silent()).handle_async_request(request)


async def test_a_body_tells_its_length_to_httpx_too():
    """httpx's own transport sends no body whose framing it is not told; a request without a body needs none."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    transport = FirstByteLimit(httpx.MockTransport(answer))
    limits = {"timeout": {"connect": 5.0, "first_byte": 5.0}}
    for method, body in (("POST", b"body"), ("GET", b"")):
        stream = httpx.ByteStream(body)
        await transport.handle_async_request(
            httpx.Request(method, "http://a.invalid", headers={"x-a": "1"}, stream=stream, extensions=limits)
        )
    assert [request.headers.get("content-length") for request in sent] == ["4", None]
    assert [request.headers["x-a"] for request in sent] == ["1", "1"]


async def test_httpx_s_own_transport_sends_no_post_twice_either(serve: Serve):
    """Neither when the server closes the idle connection, nor when it reads a POST on it and dies."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        if len(server.peers) == 2:
            await peer.request()

    server = await serve(script)
    transport = transport_for(
        Provider(name="b", kind="openai", base_url=server.url.replace("localhost", "127.0.0.1"), transport="httpcore")
    )
    limits = {"timeout": {"connect": 5.0, "first_byte": 5.0}}

    async def post(body: bytes) -> None:
        url = server.url.replace("localhost", "127.0.0.1")
        headers = {"host": "127.0.0.1"}
        request = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(body), extensions=limits)
        await (await transport.handle_async_request(request)).aread()

    await post(b"1")
    await server.peers[0].writer.wait_closed()
    await post(b"2")
    with pytest.raises(httpx.RemoteProtocolError):
        await post(b"3")
    await transport.aclose()
    assert [[request[-1:] for request in peer.requests] for peer in server.peers] == [[b"1"], [b"2", b"3"]]
