"""The responses that own a lease: a refusal, and the relay of a provider's answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
from litestar.types import Receive, Scope, Send

from gateway.api.context import Exchange
from gateway.api.interruption import Reason
from gateway.errors import GatewayFault, RequestError, UpstreamBroken
from gateway.metrics.outcome import Outcome
from gateway.protocol.dialect import Dialect, StreamTap
from gateway.upstream.client import Plan, usage_is_ours_alone
from gateway.upstream.headers import RawHeaders, for_client
from gateway.upstream.provider import ProviderClient

# A plain answer is held back up to this size, so that a provider that breaks off can still become a clean 502.
_HELD_BODY_BYTES = 1 << 20
# The usage of a plain answer is read from its body; of a longer one it stays unknown.
_READABLE_BODY_BYTES = 32 << 20

# How long a provider may take to end a stream behind its last event; most do so in the same segment.
_AFTER_THE_END_S = 1.0

_JSON = (b"content-type", b"application/json")
# Tells the official SDKs that the gateway has already tried again (`_base_client.py`).
_DO_NOT_RETRY = (b"x-should-retry", b"false")


async def send_whole(send: Send, status: int, headers: RawHeaders, body: bytes) -> None:
    """Send a response in one piece."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def error_answer(dialect: Dialect, error: RequestError, request_id: str) -> tuple[int, RawHeaders, bytes]:
    """Return the status, headers and body that tell a client of an error in its own protocol."""
    body = dialect.error_body(error.status, error.message, param=error.param, code=error.code, request_id=request_id)
    return error.status, [_JSON, *dialect.request_id_headers(request_id)], body


class Refusal:
    """Answers with an error that was found before anything went upstream."""

    def __init__(self, exchange: Exchange, dialect: Dialect, error: RequestError) -> None:
        self._stack = exchange.take_stack()
        self._lease = exchange.lease
        self._dialect = dialect
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the error in the client's envelope; the lease ends behind it."""
        with self._stack:
            self._lease.fail(self._error)
            self._lease.status = self._error.status
            await send_whole(send, *error_answer(self._dialect, self._error, self._lease.request_id))


