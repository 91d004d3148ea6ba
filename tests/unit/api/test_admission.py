"""How many requests may be open at a time, and what who is turned away is told and counted as."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from gateway.api.interruption import Reason
from gateway.metrics.outcome import Outcome
from tests.support.asgi import CONFIG, Answer, Gateway, event_stream, response

PATHS = {"/v1/chat/completions": "chatty", "/v1/responses": "chatty", "/v1/messages": "wordy"}
KEYS = '[[keys]]\nname = "few"\nkey = "k-few"\nmax_concurrent = 2\n[[keys]]\nname = "many"\nkey = "k-many"\n'
CHUNK = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'


def gateway_for(limit: int, script: Callable[[httpx.Request], httpx.Response | Exception]) -> Gateway:
    """A gateway with so many places, two of which the key `few` may have."""
    return Gateway(script, f"[server]\nmax_concurrent = {limit}\n{CONFIG}{KEYS}")


def ask(gateway: Gateway, path: str, *, key: str = "many", leave_after: int | None = None) -> "asyncio.Task[Answer]":
    """Send a request whose answer is for later."""
    body = json.dumps({"model": PATHS[path], "stream": True}).encode()
    headers = {"authorization": f"Bearer k-{key}"}
    return asyncio.create_task(gateway.post(path, body, headers=headers, leave_after=leave_after))


async def under_way(gateway: Gateway, count: int) -> None:
    """Wait until so many requests have come to the provider."""
    while len(gateway.transport.requests) < count:
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", PATHS)
async def test_one_request_more_than_the_worker_takes_is_a_503_that_invites_another_try(path: str):
    """In the client's envelope, counted as `internal`, and nothing of it goes upstream."""
    gateway = gateway_for(2, lambda _: response(None))
    open_ = [ask(gateway, path) for _ in range(2)]
    await under_way(gateway, 2)
    refused = await ask(gateway, path)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert "x-should-retry" not in refused.headers
    error = json.loads(refused.body)["error"]
    assert error["type"] == ("overloaded_error" if path == "/v1/messages" else "server_error")
    assert path == "/v1/messages" or error["code"] == "overloaded"
    assert [finish.outcome for finish in gateway.ledger.finishes] == [Outcome.INTERNAL]
    assert len(gateway.transport.requests) == 2
    gateway.services.running.interrupt_all(Reason.SHUTDOWN)
    await asyncio.gather(*open_)


@pytest.mark.parametrize("path", PATHS)
async def test_one_request_more_than_a_key_may_have_is_a_429_and_other_keys_are_served(path: str):
    """In the client's envelope, counted as `validation`; who has the other key notices nothing."""
    gateway = gateway_for(9, lambda _: response(None))
    open_ = [ask(gateway, path, key="few") for _ in range(2)]
    await under_way(gateway, 2)
    refused = await ask(gateway, path, key="few")
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert "x-should-retry" not in refused.headers
    assert json.loads(refused.body)["error"]["type"] == "rate_limit_error"
    assert b"k-few" not in refused.body
    assert [finish.outcome for finish in gateway.ledger.finishes] == [Outcome.VALIDATION]
    open_.append(ask(gateway, path, key="many"))
    await under_way(gateway, 3)
    gateway.services.running.interrupt_all(Reason.SHUTDOWN)
    await asyncio.gather(*open_)


@pytest.mark.parametrize("ending", ["answer", "error", "bug", "leaves", "shutdown", "cut stream", "malformed"])
async def test_a_place_is_free_again_however_its_request_ended(ending: str):
    """One place is enough for any number of requests that follow each other."""
    answers: dict[str, Callable[[], httpx.Response | Exception]] = {
        "answer": lambda: response(b"{}"),
        "error": lambda: httpx.ReadError("reset"),
        "bug": lambda: ZeroDivisionError("a bug"),
        "cut stream": lambda: event_stream(CHUNK, httpx.ReadError("reset")),
    }
    gateway = gateway_for(1, lambda _: answers.get(ending, lambda: event_stream(CHUNK, None))())
    for number in range(5):
        if ending == "malformed":
            answer = await gateway.post("/v1/messages", b"{", headers={"x-api-key": "k-few"})
            assert answer.status == 400
            continue
        leaves = 0 if ending == "leaves" else None
        request = ask(gateway, "/v1/chat/completions", key="few", leave_after=leaves)
        if ending == "shutdown":
            await under_way(gateway, number + 1)
            gateway.services.running.interrupt_all(Reason.SHUTDOWN)
        answer = await request
        assert not answer.messages or answer.status not in (429, 503)
    assert gateway.services.admission.of_worker.taken == 0
    assert gateway.services.admission.of_key["few"].taken == 0
    assert gateway.ledger.starts == len(gateway.ledger.finishes) == 5


async def test_a_request_whose_body_is_still_coming_has_a_place():
    """Bodies are what takes memory."""
    gateway = gateway_for(1, lambda _: response(b"{}"))
    sending = asyncio.create_task(
        gateway.post("/v1/messages", b"", headers={"x-api-key": "k-few", "content-length": "5"}, end_missing=True)
    )
    while not gateway.services.admission.of_worker.taken:
        await asyncio.sleep(0)
    assert (await ask(gateway, "/v1/messages")).status == 503
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert gateway.services.admission.of_worker.taken == 0


async def test_who_has_no_key_takes_no_place_and_learns_nothing_of_the_load():
    """A 401 under full load, as at any other time."""
    gateway = gateway_for(1, lambda _: response(None))
    open_ = ask(gateway, "/v1/messages")
    await under_way(gateway, 1)
    assert (await ask(gateway, "/v1/messages", key="wrong")).status == 401
    gateway.services.running.interrupt_all(Reason.SHUTDOWN)
    await open_


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [{"x-long": "a" * 65_536}, {f"x-{number}": "1" for number in range(100)}],
    ids=["too long", "too many"],
)
async def test_headers_above_the_limit_are_a_431(path: str, headers: dict[str, str]):
    """In the client's envelope, before a key is looked at, and counted as `validation`."""
    gateway = gateway_for(1, lambda _: response(b"{}"))
    answer = await gateway.post(path, b"{}", headers={"x-one-more": "1"} | headers)
    assert answer.status == 431
    assert json.loads(answer.body)["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"
    assert gateway.ledger.outcome is Outcome.VALIDATION
    assert answer.receives == 0


async def test_headers_at_the_limit_are_served():
    """The limit counts names and values, and nothing else."""
    gateway = gateway_for(1, lambda _: response(b"{}"))
    key = {"x-api-key": "k-many"}
    rest = 65_536 - len("x-api-keyk-many") - len("x-long")
    body = b'{"model":"chatty"}'
    assert (await gateway.post("/v1/chat/completions", body, headers=key | {"x-long": "a" * rest})).status == 200
    one_more = await gateway.post("/v1/chat/completions", body, headers=key | {"x-long": "a" * (rest + 1)})
    assert one_more.status == 431


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_declares_too_much_is_refused_before_a_byte_of_it_is_read(path: str):
    """413, and the server is asked for nothing."""
    gateway = gateway_for(1, lambda _: response(b"{}"))
    headers = {"x-api-key": "k-many", "content-length": str((32 << 20) + 1)}
    answer = await gateway.post(path, b"{", headers=headers)
    assert (answer.status, answer.receives) == (413, 0)
    assert gateway.ledger.outcome is Outcome.VALIDATION
