"""The way from a routed request to the head of a provider's answer: one loop over targets and tries."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import httpx
import msgspec
import structlog

from gateway.config import Model, Settings, Target
from gateway.errors import InvalidRequest, ModelNotFound, RequestError
from gateway.protocol.dialect import Dialect
from gateway.protocol.request import RequestHead, rewrite
from gateway.upstream.headers import RawHeaders
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


class Plan(msgspec.Struct):
    """A request that has been routed: what to send, and to which targets in which order."""

    dialect: Dialect
    head: RequestHead
    body: bytes
    headers: RawHeaders
    targets: list[tuple[ProviderClient, Target]]
    is_configured_by_name: bool
    """Whether the model's name stands in the configuration, and not only a pattern that matches it."""


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

    def plan(self, dialect: Dialect, head: RequestHead, body: bytes, headers: RawHeaders) -> Plan:
        """Route a request.

        Raises ModelNotFound when no configured model matches, and InvalidRequest when none of the model's providers
        speaks the client's protocol.
        """
        model = self.router.match(head.model)
        if model is None:
            raise ModelNotFound(
                f"The model `{head.model}` is not configured here; GET /v1/models lists those that are.", param="model"
            )
        targets = [(self.providers[target.provider], target) for target in order_targets(model, self._draw)]
        speaking = [(client, target) for client, target in targets if dialect in client.dialects]
        if not speaking:
            raise _wrong_protocol(dialect, head, model, [client for client, _ in targets])
        return Plan(dialect, head, body, headers, speaking, model.name == head.model)

    async def open(self, plan: Plan, attempts: Attempts) -> tuple[ProviderClient, httpx.Response]:
        """Return the provider that answered and its response, whose body is still to be read.

        An answer that is an error after the last try is returned like any other; a RequestError is raised when there
        is none. The tries go over all targets in turn, with a wait before each further round. A target that was sent
        the request and did not answer it is out: it may be working on it.
        """
        targets = list(plan.targets)
        position, rounds = 0, 0
        for tries_left in range(self._tries - 1, -1, -1):
            client, target = targets[position]
            attempts.provider = client.name
            attempts.attempts += 1
            asked: float | None = None
            try:
                response = await client.send(plan.dialect, plan.headers, _body_for(plan, client, target))
            except RequestError as error:
                if was_sent(error):
                    del targets[position]
                else:
                    position += 1
                if not (tries_left and targets and is_retryable_fault(error)):
                    raise
                failure = error.message
            else:
                status = response.status_code
                if not (tries_left and is_retryable_status(status)):
                    return client, response
                asked = asked_wait_s({name.lower(): value for name, value in response.headers.raw}, self._now())
                if asked is not None and not is_worth_waiting(asked) and len(targets) == 1:
                    return client, response
                await response.aclose()
                position += 1
                failure = f"status {status}"
            wait = 0.0
            if position >= len(targets):
                position, rounds = 0, rounds + 1
                wait = max(asked or 0.0, backoff_s(rounds, self._draw()))
            log.warning("retry", model=plan.head.model, provider=client.name, failure=failure, wait_s=round(wait, 3))
            if wait:
                await self._sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def aclose(self) -> None:
        """Close every connection to every provider."""
        for client in self.providers.values():
            await client.aclose()


def usage_is_ours_alone(plan: Plan, client: ProviderClient) -> bool:
    """Whether the gateway asks for a usage chunk that the client of an OpenAI stream has not asked for."""
    return (
        plan.dialect.name == "chat" and bool(plan.head.stream) and not plan.head.asks_for_usage and client.reports_usage
    )


def _body_for(plan: Plan, client: ProviderClient, target: Target) -> bytes:
    include_usage = usage_is_ours_alone(plan, client)
    if target.model is None and not include_usage:
        return plan.body
    return rewrite(plan.body, model=target.model, include_usage=include_usage)


def _wrong_protocol(
    dialect: Dialect, head: RequestHead, model: Model, clients: Sequence[ProviderClient]
) -> InvalidRequest:
    routes = sorted({f"/v1{spoken.upstream_path}" for client in clients for spoken in client.dialects})
    return InvalidRequest(
        f"The model `{head.model}` is served by {', '.join(client.name for client in clients)}, which does not speak "
        f"the protocol of /v1{dialect.upstream_path}; call {' or '.join(routes)} instead.",
        param="model",
    )
