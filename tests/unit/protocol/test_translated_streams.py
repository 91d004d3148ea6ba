"""Streams and bodies across protocols: tools by their own names, refusals, failures and odd providers."""

import json
from typing import Any

import pytest

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.events import Failure
from gateway.protocol.failure import failure_between
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_responses import RESPONSES
from gateway.protocol.sse import MAX_WHOLE_ANSWER_BYTES
from gateway.protocol.usage import Usage
from tests.support.grammar import check, check_chat, check_messages, check_responses, frames
from tests.support.native import ANSWERS, BODIES, STREAMS
from tests.support.requests import CODEX
from tests.support.translating import (
    DONE,
    block,
    call,
    chunk,
    event,
    message_end,
    message_start,
    request,
    streamed,
    tap,
    text_block,
    translation,
    usage_chunk,
)

END = chunk(finish="tool_calls") + DONE


def items(wire: bytes) -> list[dict[str, Any]]:
    """The finished output items of a Responses stream."""
    return [json.loads(data)["item"] for name, data in frames(wire) if name == "response.output_item.done"]


def test_a_custom_tool_is_called_as_the_client_offered_it() -> None:
    """Codex's apply_patch: one string comes out of the JSON in which the provider wrote it."""
    members = {name: CODEX[name] for name in ("tools",)}
    wire = chunk(call(0, '{"input":"*** Beg', "c_1", "apply_patch")) + chunk(call(0, 'in\\n"}')) + END
    translated = streamed("responses", "chat", wire, **members)
    check_responses(translated)
    (item,) = items(translated)
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin\n")
    assert item["id"].startswith("ctc_")


def test_what_a_model_wrote_into_a_custom_tool_otherwise_is_passed_on() -> None:
    """The client is the one to tell the model about it."""
    wire = chunk(call(0, '{"patch":"x"}', "c_1", "apply_patch")) + END
    (item,) = items(streamed("responses", "chat", wire, tools=CODEX["tools"]))
    assert item["input"] == '{"patch":"x"}'


def test_a_tool_of_a_namespace_is_called_by_its_namespace_and_name() -> None:
    """The provider knows a flat name; the client gets both parts back."""
    wire = chunk(call(0, "{}", "c_1", "mcp__docs__search")) + END
    (item,) = items(streamed("responses", "chat", wire, tools=CODEX["tools"]))
    assert (item["type"], item["namespace"], item["name"]) == ("function_call", "mcp__docs__", "search")


