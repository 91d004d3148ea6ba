"""What a client gets from a provider of another protocol, and what is counted, for each way in which it can go."""

import asyncio
import dataclasses
import json
import threading
from typing import Any

import httpx
import pytest

from gateway.api.interruption import Reason
from gateway.metrics.outcome import Outcome
from gateway.protocol.signature import WRAPPED
from gateway.protocol.translation import Translation
from gateway.upstream.big_bodies import BIG_BYTES
from tests.support.asgi import CONFIG, Gateway, event_stream, response
from tests.support.grammar import check, check_chat, frames
from tests.support.native import ANSWERS, BODIES, STREAMS
from tests.support.speaking import MORE, PATHS, check_error

# The provider that does not speak the client's protocol, by the model that it serves, and the one that it does speak.
MODELS = {
    ("chat", "messages"): "wordy",
    ("messages", "chat"): "chatty",
    ("responses", "messages"): "wordy",
    ("responses", "chat"): "bare",
    ("chat", "responses"): "modern",
    ("messages", "responses"): "modern",
}
PAIRS = list(MODELS)
OVERLOADED = {
    "chat": (503, b'{"error":{"message":"we are overloaded","type":"server_error","param":null,"code":null}}'),
    "messages": (529, b'{"type":"error","error":{"type":"overloaded_error","message":"we are overloaded"}}'),
    "responses": (503, b'{"error":{"message":"we are overloaded","type":"server_error","param":null,"code":null}}'),
}


def ask(client: str, model: str, **members: Any) -> bytes:
    """The smallest request of a client; a stream of chat is asked for with its usage."""
    said: dict[str, Any] = (
        {"input": "hi"} if client == "responses" else {"messages": [{"role": "user", "content": "hi"}]}
    )
    if client == "messages":
        said["max_tokens"] = 50
    if client == "chat" and members.get("stream"):
        said["stream_options"] = {"include_usage": True}
    return json.dumps({"model": model, **said, **members}).encode()


def gateway_of(*answers: "httpx.Response | Exception") -> Gateway:
    """A gateway whose providers give these answers, one after the other."""
    left = list(answers)
    return Gateway(lambda _: left.pop(0), CONFIG + MORE)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_a_plain_answer_is_translated_and_its_tokens_are_counted(client: str, provider: str):
    """The provider gets its own protocol at its own path, the client what is its own, the metrics the usage."""
    gateway = gateway_of(response(BODIES[provider](ANSWERS["text"])))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    assert (answer.status, answer.complete) == (200, True)
    assert "quoted" in answer.body.decode()
    assert answer.headers["content-type"] == "application/json"
    request, body = gateway.transport.requests[0]
    assert request.url.path == PATHS[provider]
    assert json.loads(body)["model"] == MODELS[client, provider]
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 30, 9)
    assert gateway.ledger.models == [MODELS[client, provider]]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_a_stream_is_translated_and_its_tokens_are_counted(client: str, provider: str, name: str):
    """Whole and by the grammar of the client's protocol, whatever the answer holds."""
    spoken = ANSWERS[name]
    gateway = gateway_of(event_stream(STREAMS[provider](spoken)))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    assert (answer.status, answer.complete) == (200, True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    said = check(client, answer.body)
    assert (said.text, said.reasoning) == ("".join(spoken.text), "".join(spoken.reasoning))
    assert [(name, arguments) for _, name, arguments in said.calls] == [
        (call.name, call.arguments) for call in spoken.calls
    ]
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 30, 9)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_an_answer_bears_the_name_that_the_client_knows_its_model_by(client: str, provider: str):
    """Whatever the provider calls it, plain and streamed: by another name, Claude Code drops the reasoning."""
    spoken = ANSWERS["reasoning"]
    gateway = gateway_of(response(BODIES[provider](spoken)), event_stream(STREAMS[provider](spoken)))
    plain = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    stream = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    named = (json.loads(plain.body)["model"], check(client, stream.body).model)
    assert named == (MODELS[client, provider], MODELS[client, provider])


