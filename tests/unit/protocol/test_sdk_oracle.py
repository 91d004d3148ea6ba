"""The official SDKs as judges: a translated answer accumulates to what a native one does."""

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from gateway.protocol.translation import Translation
from tests.support.grammar import check
from tests.support.native import ANSWERS, BODIES, STREAMS, Spoken

PROTOCOLS = ("chat", "messages", "responses")
PAIRS = [(client, provider) for client in PROTOCOLS for provider in PROTOCOLS if client != provider]

TOOLS = ("get_weather", "get_time", "run")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
ASKS: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in TOOLS],
        "stream_options": {"include_usage": True},
    },
    "messages": {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": name, "input_schema": SCHEMA} for name in TOOLS],
    },
    "responses": {
        "model": "m",
        "input": "hi",
        "tools": [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in TOOLS],
    },
}


def served(content_type: str, body: bytes) -> httpx2.Client:
    """A client whose every request is answered with `body`, in small pieces."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        pieces = (body[at : at + 11] for at in range(0, len(body), 11))
        return httpx2.Response(200, headers={"content-type": content_type}, content=pieces)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def with_openai(content_type: str, body: bytes) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url="http://test/v1", http_client=served(content_type, body), max_retries=0)


def with_anthropic(content_type: str, body: bytes) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="k", base_url="http://test", http_client=served(content_type, body), max_retries=0
    )


def accumulated_stream(client: str, wire: bytes) -> Any:
    """What the SDK of `client` makes of a stream, as plain data."""
    ask = {name: value for name, value in ASKS[client].items() if name not in ("stream_options", "tools")}
    if client == "messages":
        with with_anthropic("text/event-stream", wire).messages.stream(**ask) as stream:
            return stream.get_final_message().model_dump()
    sdk = with_openai("text/event-stream", wire)
    if client == "responses":
        with sdk.responses.stream(**ask) as answer:
            *_, last = answer
            return last.response.model_dump()
    with sdk.chat.completions.stream(**ask, stream_options={"include_usage": True}) as completion:
        for _ in completion:
            pass
        return completion.current_completion_snapshot.model_dump()


def accumulated_body(client: str, body: bytes) -> Any:
    """What the SDK of `client` makes of a body, as plain data."""
    ask = {name: value for name, value in ASKS[client].items() if name not in ("stream_options", "tools")}
    if client == "messages":
        return with_anthropic("application/json", body).messages.create(**ask).model_dump()
    sdk = with_openai("application/json", body)
    if client == "responses":
        return sdk.responses.create(**ask).model_dump()
    return sdk.chat.completions.create(**ask).model_dump()


def essence(client: str, answer: Any) -> Any:
    """Text, tools, reasoning, stop reason and usage of an accumulated answer, in the client's own words."""
    if client == "messages":
        kept = ("type", "text", "thinking", "id", "name", "input")
        blocks = [{name: block[name] for name in kept if name in block} for block in answer["content"]]
        counts = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        usage = {name: answer["usage"][name] for name in counts}
        return blocks, answer["stop_reason"], answer["stop_sequence"], usage, answer["usage"]["output_tokens_details"]
    if client == "chat":
        (choice,) = answer["choices"]
        message = choice["message"]
        calls = [
            (call["id"], call["type"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message["tool_calls"] or ()
        ]
        spoken = (message["role"], message["content"], message["refusal"], message.get("reasoning_content"))
        usage = answer["usage"]
        details = usage["prompt_tokens_details"]
        return (
            *spoken,
            calls,
            choice["finish_reason"],
            [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")],
            [details[name] for name in ("cached_tokens", "cache_write_tokens")],
            usage["completion_tokens_details"]["reasoning_tokens"],
        )
    items = []
    for item in answer["output"]:
        match item["type"]:
            case "message":
                items.append(("message", [part["text"] for part in item["content"]]))
            case "reasoning":
                items.append(("reasoning", [part["text"] for part in item["summary"]]))
            case _:
                items.append((item["call_id"], item["name"], json.loads(item["arguments"])))
    return items, answer["status"], answer["incomplete_details"], answer["usage"]


def translation(client: str, provider: str, *, stream: bool) -> Translation:
    ask = {**ASKS[client], "stream": stream}
    return Translation(client, provider, json.dumps(ask).encode(), answer_id="req_1", created=1_700_000_000)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_translated_stream_accumulates_to_what_a_native_one_does(client: str, provider: str, answer: Spoken):
    """Text, tools, reasoning, stop reason and usage are the same to the official SDK."""
    tap = translation(client, provider, stream=True).stream()
    wire = STREAMS[provider](answer)
    translated = b"".join([tap.feed(wire[at : at + 17]) for at in range(0, len(wire), 17)]) + tap.finish()
    check(client, translated)
    assert (tap.complete, tap.ended, tap.failed) == (True, True, False)
    native = essence(client, accumulated_stream(client, STREAMS[client](answer)))
    assert essence(client, accumulated_stream(client, translated)) == native


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_translated_body_parses_to_what_a_native_one_does(client: str, provider: str, answer: Spoken):
    """The same holds for an answer in one piece."""
    translated = translation(client, provider, stream=False).body(BODIES[provider](answer))
    assert isinstance(translated, tuple)
    body, usage = translated
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (answer.usage["input"], answer.usage["output"])
    native = essence(client, accumulated_body(client, BODIES[client](answer)))
    assert essence(client, accumulated_body(client, body)) == native


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_the_sdk_raises_on_a_translated_stream_that_broke_off(client: str, provider: str):
    """Half a stream is an error to the official SDK, whatever was cut, and never half an answer that looks whole."""
    wire = STREAMS[provider](ANSWERS["parallel calls behind text"])
    tap = translation(client, provider, stream=True).stream()
    translated = tap.feed(wire[: len(wire) * 2 // 3]) + tap.finish()
    assert check(client, translated).error is not None
    assert (tap.complete, tap.failed) == (False, True)
    if client == "responses":
        stream = with_openai("text/event-stream", translated).responses.create(model="m", input="hi", stream=True)
        assert [event.type for event in stream][-1] == "response.failed"
    else:
        with pytest.raises((openai.APIError, anthropic.APIError)):
            accumulated_stream(client, translated)
