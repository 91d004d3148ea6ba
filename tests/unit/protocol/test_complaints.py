"""What users of other gateways complain about, as far as protocol code can be at fault; the numbers are the list's.

The list with its sources is in docs/protocols.md. Every stream is checked by the grammar of the client's protocol.
"""

import json
from typing import Any

import pytest

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.failure import failure_between
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_responses import RESPONSES
from gateway.protocol.sse import parse_event
from tests.support.grammar import check, check_chat, check_messages, check_responses, frames
from tests.support.native import ANSWERS, STREAMS
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

PAIRS = [(a, b) for a in ("chat", "messages", "responses") for b in ("chat", "messages", "responses") if a != b]
WEATHER = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


def test_complaint_05_a_keep_alive_changes_nothing_of_the_answer():
    """A comment (OpenAI) and a ping (Anthropic) are skipped by the protocol's own readers, anywhere in a stream."""
    assert parse_event(CHAT.keep_alive).data == b""
    assert parse_event(RESPONSES.keep_alive).data == b""
    assert parse_event(MESSAGES.keep_alive).name == "ping"
    for dialect in (CHAT, MESSAGES, RESPONSES):
        wire = STREAMS[dialect.name](ANSWERS["text"])
        pieces = wire.split(b"\n\n")
        padded = (b"\n\n" + dialect.keep_alive).join(pieces[:-1]) + b"\n\n"
        other = "messages" if dialect is not MESSAGES else "chat"
        assert streamed(other, dialect.name, padded) == streamed(other, dialect.name, wire)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_complaint_06_each_delta_leaves_in_the_call_that_brings_it(client: str, provider: str):
    """Nothing waits for the end: after each event with text, reasoning or arguments, the client has just that more."""
    stream = tap(client, provider)
    wire = STREAMS[provider](ANSWERS["reasoning"])
    for raw in wire.split(b"\n\n"):
        out = stream.feed(raw + b"\n\n")
        is_delta = b'"delta"' in raw and any(piece in raw for piece in (b"Let me", b"think.", b"42"))
        if is_delta or b"message_start" in raw or b"response.created" in raw:
            assert out, f"{raw!r} was held back"


def test_complaint_06_the_start_does_not_wait_for_the_thinking_to_end():
    """`message_start` leaves with the first chunk of the provider."""
    stream = tap("messages", "chat")
    assert b"message_start" in stream.feed(chunk({"role": "assistant", "content": ""}))
    assert b"thinking_delta" in stream.feed(chunk({"reasoning_content": "Hm"}))


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_complaint_07_a_stream_without_its_end_is_an_error_and_no_stop_is_made_up(client: str, provider: str):
    """Cut anywhere before the stop reason, the client's stream ends in its protocol's in-band error."""
    wire = STREAMS[provider](ANSWERS["text"])
    marker = {"chat": b'"finish_reason": "stop"', "messages": b'"stop_reason": "end_turn"', "responses": b"completed"}
    for cut in range(0, wire.rindex(marker[provider]), 41):
        said = check(client, streamed(client, provider, wire[:cut]))
        assert said.error is not None
        assert said.stop is None


@pytest.mark.parametrize("provider", ["chat", "messages", "responses"])
def test_complaint_07_a_terminal_marker_without_a_reason_is_an_error_too(provider: str):
    """`[DONE]` or `message_stop` alone does not make an answer whole."""
    cut = {
        "chat": chunk({"content": "a"}) + DONE,
        "messages": message_start() + text_block(0, "a") + event("message_stop"),
        "responses": b'data: {"type":"response.created","response":{"id":"r"}}\n\n' + DONE,
    }
    client = "messages" if provider != "messages" else "chat"
    assert check(client, streamed(client, provider, cut[provider])).error is not None


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504, 529])
def test_complaint_08_errors_have_the_shape_of_the_client_s_protocol(dialect: Any, status: int):
    """Types are words and never "None", codes are words or null and never numbers."""
    body = json.loads(dialect.error_body(status, "why", request_id="req_1"))
    if dialect is MESSAGES:
        assert set(body) == {"type", "error", "request_id"}
        assert body["error"]["type"].endswith(("_error", "_too_large"))
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["type"].endswith("_error")
        assert body["error"]["code"] is None or not body["error"]["code"].isdigit()