async def test_what_belongs_to_one_protocol_does_not_reach_a_provider_of_another():
    """Versions, betas and the SDK's account of itself stay; keys are the provider's; the rest passes."""
    gateway = gateway_of(response(BODIES["chat"](ANSWERS["text"])), response(BODIES["messages"](ANSWERS["text"])))
    sent = {
        "authorization": "Bearer mine",
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "x",
        "openai-organization": "o",
        "x-stainless-lang": "python",
        "content-type": "application/json; charset=utf-8",
        "traceparent": "t",
    }
    await gateway.post(PATHS["messages"], ask("messages", "chatty"), headers=sent)
    await gateway.post(PATHS["chat"], ask("chat", "wordy"), headers=sent)
    shared = {"traceparent": "t", "content-type": "application/json", "accept-encoding": "identity"}
    chat, messages = (dict(request.headers) for request, _ in gateway.transport.requests)
    assert chat == shared | {"host": "up.invalid", "authorization": "Bearer sk-provider-secret-0001"}
    version = {"anthropic-version": "2023-06-01"}
    assert messages == shared | version | {"host": "down.invalid", "x-api-key": "sk-provider-secret-0002"}


async def test_limits_and_ids_of_the_provider_reach_the_client():
    """Rate limits keep their names, the request id gets the client's, and what described the body is gone."""
    body = BODIES["messages"](ANSWERS["text"])
    named = {"request_id": "req_up", "anthropic_ratelimit_tokens_remaining": "7", "etag": "x"}
    gateway = gateway_of(response(body, **named))
    answer = await gateway.post(PATHS["chat"], ask("chat", "wordy"))
    assert answer.headers["x-request-id"] == "req_up"
    assert answer.headers["anthropic-ratelimit-tokens-remaining"] == "7"
    assert "etag" not in answer.headers


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_complaint_10_an_overload_is_told_in_the_clients_words(client: str, provider: str):
    """529 to Anthropic clients, 503 with a code to the others, with the provider's text and its retry-after."""
    status, body = OVERLOADED[provider]
    gateway = gateway_of(response(body, status=status, retry_after="60"))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    error = check_error(client, answer)
    assert error["message"] == "we are overloaded"
    if client == "messages":
        assert (answer.status, error["type"]) == (529, "overloaded_error")
    else:
        assert (answer.status, error["type"], error["code"]) == (503, "server_error", "overloaded")
    assert answer.headers["retry-after"] == "60"
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 504])
@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_complaint_08_an_error_of_the_provider_has_the_clients_envelope(client: str, provider: str, status: int):
    """The status and the text stay; what was tried again says so to the SDK, and the key that was quoted is hidden."""
    text = "no sk-provider-secret-0001 sk-provider-secret-0002 sk-provider-secret-0003"
    body = json.dumps({"error": {"message": text, "type": "invalid_request_error"}}).encode()
    gateway = gateway_of(*(response(body, status=status) for _ in range(3)))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    assert answer.status == status
    assert check_error(client, answer)["message"].startswith("no ")
    tries = len(gateway.transport.requests)
    assert tries == (3 if status in (429, 500, 504) else 1)
    assert answer.headers.get("x-should-retry") == ("false" if tries > 1 or status == 401 else None)
    if MODELS[client, provider] != "modern":
        assert "***" in check_error(client, answer)["message"]


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("wire", [b"<html>sorry</html>", b"", b"\xff\xfe{", b"[]", b'{"choices": 5}', b"{" * 100_000])
async def test_garbage_is_a_502_in_the_clients_envelope(client: str, provider: str, wire: bytes):
    """A page, nothing, or JSON that is no answer: never a 200, never a 500."""
    gateway = gateway_of(response(wire, kind="text/html"))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    assert answer.status == 502
    assert check_error(client, answer)["message"]
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_an_error_page_keeps_its_status(client: str, provider: str):
    """A page of a proxy in front of the provider says nothing that a client could read, but its status does."""
    gateway = gateway_of(response(b"<html>no</html>", status=403, kind="text/html"))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider]))
    assert answer.status == 403
    assert check_error(client, answer)["type"] == "permission_error"


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (httpx.RemoteProtocolError("truncated"), Outcome.UPSTREAM),
        (httpx.ReadTimeout("idle"), Outcome.TIMEOUT),
        (b"", Outcome.UPSTREAM),
    ],
)
@pytest.mark.parametrize("share", [0.4, 0.6])
async def test_complaint_07_a_stream_that_breaks_ends_with_an_error(
    client: str, provider: str, ending: Exception | bytes, outcome: Outcome, share: float
):
    """By the grammar, with no stop, and the metrics do not call it ok."""
    wire = STREAMS[provider](ANSWERS["parallel calls behind text"])
    gateway = gateway_of(event_stream(wire[: int(len(wire) * share)], ending))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    assert answer.complete
    assert check(client, answer.body).error is not None
    assert gateway.ledger.outcome is outcome


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_complaint_07_a_connection_that_breaks_before_the_last_event_is_an_error(client: str, provider: str):
    """Although the stop reason has come: the client is told what one of the provider's own protocol is told."""
    wire = STREAMS[provider](ANSWERS["text"])
    last = {"chat": b"data: [DONE]", "messages": b"event: message_stop", "responses": b"event: response.completed"}
    cut = wire[: wire.rindex(last[provider])]
    gateway = gateway_of(event_stream(cut + b'data: {"ha', httpx.ReadError("reset")))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    said = check(client, answer.body)
    assert said.error is not None
    assert said.text == "".join(ANSWERS["text"].text)
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(("protocol", "model"), [("chat", "chatty"), ("messages", "wordy")])
async def test_complaint_07_a_stream_of_the_clients_protocol_that_breaks_anywhere_ends_by_its_grammar(
    protocol: str, model: str
):
    """The events that were whole, then the error: what the provider had begun to say has no end."""
    wire = STREAMS[protocol](ANSWERS["reasoning, then a call"])
    last = {"chat": b"data: [DONE]", "messages": b"event: message_stop"}[protocol]
    for cut in range(wire.index(b"\n\n") + 2, wire.rindex(last), 83):
        gateway = gateway_of(event_stream(wire[:cut], httpx.ReadError("reset")))
        answer = await gateway.post(PATHS[protocol], ask(protocol, model, stream=True))
        assert check(protocol, answer.body).error is not None
        assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_a_connection_that_breaks_behind_the_last_event_takes_nothing_from_the_answer(client: str, provider: str):
    """The provider has said all."""
    gateway = gateway_of(event_stream(STREAMS[provider](ANSWERS["text"]), httpx.ReadError("reset")))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    said = check(client, answer.body)
    assert (said.error, said.text) == (None, "".join(ANSWERS["text"].text))
    assert gateway.ledger.outcome is Outcome.OK


