"""Every event of a provider leaves in the turn of the loop that brings it, passed on or translated."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.asgi import CONFIG, Gateway
from tests.support.grammar import check
from tests.support.native import ANSWERS, STREAMS
from tests.support.speaking import MORE, PATHS
from tests.unit.api.test_translated_relay import MODELS, ask

WAYS = [*((client, provider, model) for (client, provider), model in MODELS.items()), ("chat", "chat", "chatty")]
# Marks of events that say something that a client shows; pings, beginnings and ends may have no counterpart.
_CONTENT = (b'"content": "H', b"text_delta", b"thinking_delta", b'"partial_json": "{', b"reasoning_content", b".delta")


class Turns:
    """Counts the turns of the running loop."""

    def __init__(self) -> None:
        self.now = 0
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.now += 1
        self._handle = asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> None:
        """Count no longer."""
        self._handle.cancel()


class OneByOne(httpx.AsyncByteStream):
    """Gives an event each time it is told to, and notes the turn in which it did."""

    def __init__(self, events: list[bytes], turns: Turns, log: list[tuple[str, int]]) -> None:
        self.go = asyncio.Semaphore(0)
        self._events = events
        self._turns = turns
        self._log = log

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            await self.go.acquire()
            self._log.append(("came", self._turns.now))
            yield event


@pytest.mark.parametrize(("client", "provider", "model"), WAYS)
@pytest.mark.parametrize("name", ["text", "reasoning", "one call"])
async def test_complaint_06_each_event_leaves_in_the_turn_that_brings_it(
    client: str, provider: str, model: str, name: str
):
    """The provider says one thing at a time; before it says the next, the client has heard it, in the same turn."""
    events = [event + b"\n\n" for event in STREAMS[provider](ANSWERS[name]).split(b"\n\n")[:-1]]
    turns = Turns()
    log: list[tuple[str, int]] = []
    up = OneByOne(events, turns, log)
    headers = {"content-type": "text/event-stream"}
    gateway = Gateway(lambda _: httpx.Response(200, headers=headers, stream=up), CONFIG + MORE)
    app = gateway.app

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message.get("body"):
                log.append(("left", turns.now))
            await send(message)

        await app(scope, receive, note)

    gateway.app = noting  # type: ignore[assignment]
    request = asyncio.create_task(gateway.post(PATHS[client], ask(client, model, stream=True)))
    for event in events:
        said = len(log)
        up.go.release()
        while len(log) == said:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert log[said][0] == "came"
        at_once = [("left", log[said][1])]
        heard = log[said + 1 :]
        assert heard == at_once or (not heard and not any(mark in event for mark in _CONTENT))
    check(client, (await request).body)
    turns.stop()
