"""The model list over configured names and what providers list."""

import json

import httpx

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


async def test_a_provider_that_cannot_be_asked_is_left_out():
    """Refused, broken, an error status, or no JSON: the rest of the list stands."""
    answers = [httpx.ConnectError("no"), response(b"<html>"), response(b"{}", status=500), response(b'{"data": 1}')]
    gateway = Gateway(lambda _: answers.pop(0), CONFIG)
    for _ in range(2):
        names = [entry.id for entry in await Catalog(gateway.services.upstreams).entries()]
        assert names == ["mine", "echo"]
    assert answers == []


async def test_a_list_is_kept_for_a_minute():
    """A menu that is opened often asks a provider once a minute."""
    gateway = Gateway(lambda _: listing(), CONFIG)
    now = [0.0]
    catalog = Catalog(gateway.services.upstreams, clock=lambda: now[0])
    for now[0] in (0.0, 59.0, 61.0):
        await catalog.entries()
    assert len(gateway.transport.requests) == 4
