"""Which transport a provider gets."""

import time
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from gateway.config import Provider
from gateway.upstream.echo import EchoTransport
from gateway.upstream.lean import LeanTransport

# A worker holds at most this many connections to one provider; more requests wait for one, up to the connect timeout.
MAX_CONNECTIONS = 4096
_KEEPALIVE_S = 30.0


def transport_for(provider: Provider) -> httpx.AsyncBaseTransport:
    """Return a fresh transport: the echo provider's own, the lean one, or httpx's own for HTTP/2 and proxies.

    Only httpx's own obeys the `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` variables.
    """
    if provider.kind == "echo":
        return EchoTransport(clock=time.time)
    if provider.transport == "httpcore":
        url = urlsplit(provider.base_url)
        proxy = None if proxy_bypass(url.netloc) else getproxies().get(url.scheme)
        limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S)
        return httpx.AsyncHTTPTransport(http2=True, limits=limits, proxy=proxy)
    return LeanTransport(max_connections=MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S)