class Vanished:
    """Ends the lease of a client that left before its request was complete."""

    def __init__(self, exchange: Exchange) -> None:
        self._stack = exchange.take_stack()
        self._lease = exchange.lease

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Settle as cancelled; 499 is what nginx logs for it, nobody is there to read it."""
        with self._stack:
            self._lease.settle(Outcome.CANCELLED)
            self._lease.status = 499
            await send_whole(send, 499, [], b"")


class Relay:
    """Sends a routed request upstream and relays the answer, while it watches for the client's leaving."""

    def __init__(self, exchange: Exchange, plan: Plan) -> None:
        self._stack: ExitStack = exchange.take_stack()
        self._services = exchange.services
        self._lease = exchange.lease
        self._plan = plan
        self._tap: StreamTap | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay the answer; the lease ends behind its last byte, or behind what came instead."""
        running = self._services.running
        interruption = running.open(receive)
        try:
            with self._stack:
                with interruption:
                    await self._relay(send)
                if interruption.reason is Reason.CLIENT_LEFT:
                    self._lease.settle(Outcome.CANCELLED)
                elif interruption.reason is Reason.SHUTDOWN:
                    await self._break_off(send, GatewayFault("The gateway is shutting down."))
        finally:
            running.discard(interruption)

    async def _relay(self, send: Send) -> None:
        try:
            client, response = await self._services.upstreams.open(self._plan, self._lease)
            try:
                if 300 <= response.status_code < 400:
                    # A client that followed it would send its prompt past the gateway.
                    raise UpstreamBroken(f"The provider {client.name} redirects elsewhere; its base_url is not right.")
                if response.status_code < 400:
                    self._lease.attribute(self._plan.head.model)
                headers, content_type = self._headers_of(response)
                if content_type.startswith(b"text/event-stream"):
                    await self._relay_stream(client, response, headers, send)
                else:
                    await self._relay_body(client, response, headers, send)
            except httpx.TransportError as error:
                raise client.fault(error) from error
            finally:
                # Of all that httpx.Response.aclose() does, only this has an effect on a response without a client.
                await response.stream.aclose()  # type: ignore[union-attr]
        except RequestError as error:
            await self._break_off(send, error)

    async def _relay_stream(
        self, client: ProviderClient, response: httpx.Response, headers: RawHeaders, send: Send
    ) -> None:
        encoding = next((value for name, value in headers if name == b"content-encoding"), b"identity")
        if encoding.lower() != b"identity":
            shown = encoding.decode("latin-1")
            raise UpstreamBroken(f"The provider {client.name} sent a stream in the encoding {shown}, unasked.")
        tap = self._plan.dialect.tap(withhold_usage=usage_is_ours_alone(self._plan, client))
        await self._start(send, response.status_code, headers)
        self._tap = tap
        chunks = aiter(response.stream)  # type: ignore[arg-type]
        passed = b""
        try:
            async for chunk in chunks:
                passed = tap.feed(chunk)
                if tap.ended:
                    break
                if passed:
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
            else:
                passed = tap.finish()
        except httpx.TransportError:
            # What breaks behind the end of an answer takes nothing from it.
            if not tap.complete:
                raise
            passed = b""
        finally:
            self._lease.usage = tap.usage
        if not (tap.complete or tap.failed):
            raise UpstreamBroken(f"The stream of the provider {client.name} ended before it was complete.")
        if tap.failed:
            self._lease.settle(Outcome.UPSTREAM, f"The provider {client.name} reported an error in its stream.")
        await send({"type": "http.response.body", "body": passed, "more_body": False})
        self._lease.settle(Outcome.OK)
        # The client has everything; what follows is for the connection only.
        self._stack.close()
        await _let_it_end(chunks)

    async def _relay_body(
        self, client: ProviderClient, response: httpx.Response, headers: RawHeaders, send: Send
    ) -> None:
        status = response.status_code
        parts: list[bytes] = []
        size = 0
        async for chunk in response.stream:  # type: ignore[union-attr]
            size += len(chunk)
            if size <= _READABLE_BODY_BYTES:
                parts.append(chunk)
            else:
                parts.clear()
            if self._lease.status is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            elif size > _HELD_BODY_BYTES:
                await self._start(send, status, headers)
                await send({"type": "http.response.body", "body": b"".join(parts), "more_body": True})
        body = b"".join(parts)
        if status >= 400:
            self._lease.settle(Outcome.UPSTREAM, f"The provider {client.name} answered {status}.")
            body = client.without_key(body)
            if not body.lstrip().startswith(b"{"):
                message = f"The provider {client.name} answered {status} without a message that can be passed on."
                body = self._plan.dialect.error_body(status, message, request_id=self._lease.request_id)
                headers = [_JSON, *(header for header in headers if header[0] != b"content-type")]
        else:
            self._lease.usage = self._plan.dialect.usage_of(body)
        if self._lease.status is None:
            self._lease.status = status
            await send_whole(send, status, headers, body)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._lease.settle(Outcome.OK)

    def _headers_of(self, response: httpx.Response) -> tuple[RawHeaders, bytes]:
        """The provider's headers that pass, with a request id (its own, or ours if it sends none); the content type."""
        headers = for_client(response.headers.raw)
        dialect, lease = self._plan.dialect, self._lease
        given = dict(headers)
        upstream_id = given.get(dialect.request_id_header)
        if upstream_id:
            lease.request_id = upstream_id.decode("latin-1")
        headers += [header for header in dialect.request_id_headers(lease.request_id) if header[0] not in given]
        if response.status_code >= 400 and lease.attempts > 1 and _DO_NOT_RETRY[0] not in given:
            headers.append(_DO_NOT_RETRY)
        return headers, given.get(b"content-type", b"").lower()

    async def _start(self, send: Send, status: int, headers: RawHeaders) -> None:
        self._lease.status = status
        await send({"type": "http.response.start", "status": status, "headers": headers})

    async def _break_off(self, send: Send, error: RequestError) -> None:
        """Tell the client of an error: as a response, as an event in its stream, or by a body that has no end."""
        lease, dialect = self._lease, self._plan.dialect
        lease.fail(error)
        if lease.status is None:
            status, headers, body = error_answer(dialect, error, lease.request_id)
            lease.status = status
            if lease.attempts > 1:
                headers.append(_DO_NOT_RETRY)
            await send_whole(send, status, headers, body)
        elif self._tap is not None:
            event = dialect.error_event(error.status, error.message, code=error.code)
            ending = b"\n\n" + event if self._tap.cut_inside_event else event
            await send({"type": "http.response.body", "body": ending, "more_body": False})
        else:
            raise error


async def _let_it_end(chunks: AsyncIterator[bytes]) -> None:
    """Read what comes behind the last event, usually nothing but the end: then the connection can serve again."""
    try:
        async with asyncio.timeout(_AFTER_THE_END_S):
            async for _ in chunks:
                pass
    except (TimeoutError, httpx.TransportError):
        # It is closed then, and the next request opens another.
        return
