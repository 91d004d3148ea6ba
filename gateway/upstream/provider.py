"""One provider as the request path needs it: a transport, and everything that can be prepared before a request."""

from collections.abc import Callable
from typing import Any

import httpx

from gateway.config import Provider, TimeoutSettings
from gateway.errors import (
    ConnectionTooSlow,
    GatewayFault,
    RequestError,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.anthropic_tokens import COUNT_TOKENS
from gateway.protocol.dialect import Dialect
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_embeddings import EMBEDDINGS
from gateway.protocol.openai_responses import RESPONSES
from gateway.upstream.headers import RawHeaders
from gateway.upstream.http1 import ENCODED_HEAD, Head

# The protocols of each kind, unless the configuration says otherwise; clients of others are translated to the first.
_PROTOCOLS_OF_KIND: dict[str, tuple[Dialect, ...]] = {
    "openai": (CHAT, RESPONSES),
    "anthropic": (MESSAGES,),
    "echo": (CHAT, MESSAGES),
}
_PROTOCOLS: dict[str, Dialect] = {dialect.name: dialect for dialect in (CHAT, RESPONSES, MESSAGES)}
# What is passed on to providers of a kind and is never translated.
_ONLY_PASSED_ON: dict[str, tuple[Dialect, ...]] = {
    "openai": (EMBEDDINGS,),
    "anthropic": (COUNT_TOKENS,),
    "echo": (COUNT_TOKENS,),
}

# The version that the official SDKs send; a client that sends its own keeps it.
_ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")

# Anthropic's list has pages of 20 models unless it is asked for more, and 1,000 is the most.
_WHOLE_LIST = "?limit=1000"

# A client sends the same headers again and again. Those that never come again, because they carry an id of the request,
# must not fill the memory.
_MOST_KEPT = 256
_LONGEST_KEPT = 8192

# A provider may learn an operation, and one failed request in this time is not felt.
_ABSENT_S = 600.0

# The echo provider has no address, but a request needs a URL; RFC 2606 keeps this one from meaning anything.
_NOWHERE = "http://echo.invalid/v1"

TransportFactory = Callable[[Provider], httpx.AsyncBaseTransport]


class ProviderClient:
    """Sends requests to one provider through its httpx transport, without an httpx client in between."""

    def __init__(self, provider: Provider, timeouts: TimeoutSettings, transport: httpx.AsyncBaseTransport) -> None:
        self.name = provider.name
        self.kind = provider.kind
        self.reports_usage = provider.usage
        self.protocols = tuple(_PROTOCOLS[name] for name in provider.protocols) or _PROTOCOLS_OF_KIND[provider.kind]
        self.dialects = (*self.protocols, *_ONLY_PASSED_ON[provider.kind])
        self._transport = transport
        self._key = provider.api_key.reveal().encode() if provider.api_key is not None else b""
        base = provider.base_url or _NOWHERE
        self._urls = {dialect.name: httpx.URL(base + dialect.upstream_path) for dialect in self.dialects}
        self._models_url = httpx.URL(base + "/models" + (_WHOLE_LIST if provider.kind == "anthropic" else ""))
        self._own_headers = _own_headers(provider, self._models_url)
        self._own_names = frozenset(name for name, _ in self._own_headers)
        self.prepared: dict[tuple[object, ...], httpx.Request] = {}
        self._absent_until: dict[str, float] = {}
        self._extensions: dict[str, Any] = {
            "timeout": {
                "connect": timeouts.connect,
                "pool": timeouts.connect,
                "write": timeouts.idle,
                "first_byte": timeouts.first_byte,
                "read": timeouts.idle,
            }
        }

    def dialect_for(self, client: Dialect) -> Dialect | None:
        """Return the dialect in which a client's request goes up: its own if the provider speaks it, else the one that
        it is translated to; None if the provider cannot serve it.
        """
        if client in self.dialects:
            return client
        return self.protocols[0] if client.is_conversation else None

    def lacks(self, dialect: Dialect, now: float) -> bool:
        """Whether the provider has told lately that it has no such operation; `now` is in seconds, as below."""
        return now < self._absent_until.get(dialect.name, now)

    def note_absent(self, dialect: Dialect, now: float) -> None:
        """Remember for ten minutes that the provider has no such operation."""
        self._absent_until[dialect.name] = now + _ABSENT_S

    async def send(self, dialect: Dialect, headers: RawHeaders, body: bytes) -> httpx.Response:
        """Send a request and return the response as soon as its head is there; the body is still to be read.

        Raises the RequestError that fits when no response comes.
        """
        try:
            prepared = self.prepared.get((dialect.name, *headers)) or self._prepare(dialect, headers)
            return await self._transport.handle_async_request(_with_body(prepared, body))
        except httpx.TransportError as error:
            raise self.fault(error) from error

    def _prepare(self, dialect: Dialect, headers: RawHeaders) -> httpx.Request:
        """Prepare a request without a body, and keep it for the next one with these headers."""
        own_names = self._own_names
        raw = [header for header in headers if header[0] not in own_names]
        raw += self._own_headers
        if self.kind == "anthropic" and all(name != _ANTHROPIC_VERSION[0] for name, _ in raw):
            raw.append(_ANTHROPIC_VERSION)
        url = self._urls[dialect.name]
        head = Head("POST", url, raw)
        extensions = self._extensions | {ENCODED_HEAD: head}
        prepared = httpx.Request("POST", url, headers=raw, stream=httpx.ByteStream(b""), extensions=extensions)
        if len(head.wire) <= _LONGEST_KEPT:
            if len(self.prepared) >= _MOST_KEPT:
                self.prepared.clear()
            self.prepared[(dialect.name, *headers)] = prepared
        return prepared

    async def list_models(self) -> bytes:
        """Return the body of the provider's model list; raises a RequestError when there is none."""
        headers = [*self._own_headers, *([_ANTHROPIC_VERSION] if self.kind == "anthropic" else [])]
        request = httpx.Request("GET", self._models_url, headers=headers, extensions=self._extensions)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                body = await response.aread()
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise self.fault(error) from error
        if response.status_code != 200:
            raise UpstreamBroken(
                f"The provider {self.name} answered {response.status_code} to a request for its models."
            )
        return body

    def without_key(self, told: bytes) -> bytes:
        """Return what comes with an error without the provider's key, which some quote when they refuse it."""
        return told.replace(self._key, b"***") if self._key else told

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    def fault(self, error: httpx.TransportError) -> RequestError:
        """Say whose fault a transport error is; the client is told what happened, the log has the details."""
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                return ConnectionTooSlow(f"The provider {self.name} could not be connected to in time.")
            case httpx.TimeoutException():
                return UpstreamTimeout(f"The provider {self.name} was silent for too long.")
            case httpx.ConnectError():
                return UpstreamUnreachable(f"The provider {self.name} could not be reached.")
            case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
                return GatewayFault(f"The request to the provider {self.name} could not be written.")
            case _:
                return UpstreamBroken(f"The answer of the provider {self.name} broke off.")


def _with_body(prepared: httpx.Request, body: bytes) -> httpx.Request:
    """Return a request that shares every part of the prepared one but its body, which the transport frames.

    The constructor would look at each header and copy it, which takes five times as long as this.
    """
    request = httpx.Request.__new__(httpx.Request)
    request.__dict__.update(prepared.__dict__)
    request.stream = httpx.ByteStream(body)
    return request


def _own_headers(provider: Provider, url: httpx.URL) -> RawHeaders:
    """The headers that the gateway writes itself, with lower-case names; configured ones win over all others."""
    headers = {b"host": url.netloc, b"accept-encoding": b"identity"}
    if provider.api_key is not None:
        key = provider.api_key.reveal().encode()
        if provider.kind == "anthropic":
            headers[b"x-api-key"] = key
        else:
            headers[b"authorization"] = b"Bearer " + key
    headers |= {name.lower().encode(): value.encode() for name, value in provider.headers.items()}
    return list(headers.items())
