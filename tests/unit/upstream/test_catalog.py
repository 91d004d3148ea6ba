"""The model list over configured names and what providers list."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from gateway.upstream.catalog import Catalog
from tests.support.asgi import Gateway, response

CONFIG = """
[[providers]]
name = "up"
kind = "openai"
base_url = "http://up.invalid/v1"
[[providers]]
name = "other"
kind = "openai"
base_url = "http://other.invalid/v1"
[[models]]
name = "gpt-*"
targets = [ { provider = "up" } ]
[[models]]
name = "mine"
targets = [ { provider = "other", model = "theirs" } ]
"""


def listing(*names: str) -> httpx.Response:
    """What a provider answers to GET /models."""
    return response(json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())


async def test_configured_names_come_first_and_listed_ones_if_they_would_be_routed_there():
    """A name that the router sends elsewhere, or nowhere, is not offered; a pattern itself is no model."""

    def script(request: httpx.Request) -> httpx.Response:
        return listing("gpt-5", "dall-e") if request.url.host == "up.invalid" else listing("gpt-5", "theirs")

    entries = await Gateway(script, CONFIG).services.catalog.entries()
    assert [(entry.id, entry.provider) for entry in entries] == [("mine", "other"), ("echo", "echo"), ("gpt-5", "up")]


async def test_a_provider_is_asked_for_all_of_its_models():
    """Anthropic's list comes in pages of 20 unless it is asked for more; OpenAI's has no pages."""
    gateway = Gateway(lambda _: listing())
    await gateway.services.catalog.entries()
    asked = [str(request.url) for request, _ in gateway.transport.requests]
    assert sorted(asked) == ["http://down.invalid/v1/models?limit=1000", "http://up.invalid/v1/models"]


async def test_a_provider_that_cannot_be_asked_is_left_out():
    """Refused, broken, an error status, or no JSON: the rest of the list stands."""
    answers = [httpx.ConnectError("no"), response(b"<html>"), response(b"{}", status=500), response(b'{"data": 1}')]
    gateway = Gateway(lambda _: answers.pop(0), CONFIG)
    for _ in range(2):
        names = [entry.id for entry in await Catalog(gateway.services.upstreams).entries()]
        assert names == ["mine", "echo"]
    assert answers == []


async def turns() -> None:
    """Let every task run until it waits for something that does not come."""
    for _ in range(20):
        await asyncio.sleep(0)


class Menu:
    """A catalog whose clock is in the hands of the test, and whose providers answer when they are let."""

    def __init__(self, script: Callable[[httpx.Request], httpx.Response | Exception]) -> None:
        self.gateway = Gateway(script, CONFIG)
        self.now = 0.0
        self.catalog = Catalog(self.gateway.services.upstreams, clock=lambda: self.now)

    @property
    def asked(self) -> int:
        """How often a provider was asked."""
        return len(self.gateway.transport.requests)

    async def names(self) -> list[str]:
        """The menu, and then whatever goes on behind it."""
        names = [entry.id for entry in await self.catalog.entries()]
        await turns()
        return names


async def test_a_list_is_kept_for_a_minute():
    """A menu that is opened often asks a provider once a minute."""
    menu = Menu(lambda _: listing())
    for menu.now in (0.0, 59.0, 61.0):
        await menu.names()
    assert menu.asked == 4


async def test_an_old_list_is_shown_at_once_and_brought_up_to_date_behind_it():
    """Nobody waits for a provider that has answered before."""
    lists = {"up.invalid": ["gpt-4"], "other.invalid": []}
    menu = Menu(lambda request: listing(*lists[request.url.host]))
    seen = [await menu.names()]
    lists["up.invalid"] = ["gpt-5"]
    for menu.now in (61.0, 62.0):
        seen.append(await menu.names())
    assert [names[2:] for names in seen] == [["gpt-4"], ["gpt-4"], ["gpt-5"]]


async def test_a_provider_that_fails_keeps_the_names_that_it_listed_last():
    """And is not waited for again."""
    fails = False
    menu = Menu(lambda _: httpx.ConnectError("no") if fails else listing("gpt-5"))
    await menu.names()
    fails = True
    for menu.now in (61.0, 62.0, 123.0, 124.0):
        assert "gpt-5" in await menu.names()
    assert menu.asked == 6


async def test_menus_at_the_same_time_share_one_question():
    """Also when the one who came first leaves before the answer."""
    menu = Menu(lambda _: response(None))
    waiting = [asyncio.create_task(menu.catalog.entries()) for _ in range(5)]
    await turns()
    assert menu.asked == 2
    waiting[0].cancel()
    await turns()
    assert [task.done() for task in waiting] == [True, False, False, False, False]
    await menu.catalog.aclose()
    assert all(
        isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*waiting, return_exceptions=True)
    )


async def test_a_provider_that_is_silent_is_waited_for_once(monkeypatch: pytest.MonkeyPatch):
    """The first menu waits for as long as its patience lasts, the next ones do not."""
    monkeypatch.setattr("gateway.upstream.catalog._PATIENCE_S", 0.01)
    menu = Menu(lambda _: response(None))
    assert await menu.names() == ["mine", "echo"]
    monkeypatch.setattr("gateway.upstream.catalog._PATIENCE_S", 1000.0)
    menu.now = 61.0
    assert await menu.names() == ["mine", "echo"]
    assert menu.asked == 4
    await menu.catalog.aclose()