def test_a_name_that_was_replaced_for_the_provider_comes_back_as_the_client_s() -> None:
    """In a stream and in a body."""
    name = "x" * 80
    tools = [{"name": name, "input_schema": {"type": "object"}}]
    plain = request("messages", "chat", tools=tools)["tools"][0]["function"]["name"]
    wire = chunk(call(0, "{}", "c_1", plain)) + END
    assert check_messages(streamed("messages", "chat", wire, tools=tools)).calls == [("c_1", name, "{}")]
    function = {"name": plain, "arguments": "{}"}
    message = {"tool_calls": [{"id": "c_1", "type": "function", "function": function}]}
    body = json.dumps({"id": "c", "choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode()
    whole = translation("messages", "chat", tools=tools).body(body)
    assert isinstance(whole, tuple)
    assert json.loads(whole[0])["content"][0]["name"] == name


def test_a_call_without_arguments_gets_an_empty_object() -> None:
    """OpenAI clients parse the arguments: an empty text is none."""
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    wire = message_start() + block(0, tool) + message_end("tool_use")
    for client in ("chat", "responses"):
        assert check(client, streamed(client, "messages", wire)).calls == [("t", "f", "{}")]


def test_a_refusal_keeps_its_word_where_there_is_one() -> None:
    """Responses and chat know refusals; to an Anthropic client it is text."""
    wire = chunk({"refusal": "I can"}) + chunk({"refusal": "not."}) + chunk(finish="stop") + DONE
    assert check_responses(streamed("responses", "chat", wire)).refusal == "I cannot."
    assert check_messages(streamed("messages", "chat", wire)).text == "I cannot."


def test_a_stop_sequence_is_named_to_no_openai_client() -> None:
    """Anthropic says which one was met; chat has one word for all ordinary stops."""
    wire = message_start() + text_block(0, "a") + message_end("stop_sequence", "END")
    assert check_chat(streamed("chat", "messages", wire), include_usage=True).stop == "stop"
    assert check_responses(streamed("responses", "messages", wire)).stop == "completed"


def details_told(client: str, provider: str, usage: dict[str, Any]) -> dict[str, int] | None:
    """What a client is told of its output for `usage` of a provider: in a stream, and the same in a body."""
    whole, spoken = json.loads(BODIES[provider](ANSWERS["text"])), STREAMS[provider](ANSWERS["text"])
    as_told = json.dumps(whole["usage"])
    assert as_told.encode() in spoken
    told = check(client, streamed(client, provider, spoken.replace(as_told.encode(), json.dumps(usage).encode())))
    body = translation(client, provider, stream=False).body(json.dumps({**whole, "usage": usage}).encode())
    assert isinstance(body, tuple)
    member = "completion_tokens_details" if client == "chat" else "output_tokens_details"
    assert told.usage is not None
    assert told.usage.get(member) == json.loads(body[0])["usage"].get(member)
    details: dict[str, int] | None = told.usage.get(member)
    return details


def test_reasoning_tokens_that_no_provider_told_are_unknown_and_not_0() -> None:
    """Chat and messages leave the member out; the Responses protocol demands a number, which is 0 then."""
    chat = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    messages = {"input_tokens": 3, "output_tokens": 2}
    assert details_told("messages", "chat", chat) is None
    assert details_told("chat", "messages", messages) is None
    assert details_told("responses", "chat", chat) == {"reasoning_tokens": 0}
    assert details_told("responses", "messages", messages) == {"reasoning_tokens": 0}


def test_reasoning_tokens_that_are_0_are_told() -> None:
    """A provider that counted none has said so."""
    chat = {"prompt_tokens": 3, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 0}}
    messages = {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 0}}
    assert details_told("messages", "chat", chat) == {"thinking_tokens": 0}
    assert details_told("chat", "messages", messages) == {"reasoning_tokens": 0}


def test_a_stream_without_done_is_whole_after_its_finish_reason() -> None:
    """Some servers leave `[DONE]` out; the usage that came is told."""
    wire = chunk({"content": "a"}) + chunk(finish="stop") + usage_chunk(2, 1)
    stream = tap("messages", "chat")
    said = check_messages(stream.feed(wire) + stream.finish())
    assert said.usage is not None
    assert (said.stop, said.usage["output_tokens"]) == ("end_turn", 1)
    assert (stream.complete, stream.ended, stream.failed) == (True, True, False)


def test_a_last_event_without_its_blank_line_counts() -> None:
    """The end of the connection ends the event."""
    wire = chunk({"content": "a"}) + chunk(finish="stop")
    assert check_messages(streamed("messages", "chat", wire.removesuffix(b"\n\n"))).stop == "end_turn"


def test_a_tap_tells_usage_and_state_as_the_stream_goes_on() -> None:
    """Usage as far as it was reported, complete after the stop reason, ended after the last event."""
    stream = tap("chat", "messages")
    stream.feed(message_start(input_tokens=4, cache_read_input_tokens=3))
    assert (stream.usage, stream.complete) == (Usage(7, 1), False)
    first, last = message_end("end_turn").split(b"\n\n", 1)
    stream.feed(first + b"\n\n")
    assert (stream.usage, stream.complete, stream.ended) == (Usage(7, 5), True, False)
    stream.feed(last)
    assert stream.ended
    assert stream.feed(text_block(1, "late")) == b""
    assert not stream.cut_inside_event


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
@pytest.mark.parametrize("is_begun", [False, True])
def test_breaking_off_ends_the_client_s_stream_with_its_error(client: str, is_begun: bool) -> None:
    """A timeout of the gateway is told in the client's protocol, with the numbers that its stream has reached."""
    stream = tap(client, "messages" if client != "messages" else "chat")
    begun = STREAMS["messages" if client != "messages" else "chat"](ANSWERS["text"])[:900] if is_begun else b""
    wire = stream.feed(begun) + stream.break_off(504, "The provider was silent.")
    said = check(client, wire)
    assert said.error is not None
    assert said.error["message"] == "The provider was silent."
    assert stream.failed
    assert stream.break_off(500, "again") == b""