def test_complaint_10_an_overload_has_its_own_word_in_each_protocol():
    """Anthropic's 529 is a 503 with the code `overloaded` to an OpenAI client, and the other way round."""
    overloaded = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    failure = failure_between("chat", "messages", 529, overloaded, otherwise="")
    assert (failure.status, failure.code, failure.message) == (503, "overloaded", "Overloaded")
    busy = b'{"error":{"message":"The engine is currently overloaded","type":"server_error","code":null}}'
    back = failure_between("messages", "chat", 503, busy, otherwise="")
    assert (back.status, back.message) == (529, "The engine is currently overloaded")
    repair = b'{"error":{"message":"maintenance","type":"server_error"}}'
    assert failure_between("messages", "chat", 503, repair, otherwise="").status == 503
    in_band = streamed("chat", "messages", message_start() + event("error", error=json.loads(overloaded)["error"]))
    assert check_chat(in_band, include_usage=True).error == {
        "message": "Overloaded",
        "type": "server_error",
        "param": None,
        "code": "overloaded",
    }


def test_complaint_12_text_behind_an_open_call_gets_a_block_of_its_own():
    """A text delta never goes to a tool_use block."""
    wire = chunk(call(0, '{"a":1}', "c_1", "f")) + chunk({"content": "done"}) + chunk(finish="tool_calls") + DONE
    assert check_messages(streamed("messages", "chat", wire)).blocks == ["tool_use", "text"]


def test_complaint_12_several_calls_are_several_blocks():
    """Parallel calls, one after the other or interleaved, never share a block."""
    first, second = ("c_1", "f", '{"a":1}'), ("c_2", "g", '{"b":2}')
    one_by_one = (
        chunk(call(0, "", "c_1", "f"))
        + chunk(call(0, '{"a":1}'))
        + chunk(call(1, "", "c_2", "g"))
        + chunk(call(1, '{"b":2}'))
    )
    interleaved = (
        chunk(call(0, '{"a"', "c_1", "f"))
        + chunk(call(1, '{"b"', "c_2", "g"))
        + chunk(call(0, ":1}"))
        + chunk(call(1, ":2}"))
    )
    for calls in (one_by_one, interleaved):
        for client in ("messages", "responses"):
            said = check(client, streamed(client, "chat", calls + chunk(finish="tool_calls") + DONE))
            assert said.calls == [first, second]


def test_complaint_12_the_first_arguments_are_not_lost():
    """Arguments in the chunk that begins the call, a whole call in one chunk, and a finish in the same chunk."""
    start = call(0, '{"city":', "c_1", "get_weather")
    wire = chunk(start) + chunk(call(0, '"Paris"}')) + chunk(finish="tool_calls") + DONE
    assert check_messages(streamed("messages", "chat", wire)).calls == [("c_1", "get_weather", '{"city":"Paris"}')]
    whole = chunk(call(0, '{"city":"Paris"}', "c_1", "get_weather"), finish="tool_calls") + DONE
    assert check_messages(streamed("messages", "chat", whole)).calls == [("c_1", "get_weather", '{"city":"Paris"}')]


def test_complaint_12_an_input_in_the_start_of_a_block_is_told_as_deltas():
    """The whole input in content_block_start is not lost, and one that is repeated in deltas is not doubled."""
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    stop = message_end("tool_use")
    alone = check_chat(streamed("chat", "messages", message_start() + block(0, tool) + stop), include_usage=True)
    assert alone.calls == [("t", "f", '{"a":1}')]
    delta = {"type": "input_json_delta", "partial_json": '{"a":1}'}
    both = streamed("chat", "messages", message_start() + block(0, tool, delta) + stop)
    assert check_chat(both, include_usage=True).calls == [("t", "f", '{"a":1}')]


@pytest.mark.parametrize("indices", [(1, 2), (0, 0), (7, 3), (None, None)])
def test_complaint_12_calls_are_told_apart_whatever_their_indices(indices: tuple[int | None, int | None]):
    """Indices that start at 1, that are all 0, that run backwards or are missing."""
    wire = chunk(call(indices[0], "{}", "c_1", "f")) + chunk(call(indices[1], "{}", "c_2", "g"))
    said = check_messages(streamed("messages", "chat", wire + chunk(finish="tool_calls") + DONE))
    assert said.calls == [("c_1", "f", "{}"), ("c_2", "g", "{}")]


