"""That what belongs to a request goes with it, and needs no collector of cycles.

The server does not close a connection whose request somebody holds, and an exception that is kept holds the frames that
it came through: with it a client that was refused would keep its connection until the collector comes.
"""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from litestar import Request

from gateway.api.context import Exchange
from gateway.api.relay import Relay
from gateway.api.responses import OwnAnswer, Refusal, Vanished
from gateway.upstream.big_bodies import BIG_BYTES
from tests.support.asgi import CONFIG, Gateway, Script, event_stream, response

PLAIN = b'{"model": "chatty", "messages": []}'
STREAMED = b'{"model": "chatty", "messages": [], "stream": true}'
TRANSLATED = b'{"model": "wordy", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}'
BIG = b'{"model": "wordy", "messages": [], "padding": "%b"}' % (b"x" * BIG_BYTES)
CHUNK = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"
OWNED = (Request, Exchange, Relay, OwnAnswer, Refusal, Vanished)
IMPATIENT = "[timeouts]\nrequest_idle = 0.005\n" + CONFIG


class Ending(NamedTuple):
    """A request and what the provider does to it."""

    script: Script
    status: int
    body: bytes = PLAIN
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed


def unasked(_: httpx.Request) -> httpx.Response:
    """A provider that must not be asked."""
    raise AssertionError


ENDINGS = {
    "an answer": Ending(lambda _: response(b'{"choices": []}'), 200),
    "a stream": Ending(lambda _: event_stream(CHUNK, DONE), 200, STREAMED),
    "no JSON": Ending(unasked, 400, b"{"),
    "no such model": Ending(unasked, 404, b'{"model": "unheard-of", "messages": []}'),
    "a body that does not come": Ending(unasked, 408, PLAIN, {"end_missing": True}),
    "a provider's error": Ending(lambda _: response(b'{"error": {"message": "no"}}', status=500), 500),
    "a provider's error, translated": Ending(lambda _: response(b"no", status=500), 500, TRANSLATED),
    "what cannot be translated": Ending(unasked, 400, b'{"model": "wordy", "messages": []}'),
    "what cannot be translated, and is big": Ending(unasked, 400, BIG),
    "an unreachable provider": Ending(lambda _: httpx.ConnectError("no"), 502),
    "a body that breaks off": Ending(lambda _: response(b"{", httpx.ReadError("reset")), 502),
    "a stream that breaks off": Ending(lambda _: event_stream(CHUNK, httpx.ReadError("reset")), 200, STREAMED),
    "a stream that falls silent": Ending(lambda _: event_stream(CHUNK, httpx.ReadTimeout("late")), 200, STREAMED),
    "a stream without an end": Ending(lambda _: event_stream(CHUNK), 200, STREAMED),
    "a client that leaves": Ending(lambda _: event_stream(CHUNK, None), 200, STREAMED, {"leave_after": 2}),
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Let nothing go but what nobody refers to."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def owned() -> int:
    """How many objects there are that belong to a request."""
    return sum(isinstance(thing, OWNED) for thing in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", ENDINGS)
async def test_a_request_leaves_nothing_for_the_collector(name: str):
    """However it ends, all that belonged to it is gone by reference counting when its answer is out."""
    ending = ENDINGS[name]
    gateway = Gateway(ending.script, IMPATIENT)
    before = owned()
    answer = await gateway.post("/v1/chat/completions", ending.body, **ending.more)
    assert answer.status == ending.status
    assert gateway.ledger.starts == len(gateway.ledger.finishes) == 1
    # The loop itself holds what cancelled a task for the rest of that step of it.
    await asyncio.sleep(0)
    assert owned() == before
