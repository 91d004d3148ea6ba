"""The way from a routed request to the head of a provider's answer: one loop over targets and tries."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import httpx
import msgspec
import structlog

from gateway.config import Settings, Target
from gateway.errors import InvalidRequest, ModelNotFound, RequestError
from gateway.protocol.conversation import Origin
from gateway.protocol.dialect import Dialect
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.failure import failure_in_event
from gateway.protocol.request import RequestHead, rewrite
from gateway.protocol.sse import SseSplitter
from gateway.protocol.translation import Translation
from gateway.upstream.big_bodies import worked_on
from gateway.upstream.headers import RawHeaders, for_other_protocol, is_event_stream
from gateway.upstream.provider import ProviderClient, TransportFactory
from gateway.upstream.retry import (
    asked_wait_s,
    backoff_s,
    is_retryable_fault,
    is_retryable_status,
    is_worth_waiting,
    was_sent,
)
from gateway.upstream.router import Router, order_targets

log = structlog.get_logger("gateway.upstream")


# An event that grows longer is no error, which holds a sentence.
_LONGEST_ERROR_BYTES = 65_536


class Route(msgspec.Struct):
    """One target that can serve a request, and how: passed on as it came, or translated."""

    client: ProviderClient
    target: Target
    dialect: Dialect
    """The provider's."""
    headers: RawHeaders
    model: str
    """The provider's name for it."""
    translation: Translation | None = None
    body: bytes | None = None
    """What goes up; where a request is passed on, it is made for the first try."""


class Plan(msgspec.Struct):
    """A request that has been routed: what came, and by which routes it may go up, in their order."""

    dialect: Dialect
    """The client's."""
    head: RequestHead
    body: bytes
    routes: list[Route]
    is_configured_by_name: bool
    """Whether the model's name stands in the configuration, and not only a pattern that matches it."""
    own_answer: bytes | None = None
    """The gateway's own answer, if there is no route."""
    passed_on: bytes | None = None
    """The body for providers of the client's protocol, once one of them is tried."""


class Answer(msgspec.Struct):
    """What came on a route; of a stream, as much as its first event takes has been read."""

    route: Route
    response: httpx.Response
    status: int
    """That of the response, or the one that the error stands for with which its stream begins."""
    chunks: AsyncIterator[bytes] | None = None
    """The rest of a stream."""
    begun: bytes = b""


class Attempts(Protocol):
    """Who is told about each try; the lease, which puts it into the log line."""

    provider: str | None
    attempts: int