ERROR_EVENTS = {
    "chat": b'data: {"error":{"message":"we are overloaded","type":"server_error"}}\n\n',
    "messages": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
    b'"message":"we are overloaded"}}\n\n',
    "responses": b'event: error\ndata: {"type":"error","code":"server_error","message":"we are overloaded"}\n\n',
}


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_an_error_in_the_providers_stream_is_told_in_the_clients_words(client: str, provider: str):
    """With its text, and it counts as upstream."""
    wire = STREAMS[provider](ANSWERS["text"])
    gateway = gateway_of(event_stream(wire[: wire.index(b"\n\n") + 2] + ERROR_EVENTS[provider]))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=True))
    error = check(client, answer.body).error
    assert error is not None
    assert error["message"] == "we are overloaded"
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_complaint_02_a_client_that_leaves_cancels_the_provider(client: str, provider: str):
    """Mid-stream and before anything came; the response is closed at once and the outcome is cancelled."""
    wire = STREAMS[provider](ANSWERS["text"])
    for steps, leave_after in (([wire[: len(wire) // 2], None], 2), ([None], 0)):
        up = event_stream(*steps)
        gateway = gateway_of(up)
        body = ask(client, MODELS[client, provider], stream=True)
        await gateway.post(PATHS[client], body, leave_after=leave_after)
        assert gateway.ledger.outcome is Outcome.CANCELLED
        assert up.stream.closed  # type: ignore[union-attr]
        assert len(gateway.services.running) == 0


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_a_shutdown_ends_a_stream_with_an_error(client: str, provider: str):
    """By the grammar, and counted as internal."""
    wire = STREAMS[provider](ANSWERS["text"])
    gateway = gateway_of(event_stream(wire[: len(wire) // 2], None))
    body = ask(client, MODELS[client, provider], stream=True)
    request = asyncio.create_task(gateway.post(PATHS[client], body))
    while not (gateway.services.running and gateway.transport.requests):
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    gateway.services.running.interrupt_all(Reason.SHUTDOWN)
    answer = await request
    error = check(client, answer.body).error
    assert error is not None
    assert "shutting down" in error["message"]
    assert gateway.ledger.outcome is Outcome.INTERNAL


@pytest.mark.parametrize(
    ("client", "model", "members", "field"),
    [
        ("chat", "wordy", {"n": 2}, "n"),
        ("chat", "wordy", {"messages": [{"role": "tool"}]}, "messages[0].tool_call_id"),
        ("messages", "chatty", {"top_k": 5}, "top_k"),
        ("responses", "bare", {"previous_response_id": "resp_1"}, "previous_response_id"),
        ("chat", "wordy", {"messages": "hi"}, "messages"),
        ("chat", "wordy", {"messages": [{"role": "user", "content": [{"type": "blob"}]}]}, "messages[0].content[0]"),
    ],
)
async def test_what_cannot_be_translated_is_a_400_that_names_the_field(
    client: str, model: str, members: dict[str, Any], field: str
):
    """It counts as validation, and nothing goes upstream."""
    gateway = gateway_of()
    answer = await gateway.post(PATHS[client], ask(client, model, **members))
    assert answer.status == 400
    error = check_error(client, answer)
    assert f"`{field}" in error["message"]
    assert client == "messages" or error["param"].startswith(field)
    assert gateway.ledger.outcome is Outcome.VALIDATION
    assert gateway.transport.requests == []


async def test_a_target_that_cannot_be_told_the_request_is_left_out():
    """Of two targets the second speaks the client's protocol: it gets what the first could not be told."""
    gateway = gateway_of(response(BODIES["chat"](ANSWERS["text"])))
    answer = await gateway.post(PATHS["chat"], ask("chat", "both", n=2))
    assert answer.status == 200
    assert [request.url.host for request, _ in gateway.transport.requests] == ["bare.invalid"]


async def test_another_protocol_stands_in_for_a_provider_that_fails():
    """The same request is translated for one target and passed on to the next, which answers."""
    native = BODIES["chat"](ANSWERS["text"])
    gateway = gateway_of(response(b"{}", status=503), response(native))
    body = ask("chat", "both")
    answer = await gateway.post(PATHS["chat"], body)
    assert (answer.status, answer.body) == (200, native)
    (first, translated), (second, passed) = gateway.transport.requests
    assert (first.url.host, json.loads(translated)["model"]) == ("down.invalid", "claude")
    assert (second.url.host, passed) == ("bare.invalid", body)


@pytest.mark.parametrize(
    ("streamed", "wire", "kind"),
    [(True, BODIES["messages"](ANSWERS["text"]), "application/json"), (False, b"", "text/event-stream")],
)
async def test_a_provider_that_does_not_do_as_it_was_asked_is_a_502(streamed: bool, wire: bytes, kind: str):
    """A body where a stream was asked for, and the reverse, cannot be read by the client."""
    gateway = gateway_of(response(wire, kind=kind))
    answer = await gateway.post(PATHS["chat"], ask("chat", "wordy", stream=streamed))
    assert answer.status == 502
    assert "stream" in check_error("chat", answer)["message"]


async def test_an_encoding_that_was_not_asked_for_is_a_502():
    """What the gateway cannot read it cannot translate."""
    gateway = gateway_of(response(b"\x1f\x8b", content_encoding="gzip"))
    answer = await gateway.post(PATHS["chat"], ask("chat", "wordy"))
    assert answer.status == 502
    assert "gzip" in check_error("chat", answer)["message"]


async def test_an_answer_that_is_too_long_to_be_translated_is_a_502(monkeypatch: pytest.MonkeyPatch):
    """A translation needs the whole body, and memory has an end."""
    monkeypatch.setattr("gateway.api.relay._READABLE_BODY_BYTES", 10)
    gateway = gateway_of(response(b"{" * 6, b"{" * 6, None))
    answer = await gateway.post(PATHS["chat"], ask("chat", "wordy"))
    assert answer.status == 502
    assert "too long" in check_error("chat", answer)["message"]


async def test_the_echo_provider_serves_every_protocol():
    """Responses are translated for it, with the full sequence of events."""
    gateway = gateway_of()
    for client in ("chat", "messages", "responses"):
        answer = await gateway.post(PATHS[client], ask(client, "echo", stream=True))
        assert check(client, answer.body).text == "hi"
    assert [finish.outcome for finish in gateway.ledger.finishes] == [Outcome.OK] * 3
    assert [finish.output_tokens for finish in gateway.ledger.finishes] == [1] * 3


async def test_usage_is_told_to_a_client_that_asked_for_it_and_to_no_other():
    """The provider is asked in any case, so that tokens are counted."""
    for options, wanted in ((None, False), ({"include_usage": True}, True)):
        gateway = gateway_of(event_stream(STREAMS["messages"](ANSWERS["text"])))
        answer = await gateway.post(PATHS["chat"], ask("chat", "wordy", stream=True, stream_options=options))
        assert (check_chat(answer.body, include_usage=wanted).usage is not None) == wanted
        assert gateway.ledger.finishes[0].output_tokens == 9


async def test_responses_pass_byte_for_byte_to_a_provider_that_speaks_them():
    """The stream of an OpenAI provider is not touched, and its tokens are read from the last event."""
    wire = STREAMS["responses"](ANSWERS["one call"])
    gateway = gateway_of(event_stream(wire[:100], wire[100:]))
    body = ask("responses", "chatty", stream=True, previous_response_id="resp_0")
    answer = await gateway.post(PATHS["responses"], body)
    assert (answer.body, answer.complete) == (wire, True)
    request, sent = gateway.transport.requests[0]
    assert (request.url.path, sent) == ("/v1/responses", body)
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 30, 9)


async def test_a_response_stream_that_breaks_natively_fails_with_the_next_number():
    """Codex waits for the terminal event and counts the numbers."""
    events = STREAMS["responses"](ANSWERS["text"]).split(b"\n\n")[:6]
    gateway = gateway_of(event_stream(b"\n\n".join(events) + b"\n\n", httpx.ReadError("reset")))
    answer = await gateway.post(PATHS["responses"], ask("responses", "chatty", stream=True))
    name, data = frames(answer.body)[-1]
    assert (name, json.loads(data)["sequence_number"], json.loads(data)["response"]["id"]) == (
        "response.failed",
        6,
        "resp_1",
    )
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize("operation", PATHS)
async def test_a_body_above_the_limit_is_a_413_in_the_clients_envelope(operation: str):
    """Declared or not, on every route; it counts as validation."""
    for headers, body in (({"content-length": str((32 << 20) + 1)}, b"{"), ({}, b" " * ((32 << 20) + 1))):
        gateway = gateway_of()
        answer = await gateway.post(PATHS[operation], body, headers=headers)
        assert answer.status == 413
        assert "max_body_mb" in check_error(operation, answer)["message"]
        assert gateway.ledger.outcome is Outcome.VALIDATION


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_a_body_of_32_mb_is_translated(client: str, provider: str):
    """As long as the limit allows: a text of 32 MB, of two bytes a character, reaches the provider whole."""
    frame = len(ask(client, MODELS[client, provider])) - 2
    text = "é" * (((32 << 20) - frame) // 2)
    body = ask(client, MODELS[client, provider]).replace(b'"hi"', b'"' + text.encode() + b'"')
    gateway = gateway_of(response(BODIES[provider](ANSWERS["text"])))
    answer = await gateway.post(PATHS[client], body)
    assert answer.status == 200
    assert text.encode() in gateway.transport.requests[0][1]


@pytest.mark.parametrize(("client", "provider"), PAIRS)
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
async def test_a_body_nested_to_its_limit_is_a_400(client: str, provider: str, opening: bytes):
    """Where the client's own messages stand, and as deep as 32 MB allow."""
    member = b'"input":' if client == "responses" else b'"messages":'
    start = b'{"model":"' + MODELS[client, provider].encode() + b'",' + member
    gateway = gateway_of()
    answer = await gateway.post(PATHS[client], start + opening * (((32 << 20) - len(start)) // len(opening)))
    assert answer.status == 400
    assert check_error(client, answer)["message"]
    assert gateway.ledger.outcome is Outcome.VALIDATION


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_complaint_09_the_wait_that_a_provider_asks_for_is_kept(client: str, provider: str):
    """A short one by the gateway, before its next try; a long one is the client's, with the provider's own words."""
    good = response(BODIES[provider](ANSWERS["text"]))
    gateway = gateway_of(response(b'{"error":{"message":"m"}}', status=429, retry_after="3"), good)
    body = ask(client, MODELS[client, provider])
    assert (await gateway.post(PATHS[client], body)).status == 200
    assert gateway.waits == [3.0]
    long = gateway_of(response(b'{"error":{"message":"m"}}', status=429, retry_after_ms="61000"))
    answer = await long.post(PATHS[client], body)
    assert (answer.status, answer.headers["retry-after-ms"], long.waits) == (429, "61000", [])


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
async def test_complaint_11_nothing_is_tried_again_behind_the_first_byte(client: str):
    """A stream that breaks ends with an error although another target is there: no text comes twice."""
    wire = STREAMS["messages"](ANSWERS["text"])
    gateway = gateway_of(event_stream(wire[: len(wire) // 2], httpx.ReadError("reset")))
    answer = await gateway.post(PATHS[client], ask(client, "both", stream=True))
    assert len(gateway.transport.requests) == 1
    assert answer.complete
    assert b"error" in answer.body


@pytest.mark.parametrize(
    ("operation", "model"),
    [("messages", "wordy"), ("count_tokens", "wordy"), ("chat", "chatty"), ("responses", "chatty")],
)
async def test_complaint_20_headers_reach_a_provider_of_the_same_protocol(operation: str, model: str):
    """Betas, versions and what nobody knows, on every route alike."""
    sent = {"anthropic-beta": "a,b", "anthropic-version": "2024-01-01", "openai-beta": "c", "x-mine": "1"}
    client = operation.replace("count_tokens", "messages")
    gateway = gateway_of(response(b"{}"))
    await gateway.post(f"{PATHS[operation]}?beta=true", ask(client, model), headers=sent)
    got = gateway.transport.requests[0][0].headers
    assert {name: got[name] for name in sent} == sent


async def test_complaint_17_a_stand_in_does_not_get_the_signature_of_the_provider_that_failed():
    """The history of an Anthropic answer goes to Anthropic first; the OpenAI target behind it gets it without."""
    item = {"type": "reasoning", "id": "rs_1_0", "summary": [], "encrypted_content": f"{WRAPPED}messages.SIG1=="}
    turn = {"role": "user", "content": "go on"}
    gateway = Gateway(
        lambda request: (
            response(BODIES["responses"](ANSWERS["text"]))
            if request.url.host == "modern.invalid"
            else response(b"{}", status=529)
        ),
        CONFIG
        + MORE
        + '[[models]]\nname = "spare"\nstrategy = "ordered"\n'
        + 'targets = [ { provider = "down", model = "claude" }, { provider = "modern" } ]\n',
    )
    answer = await gateway.post(PATHS["responses"], ask("responses", "spare", input=[item, turn]))
    assert answer.status == 200
    (first, translated), (second, native) = gateway.transport.requests
    assert (first.url.host, second.url.host) == ("down.invalid", "modern.invalid")
    assert WRAPPED.encode() not in translated
    assert json.loads(native)["input"] == [turn]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_that_the_limit_cut_is_incomplete(stream: bool):
    """The echo obeys the client's limit through a translation as well."""
    body = {"model": "echo", "input": "one two three", "max_output_tokens": 2, "stream": stream}
    answer = await gateway_of().post("/v1/responses", json.dumps(body).encode())
    whole = json.loads(frames(answer.body)[-1][1])["response"] if stream else json.loads(answer.body)
    assert (whole["status"], whole["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert whole["output"][0]["content"][0]["text"] == "one two"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("client", "provider"), [("chat", "responses"), ("responses", "chat")])
async def test_the_field_that_an_openai_provider_blames_is_told(client: str, provider: str, stream: bool):
    """`param` passes between the protocols of OpenAI with the message and the code."""
    blamed = {"message": "too many", "type": "invalid_request_error", "param": "stop", "code": "array_above_max_length"}
    gateway = gateway_of(response(json.dumps({"error": blamed}).encode(), status=400))
    answer = await gateway.post(PATHS[client], ask(client, MODELS[client, provider], stream=stream))
    assert (answer.status, check_error(client, answer)) == (400, blamed)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"type":"error","message":"no","code":"c","param":"input"}\n\n',
        b'data: {"type":"error","error":{"type":"server_error","message":"no","code":"c","param":"input"}}\n\n',
    ],
)
async def test_the_field_that_a_stream_blames_is_told(event: bytes):
    """In the error of a chat stream as in its error body."""
    gateway = gateway_of(event_stream(b'data: {"type":"response.created","response":{"id":"r"}}\n\n', event))
    answer = await gateway.post(PATHS["chat"], ask("chat", "modern", stream=True))
    error = check_chat(answer.body, include_usage=True).error
    assert error is not None
    assert (error["message"], error["code"], error["param"]) == ("no", "c", "input")


@pytest.mark.parametrize("is_big", [False, True])
async def test_the_loop_goes_on_while_a_big_body_is_translated(is_big: bool, monkeypatch: pytest.MonkeyPatch):
    """Request and answer: the work on 1 MiB and more is done in a thread, that on less at once."""
    here = threading.get_ident()
    threads: dict[str, int] = {}

    def noting(name: str) -> None:
        original = getattr(Translation, name)

        def noted(self: Translation, *args: Any, **kwargs: Any) -> Any:
            threads[name] = threading.get_ident()
            return original(self, *args, **kwargs)

        monkeypatch.setattr(Translation, name, noted)

    for name in ("__init__", "request", "body"):
        noting(name)
    padding = "x" * (BIG_BYTES if is_big else 1)
    spoken = dataclasses.replace(ANSWERS["text"], text=(padding,))
    gateway = gateway_of(response(BODIES["messages"](spoken)))
    asked = ask("chat", "wordy", messages=[{"role": "user", "content": padding}])
    answer = await gateway.post(PATHS["chat"], asked)
    assert json.loads(answer.body)["choices"][0]["message"]["content"] == padding
    assert {name: thread == here for name, thread in threads.items()} == dict.fromkeys(
        ("__init__", "request", "body"), not is_big
    )


NATIVE = {"chat": "chatty", "messages": "wordy", "responses": "modern"}
ROUTES = [*((client, provider, model) for (client, provider), model in MODELS.items())]
ROUTES += [(client, client, model) for client, model in NATIVE.items()]


@pytest.mark.parametrize("step", [None, 7])
@pytest.mark.parametrize(("client", "provider", "model"), ROUTES)
async def test_an_error_that_begins_a_stream_is_tried_again(client: str, provider: str, model: str, step: int | None):
    """Nothing was told yet: like the status that it stands for, however it was cut; the client sees the good stream."""
    error, wire = ERROR_EVENTS[provider], STREAMS[provider](ANSWERS["text"])
    pieces = [error] if step is None else [error[at : at + step] for at in range(0, len(error), step)]
    failed = event_stream(*pieces, None)
    gateway = gateway_of(failed, event_stream(wire))
    answer = await gateway.post(PATHS[client], ask(client, model, stream=True))
    assert (answer.status, len(gateway.transport.requests)) == (200, 2)
    said = check(client, answer.body)
    assert (said.text, said.error) == ("".join(ANSWERS["text"].text), None)
    assert failed.stream.closed  # type: ignore[union-attr]
    assert gateway.ledger.outcome is Outcome.OK


@pytest.mark.parametrize(("client", "provider", "model"), ROUTES)
async def test_an_error_that_begins_every_stream_is_told_at_last(client: str, provider: str, model: str):
    """As it came, or in the client's words; it counts as upstream."""
    gateway = Gateway(lambda _: event_stream(ERROR_EVENTS[provider]), CONFIG + MORE)
    answer = await gateway.post(PATHS[client], ask(client, model, stream=True))
    assert (answer.status, answer.complete, len(gateway.transport.requests)) == (200, True, 3)
    assert b"we are overloaded" in answer.body
    assert client != provider or answer.body == ERROR_EVENTS[provider]
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(
    "wire",
    [
        b'data: {"error":{"message":"no","type":"invalid_request_error"}}\n\n',
        b": thinking\n\n" + ERROR_EVENTS["chat"],
        b'data: {"choices":[{"index":0,"delta":{"content":"\\"error\\": no"}}]}\n\n' + ERROR_EVENTS["chat"],
    ],
)
async def test_a_stream_that_stands_for_no_new_try_passes_as_it_came(wire: bytes):
    """The fault of the request, an error behind anything that was told, even a comment, and a text about an error."""
    gateway = gateway_of(event_stream(wire))
    answer = await gateway.post(PATHS["chat"], ask("chat", "chatty", stream=True))
    assert answer.body == wire
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize("cut", [b"", b'data: {"cho'])
async def test_a_stream_that_breaks_before_its_first_event_is_another_target_s(cut: bytes):
    """Like an answer that never came: a provider that may be working on the request is not asked again."""
    targets = '{ provider = "up" }, { provider = "down" }'
    config = f'{CONFIG}[[models]]\nname = "either"\ntargets = [{targets}]\n'
    wire = STREAMS["messages"](ANSWERS["text"])
    answers = [event_stream(*([cut] if cut else []), httpx.ReadError("reset")), event_stream(wire)]
    gateway = Gateway(lambda _: answers.pop(0), config)
    answer = await gateway.post(PATHS["chat"], ask("chat", "either", stream=True))
    assert check_chat(answer.body, include_usage=True).text == "".join(ANSWERS["text"].text)
    assert [request.url.host for request, _ in gateway.transport.requests] == ["up.invalid", "down.invalid"]


async def test_a_client_that_leaves_before_the_first_event_cancels_the_provider():
    """Also while the head of a stream is there and nothing else."""
    up = event_stream(None)
    gateway = gateway_of(up)
    await gateway.post(PATHS["chat"], ask("chat", "chatty", stream=True), leave_after=0)
    assert gateway.ledger.outcome is Outcome.CANCELLED
    assert up.stream.closed  # type: ignore[union-attr]