def test_an_error_in_a_chat_stream_keeps_its_text_and_finds_its_status() -> None:
    """llama.cpp sends numbers as codes, OpenAI sends words, others nothing at all."""
    for error, kind in (
        ({"code": 503, "message": "Loading model", "type": "unavailable_error"}, "api_error"),
        ({"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}, "rate_limit_error"),
        ({"message": "broken"}, "api_error"),
    ):
        wire = chunk({"content": "a"}) + b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
        stream = tap("messages", "chat")
        said = check_messages(stream.feed(wire))
        assert said.error == {"type": kind, "message": error["message"]}
        assert stream.failure is not None


def test_an_error_of_vllm_in_a_chat_stream_ends_it() -> None:
    """It has no `error` member: what it says stands at the top of the chunk."""
    wire = chunk({"content": "a"}) + b'data: {"object":"error","message":"BOOM","code":400}\n\n' + DONE
    stream = tap("messages", "chat")
    assert check_messages(stream.feed(wire)).error == {"type": "invalid_request_error", "message": "BOOM"}
    native = CHAT.tap(withhold_usage=False)
    assert native.feed(wire) == wire
    assert native.failed


@pytest.mark.parametrize("provider", ["messages", "responses"])
@pytest.mark.parametrize("error", [{"message": "slow down", "type": "rate_limit_error"}, "slow down"])
def test_an_error_in_the_words_of_chat_keeps_its_text_in_every_stream(provider: str, error: Any) -> None:
    """Servers that speak several protocols tell errors in the words of their first."""
    stream = tap("chat", provider)
    out = check_chat(stream.feed(b"data: " + json.dumps({"error": error}).encode() + b"\n\n"), include_usage=True)
    assert out.error is not None
    assert out.error["message"] == "slow down"
    assert stream.failure is not None
    assert stream.failure.status == (502 if error == "slow down" else 429)


def test_a_failed_response_is_an_error_to_every_client() -> None:
    """`response.failed` and the bare `error` event."""
    failed = {
        "type": "response.failed",
        "response": {"id": "r", "status": "failed", "error": {"code": "server_error", "message": "oops"}},
    }
    bare = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}
    for said, status in ((failed, 500), (bare, 429)):
        stream = tap("chat", "responses")
        out = stream.feed(b"data: " + json.dumps(said).encode() + b"\n\n")
        assert check_chat(out, include_usage=True).error is not None
        assert stream.failure is not None
        assert stream.failure.status == status


SAID_AND_REFUSED = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "no"}]


def test_a_response_that_tells_only_finished_items_loses_nothing() -> None:
    """Servers that leave the deltas out: text, refusal, reasoning and arguments come from the finished items."""
    wire = b""
    for name, members in (
        ("created", {"response": {"id": "r", "model": "m"}}),
        ("output_item.done", {"output_index": 0, "item": {"type": "reasoning", "summary": [{"text": "Hm"}]}}),
        ("output_item.done", {"output_index": 1, "item": {"type": "message", "content": SAID_AND_REFUSED}}),
        ("output_item.added", {"output_index": 2, "item": {"type": "function_call", "call_id": "c", "name": "f"}}),
        ("output_item.done", {"output_index": 2, "item": {"type": "function_call", "arguments": '{"a":1}'}}),
        ("created", {"response": {"id": "other", "model": "m"}}),
        ("completed", {"response": {"id": "r", "status": "completed"}}),
    ):
        wire += event(f"response.{name}", **members)
    said = check_chat(streamed("chat", "responses", wire), include_usage=True)
    assert (said.id, said.reasoning, said.text, said.refusal) == ("r", "Hm", "a", "no")
    assert said.calls == [("c", "f", '{"a":1}')]


def test_parts_of_a_summary_are_told_apart() -> None:
    """Two parts of OpenAI's reasoning summary become two paragraphs."""
    wire = event("response.created", response={"id": "r"})
    for part in (0, 1):
        here = {"output_index": 0, "summary_index": part}
        wire += event("response.reasoning_summary_part.added", **here)
        wire += event("response.reasoning_summary_text.delta", **here, delta=f"part {part}")
    wire += event("response.output_item.done", output_index=0, item={"type": "reasoning", "encrypted_content": "E"})
    wire += event("response.completed", response={"id": "r", "status": "completed"})
    said = check_messages(streamed("messages", "responses", wire))
    assert said.reasoning == "part 0\n\npart 1"