def test_complaint_12_a_missing_id_is_made_and_is_the_same_each_time():
    """A server that gives no ids (recorded by pydantic-ai): two calls get two ids, of the answer's own."""
    wire = chunk(call(0, "{}", None, "f")) + chunk(call(1, "{}", None, "g")) + chunk(finish="tool_calls") + DONE
    once, again = (check_messages(streamed("messages", "chat", wire)) for _ in range(2))
    assert once.calls == again.calls
    assert len({identity for identity, _, _ in once.calls}) == 2


def test_complaint_13_an_empty_text_is_never_a_block():
    """Empty first contents, empty deltas and a final empty delta open nothing."""
    wire = chunk({"role": "assistant", "content": ""}) + chunk({"content": ""}) + chunk(call(0, "{}", "c", "f"))
    wire += chunk({"content": ""}, finish="tool_calls") + DONE
    assert check_messages(streamed("messages", "chat", wire)).blocks == ["tool_use"]


def test_complaint_13_empty_texts_of_a_history_are_stripped_everywhere():
    """In system, in messages and inside tool results: Anthropic refuses each of them."""
    sent = request(
        "chat",
        "messages",
        messages=[
            {"role": "system", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "go"}]},
            {
                "role": "assistant",
                "content": " \n",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": ""},
        ],
    )
    assert "system" not in sent
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c"}]},
    ]


def test_complaint_14_calls_decide_about_the_stop_reason():
    """Calls with `stop` are promoted, `tool_calls` without a call is demoted, `length` stays what it is."""
    with_call = chunk(call(0, "{}", "c", "f"))
    assert check_messages(streamed("messages", "chat", with_call + chunk(finish="stop") + DONE)).stop == "tool_use"
    without = chunk({"content": "a"}) + chunk(finish="tool_calls") + DONE
    assert check_messages(streamed("messages", "chat", without)).stop == "end_turn"
    cut = chunk(call(0, '{"a', "c", "f")) + chunk(finish="length") + DONE
    assert check_messages(streamed("messages", "chat", cut)).stop == "max_tokens"
    ended = (
        message_start() + block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {}}) + message_end("end_turn")
    )
    assert check_chat(streamed("chat", "messages", ended), include_usage=True).stop == "tool_calls"


def test_complaint_15_cumulative_usage_is_not_summed():
    """The members of message_delta replace those of message_start, also when they only stand there."""
    wire = message_start(input_tokens=0, output_tokens=1) + text_block(0, "a")
    wire += message_end("end_turn", input_tokens=4, cache_read_input_tokens=3, output_tokens=15)
    said = check_chat(streamed("chat", "messages", wire), include_usage=True)
    assert said.usage is not None
    assert (said.usage["prompt_tokens"], said.usage["completion_tokens"]) == (7, 15)
    assert said.usage["prompt_tokens_details"]["cached_tokens"] == 3


def test_complaint_15_usage_behind_the_finish_reason_is_told():
    """Chat's usage chunk comes last; Anthropic's message_delta waits for it, and tells the input as well."""
    wire = chunk({"content": "a"}) + chunk(finish="stop") + usage_chunk(11, 7) + DONE
    said = check_messages(streamed("messages", "chat", wire))
    assert said.usage is not None
    assert (said.usage["input_tokens"], said.usage["output_tokens"]) == (11, 7)


def test_complaint_15_usage_in_every_chunk_is_not_summed():
    """Some servers repeat a growing usage in each chunk: the last one counts."""
    usages = [{"prompt_tokens": 9, "completion_tokens": n, "total_tokens": 9 + n} for n in (1, 2, 3)]
    wire = b"".join(chunk({"content": "a"}, usage=usage) for usage in usages) + chunk(finish="stop") + DONE
    stream = tap("messages", "chat")
    said = check_messages(stream.feed(wire) + stream.finish())
    assert said.usage is not None
    assert (said.usage["input_tokens"], said.usage["output_tokens"]) == (9, 3)
    assert stream.usage is not None
    assert (stream.usage.input_tokens, stream.usage.output_tokens) == (9, 3)


