"""The routes that are not counted, and what happens off the routes."""

import json

import pytest

from gateway.metrics.outcome import Outcome
from tests.support.asgi import CONFIG, Gateway, response

KEYED = CONFIG + '\n[[keys]]\nname = "k"\nkey = "the-client-key"\n'


async def test_alive_and_ready_are_two_questions():
    """A worker that drains is alive and not ready."""
    gateway = Gateway(lambda _: response(b"{}"))
    assert (await gateway.request("GET", "/health/ready")).status == 200
    gateway.services.draining = True
    assert (await gateway.request("GET", "/health/ready")).status == 503
    assert (await gateway.request("GET", "/health")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/echo", 200),
        ("GET", "/v1/models/no/such", 404),
        ("GET", "/health", 200),
        ("HEAD", "/", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/chat/completions", 405),
    ],
)
async def test_every_answer_carries_a_request_id(method: str, path: str, status: int):
    """Good and bad, counted or not."""
    answer = await Gateway(lambda _: response(b'{"data":[]}')).request(method, path)
    assert answer.status == status
    assert answer.headers["x-request-id"].startswith("req_")


async def test_an_unknown_route_is_answered_in_the_clients_protocol_and_not_counted():
    """Anthropic clients are known by their version header; nothing but POST routes under /v1 counts."""
    gateway = Gateway(lambda _: response(b"{}"))
    chat = await gateway.post("/v1/nowhere", b"{}")
    claude = await gateway.post("/v1/nowhere", b"{}", headers={"anthropic-version": "2023-06-01"})
    assert (chat.status, claude.status) == (404, 404)
    assert json.loads(chat.body)["error"]["code"] == "no_such_route"
    assert json.loads(claude.body)["error"]["type"] == "not_found_error"
    assert gateway.ledger.starts == 0


async def test_a_host_that_is_none_is_not_called_a_missing_route():
    """400, without the code of a 404."""
    answer = await Gateway(lambda _: response(b"{}")).post("/v1/embeddings", b"{}", headers={"host": "a b"})
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (400, None)


async def test_every_v1_route_asks_for_the_key_and_the_probes_do_not():
    """A wrong key counts as auth on the counted routes and is a plain 401 on the lists; a client need not try again."""
    gateway = Gateway(lambda _: response(b'{"data":[]}'), KEYED)
    asked = [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/echo"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/messages"),
    ]
    for method, path in asked:
        refusal = await gateway.request(method, path, b"{}")
        assert (refusal.status, refusal.headers["x-should-retry"]) == (401, "false")
        answer = await gateway.request(method, path, b"{}", headers={"x-api-key": "the-client-key"})
        assert answer.status != 401
    assert (await gateway.request("GET", "/health")).status == 200
    outcomes = [finish.outcome for finish in gateway.ledger.finishes]
    assert outcomes == [Outcome.AUTH, Outcome.VALIDATION] * 2


async def test_the_model_list_speaks_the_clients_protocol():
    """The same models as OpenAI's list and as Anthropic's page."""
    gateway = Gateway(lambda _: response(b'{"data":[]}'))
    chat = json.loads((await gateway.request("GET", "/v1/models")).body)
    claude = json.loads((await gateway.request("GET", "/v1/models", headers={"anthropic-version": "x"})).body)
    names = ["chatty", "renamed", "wordy", "echo"]
    assert [model["id"] for model in chat["data"]] == [model["id"] for model in claude["data"]] == names
    assert (claude["first_id"], claude["last_id"], claude["has_more"]) == ("chatty", "echo", False)
