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
from gateway.metrics.clock import boottime_ns
from gateway.protocol.conversation import Origin
from gateway.protocol.dialect import Dialect
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.failure import failure_in_event
from gateway.protocol.request import RequestHead, rewrite
from gateway.protocol.sse import SseSplitter
from gateway.protocol.translation import Translation
from gateway.upstream.big_bodies import worked_on
from gateway.upstream.cooldown import Board, Cooldown, cause_of
from gateway.upstream.headers import RawHeaders, for_other_protocol, is_event_stream
from gateway.upstream.provider import ProviderClient, TransportFactory
from gateway.upstream.retry import (
    Schedule,
    asked_wait_s,
    first_target,
    invites_no_retry,
    is_retryable_fault,
    is_retryable_status,
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


class NoBoard:
    """Shows nothing."""

    def tried(self, provider: str) -> None:
        """Do nothing."""

    def failed(self, provider: str) -> None:
        """Do nothing."""

    def show(self, provider: str, model: str | None, *, failures: int, cause: int, rests_until_s: float) -> None:
        """Do nothing."""


def boottime_s() -> float:
    """Seconds since boot, suspend included: the clock of the metrics, so that their readers can tell a rest's end."""
    return boottime_ns() / 1e9


class Upstreams:
    """All providers of a worker, behind one router.

    `sleep`, `draw` (numbers in [0, 1)), `now` (Unix seconds) and `clock` (seconds since boot) are parameters so that
    tests need no waiting. `board` shows the operator how the providers do.
    """

    def __init__(
        self,
        settings: Settings,
        transport_for: TransportFactory,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = boottime_s,
        board: Board | None = None,
    ) -> None:
        self.router = Router(settings.models)
        self.providers = {
            provider.name: ProviderClient(provider, settings.timeouts, transport_for(provider))
            for provider in settings.providers
        }
        self._retry = settings.retry
        self._cooldown = Cooldown(settings.cooldown, clock, board or NoBoard())
        self._clock = clock
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

        def rests(target: Target) -> bool:
            return self._cooldown.rests(target.provider, target.model or head.model)

        for target in order_targets(model, self._draw, rests):
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
            try:
                raise refusal or InvalidRequest(
                    f"The model `{head.model}` is served by {', '.join(unable)}, which has no {dialect.upstream_path}.",
                    param="model",
                )
            finally:
                # The error holds this frame from now on; both would wait for the collector of cycles.
                del refusal
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
        is none. gateway.upstream.retry says which target is tried when.
        """
        routes, cooldown = plan.routes, self._cooldown

        def rests(target: int) -> bool:
            return cooldown.rests(*_place(plan, routes[target]))

        began = self._clock()
        target = first_target(len(routes), rests)
        schedule: Schedule | None = None
        while True:
            route = routes[target]
            client = route.client
            place = _place(plan, route)
            attempts.provider = client.name
            attempts.attempts += 1
            number = cooldown.begin(*place)
            try:
                if route.body is None:
                    route.body = await worked_on(len(plan.body), _passed_on, plan, route)
                answer = await _ask(route, route.body)
            except RequestError as error:
                if not is_retryable_fault(error):
                    cooldown.ended(number, *place)
                    raise
                cooldown.failed(number, *place, cause_of(error))
                schedule = schedule or Schedule(len(routes), self._retry, first=target, began=began)
                if not was_sent(error):
                    schedule.again(target, None, self._clock())
                step = schedule.next(self._clock(), self._draw, rests)
                if step is None:
                    raise
                failure = error.message
            except BaseException:
                cooldown.ended(number, *place)
                raise
            else:
                status = answer.status
                if not is_retryable_status(status) or status in route.dialect.absent_statuses:
                    cooldown.answered(number, *place)
                    return answer
                cooldown.failed(number, *place, status)
                schedule = schedule or Schedule(len(routes), self._retry, first=target, began=began)
                headers = _lower_case(answer.response)
                if not invites_no_retry(headers):
                    schedule.again(target, asked_wait_s(headers, self._now()), self._clock())
                step = schedule.next(self._clock(), self._draw, rests)
                if step is None:
                    return answer
                await answer.response.aclose()
                failure = f"status {status}"
            target, wait = step
            log.warning("retry", model=plan.head.model, provider=client.name, failure=failure, wait_s=round(wait, 3))
            if wait:
                await self._sleep(wait)

    def leaves_the_wait_to_the_client(self, response: httpx.Response) -> bool:
        """Whether an answer asks for a longer wait than ours, so that a repetition is the client's to decide."""
        asked = asked_wait_s(_lower_case(response), self._now())
        return asked is not None and asked > self._retry.max_wait_s

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


def _lower_case(response: httpx.Response) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in response.headers.raw}


def _place(plan: Plan, route: Route) -> tuple[str, str]:
    """The provider and the model there, which the cooldown knows a target by."""
    return route.client.name, route.model


def _passed_on(plan: Plan, route: Route) -> bytes:
    if plan.passed_on is None:
        plan.passed_on = plan.dialect.passed_on(plan.body)
    include_usage = usage_is_ours_alone(plan, route)
    if route.target.model is None and not include_usage:
        return plan.passed_on
    return rewrite(plan.passed_on, model=route.target.model, include_usage=include_usage)