def test_complaint_16_cache_marks_reach_anthropic_and_nobody_else():
    """`cache_control` with its ttl is kept for Anthropic, on text, images and tools; others would refuse it."""
    mark = {"type": "ephemeral", "ttl": "1h"}
    sent = request(
        "chat",
        "messages",
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": mark}]},
            {"role": "user", "content": [{"type": "text", "text": "u", "cache_control": {"type": "ephemeral"}}]},
        ],
        tools=[{**WEATHER[0], "cache_control": mark}],
    )
    assert sent["system"][0]["cache_control"] == mark
    assert sent["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert sent["tools"][0]["cache_control"] == mark
    for provider in ("chat", "responses"):
        marked = {"role": "user", "content": [{"type": "text", "text": "u", "cache_control": mark}]}
        body = translation("messages", provider, messages=[marked]).request("m")
        assert b"cache_control" not in body
        assert b"ttl" not in body


def test_complaint_16_the_billing_line_does_not_spoil_the_prefix():
    """Claude Code's first system text differs from request to request; translated requests begin the same."""
    system = [{"type": "text", "text": "x-anthropic-billing-header: cc=1"}, {"type": "text", "text": "You are"}]
    assert request("messages", "chat", system=system)["messages"][0] == {"role": "system", "content": "You are"}


def test_complaint_17_signatures_come_back_to_their_maker_unchanged():
    """Through a chat and through a Responses client: what Anthropic signed, Anthropic gets."""
    thinking = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "signature_delta", "signature": "SIG=="},
    )
    redacted = block(1, {"type": "redacted_thinking", "data": "RED=="})
    wire = message_start() + thinking + redacted + text_block(2, "hi") + message_end("end_turn")
    expected = [
        {"type": "thinking", "thinking": "Hm", "signature": "SIG=="},
        {"type": "redacted_thinking", "data": "RED=="},
        {"type": "text", "text": "hi"},
    ]
    details = []
    for _, data in frames(streamed("chat", "messages", wire)):
        if data != "[DONE]":
            for choice in json.loads(data)["choices"]:
                details += choice["delta"].get("reasoning_details", [])
    answer = {"role": "assistant", "content": "hi", "reasoning_content": "Hm", "reasoning_details": details}
    more = {"role": "user", "content": "more"}
    assert request("chat", "messages", messages=[more, answer, more])["messages"][1]["content"] == expected
    last = json.loads(frames(streamed("responses", "messages", wire))[-1][1])
    back = request("responses", "messages", input=[{"role": "user", "content": "hi"}, *last["response"]["output"]])
    assert back["messages"][1]["content"] == [*expected[:2], {**expected[2], "text": "hi"}]


def test_complaint_17_a_foreign_signature_is_not_sent_to_anthropic():
    """What another provider thought is left out, since Anthropic answers "Invalid signature in thinking block"."""
    answer = {"role": "assistant", "content": "a", "reasoning_content": "unsigned"}
    foreign = {"type": "reasoning", "summary": [], "encrypted_content": "openai"}
    sent = request(
        "chat", "messages", messages=[{"role": "user", "content": "q"}, answer, {"role": "user", "content": "r"}]
    )
    assert sent["messages"][1]["content"] == [{"type": "text", "text": "a"}]
    sent = request("responses", "messages", input=[{"role": "user", "content": "q"}, foreign])
    assert [message["role"] for message in sent["messages"]] == ["user"]


def test_complaint_17_a_thinking_block_always_has_its_thinking_and_its_signature():
    """Reasoning without a signature reaches Anthropic clients with an empty one: both keys are required there."""
    wire = chunk({"reasoning_content": "Hm"}) + chunk({"content": "a"}) + chunk(finish="stop") + DONE
    translated = streamed("messages", "chat", wire)
    starts = [json.loads(data) for name, data in frames(translated) if name == "content_block_start"]
    assert starts[0]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    body = {"id": "c", "choices": [{"message": {"reasoning_content": "Hm", "content": "a"}, "finish_reason": "stop"}]}
    whole = translation("messages", "chat").body(json.dumps(body).encode())
    assert isinstance(whole, tuple)
    assert json.loads(whole[0])["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": ""}


def test_complaint_18_system_messages_in_the_middle_are_taken_in():
    """Claude Code sends one on its first turn; it joins the system text at the beginning, which all servers accept."""
    sent = request(
        "messages",
        "chat",
        system=[{"type": "text", "text": "first"}],
        messages=[{"role": "user", "content": "hi"}, {"role": "system", "content": "second"}],
    )
    assert sent["messages"] == [{"role": "system", "content": "first\n\nsecond"}, {"role": "user", "content": "hi"}]
    hoisted = request(
        "chat",
        "messages",
        messages=[{"role": "user", "content": "hi"}, {"role": "developer", "content": "second"}],
    )
    assert hoisted["system"] == [{"type": "text", "text": "second"}]


