"""Which transport a provider gets."""

import asyncio
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from gateway.config import Provider
from gateway.config.certificates import load_authorities, load_own_certificate
from gateway.upstream.echo import EchoTransport
from gateway.upstream.lean import LeanTransport

# A worker holds at most this many connections to one provider; more requests wait for one, up to the connect timeout.
# As many as it takes from clients, so that open streams to a single provider do not keep others waiting.
MAX_CONNECTIONS = 16_384
_KEEPALIVE_S = 30.0


class FirstByteLimit(httpx.AsyncBaseTransport):
    """Gives httpx's own transport what it lacks: a limit for the whole head of an answer, and the length of a body."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on; raises httpx.ReadTimeout after the limits of `connect` and `first_byte` together."""
        limits = request.extensions["timeout"]
        try:
            async with asyncio.timeout(limits["connect"] + limits["first_byte"]):
                return await self._inner.handle_async_request(_framed(request))
        except TimeoutError:
            raise httpx.ReadTimeout("No complete head of an answer came in time.", request=request) from None

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._inner.aclose()


def _framed(request: httpx.Request) -> httpx.Request:
    """Return the request with a Content-Length if it has a body and does not say how long that is."""
    body = b"".join(request.stream) if isinstance(request.stream, httpx.ByteStream) else b""
    if not body or "content-length" in request.headers:
        return request
    headers = [*request.headers.raw, (b"content-length", b"%d" % len(body))]
    return httpx.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )


def transport_for(provider: Provider) -> httpx.AsyncBaseTransport:
    """Return a fresh transport: the echo provider's own, the lean one, or httpx's own for HTTP/2 and proxies.

    Only httpx's own obeys the `HTTPS_PROXY` and `NO_PROXY` variables, and only to an https provider: such a proxy
    passes on what it cannot read. One of `HTTP_PROXY` would read the provider's key, so it is never used.
    """
    if provider.kind == "echo":
        return EchoTransport(clock=time.time)
    context = tls_context(provider)
    if provider.transport == "httpcore":
        url = urlsplit(provider.base_url)
        proxy = None if url.scheme != "https" or proxy_bypass(url.netloc) else getproxies().get("https")
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S)
        verify = True if context is None else context
        return FirstByteLimit(httpx.AsyncHTTPTransport(verify=verify, http2=True, limits=limits, proxy=proxy))
    if context is not None:
        context.set_alpn_protocols(["http/1.1"])
    return LeanTransport(max_connections=MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S, ssl_context=context)


def tls_context(provider: Provider) -> ssl.SSLContext | None:
    """Return what the provider's own files ask for, None if it has none; raises ValueError for a file that is wrong."""
    if provider.ca_file is None and provider.client_cert is None:
        return None
    if provider.ca_file is None:
        context = httpx.create_ssl_context()
    else:
        # Without the public authorities: whoever names one wants no other.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        load_authorities(context, Path(provider.ca_file))
    if provider.client_cert is not None and provider.client_key is not None:
        load_own_certificate(context, Path(provider.client_cert), Path(provider.client_key))
    return context
