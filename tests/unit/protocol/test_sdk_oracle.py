"""The official SDKs as judges: a translated answer accumulates to what a native one does."""

import json

import anthropic
import httpx2
import openai
import pytest

from gateway.protocol.translation import Translation
from tests.support.grammar import check
from tests.support.native import ANSWERS, BODIES, STREAMS, Spoken
from tests.support.sdks import ASKS, accumulated_body, accumulated_stream, essence

PROTOCOLS = ("chat", "messages", "responses")
PAIRS = [(client, provider) for client in PROTOCOLS for provider in PROTOCOLS if client != provider]

SSE, JSON = "text/event-stream", "application/json"


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


def sdk_of(client: str, content_type: str, body: bytes) -> openai.OpenAI | anthropic.Anthropic:
    return (with_anthropic if client == "messages" else with_openai)(content_type, body)


def translation(client: str, provider: str, *, stream: bool) -> Translation:
    ask = {**ASKS[client], "stream": stream}
    return Translation(client, provider, json.dumps(ask).encode(), answer_id="req_1", created=1_700_000_000)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_native_streams_obey_the_grammar_that_translated_ones_are_held_to(protocol: str, name: str):
    """The checker asks for nothing that the services do not do."""
    answer = ANSWERS[name]
    said = check(protocol, STREAMS[protocol](answer))
    assert (said.text, said.reasoning) == ("".join(answer.text), "".join(answer.reasoning))
    assert [arguments for _, _, arguments in said.calls] == [call.arguments for call in answer.calls]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_translated_stream_accumulates_to_what_a_native_one_does(client: str, provider: str, answer: Spoken):
    """Text, tools, reasoning, stop reason and usage are the same to the official SDK."""
    tap = translation(client, provider, stream=True).stream()
    wire = STREAMS[provider](answer)
    translated = b"".join([tap.feed(wire[at : at + 17]) for at in range(0, len(wire), 17)]) + tap.finish()
    check(client, translated)
    assert (tap.complete, tap.ended, tap.failed) == (True, True, False)
    native = essence(client, accumulated_stream(sdk_of(client, SSE, STREAMS[client](answer)), client))
    assert essence(client, accumulated_stream(sdk_of(client, SSE, translated), client)) == native


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_a_translated_body_parses_to_what_a_native_one_does(client: str, provider: str, answer: Spoken):
    """The same holds for an answer in one piece."""
    translated = translation(client, provider, stream=False).body(BODIES[provider](answer))
    assert isinstance(translated, tuple)
    body, usage = translated
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (answer.usage["input"], answer.usage["output"])
    native = essence(client, accumulated_body(sdk_of(client, JSON, BODIES[client](answer)), client))
    assert essence(client, accumulated_body(sdk_of(client, JSON, body), client)) == native


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_the_sdk_raises_on_a_translated_stream_that_broke_off(client: str, provider: str):
    """Half a stream is an error to the official SDK, whatever was cut, and never half an answer that looks whole."""
    wire = STREAMS[provider](ANSWERS["parallel calls behind text"])
    tap = translation(client, provider, stream=True).stream()
    translated = tap.feed(wire[: len(wire) * 2 // 3]) + tap.finish()
    assert check(client, translated).error is not None
    assert (tap.complete, tap.failed) == (False, True)
    if client == "responses":
        stream = with_openai(SSE, translated).responses.create(model="m", input="hi", stream=True)
        assert [event.type for event in stream][-1] == "response.failed"
    else:
        with pytest.raises((openai.APIError, anthropic.APIError)):
            accumulated_stream(sdk_of(client, SSE, translated), client)
