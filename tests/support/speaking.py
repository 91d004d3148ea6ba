"""An in-process gateway whose providers answer every protocol well, and a look at what a client may be told."""

import json
from typing import Any

import httpx

from gateway.metrics.outcome import Outcome
from tests.support.asgi import CONFIG, Answer, Gateway, event_stream, response
from tests.support.grammar import check
from tests.support.native import ANSWERS, BODIES, STREAMS

PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
    "count_tokens": "/v1/messages/count_tokens",
}
MODELS = ("chatty", "wordy", "bare", "modern", "echo")
"""Each is served by another provider: both OpenAI protocols, Anthropic's, chat only, responses only, and echo."""
MORE = """
[[providers]]
name = "bare"
kind = "openai"
base_url = "http://bare.invalid/v1"
api_key = "sk-provider-secret-0003"
protocols = ["chat"]
[[providers]]
name = "modern"
kind = "openai"
base_url = "http://modern.invalid/v1"
protocols = ["responses"]
[[models]]
name = "bare"
targets = [ { provider = "bare" } ]
[[models]]
name = "modern"
targets = [ { provider = "modern" } ]
[[models]]
name = "both"
targets = [ { provider = "down", model = "claude" }, { provider = "bare" } ]
"""
_WHOLE = {"/v1/embeddings": b'{"data":[]}', "/v1/messages/count_tokens": b'{"input_tokens":5}'}


def answer_well(request: httpx.Request, body: bytes) -> httpx.Response:
    """Answer as the service at that path would, streamed if that is asked for."""
    path = request.url.path
    if path in _WHOLE:
        return response(_WHOLE[path])
    protocol = next(name for name, known in PATHS.items() if known == path)
    spoken = ANSWERS["parallel calls behind text"]
    if json.loads(body).get("stream"):
        return event_stream(STREAMS[protocol](spoken))
    return response(BODIES[protocol](spoken))


class SpeakingGateway(Gateway):
    """A gateway in front of providers that always answer well."""

    def __init__(self) -> None:
        super().__init__(lambda request: answer_well(request, self.transport.requests[-1][1]), CONFIG + MORE)


def is_openai(operation: str) -> bool:
    """Whether the errors of an operation have OpenAI's envelope."""
    return operation in ("chat", "responses", "embeddings")


def check_error(operation: str, answer: Answer) -> dict[str, Any]:
    """Return the error, whose envelope must be exactly that of the client's protocol."""
    body = json.loads(answer.body)
    error: dict[str, Any] = body["error"]
    if is_openai(operation):
        assert set(body) == {"error"}
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"] is None or isinstance(error["code"], str)
    else:
        assert set(body) - {"request_id"} == {"type", "error"}
        assert set(error) == {"type", "message"}
    assert isinstance(error["message"], str)
    assert answer.headers["content-type"] == "application/json"
    return error


def check_served_or_refused(gateway: Gateway, operation: str, model: str, answer: Answer) -> bool:
    """Assert that one request was either served well or refused with a 4xx, and counted so; tell whether it was served.

    Nothing that a client sends may come out as a 5xx when the providers are well.
    """
    assert answer.complete
    finish = gateway.ledger.finishes[-1]
    assert len(gateway.ledger.finishes) == gateway.ledger.starts
    if answer.status != 200:
        assert answer.status in (400, 404, 413), answer.body
        check_error(operation, answer)
        # Echo is a provider like any other: what it refuses counts as an error of its own.
        assert finish.outcome is Outcome.VALIDATION or (model == "echo" and finish.outcome is Outcome.UPSTREAM)
        return False
    assert finish.outcome is Outcome.OK
    is_native = (operation, model) in {
        ("chat", "chatty"),
        ("chat", "bare"),
        ("messages", "wordy"),
        ("responses", "chatty"),
        ("responses", "modern"),
    }
    if not answer.headers["content-type"].startswith("text/event-stream"):
        assert isinstance(json.loads(answer.body), dict)
    elif not is_native and model != "echo":
        check(operation, answer.body, include_usage=b'"usage":null' in answer.body)
    return True