@pytest.mark.parametrize(
    ("written", "sent"), [("image/jpg", "image/jpeg"), ("image/PNG", "image/png"), ("image/webp", "image/webp")]
)
def test_complaint_19_images_keep_their_type_under_its_registered_name(written: str, sent: str):
    """No type is made up, and `image/jpg` becomes what Anthropic accepts."""
    content = [{"type": "image_url", "image_url": {"url": f"data:{written};base64,AAAA"}}]
    body = request("chat", "messages", messages=[{"role": "user", "content": content}])
    source = body["messages"][0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": sent, "data": "AAAA"}


def test_complaint_19_an_image_of_an_unknown_type_is_refused_by_name():
    """A provider would refuse it with less to go by."""
    content = [{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}]
    with pytest.raises(MalformedRequest) as caught:
        request("chat", "messages", messages=[{"role": "user", "content": content}])
    assert caught.value.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("step", [1, 2, 5])
def test_complaint_21_line_ends_and_splits_do_not_matter(end: bytes, step: int):
    """LF, CRLF and CR, cut inside characters and between CR and LF, no space behind the colon: the same stream."""
    wire = STREAMS["chat"](ANSWERS["text"])
    odd = b": comment\n\n" + wire.replace(b"data: ", b"data:")
    odd = odd.replace(b"\n", end)
    stream = tap("messages", "chat")
    out = b"".join([stream.feed(odd[at : at + step]) for at in range(0, len(odd), step)]) + stream.finish()
    assert out == streamed("messages", "chat", wire)


def test_complaint_22_a_forced_tool_that_is_not_there_is_refused():
    """Anthropic would refuse it in words that the client does not know."""
    with pytest.raises(MalformedRequest) as caught:
        request("chat", "messages", tools=WEATHER, tool_choice={"type": "function", "function": {"name": "other"}})
    assert caught.value.param == "tool_choice"


def test_complaint_22_allowed_tools_and_parallel_calls_survive():
    """allowed_tools becomes the list of those tools, parallel_tool_calls its Anthropic opposite."""
    more = [*WEATHER, {"type": "function", "function": {"name": "other"}}]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}
    sent = request(
        "chat",
        "messages",
        tools=more,
        tool_choice={"type": "allowed_tools", "allowed_tools": allowed},
        parallel_tool_calls=False,
    )
    assert [tool["name"] for tool in sent["tools"]] == ["get_weather"]
    assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("client", ["messages", "responses"])
def test_complaint_23_arguments_that_were_cut_are_noticed(client: str):
    """A provider that ends well inside the JSON of a call has not ended well."""
    wire = chunk(call(0, '{"path": "a', "c", "f")) + chunk(finish="tool_calls") + DONE
    said = check(client, streamed(client, "chat", wire))
    assert said.error is not None
    assert "tool call" in said.error["message"]


def test_complaint_23_a_turn_of_calls_alone_has_its_tokens():
    """Completion tokens are the provider's count, not that of the text."""
    wire = chunk(call(0, "{}", "c", "f")) + chunk(finish="tool_calls") + usage_chunk(3, 21) + DONE
    said = check_responses(streamed("responses", "chat", wire))
    assert said.usage is not None
    assert said.usage["output_tokens"] == 21


HALF_CALL = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
HALF_INPUT = {"type": "input_json_delta", "partial_json": '{"cmd":"rm -rf /'}
HALF = message_start() + block(0, HALF_CALL, HALF_INPUT)
UNCLOSED = HALF.removesuffix(event("content_block_stop", index=0))


def test_complaint_23_half_a_call_is_never_done():
    """A client of the Responses protocol runs what is done: a call that the limit cut is incomplete instead."""
    for wire in (HALF, UNCLOSED):
        translated = streamed("responses", "messages", wire + message_end("max_tokens"))
        assert check_responses(translated).stop == "max_output_tokens"
        assert not [name for name, _ in frames(translated) if name.endswith(".done")]
        (item,) = json.loads(frames(translated)[-1][1])["response"]["output"]
        assert (item["status"], item["arguments"]) == ("incomplete", '{"cmd":"rm -rf /')


NO_ARGUMENTS = {
    "chat": chunk(call(0, "", "c", "f")) + chunk(finish="length") + DONE,
    "messages": message_start()
    + block(0, HALF_CALL, {"type": "input_json_delta", "partial_json": ""})
    + message_end("max_tokens"),
}
NO_ARGUMENTS_WHOLE = {
    "chat": {
        "choices": [
            {
                "message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]},
                "finish_reason": "length",
            }
        ]
    },
    "messages": {"type": "message", "content": [HALF_CALL], "stop_reason": "max_tokens"},
}


