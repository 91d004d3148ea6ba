"""Embeddings and counts of tokens, which are passed on and never translated."""

import json
from typing import Any

import pytest
import structlog

from gateway.metrics.outcome import Outcome
from gateway.protocol import anthropic_messages
from gateway.protocol.conversation import Origin
from gateway.protocol.foreign import without_foreign_reasoning
from tests.support.asgi import CONFIG, Gateway, response

EMBEDDINGS = "/v1/embeddings"
COUNT = "/v1/messages/count_tokens"
BOTH = """
[[models]]
name = "chat first"
targets = [ { provider = "up" }, { provider = "down" } ]
[[models]]
name = "claude first"
targets = [ { provider = "down" }, { provider = "up" } ]
"""


def count_of(answer: Any) -> int:
    """The count in an answer that holds nothing else."""
    body = json.loads(answer.body)
    assert set(body) == {"input_tokens"}
    assert answer.headers["content-type"] == "application/json"
    return int(body["input_tokens"])


async def test_embeddings_pass_byte_for_byte_and_are_counted():
    """Both ways, with the tokens of the input."""
    wire = b'{"object":"list", "data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}}'
    gateway = Gateway(lambda _: response(wire))
    body = b'{"model":"chatty", "input":["a" ,"b"]}'
    answer = await gateway.post(EMBEDDINGS, body)
    assert (answer.status, answer.body) == (200, wire)
    request, sent = gateway.transport.requests[0]
    assert (request.url.path, sent) == ("/v1/embeddings", body)
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 8, 0)


@pytest.mark.parametrize("model", ["wordy", "echo"])
async def test_embeddings_of_a_provider_that_has_none_are_refused(model: str):
    """The error names the provider and the route; nothing goes up."""
    gateway = Gateway(lambda _: response(b"{}"))
    answer = await gateway.post(EMBEDDINGS, json.dumps({"model": model, "input": "a"}).encode())
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["param"]) == (400, "model")
    assert "/embeddings" in error["message"]
    assert gateway.ledger.outcome is Outcome.VALIDATION


async def test_a_count_of_tokens_is_passed_on_to_anthropic():
    """Byte for byte, with the client's betas; what is counted has not been used, so no tokens are counted."""
    gateway = Gateway(lambda _: response(b'{"input_tokens": 2095}'))
    body = b'{"model":"wordy", "messages":[]}'
    answer = await gateway.post(f"{COUNT}?beta=true", body, headers={"anthropic-beta": "b"})
    assert answer.body == b'{"input_tokens": 2095}'
    request, sent = gateway.transport.requests[0]
    assert (request.url.path, request.headers["anthropic-beta"], sent) == (COUNT, "b", body)
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 0, 0)


async def test_a_count_of_tokens_is_estimated_where_the_provider_has_none():
    """Without any request to the provider; it counts as ok, under its model, with no tokens."""
    gateway = Gateway(lambda _: response(b"{}"))
    message = {"role": "user", "content": "x" * 396}
    answer = await gateway.post(COUNT, json.dumps({"model": "chatty", "messages": [message]}).encode())
    assert (answer.status, count_of(answer)) == (200, 103)
    assert answer.headers["request-id"].startswith("req_")
    assert gateway.transport.requests == []
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.entry, finish.input_tokens) == (Outcome.OK, 1, 0)


