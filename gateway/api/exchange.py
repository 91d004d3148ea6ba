"""The road of a counted request up to its response: authenticate, admit, read, parse, route."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.types import ASGIApp

from gateway.api.body import ClientLeft, read_body
from gateway.api.context import Exchange
from gateway.api.relay import Relay
from gateway.api.responses import OwnAnswer, Refusal, Vanished
from gateway.errors import HeadersTooLarge, InvalidRequest, RequestError
from gateway.protocol.dialect import Dialect
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.request import parse_head
from gateway.upstream.big_bodies import worked_on
from gateway.upstream.client import Plan
from gateway.upstream.headers import for_provider

# As many as the server takes over HTTP/1; over HTTP/2 it would take any number.
_MOST_HEADERS: Final = 100

InjectedExchange = NamedDependency[SkipValidation[Exchange]]


async def answer(request: Request[Any, Any, Any], exchange: Exchange, dialect: Dialect) -> ASGIApp:
    """Return the response of one request; it owns the lease from here on."""
    with exchange.open(request.scope) as stack:
        try:
            plan = await _plan(request, exchange, dialect, stack)
        except RequestError as error:
            return Refusal(exchange, dialect, error)
        except MalformedRequest as error:
            return Refusal(exchange, dialect, InvalidRequest(error.message, param=error.param))
        except ClientLeft:
            return Vanished(exchange, dialect)
        if plan.own_answer is not None:
            return OwnAnswer(exchange, dialect, plan.own_answer)
        return Relay(exchange, plan)


async def _plan(request: Request[Any, Any, Any], exchange: Exchange, dialect: Dialect, stack: ExitStack) -> Plan:
    services, lease = exchange.services, exchange.lease
    headers = request.scope["headers"]
    _check_size(headers, services.max_header_bytes)
    key = services.authenticator.authenticate(headers, request.scope["client"])
    services.admission.admit(key, stack)
    named = dict(headers)
    encoding = named.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b""):
        raise InvalidRequest(
            f"The request body has the content-encoding {encoding.decode('latin-1'):.60}; send it without one."
        )
    length, ends_by_it = _declared_length(named, request.scope["http_version"])
    body = await read_body(request.receive, length, services.body_limits, ends_by_length=ends_by_it)
    exchange.body_is_read = True
    head = parse_head(body)
    lease.model = head.model
    plan = await worked_on(
        len(body), services.upstreams.plan, dialect, head, body, for_provider(headers), lease.request_id
    )
    # A name that only a pattern matches may be anybody's invention: it gets a row of its own once a provider knows it.
    if plan.is_configured_by_name or services.counts.knows(head.model):
        lease.attribute(head.model)
    return plan


def _check_size(headers: Iterable[tuple[bytes, bytes]], limit: int) -> None:
    sizes = [len(name) + len(value) for name, value in headers]
    if len(sizes) > _MOST_HEADERS:
        raise HeadersTooLarge(f"The request has more than {_MOST_HEADERS} headers.")
    if sum(sizes) > limit:
        raise HeadersTooLarge(
            f"The request headers are longer than {limit:,} bytes, the limit of server.max_header_kb."
        )


def _declared_length(named: Mapping[bytes, bytes], http_version: str) -> tuple[int, bool]:
    """The content-length in bytes, or 0, and whether the body is over when that many have come.

    Beside a transfer coding the length means nothing (RFC 9112, section 6.3). In HTTP/2 the end comes by itself, often
    later, and the server resets a stream whose end nobody has read.
    """
    length = named.get(b"content-length", b"")
    if not length.isdigit() or b"transfer-encoding" in named:
        return 0, False
    return int(length), http_version.startswith("1")