@pytest.mark.parametrize(("client", "provider"), [pair for pair in PAIRS if pair[1] in NO_ARGUMENTS])
def test_complaint_23_a_call_that_was_cut_before_its_arguments_is_never_given_any(client: str, provider: str):
    """`{}` would pass for a whole call: they stay empty, an item is incomplete, a message has no such block."""
    wire = streamed(client, provider, NO_ARGUMENTS[provider])
    said = check(client, wire)
    assert said.stop in ("length", "max_tokens", "max_output_tokens")
    assert [arguments for _, _, arguments in said.calls] == ([""] if client != "responses" else [])
    body = translation(client, provider, stream=False).body(json.dumps(NO_ARGUMENTS_WHOLE[provider]).encode())
    assert isinstance(body, tuple)
    whole = json.loads(body[0])
    match client:
        case "chat":
            assert [made["function"]["arguments"] for made in whole["choices"][0]["message"]["tool_calls"]] == [""]
        case "messages":
            assert (whole["content"], whole["stop_reason"]) == ([], "max_tokens")
        case _:
            in_stream = json.loads(frames(wire)[-1][1])["response"]["output"]
            for item in (*whole["output"], *in_stream):
                assert (item["type"], item["status"], item["arguments"]) == ("function_call", "incomplete", "")


def test_complaint_23_several_calls_may_be_cut_at_once():
    """Fragments of parallel calls that were interleaved when the limit came."""
    wire = chunk(call(0, '{"a', "c_0", "f")) + chunk(call(1, '{"b', "c_1", "g")) + chunk(finish="length") + DONE
    translated = streamed("responses", "chat", wire)
    assert check_responses(translated).stop == "max_output_tokens"
    output = json.loads(frames(translated)[-1][1])["response"]["output"]
    assert [(item["call_id"], item["status"]) for item in output] == [("c_0", "incomplete"), ("c_1", "incomplete")]


@pytest.mark.parametrize("ending", [message_end("tool_use"), message_end("end_turn"), event("error", error={})])
def test_complaint_23_nothing_is_done_of_a_call_in_front_of_a_failure(ending: bytes):
    """Neither in the Responses protocol nor as the end of a block in Anthropic's."""
    for wire in (HALF, UNCLOSED):
        translated = streamed("responses", "messages", wire + ending)
        assert check_responses(translated).error is not None
        assert not [name for name, _ in frames(translated) if name.endswith(".done")]
    translated = streamed("messages", "chat", chunk(call(0, '{"a', "c", "f")) + chunk(finish="tool_calls") + DONE)
    assert [name for name, _ in frames(translated)][-2:] == ["content_block_delta", "error"]


def test_complaint_23_the_half_input_of_a_custom_tool_is_not_delivered():
    """Half the JSON around it would pass for a patch."""
    wire = chunk(call(0, '{"input":"abc', "c", "apply_patch"))
    tools = [{"type": "custom", "name": "apply_patch"}]
    translated = streamed("responses", "chat", wire + chunk(finish="length") + DONE, tools=tools)
    (item,) = json.loads(frames(translated)[-1][1])["response"]["output"]
    assert (item["type"], item["status"], item["input"]) == ("custom_tool_call", "incomplete", "")
    assert b"abc" not in translated
    failed = streamed("responses", "chat", wire + chunk(finish="tool_calls") + DONE, tools=tools)
    assert check_responses(failed).error is not None
    assert b"abc" not in failed


def test_a_message_that_the_limit_cut_is_incomplete_in_stream_and_body():
    """As OpenAI has it; one with another block behind it is complete."""
    for members, expected in (({}, ["incomplete"]), (call(0, '{"a', "c", "f"), ["completed", "incomplete"])):
        wire = chunk({"content": "t"}) + (chunk(members) if members else b"") + chunk(finish="length") + DONE
        output = json.loads(frames(streamed("responses", "chat", wire))[-1][1])["response"]["output"]
        assert [item["status"] for item in output] == expected
        calls = [{"id": "c", "function": {"name": "f", "arguments": '{"a'}}] if members else []
        choice = {"message": {"content": "t", "tool_calls": calls}, "finish_reason": "length"}
        whole = translation("responses", "chat", stream=False).body(json.dumps({"choices": [choice]}).encode())
        assert isinstance(whole, tuple)
        assert [item["status"] for item in json.loads(whole[0])["output"]] == expected