ABSENT = [
    (404, b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}'),
    (404, b'{"detail":"Not Found"}'),
    (404, b"<html>404</html>"),
    (405, b'{"detail":"Method Not Allowed"}'),
    (501, b""),
]
HELLO = {"model": "wordy", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(("status", "body"), ABSENT)
async def test_a_provider_that_turns_out_to_have_no_count_gets_the_estimate(status: int, body: bytes):
    """After one try; the answer, the metrics and the log line are those of an estimate, and the log has the reason."""
    gateway = Gateway(lambda _: response(body, status=status, request_id="req_up"))
    with structlog.testing.capture_logs() as lines:
        answer = await gateway.post(COUNT, json.dumps(HELLO).encode())
    assert (answer.status, count_of(answer)) == (200, 6)
    assert "x-should-retry" not in answer.headers
    assert (len(gateway.transport.requests), gateway.waits) == (1, [])
    assert gateway.ledger.outcome is Outcome.OK
    absent, told = lines
    assert (absent["event"], absent["provider"], absent["status"]) == ("absent", "down", status)
    assert (told["outcome"], told["status"], told["provider"], told["attempts"]) == ("ok", 200, None, 1)


async def test_a_provider_without_a_count_is_not_asked_again_for_a_while():
    """Ten minutes later it may have learnt to count; its messages are asked for all the time."""
    answers = [response(b"{}", status=404), response(b'{"content":[]}'), response(b'{"input_tokens":7}')]
    gateway = Gateway(lambda _: answers.pop(0))
    ask = json.dumps(HELLO).encode()
    assert [count_of(await gateway.post(COUNT, ask)) for _ in range(3)] == [6, 6, 6]
    assert len(gateway.transport.requests) == 1
    assert (await gateway.post("/v1/messages", ask)).body == b'{"content":[]}'
    gateway.now += 600.0
    assert count_of(await gateway.post(COUNT, ask)) == 7
    assert [finish.outcome for finish in gateway.ledger.finishes] == [Outcome.OK] * 5


async def test_a_model_that_a_counting_provider_does_not_know_is_no_missing_count():
    """Its 404 names the model: it passes as it came, and the next count is asked for again."""
    body = b'{"type":"error","error":{"type":"not_found_error","message":"model: wordy"}}'
    gateway = Gateway(lambda _: response(body, status=404))
    for _ in range(2):
        answer = await gateway.post(COUNT, json.dumps(HELLO).encode())
        assert (answer.status, answer.body) == (404, body)
    assert len(gateway.transport.requests) == 2


async def test_what_cannot_be_estimated_either_is_refused():
    """A provider that has no count leaves the request to the gateway, which cannot read it."""
    gateway = Gateway(lambda _: response(b"", status=404))
    answer = await gateway.post(COUNT, b'{"model":"wordy","messages":[{"role":"x"}]}')
    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (400, "invalid_request_error")
    assert gateway.ledger.outcome is Outcome.VALIDATION


async def test_the_target_that_would_be_asked_first_decides_who_counts():
    """Another provider's count is not the count of the one that will have the conversation."""
    gateway = Gateway(lambda _: response(b'{"input_tokens": 7}'), CONFIG + BOTH)
    ask = {"messages": [{"role": "user", "content": "hello"}]}
    estimated = await gateway.post(COUNT, json.dumps({"model": "chat first", **ask}).encode())
    counted = await gateway.post(COUNT, json.dumps({"model": "claude first", **ask}).encode())
    assert (count_of(estimated), count_of(counted)) == (6, 7)
    assert [request.url.host for request, _ in gateway.transport.requests] == ["down.invalid"]


async def test_the_echo_provider_counts_words():
    """As its usage does: the count of a request is the input that it will be charged."""
    gateway = Gateway(lambda _: response(b"{}"))
    ask = {"model": "echo", "system": "be kind", "messages": [{"role": "user", "content": "one two three"}]}
    counted = count_of(await gateway.post(COUNT, json.dumps(ask).encode()))
    answer = await gateway.post("/v1/messages", json.dumps(ask).encode())
    assert counted == json.loads(answer.body)["usage"]["input_tokens"] == 5


@pytest.mark.parametrize("body", [b"{", b'{"model":"chatty"}', b'{"model":"chatty","messages":[{"role":"x"}]}'])
async def test_a_request_that_cannot_be_estimated_is_a_400_of_anthropics(body: bytes):
    """In its envelope, counted as validation."""
    gateway = Gateway(lambda _: response(b"{}"))
    answer = await gateway.post(COUNT, body)
    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (400, "invalid_request_error")
    assert gateway.ledger.outcome is Outcome.VALIDATION


async def test_a_body_is_searched_for_foreign_reasoning_once_whatever_is_tried(monkeypatch: pytest.MonkeyPatch):
    """The tries and the targets of one request share what comes of it, and each gets its own name of the model."""
    searches = []

    def counted(body: bytes, native: Origin) -> bytes:
        searches.append(native)
        return without_foreign_reasoning(body, native)

    monkeypatch.setattr(anthropic_messages, "without_foreign_reasoning", counted)
    targets = '{ provider = "down", model = "a" }, { provider = "down", model = "b" }'
    gateway = Gateway(lambda _: response(b"{}", status=503), f'{CONFIG}[[models]]\nname = "m"\ntargets = [{targets}]')
    await gateway.post("/v1/messages", b'{"model":"m","messages":[]}')
    assert [json.loads(sent)["model"] for _, sent in gateway.transport.requests] == ["a", "b", "a"]
    assert searches == [Origin.MESSAGES]
