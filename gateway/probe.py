"""Whether each provider answers: what `gateway check --probe` asks, over the transport that requests take."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from gateway.config import Settings
from gateway.config.describe import aligned
from gateway.errors import RequestError
from gateway.upstream.client import Upstreams
from gateway.upstream.provider import ProviderClient, TransportFactory
from gateway.upstream.transports import transport_for

# Somebody waits for it; a provider that takes longer for its list of models is in trouble.
_PATIENCE_S = 10.0


class _Listing(msgspec.Struct):
    data: list[msgspec.Raw]


@dataclass(frozen=True)
class Answer:
    """What one provider answered after `seconds`: how many models it lists, or the problem in a sentence."""

    provider: str
    seconds: float
    models: int = 0
    problem: str = ""


async def probe(
    settings: Settings,
    make_transport: TransportFactory = transport_for,
    clock: Callable[[], float] = time.monotonic,
    patience_s: float = _PATIENCE_S,
) -> list[Answer]:
    """Ask all providers but the built-in one for their models, at once; in the order of the settings."""
    upstreams = Upstreams(settings, make_transport)
    try:
        asked = [client for client in upstreams.providers.values() if client.kind != "echo"]
        return await asyncio.gather(*(_ask(client, clock, patience_s) for client in asked))
    finally:
        await upstreams.aclose()


async def _ask(client: ProviderClient, clock: Callable[[], float], patience_s: float) -> Answer:
    began = clock()
    try:
        async with asyncio.timeout(patience_s):
            listing = msgspec.json.decode(await client.list_models(), type=_Listing)
    except RequestError as error:
        return Answer(client.name, clock() - began, problem=error.message)
    except TimeoutError:
        return Answer(client.name, clock() - began, problem=f"No list of models came within {patience_s:g} s.")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Answer(client.name, clock() - began, problem="What it answers is no list of models.")
    return Answer(client.name, clock() - began, models=len(listing.data))


def describe_answers(answers: Iterable[Answer]) -> str:
    """A section of what `gateway check` prints: who answers, how fast and with how many models, or why not."""
    rows: list[tuple[str, ...]] = [
        (
            answer.provider,
            f"{answer.seconds * 1e3:.0f} ms",
            f"fails: {answer.problem}" if answer.problem else f"answers, {answer.models} models",
        )
        for answer in answers
    ]
    return "\n".join(["probe", *aligned(rows or [("none", "there is no provider to ask but the built-in one")])])