def test_reasoning_details_of_a_chat_provider_are_told_once() -> None:
    """OpenRouter sends the text twice, as `reasoning` and in the details; the signature comes behind it."""
    first = {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "format": "xai"}]}
    signed = {"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "S", "format": "xai"}]}
    hidden = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D", "format": "xai"}]}
    wire = chunk(first) + chunk(signed) + chunk(hidden) + chunk({"content": "a"}) + chunk(finish="stop") + DONE
    translated = streamed("messages", "chat", wire)
    said = check_messages(translated)
    assert (said.reasoning, said.blocks) == ("Hm", ["thinking", "redacted_thinking", "text"])
    blocks = [
        {"type": "thinking", "thinking": "Hm", "signature": said.signatures[0]},
        {"type": "redacted_thinking", "data": said.signatures[1]},
    ]
    user = {"role": "user", "content": "q"}
    back = request("messages", "chat", messages=[user, {"role": "assistant", "content": blocks}, user])
    assert back["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm", "signature": "S", "format": "xai", "index": 0},
        {"type": "reasoning.encrypted", "data": "D", "format": "xai", "index": 1},
    ]


def test_content_that_is_a_list_is_read_as_text_and_reasoning() -> None:
    """Mistral streams parts as soon as its model thinks, and its bodies have them too."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    more = {"type": "thinking", "thinking": ", so"}
    unknown = [{"type": "reference", "reference_ids": [1]}, {"type": "thinking", "thinking": 5}]
    text = {"type": "text", "text": "Hi"}
    wire = chunk({"content": [thinking]}) + chunk({"content": [more, text, *unknown]}) + chunk(finish="stop") + DONE
    said = check_messages(streamed("messages", "chat", wire))
    assert (said.reasoning, said.text, said.blocks) == ("Hm, so", "Hi", ["thinking", "text"])
    choice = {"message": {"content": [thinking, text]}, "finish_reason": "stop"}
    whole = translation("messages", "chat", stream=False).body(json.dumps({"choices": [choice]}).encode())
    assert isinstance(whole, tuple)
    assert [block["type"] for block in json.loads(whole[0])["content"]] == ["thinking", "text"]


def test_half_an_emoji_does_not_cost_the_answer() -> None:
    """A provider that cuts its text between two surrogates: each half is replaced, the rest arrives."""
    wire = b'data: {"id":"c","choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n'
    wire += b'data: {"id":"c","choices":[{"delta":{"content":"\\ude00\\\\ud83d b"}}]}\n\n'
    wire += chunk(finish="stop") + DONE
    assert check_messages(streamed("messages", "chat", wire)).text == "a\ufffd\ufffd\\ud83d b"


def test_a_function_call_of_the_old_kind_is_understood() -> None:
    """Old servers stream `function_call`; its arguments may even be an object."""
    wire = chunk({"function_call": {"name": "f", "arguments": '{"a"'}}) + chunk({"function_call": {"arguments": ":1}"}})
    said = check_messages(streamed("messages", "chat", wire + chunk(finish="function_call") + DONE))
    assert [call[1:] for call in said.calls] == [("f", '{"a":1}')]
    objects = chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]})
    assert check_messages(streamed("messages", "chat", objects + END)).calls == [("c", "f", '{"a":1}')]


def test_a_call_waits_for_its_name() -> None:
    """Fragments that come before the name are told behind it; a call that never gets one is a failure."""
    nameless = chunk(call(0, '{"a"', "c"))
    named = nameless + chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ":1}"}}]})
    assert check_messages(streamed("messages", "chat", named + END)).calls == [("c", "f", '{"a":1}')]
    assert check_messages(streamed("messages", "chat", nameless + END)).error is not None


def test_a_name_that_comes_in_pieces_is_joined() -> None:
    """As the SDKs of OpenAI do; one that is repeated is not doubled, and a call without arguments begins at the end."""
    pieces = [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": name}}]} for name in ("get_", "weather")]
    wire = b"".join([chunk(piece) for piece in pieces])
    for rest in (b"", chunk(call(0, "{}")), chunk(call(0, "{}", "c", "get_weather"))):
        assert check_messages(streamed("messages", "chat", wire + rest + END)).calls == [("c", "get_weather", "{}")]
    said = check_messages(streamed("messages", "chat", wire + chunk(call(1, "{}", "d", "f")) + END))
    assert said.calls == [("c", "get_weather", "{}"), ("d", "f", "{}")]


def test_other_choices_and_blocks_of_unknown_tools_are_skipped() -> None:
    """n is 1; what an Anthropic server tool leaves in a stream says nothing to an OpenAI client."""
    second = b'data: {"id":"c","choices":[{"index":1,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'
    wire = second + chunk({"content": "a"}) + chunk(finish="stop") + DONE
    assert check_messages(streamed("messages", "chat", wire)).text == "a"
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    noise = block(0, search, {"type": "input_json_delta", "partial_json": "{}"})
    wire = message_start() + noise + text_block(1, "a") + message_end("end_turn")
    assert check_chat(streamed("chat", "messages", wire), include_usage=True).text == "a"


def test_an_event_without_bounds_is_a_failure():
    """A translation reads whole events; what is too long for that ends the stream, once."""
    stream = tap("messages", "chat")
    wire = stream.feed(b"data: " + b" " * MAX_WHOLE_ANSWER_BYTES + b"x") + stream.feed(b"more\n\n") + stream.finish()
    said = check_messages(wire)
    assert said.error is not None
    assert "bytes" in said.error["message"]


def test_a_response_repeats_what_form_was_asked_for():
    """The format of the request stands in the response object, as the protocol has it."""
    schema = {"type": "json_schema", "name": "out", "schema": {"type": "object"}, "strict": True}
    for form in ({"type": "text"}, {"type": "json_object"}, schema):
        wire = chunk({"content": "{}"}) + chunk(finish="stop") + DONE
        translated = streamed("responses", "chat", wire, text={"format": form})
        check_responses(translated)
        assert json.loads(frames(translated)[-1][1])["response"]["text"]["format"] == form


def test_an_event_that_cannot_be_read_is_a_failure() -> None:
    """Text may be missing from the answer then: better an error than a hole."""
    for provider, client in (("chat", "messages"), ("messages", "chat"), ("responses", "chat")):
        out = streamed(client, provider, b"data: {broken\n\n")
        assert check(client, out).error is not None


@pytest.mark.parametrize("provider", ["chat", "messages", "responses"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices":[]}', b'{"content":[],"stop_reason":null}', b'{"output":[]}']
)
def test_a_body_that_is_no_answer_is_a_failure(provider: str, body: bytes) -> None:
    """An HTML page, garbage or half an answer: 502 in the client's envelope, never a made-up answer."""
    client = "chat" if provider != "chat" else "messages"
    failure = translation(client, provider, stream=False).body(body)
    assert isinstance(failure, Failure)
    assert failure.status == 502