class Upstreams:
    """All providers of a worker, behind one router.

    `sleep`, `draw` (numbers in [0, 1)) and `now` (Unix seconds) are parameters so that tests need no waiting.
    """

    def __init__(
        self,
        settings: Settings,
        transport_for: TransportFactory,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.router = Router(settings.models)
        self.providers = {
            provider.name: ProviderClient(provider, settings.timeouts, transport_for(provider))
            for provider in settings.providers
        }
        self._tries = settings.retry.attempts
        self._sleep = sleep
        self._draw = draw
        self._now = now

    def plan(self, dialect: Dialect, head: RequestHead, body: bytes, headers: RawHeaders, request_id: str) -> Plan:
        """Route a request; `request_id` also names a translated answer that has no id of its own.

        A target that cannot be told the request in its provider's protocol is left out. Raises ModelNotFound when no
        configured model matches, MalformedRequest when no target can be told, and InvalidRequest when none serves what
        is asked for.
        """
        model = self.router.match(head.model)
        if model is None:
            raise ModelNotFound(
                f"The model `{head.model}` is not configured here; GET /v1/models lists those that are.", param="model"
            )
        plan = Plan(dialect, head, body, [], model.name == head.model)
        refusal: MalformedRequest | None = None
        unable: list[str] = []
        for target in order_targets(model, self._draw):
            client = self.providers[target.provider]
            spoken = client.dialect_for(dialect)
            if dialect.absent_statuses and client.lacks(dialect, self._now()):
                spoken = None
            if spoken is dialect:
                plan.routes.append(Route(client, target, dialect, headers, target.model or head.model))
            elif spoken is None:
                # The first target is the one that will have the conversation: another one's count is not its count.
                if not plan.routes and (own_answer := dialect.answer_without_provider(body)) is not None:
                    plan.own_answer = own_answer
                    return plan
                unable.append(client.name)
            else:
                try:
                    plan.routes.append(self._translated(plan, client, target, spoken, headers, request_id))
                except MalformedRequest as error:
                    refusal = refusal or error
        if not plan.routes:
            raise refusal or InvalidRequest(
                f"The model `{head.model}` is served by {', '.join(unable)}, which has no {dialect.upstream_path}.",
                param="model",
            )
        return plan

    def _translated(
        self,
        plan: Plan,
        client: ProviderClient,
        target: Target,
        spoken: Dialect,
        headers: RawHeaders,
        request_id: str,
    ) -> Route:
        translation = Translation(
            plan.dialect.name, spoken.name, plan.body, answer_id=request_id, created=int(self._now())
        )
        model = target.model or plan.head.model
        body = translation.request(model, ask_for_usage=client.reports_usage)
        return Route(client, target, spoken, for_other_protocol(headers), model, translation, body)

    async def open(self, plan: Plan, attempts: Attempts) -> Answer:
        """Return the answer, whose body is still to be read.

        An answer that is an error after the last try is returned like any other; a RequestError is raised when there
        is none. The tries go over all targets in turn, with a wait before each further round. A target that was sent
        the request and did not answer it is out: it may be working on it.
        """
        routes = list(plan.routes)
        position, rounds = 0, 0
        for tries_left in range(self._tries - 1, -1, -1):
            route = routes[position]
            client = route.client
            attempts.provider = client.name
            attempts.attempts += 1
            asked: float | None = None
            try:
                if route.body is None:
                    route.body = await worked_on(len(plan.body), _passed_on, plan, route)
                answer = await _ask(route, route.body)
            except RequestError as error:
                if was_sent(error):
                    del routes[position]
                else:
                    position += 1
                if not (tries_left and routes and is_retryable_fault(error)):
                    raise
                failure = error.message
            else:
                response, status = answer.response, answer.status
                if not (tries_left and is_retryable_status(status)) or status in route.dialect.absent_statuses:
                    return answer
                asked = asked_wait_s({name.lower(): value for name, value in response.headers.raw}, self._now())
                if asked is not None and not is_worth_waiting(asked) and len(routes) == 1:
                    return answer
                await response.aclose()
                position += 1
                failure = f"status {status}"
            wait = 0.0
            if position >= len(routes):
                position, rounds = 0, rounds + 1
                wait = max(asked or 0.0, backoff_s(rounds, self._draw()))
            log.warning("retry", model=plan.head.model, provider=client.name, failure=failure, wait_s=round(wait, 3))
            if wait:
                await self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    def note_absent(self, plan: Plan, route: Route, status: int) -> None:
        """Remember that a provider has no such operation, so that it is not asked for it again soon."""
        route.client.note_absent(plan.dialect, self._now())
        log.warning(
            "absent", model=plan.head.model, provider=route.client.name, path=plan.dialect.upstream_path, status=status
        )

    async def aclose(self) -> None:
        """Close every connection to every provider."""
        for client in self.providers.values():
            await client.aclose()


async def _ask(route: Route, body: bytes) -> Answer:
    """Send a request; of a stream, read the first event, since an error in its place is one before the first byte.

    No client could be told less than a whole event, so that none waits. Raises the RequestError that fits when no
    answer comes.
    """
    client = route.client
    response = await client.send(route.dialect, route.headers, body)
    status = response.status_code
    if status >= 300 or not is_event_stream(response.headers.raw):
        return Answer(route, response, status)
    chunks = aiter(response.stream)  # type: ignore[arg-type]
    begun = b""
    splitter = SseSplitter(_LONGEST_ERROR_BYTES)
    try:
        async for chunk in chunks:
            begun += chunk
            if events := splitter.feed(chunk):
                failure = failure_in_event(Origin(route.dialect.name), events[0])
                return Answer(route, response, failure.status if failure else status, chunks, begun)
    except httpx.TransportError as error:
        await response.aclose()
        raise client.fault(error) from error
    except BaseException:
        await response.aclose()
        raise
    return Answer(route, response, status, chunks, begun)


def usage_is_ours_alone(plan: Plan, route: Route) -> bool:
    """Whether the gateway asks for a usage chunk that the client of an OpenAI stream has not asked for."""
    return (
        plan.dialect.name == "chat"
        and bool(plan.head.stream)
        and not plan.head.asks_for_usage
        and route.client.reports_usage
    )


def _passed_on(plan: Plan, route: Route) -> bytes:
    if plan.passed_on is None:
        plan.passed_on = plan.dialect.passed_on(plan.body)
    include_usage = usage_is_ours_alone(plan, route)
    if route.target.model is None and not include_usage:
        return plan.passed_on
    return rewrite(plan.passed_on, model=route.target.model, include_usage=include_usage)
