"""Short ways to write requests and streams, and to have them translated."""

import json
from typing import Any

from gateway.protocol.translation import StreamTranslation, Translation

ASKS: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}},
    "messages": {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"model": "m", "input": "hi"},
}


def translation(client: str, provider: str, /, **members: Any) -> Translation:
    """A translation of the smallest request of `client`, with `members` of its own."""
    body = json.dumps({**ASKS[client], "stream": True, **members}).encode()
    return Translation(client, provider, body, answer_id="req_1", created=1_700_000_000)


def request(client: str, provider: str, model: str = "m", /, **members: Any) -> Any:
    """The request that a provider gets for the one of `client`, decoded."""
    return json.loads(translation(client, provider, **members).request(model))


def tap(client: str, provider: str, /, **members: Any) -> StreamTranslation:
    """A fresh stream translation."""
    return translation(client, provider, **members).stream()


def streamed(client: str, provider: str, wire: bytes, **members: Any) -> bytes:
    """The whole stream that `client` gets for `wire` of a provider."""
    stream = tap(client, provider, **members)
    return stream.feed(wire) + stream.finish()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **members: Any) -> bytes:
    """A chat chunk."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "model": "up", "choices": [choice], **members}).encode() + b"\n\n"


def call(index: int | None, arguments: str, identity: str | None = None, name: str | None = None) -> dict[str, Any]:
    """The delta of a chat chunk with one fragment of a tool call."""
    fragment: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        fragment["index"] = index
    if identity is not None:
        fragment["id"] = identity
    if name is not None:
        fragment["function"]["name"] = name
    return {"tool_calls": [fragment]}


def usage_chunk(prompt: int, completion: int) -> bytes:
    """The chat chunk that tells the usage."""
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return b"data: " + json.dumps({"id": "c1", "model": "up", "choices": [], "usage": usage}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def event(name: str, **members: Any) -> bytes:
    """An Anthropic event."""
    return f"event: {name}\ndata: ".encode() + json.dumps({"type": name, **members}).encode() + b"\n\n"


def message_start(**usage: int) -> bytes:
    """The first event of an Anthropic stream."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return event("message_start", message={**message, "usage": {"input_tokens": 1, "output_tokens": 1, **usage}})


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """A content block."""
    told = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    first = event("content_block_start", index=index, content_block=start)
    return first + b"".join(told) + event("content_block_stop", index=index)


def text_block(index: int, text: str) -> bytes:
    """A block of text."""
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def message_end(reason: str, sequence: str | None = None, **usage: int) -> bytes:
    """The last two events."""
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return event("message_delta", delta=delta, usage={"output_tokens": 5, **usage}) + event("message_stop")