def test_an_error_in_a_body_of_200_keeps_its_text() -> None:
    """Some gateways answer 200 with an error inside."""
    failure = translation("messages", "chat", stream=False).body(b'{"error":{"message":"no","code":429}}')
    assert isinstance(failure, Failure)
    assert (failure.status, failure.message) == (429, "no")
    failed = {"output": [], "status": "failed", "error": {"code": "server_error", "message": "oops"}}
    failure = translation("messages", "responses", stream=False).body(json.dumps(failed).encode())
    assert isinstance(failure, Failure)
    assert (failure.status, failure.message) == (500, "oops")


def test_a_call_that_the_limit_cut_is_left_out_of_a_message_body() -> None:
    """Anthropic's input is an object, and half an object is none; the stop reason tells the rest."""
    function = {"name": "f", "arguments": '{"a'}
    message = {"content": "t", "tool_calls": [{"id": "c", "type": "function", "function": function}]}
    body = json.dumps({"id": "c", "choices": [{"message": message, "finish_reason": "length"}]}).encode()
    whole = translation("messages", "chat", stream=False).body(body)
    assert isinstance(whole, tuple)
    answer = json.loads(whole[0])
    assert (answer["content"], answer["stop_reason"]) == ([{"type": "text", "text": "t"}], "max_tokens")
    assert whole[1] is None


