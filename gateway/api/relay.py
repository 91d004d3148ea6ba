"""The relay: sends a routed request upstream and brings the answer back, as it came or translated.

| the provider's answer        | passed on                              | translated                          |
|------------------------------|----------------------------------------|-------------------------------------|
| a stream                     | whole events as they came, listened to | event by event, each in its turn    |
| a body                       | as it came, held up to 1 MiB           | whole                               |
| an error of the protocol     | as it came                             | the text in the client's envelope   |
| an error in other words      | the text in the client's envelope      | the same                            |
| an error without any (HTML)  | its status in the client's envelope    | the same                            |
| such an error under a 200    | as it came, counted as an error        | as above, with the status it names  |
| what is neither              | 502                                    | 502                                 |
| "no such operation"          | the gateway's own answer, if any       | never: it is only passed on         |

One that breaks off is a 502 or a 504, and an error in the client's protocol once its answer has begun.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import httpx
from litestar.types import Message, Receive, Scope, Send

from gateway.api.context import Exchange
from gateway.api.interruption import Reason
from gateway.api.keep_alive import KeepAlive
from gateway.api.responses import DO_NOT_RETRY, JSON, error_answer, send_own, send_whole
from gateway.errors import GatewayFault, InvalidRequest, RequestError, UpstreamBroken, UpstreamRefusal
from gateway.metrics.outcome import Outcome
from gateway.protocol.dialect import StreamTap
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.events import Failure
from gateway.protocol.failure import failure_between, failure_told
from gateway.protocol.translation import Translation
from gateway.protocol.wire import is_object
from gateway.upstream.big_bodies import worked_on
from gateway.upstream.client import Plan, Route, usage_is_ours_alone
from gateway.upstream.headers import RawHeaders, for_client, without_body_headers

# A plain answer is held back up to this size, so that a provider that breaks off can still become a clean 502.
_HELD_BODY_BYTES = 1 << 20
# The usage of a plain answer is read from its body, and a translation needs it whole; a longer one has no usage, and
# cannot be translated.
_READABLE_BODY_BYTES = 32 << 20

# How long a provider may take to end a stream behind its last event; most do so in the same segment.
_AFTER_THE_END_S = 1.0

_NO_STREAM = "The provider {} sent no stream although one was asked for."
_EVENT_STREAM = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Relay:
    """Sends a routed request upstream and relays the answer, while it watches for the client's leaving."""

    def __init__(self, exchange: Exchange, plan: Plan) -> None:
        self._stack: ExitStack = exchange.take_stack()
        self._services = exchange.services
        self._lease = exchange.lease
        self._plan = plan
        self._tap: StreamTap | None = None
        self._keep_alive: KeepAlive | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relay the answer; the lease ends behind its last byte, or behind what came instead."""
        running = self._services.running
        interruption = running.open(receive)
        wait_s = self._services.keep_alive_s
        if wait_s and self._plan.head.stream and self._plan.dialect.is_conversation:
            send = self._keep_alive = KeepAlive(send, wait_s, self._frame)
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
            if self._keep_alive is not None:
                self._keep_alive.cancel()

    async def _relay(self, send: Send) -> None:
        try:
            answer = await self._services.upstreams.open(self._plan, self._lease)
            route, response = answer.route, answer.response
            status = response.status_code
            try:
                if 300 <= status < 400:
                    # A client that followed it would send its prompt past the gateway.
                    raise UpstreamBroken(
                        f"The provider {route.client.name} redirects elsewhere; its base_url is not right."
                    )
                if status < 400:
                    self._lease.attribute(self._plan.head.model)
                headers = self._headers_of(route, response)
                if answer.chunks is not None:
                    await self._relay_stream(route, status, answer.begun, answer.chunks, headers, send)
                    return
                if self._keep_alive is not None:
                    # Nothing can be put into a body.
                    self._keep_alive.close()
                if self._lease.status is not None:
                    raise await self._too_late(route, response)
                if route.translation is None:
                    await self._relay_body(route, response, headers, send)
                else:
                    await self._translate_body(route, route.translation, response, headers, send)
            except httpx.TransportError as error:
                raise route.client.fault(error) from error
            finally:
                # Of all that httpx.Response.aclose() does, only this has an effect on a response without a client.
                await response.stream.aclose()  # type: ignore[union-attr]
        except RequestError as error:
            await self._break_off(send, error)

    async def _relay_stream(
        self,
        route: Route,
        status: int,
        begun: bytes,
        chunks: AsyncIterator[bytes],
        headers: RawHeaders,
        send: Send,
    ) -> None:
        client = route.client
        _check_encoding(route, headers)
        if not self._plan.head.stream:
            raise UpstreamBroken(f"The provider {client.name} sent a stream where none was asked for.")
        if route.translation is None:
            tap = self._plan.dialect.tap(withhold_usage=usage_is_ours_alone(self._plan, route))
        else:
            tap = route.translation.stream()
            headers = [*without_body_headers(headers), *_EVENT_STREAM]
        # First, so that who is interrupted while the head is sent can be told within the stream.
        self._tap = tap
        await self._start(send, status, headers)
        passed = b""
        chunk: bytes | None = begun
        try:
            while chunk is not None:
                passed = tap.feed(chunk)
                if tap.failed:
                    passed = client.without_key(passed)
                if tap.ended:
                    break
                if passed:
                    await send({"type": "http.response.body", "body": passed, "more_body": True})
                chunk = await anext(chunks, None)
            else:
                passed = client.without_key(tap.finish())
        finally:
            self._lease.usage = tap.usage
        if not (tap.complete or tap.failed):
            raise UpstreamBroken(f"The stream of the provider {client.name} ended before it was complete.")
        if tap.failed:
            reported = tap.failure.message if tap.failure is not None else "it reported an error in its stream"
            self._lease.settle(Outcome.UPSTREAM, f"The provider {client.name} failed: {reported}")
        await send({"type": "http.response.body", "body": passed, "more_body": False})
        self._lease.settle(Outcome.OK)
        # The client has everything; what follows is for the connection only.
        self._stack.close()
        await _let_it_end(chunks)

    async def _relay_body(self, route: Route, response: httpx.Response, headers: RawHeaders, send: Send) -> None:
        client, status = route.client, response.status_code
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
        if self._lease.status is None and self._plan.dialect.is_absent(status, body, route.model):
            await self._answer_instead(route, status, send)
            return
        if status >= 400:
            self._lease.settle(Outcome.UPSTREAM, f"The provider {client.name} answered {status}.")
            body = client.without_key(body)
            if self._lease.status is None and not (is_object(body) and self._plan.dialect.is_error_body(body)):
                body = self._error_body(status, self._failure_in(route, status, body))
                headers = [*without_body_headers(headers), JSON]
        else:
            self._lease.usage = self._plan.dialect.usage_of(body)
            # Whoever found a usage has read it all.
            if self._lease.usage is None and self._lease.status is None:
                if not is_object(body):
                    raise UpstreamBroken(f"The provider {client.name} answered {status} with what is no JSON object.")
                if self._plan.dialect.is_error_body(body):
                    self._lease.settle(Outcome.UPSTREAM, f"The provider {client.name} answered {status} with an error.")
                    body = client.without_key(body)
        if self._lease.status is None:
            self._lease.status = status
            await send_whole(send, status, headers, body)
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._lease.settle(Outcome.OK)

    async def _answer_instead(self, route: Route, status: int, send: Send) -> None:
        """Give the gateway's own answer for a provider that turns out to have none. Raises InvalidRequest."""
        plan, lease = self._plan, self._lease
        self._services.upstreams.note_absent(plan, route, status)
        # The answer is not the provider's; that it was asked, `attempts` tells.
        lease.provider = None
        try:
            body = await worked_on(len(plan.body), plan.dialect.answer_without_provider, plan.body)
        except MalformedRequest as error:
            raise InvalidRequest(error.message, param=error.param) from None
        assert body is not None, "a dialect that knows absence has an answer instead"
        await send_own(send, plan.dialect, lease, body)

    async def _translate_body(
        self, route: Route, translation: Translation, response: httpx.Response, headers: RawHeaders, send: Send
    ) -> None:
        name, status, lease = route.client.name, response.status_code, self._lease
        _check_encoding(route, headers)
        body = await _whole(route, response)
        if status < 400:
            answer = await worked_on(len(body), translation.body, body)
        else:
            answer = self._failure_in(route, status, body)
        if isinstance(answer, Failure):
            lease.settle(Outcome.UPSTREAM, f"The provider {name} answered {status}: {answer.message}")
            status = answer.status
            told = self._error_body(status, answer)
        elif self._plan.head.stream:
            raise UpstreamBroken(_NO_STREAM.format(name))
        else:
            told, lease.usage = answer
        lease.status = status
        await send_whole(send, status, [*without_body_headers(headers), JSON], told)
        lease.settle(Outcome.OK)

    async def _too_late(self, route: Route, response: httpx.Response) -> RequestError:
        """Return the error for an answer that is no stream, to a client whose stream has begun."""
        status, client = response.status_code, route.client
        body = await _whole(route, response)
        failure: Failure | None
        if status >= 400:
            failure = self._failure_in(route, status, body)
        else:
            failure = failure_told(self._plan.dialect.name, route.dialect.name, client.without_key(body))
        if failure is None:
            return UpstreamBroken(_NO_STREAM.format(client.name))
        return UpstreamRefusal(failure.message, status=failure.status, code=failure.code, param=failure.param)

    def _failure_in(self, route: Route, status: int, body: bytes) -> Failure:
        """Return what the provider's error says, with the status that says it to the client."""
        client, body = route.client, route.client.without_key(body)
        told, spoken = self._plan.dialect.name, route.dialect.name
        return failure_between(told, spoken, status, body, otherwise=_wordless(client.name, status))

    def _error_body(self, status: int, failure: Failure) -> bytes:
        return self._plan.dialect.error_body(
            status, failure.message, param=failure.param, code=failure.code, request_id=self._lease.request_id
        )

    def _headers_of(self, route: Route, response: httpx.Response) -> RawHeaders:
        """The provider's headers that pass, with a request id: its own, or ours if it sends none."""
        headers = for_client(response.headers.raw)
        if response.status_code >= 400:
            headers = [(name, route.client.without_key(value)) for name, value in headers]
        dialect, lease = self._plan.dialect, self._lease
        given = dict(headers)
        upstream_id = given.get(route.dialect.request_id_header)
        if upstream_id:
            lease.request_id = upstream_id.decode("latin-1")
        headers += [header for header in dialect.request_id_headers(lease.request_id) if header[0] not in given]
        # The gateway has tried again itself; and a provider's key that it refuses is none that the client could renew.
        is_final = response.status_code == 401 or (
            response.status_code >= 400
            and lease.attempts > 1
            and not self._services.upstreams.leaves_the_wait_to_the_client(response)
        )
        if is_final and DO_NOT_RETRY[0] not in given:
            headers.append(DO_NOT_RETRY)
        return headers

    def _frame(self) -> list[Message]:
        """What may fill a silence of the client's stream just now; it begins the response if nothing has."""
        if self._tap is not None and self._tap.cut_inside_event:
            return []
        dialect, lease = self._plan.dialect, self._lease
        frame: Message = {"type": "http.response.body", "body": dialect.keep_alive, "more_body": True}
        if lease.status is not None:
            return [frame]
        lease.status = 200
        headers = [*_EVENT_STREAM, *dialect.request_id_headers(lease.request_id)]
        return [{"type": "http.response.start", "status": 200, "headers": headers}, frame]

    async def _start(self, send: Send, status: int, headers: RawHeaders) -> None:
        if self._lease.status is not None:
            return
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
                headers.append(DO_NOT_RETRY)
            await send_whole(send, status, headers, body)
        elif self._tap is not None:
            event = self._tap.break_off(error.status, error.message, code=error.code, param=error.param)
            ending = b"\n\n" + event if self._tap.cut_inside_event else event
            await send({"type": "http.response.body", "body": ending, "more_body": False})
        elif self._keep_alive is not None:
            # Nothing but frames has been sent.
            event = dialect.error_event(error.status, error.message, code=error.code, param=error.param)
            await send({"type": "http.response.body", "body": event, "more_body": False})
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


async def _whole(route: Route, response: httpx.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.stream:  # type: ignore[union-attr]
        parts.append(part)
        size += len(part)
        if size > _READABLE_BODY_BYTES:
            raise UpstreamBroken(f"The answer of the provider {route.client.name} is too long to be translated.")
    return b"".join(parts)


def _check_encoding(route: Route, headers: RawHeaders) -> None:
    encoding = next((value for name, value in headers if name == b"content-encoding"), b"identity")
    if encoding.lower() != b"identity":
        shown = encoding.decode("latin-1")
        raise UpstreamBroken(f"The provider {route.client.name} answered in the encoding {shown}, unasked.")


def _wordless(provider: str, status: int) -> str:
    return f"The provider {provider} answered {status} without a message that can be passed on."
