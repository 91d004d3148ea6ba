"""The built-in provider."""

import json
from typing import Any

import httpx
import pytest

from gateway.protocol.sse import SseSplitter, parse_event
from gateway.upstream.echo import EchoTransport
from tests.support.grammar import check


async def ask(path: str, body: dict[str, Any]) -> httpx.Response:
    """Send a request straight to the echo transport and read the whole answer."""
    request = httpx.Request("POST", f"http://echo.invalid/v1{path}", json=body)
    response = await EchoTransport(clock=lambda: 7.9).handle_async_request(request)
    await response.aread()
    return response


async def test_tokens_are_words_of_all_messages_in_and_of_the_echo_out():
    """System text and earlier turns count as input; only the last user message comes back."""
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "first question"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": [{"type": "text", "text": "and the"}, {"type": "text", "text": "second?"}]},
    ]
    answer = (await ask("/chat/completions", {"model": "echo", "messages": messages})).json()
    assert answer["choices"][0]["message"]["content"] == "and the second?"
    assert answer["usage"] == {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
    assert answer["created"] == 7
    answer = (await ask("/messages", {"model": "echo", "system": "be brief", "messages": messages[1:]})).json()
    assert answer["usage"] == {"input_tokens": 8, "output_tokens": 3}


async def test_a_stream_has_one_event_per_word():
    """Joined, the deltas are the message again; the ids of all chunks are one."""
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}
    wire = (await ask("/chat/completions", body)).content
    *events, done = [parse_event(raw).data for raw in SseSplitter().feed(wire)]
    chunks = [json.loads(event) for event in events]
    words = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert words == ["", "one", " two", " three", None]
    assert done == b"[DONE]"
    assert len({chunk["id"] for chunk in chunks}) == 1


LIMITS = [
    ("/messages", "max_tokens"),
    ("/chat/completions", "max_tokens"),
    ("/chat/completions", "max_completion_tokens"),
]


@pytest.mark.parametrize(("path", "limit"), LIMITS)
@pytest.mark.parametrize(("most", "told"), [(1, "one"), (2, "one two"), (3, "one two three"), (9, "one two three")])
async def test_no_more_tokens_come_than_were_asked_for(path: str, limit: str, most: int, told: str):
    """Stream and body stop at the limit and say so, in the words of their protocol; a whole echo ends as ever."""
    protocol = "messages" if path == "/messages" else "chat"
    body = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}], limit: most}
    body["stream_options"] = {"include_usage": True}
    said = check(protocol, (await ask(path, body | {"stream": True})).content)
    cut, whole = ("max_tokens", "end_turn") if protocol == "messages" else ("length", "stop")
    count = "output_tokens" if protocol == "messages" else "completion_tokens"
    assert said.usage is not None
    assert (said.text, said.stop, said.usage[count]) == (told, cut if most < 3 else whole, min(most, 3))
    answer = (await ask(path, body)).json()
    if protocol == "messages":
        assert (answer["content"][0]["text"], answer["stop_reason"]) == (said.text, said.stop)
    else:
        choice = answer["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (said.text, said.stop)
    assert answer["usage"][count] == said.usage[count]


async def test_an_empty_message_gives_no_empty_text_block():
    """Anthropic refuses empty text blocks, and clients send back what they were sent."""
    body = {"model": "echo", "messages": [{"role": "user", "content": ""}]}
    assert (await ask("/messages", body)).json()["content"] == []
    wire = (await ask("/messages", body | {"stream": True})).content
    names = [parse_event(raw).name for raw in SseSplitter().feed(wire)]
    assert names == ["message_start", "message_delta", "message_stop"]


@pytest.mark.parametrize(("path", "member"), [("/chat/completions", "param"), ("/messages", "type")])
async def test_a_request_that_it_cannot_read_is_a_400_of_the_right_protocol(path: str, member: str):
    """The echo provider answers like a real one."""
    response = await ask(path, {"model": "echo", "messages": "nonsense"})
    assert response.status_code == 400
    assert member in response.json()["error"]