@pytest.mark.parametrize(
    ("provider", "client", "status", "body", "expected"),
    [
        ("messages", "chat", 400, b'{"type":"error","error":{"type":"invalid","message":"m"}}', (400, "m")),
        ("chat", "messages", 429, b'{"error":{"message":"m","type":"requests","code":"rate_limit"}}', (429, "m")),
        ("chat", "messages", 404, b'{"error":"m"}', (404, "m")),
        ("chat", "messages", 422, b'{"detail":"m"}', (422, "m")),
        ("chat", "responses", 500, b'{"message":"m"}', (500, "m")),
        ("chat", "messages", 400, b'{"object":"error","message":"m","type":"BadRequestError","code":400}', (400, "m")),
        ("chat", "messages", 422, b'{"detail":[{"loc":["body","n"],"msg":"m","type":"t"},{"msg":"k"}]}',
         (422, "body.n: m; k")),
        ("chat", "messages", 400, b'{"detail":{"error":{"message":"m"}}}', (400, "m")),
        ("chat", "messages", 400, b'[{"error":{"code":400,"message":"m","status":"INVALID"}}]', (400, "m")),
        ("chat", "responses", 429, b" Too many requests\n", (429, "Too many requests")),
        ("chat", "messages", 500, b"x" * 5000, (500, "x" * 1000)),
        ("chat", "messages", 500, b"\x1f\x8b", (500, "nothing")),
        ("chat", "messages", 500, b"a\0b", (500, "nothing")),
        ("chat", "messages", 500, b'{"message":{"a":1},"detail":[1]}', (500, '{"message":{"a":1},"detail":[1]}')),
        ("chat", "messages", 500, b'{"broken', (500, "nothing")),
        ("chat", "messages", 502, b"<html>Bad gateway</html>", (502, "nothing")),
        ("chat", "messages", 502, b"{}", (502, "nothing")),
        ("messages", "chat", 529, b"", (503, "nothing")),
    ],
)  # fmt: skip
def test_an_error_response_keeps_its_status_and_its_text(
    provider: str, client: str, status: int, body: bytes, expected: tuple[int, str]
) -> None:
    """Whatever its shape; a page without a message is for the gateway to word."""
    failure = failure_between(client, provider, status, body, otherwise="nothing")
    assert (failure.status, failure.message) == expected


def test_usage_of_a_response_is_read_and_its_stream_breaks_off_with_the_next_number() -> None:
    """The native tap of the Responses protocol."""
    for name, answer in ANSWERS.items():
        stream = RESPONSES.tap(withhold_usage=True)
        wire = STREAMS["responses"](answer)
        assert stream.feed(wire) + stream.finish() == wire, name
        assert (stream.usage, stream.complete, stream.ended) == (Usage(30, 9), True, True)
        assert RESPONSES.usage_of(BODIES["responses"](answer)) == Usage(30, 9)
    broken = RESPONSES.tap(withhold_usage=False)
    events = STREAMS["responses"](ANSWERS["text"]).split(b"\n\n")
    begun = broken.feed(b"\n\n".join(events[:5]) + b"\n\n")
    failed = frames(begun + broken.break_off(504, "silent", code="upstream_timeout"))[-1]
    said = json.loads(failed[1])
    assert (failed[0], said["sequence_number"], said["response"]["id"]) == ("response.failed", 5, "resp_1")
    assert said["response"]["error"] == {"code": "upstream_timeout", "message": "silent"}
    assert RESPONSES.usage_of(b"<html>") is None
    assert RESPONSES.usage_of(b'{"usage":null}') is None


def test_native_taps_break_off_with_their_dialect_s_error() -> None:
    """What the taps of chat and messages say is what their dialect says."""
    for dialect in (CHAT, MESSAGES):
        assert dialect.tap(withhold_usage=False).break_off(502, "m", code="c") == dialect.error_event(
            502, "m", code="c"
        )
    assert (
        json.loads(frames(RESPONSES.error_event(429, "m"))[-1][1])["response"]["error"]["code"] == "rate_limit_exceeded"
    )
    failed = RESPONSES.tap(withhold_usage=False)
    failed.feed(b'data: {"type":"error","message":"m","sequence_number":0}\n\ndata: [1]\n\n: only a comment\n\n')
    assert failed.failed
