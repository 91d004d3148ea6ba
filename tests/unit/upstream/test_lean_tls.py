"""The lean transport over TLS."""

import asyncio
import ssl
from typing import Any

import httpx
import pytest
import trustme

from gateway.upstream.lean import LeanTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of this test run."""
    return trustme.CA()


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Trusts the test's authority and no other."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Shows a certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def answer_all(peer: Any) -> None:
    while await peer.request():
        await peer.send(OK)


def post(url: str, content: bytes = b"body", **limits: float) -> httpx.Request:
    return httpx.Request("POST", url, content=content, extensions={"timeout": limits})


async def test_requests_over_tls_reuse_the_connection_and_name_the_host(
    serve: Any, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """The handshake is done once, with the host of the URL as server name."""
    names = []
    server_tls.sni_callback = lambda connection, name, context: names.append(name)
    server = await serve(answer_all, server_tls)
    async with LeanTransport(ssl_context=client_tls) as lean:
        for content in (b"body", bytes(1024 * 1024)):
            response = await lean.handle_async_request(post(server.url, content))
            assert await response.aread() == b"hello"
        lean.check_valid()
    assert names == ["localhost"]
    assert len(server.peers) == 1


async def test_certificate_of_an_unknown_authority_is_a_connect_error(serve: Any, server_tls: ssl.SSLContext) -> None:
    """Nothing is sent to a server that cannot show who it is."""
    server = await serve(answer_all, server_tls)
    async with LeanTransport(ssl_context=ssl.create_default_context()) as lean:
        with pytest.raises(httpx.ConnectError):
            await lean.handle_async_request(post(server.url))
        lean.check_valid()


async def test_certificate_for_another_name_is_a_connect_error(
    serve: Any, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """The certificate must be for the host of the URL."""
    server = await serve(answer_all, server_tls)
    async with LeanTransport(ssl_context=client_tls) as lean:
        with pytest.raises(httpx.ConnectError):
            await lean.handle_async_request(post(server.url.replace("localhost", "127.0.0.1")))


async def test_server_without_tls_is_a_connect_error(serve: Any, client_tls: ssl.SSLContext) -> None:
    """Plain text in place of a handshake is a failure to connect."""

    async def script(peer: Any) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_closed()

    server = await serve(script)
    async with LeanTransport(ssl_context=client_tls) as lean:
        with pytest.raises(httpx.ConnectError):
            await lean.handle_async_request(post(server.url.replace("http:", "https:")))


async def test_handshake_that_never_ends_is_a_connect_timeout(serve: Any, client_tls: ssl.SSLContext) -> None:
    """The limit on connecting includes the handshake, and the socket is closed."""

    async def script(peer: Any) -> None:
        await peer.until_closed()

    server = await serve(script)
    async with LeanTransport(ssl_context=client_tls) as lean:
        with pytest.raises(httpx.ConnectTimeout):
            await lean.handle_async_request(post(server.url.replace("http:", "https:"), connect=0.05))
        await server.all_ended()
        lean.check_valid()


async def test_cancelled_stream_over_tls_closes_its_socket(
    serve: Any, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """Cancellation does not wait for an orderly end of TLS."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await peer.until_closed()

    server = await serve(script, server_tls)
    async with LeanTransport(ssl_context=client_tls) as lean:
        response = await lean.handle_async_request(post(server.url))
        reading = asyncio.ensure_future(response.aread())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await server.all_ended()
        lean.check_valid()


async def test_default_context_verifies_and_speaks_http_1_1() -> None:
    """Without a context of the caller certificates are verified against the public authorities."""
    context = await LeanTransport()._tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_request_that_was_read_over_tls_is_not_sent_again(
    serve: Any, client_tls: ssl.SSLContext, server_tls: ssl.SSLContext
) -> None:
    """A server that reads a POST on a connection that has served before, and then closes, has read it once."""

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()

    server = await serve(script, server_tls)
    async with LeanTransport(ssl_context=client_tls) as lean:
        await (await lean.handle_async_request(post(server.url, b"first"))).aread()
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await lean.handle_async_request(post(server.url, b"second"))
    assert [len(peer.requests) for peer in server.peers] == [2]
