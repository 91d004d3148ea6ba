"""Checkers of the three stream protocols: raw bytes in, AssertionError where the grammar is broken, else what was said.

Written from the protocols' own documents and SDKs, not from the encoders: they split and parse by themselves (plain
`str.split` and `json`), so that a mistake of the product cannot hide in them. Each returns what a client would have
accumulated, in the same terms for all three, so that two streams can be compared.
"""

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Said:
    """What a stream came to; `stop` is the protocol's own word, `calls` are (id, name, arguments)."""

    id: str = ""
    model: str = ""
    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    signatures: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    stop: str | None = None
    stop_sequence: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def frames(wire: bytes) -> list[tuple[str, str]]:
    """Split a stream as the gateway writes it into (event name, data); every frame is whole."""
    text = wire.decode("utf-8")
    assert text == "" or text.endswith("\n\n"), f"the stream ends inside an event: {text[-80:]!r}"
    parsed = []
    for frame in text.split("\n\n")[:-1]:
        name, data = "", None
        for line in frame.split("\n"):
            if line.startswith("event: "):
                assert name == "", "two names"
                name = line[len("event: ") :]
            elif line.startswith("data: "):
                assert data is None, "two data lines"
                data = line[len("data: ") :]
            else:
                assert line.startswith(":"), f"no SSE line: {line!r}"
        if data is not None:
            parsed.append((name, data))
    return parsed


def is_object(text: str) -> bool:
    """Whether `text` is a JSON object."""
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


_DELTA_MEMBERS = {"role", "content", "refusal", "tool_calls", "reasoning_content", "reasoning_details"}
_FINISH = {"stop", "length", "tool_calls", "content_filter"}


def check_chat(wire: bytes, *, include_usage: bool = False) -> Said:
    """Check a chat completions stream."""
    said = Said()
    calls: list[list[str]] = []
    head: tuple[Any, ...] | None = None
    is_done = False
    for name, data in frames(wire):
        assert name == "", "chat has no event names"
        assert not is_done, "something follows [DONE]"
        assert said.error is None, "something follows an error"
        if data == "[DONE]":
            assert said.stop is not None, "[DONE] without a finish reason"
            assert (said.usage is not None) == include_usage, "usage exactly when it was asked for"
            is_done = True
            continue
        chunk = json.loads(data)
        if chunk.get("error"):
            assert set(chunk["error"]) == {"message", "type", "param", "code"}
            assert isinstance(chunk["error"]["message"], str)
            assert chunk["error"]["code"] is None or isinstance(chunk["error"]["code"], str)
            said.error = chunk["error"]
            continue
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["id"], "an id in every chunk"
        own = (chunk["id"], chunk["created"], chunk["model"])
        assert head in (None, own), "id, created and model are those of the first chunk"
        is_first, head = head is None, own
        if not chunk["choices"]:
            assert include_usage, "usage was not asked for"
            assert said.stop is not None, "the usage comes behind the finish reason"
            assert said.usage is None, "usage comes once"
            said.usage = chunk["usage"]
            assert said.usage["total_tokens"] == said.usage["prompt_tokens"] + said.usage["completion_tokens"]
            continue
        assert said.stop is None, "a choice behind the finish reason"
        assert ("usage" in chunk) == include_usage, "usage is null in every chunk when it was asked for, else missing"
        assert chunk.get("usage") is None
        (choice,) = chunk["choices"]
        assert choice["index"] == 0
        delta = choice["delta"]
        assert set(delta) <= _DELTA_MEMBERS, f"unknown members: {set(delta)}"
        assert (delta.get("role") == "assistant") == is_first, "the role stands in the first chunk only"
        said.text += delta.get("content") or ""
        said.refusal += delta.get("refusal") or ""
        said.reasoning += delta.get("reasoning_content") or ""
        for detail in delta.get("reasoning_details", ()):
            assert detail["type"] in ("reasoning.text", "reasoning.encrypted")
            said.signatures.append(detail["signature" if detail["type"] == "reasoning.text" else "data"])
        for fragment in delta.get("tool_calls", ()):
            _chat_call(fragment, calls)
        if choice["finish_reason"] is not None:
            assert choice["finish_reason"] in _FINISH
            assert delta == {}
            said.stop = choice["finish_reason"]
    assert is_done or said.error is not None, "neither [DONE] nor an error"
    if head is not None:
        said.id, said.model = head[0], head[2]
    said.calls = [(identity, name, arguments) for identity, name, arguments in calls]
    if said.stop in ("tool_calls", "stop"):
        assert (said.stop == "tool_calls") == bool(calls), "tool_calls exactly when there are calls"
        assert all(is_object(arguments) for _, _, arguments in said.calls), "arguments are JSON objects"
    return said


def _chat_call(fragment: dict[str, Any], calls: list[list[str]]) -> None:
    index = fragment["index"]
    if index == len(calls):
        assert fragment["type"] == "function"
        assert fragment["id"]
        assert fragment["function"]["name"]
        assert fragment["id"] not in {call[0] for call in calls}, "ids are unique"
        calls.append([fragment["id"], fragment["function"]["name"], fragment["function"]["arguments"]])
        return
    assert index < len(calls), "indices are 0, 1, 2, ..."
    assert set(fragment) == {"index", "function"}, "id, type and name stand in the first fragment only"
    assert set(fragment["function"]) == {"arguments"}
    calls[index][2] += fragment["function"]["arguments"]


_DELTAS = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("tool_use", "partial_json"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}
_STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
}


def check_messages(wire: bytes) -> Said:
    """Check an Anthropic messages stream."""
    said = Said()
    block: dict[str, Any] | None = None
    content = ""
    has_signature = False
    opened = 0
    state = "before"
    for name, data in frames(wire):
        event = json.loads(data)
        assert event["type"] == name, "the event line names the type"
        assert state != "over", "something follows the end"
        if name == "ping":
            continue
        if name == "error":
            assert set(event["error"]) == {"type", "message"}
            assert event["error"]["type"].endswith(("_error", "too_large"))
            said.error = event["error"]
            state = "over"
            continue
        if name == "message_start":
            assert state == "before"
            message = event["message"]
            assert (message["type"], message["role"], message["content"]) == ("message", "assistant", [])
            assert message["stop_reason"] is None
            assert message["id"]
            assert {"input_tokens", "output_tokens"} <= set(message["usage"])
            said.id, said.model = message["id"], message["model"]
            state = "content"
        elif name == "content_block_start":
            assert state == "content"
            assert block is None, "blocks are sequential"
            assert event["index"] == opened, "indices are 0, 1, 2, ..."
            block, content, has_signature = event["content_block"], "", False
            opened += 1
            _check_fresh(block)
        elif name == "content_block_delta":
            assert block is not None, "a delta without a block"
            assert event["index"] == opened - 1
            delta = event["delta"]
            kind, member = _DELTAS[delta["type"]]
            assert block["type"] == kind, f"{delta['type']} in a block of {block['type']}"
            assert set(delta) == {"type", member}
            assert not has_signature, "the signature is the last delta"
            if member == "signature":
                has_signature = True
                said.signatures.append(delta[member])
            else:
                content += delta[member]
        elif name == "content_block_stop":
            assert block is not None
            assert event["index"] == opened - 1
            _note(said, block, content, has_signature)
            block = None
        elif name == "message_delta":
            assert state == "content"
            assert block is None, "message_delta inside a block"
            assert event["delta"]["stop_reason"] in _STOP_REASONS
            said.stop, said.stop_sequence = event["delta"]["stop_reason"], event["delta"]["stop_sequence"]
            assert (said.stop == "stop_sequence") or said.stop_sequence is None
            said.usage = event["usage"]
            assert "output_tokens" in said.usage
            state = "stopped"
        else:
            assert name == "message_stop", f"unknown event {name}"
            assert state == "stopped"
            state = "over"
    assert state == "over", f"the stream ends in the state {state}"
    if said.stop in ("tool_use", "end_turn", "stop_sequence"):
        assert (said.stop == "tool_use") == bool(said.calls), "tool_use exactly when there are calls"
        assert all(is_object(arguments) for _, _, arguments in said.calls)
    assert len({call[0] for call in said.calls}) == len(said.calls), "ids are unique"
    return said


def _check_fresh(block: dict[str, Any]) -> None:
    match block["type"]:
        case "text":
            assert block == {"type": "text", "text": ""}
        case "thinking":
            assert block == {"type": "thinking", "thinking": "", "signature": ""}
        case "redacted_thinking":
            assert block["data"]
        case "tool_use":
            assert block["input"] == {}
            assert block["id"]
            assert block["name"]
        case other:
            raise AssertionError(f"unknown block {other}")


def _note(said: Said, block: dict[str, Any], content: str, has_signature: bool) -> None:
    said.blocks.append(block["type"])
    match block["type"]:
        case "text":
            assert content, "an empty text block"
            said.text += content
        case "thinking":
            assert content or has_signature, "an empty thinking block"
            said.reasoning += content
        case "redacted_thinking":
            said.signatures.append(block["data"])
        case "tool_use":
            said.calls.append((block["id"], block["name"], content))


_TERMINAL = {"response.completed", "response.incomplete", "response.failed"}


def check_responses(wire: bytes) -> Said:
    """Check a Responses stream."""
    said = Said()
    done: list[dict[str, Any]] = []
    item: _OpenItem | None = None
    events = []
    for number, (name, data) in enumerate(frames(wire)):
        event = json.loads(data)
        assert event["type"] == name, "the event line names the type"
        assert event["sequence_number"] == number, "sequence numbers are 0, 1, 2, ..."
        events.append(event)
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    for event in events[:2]:
        assert event["response"]["status"] == "in_progress"
        assert event["response"]["output"] == []
        assert event["response"]["usage"] is None
    last = events[-1]
    assert last["type"] in _TERMINAL, f"the stream ends in {last['type']}"
    for event in events[2:-1]:
        assert event["type"] not in _TERMINAL, "something follows the terminal event"
        if event["type"] == "response.output_item.added":
            if item is not None:
                done.append(item.cut(last))
            assert event["output_index"] == len(done), "items are sequential, indices 0, 1, 2, ..."
            item = _OpenItem(event["item"])
        elif event["type"] == "response.output_item.done":
            assert item is not None
            assert event["output_index"] == len(done)
            item.check_done(event["item"])
            _note_item(said, event["item"])
            done.append(event["item"])
            item = None
        else:
            assert item is not None, f"{event['type']} outside an item"
            assert event["output_index"] == len(done)
            item.take(event)
    if item is not None and last["type"] == "response.incomplete":
        done.append(item.cut(last))
        item = None
    response = last["response"]
    assert {event["response"]["id"] for event in (*events[:2], last)} == {response["id"]}
    said.id, said.model = response["id"], response["model"]
    assert last["type"] == f"response.{response['status']}"
    assert response["output"] == done, "the last event repeats the finished items"
    if response["status"] == "failed":
        assert set(response["error"]) == {"code", "message"}
        assert isinstance(response["error"]["code"], str)
        said.error = response["error"]
        return said
    assert item is None, "an item has no end"
    assert response["error"] is None
    said.usage = response["usage"]
    assert said.usage["total_tokens"] == said.usage["input_tokens"] + said.usage["output_tokens"]
    details = response["incomplete_details"]
    assert (response["status"] == "incomplete") == (details is not None)
    said.stop = details["reason"] if details else "completed"
    assert len({entry["id"] for entry in done}) == len(done), "ids of items are unique"
    if said.stop == "completed":
        assert all(is_object(call[2]) for call in said.calls)
    return said


# The events of a part, by its type: what opens it, fills it, tells its whole text, closes it.
_PARTS = {
    "output_text": ("content_part.added", "output_text.delta", "output_text.done", "content_part.done"),
    "refusal": ("content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
    "summary_text": (
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ),
}


class _OpenItem:
    """An item between its added and its done, with the state of its one part."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item
        self.text = ""
        self.part = ""
        self.state = "added"
        assert item["id"]
        match item["type"]:
            case "message":
                assert (item["content"], item["status"], item["role"]) == ([], "in_progress", "assistant")
            case "reasoning":
                assert item["summary"] == []
            case "function_call":
                assert (item["arguments"], item["status"]) == ("", "in_progress")
                assert item["call_id"]
                assert item["name"]
            case "custom_tool_call":
                assert item["input"] == ""
            case other:
                raise AssertionError(f"unknown item {other}")

    def take(self, event: dict[str, Any]) -> None:
        kind = event["type"].removeprefix("response.")
        assert event["item_id"] == self.item["id"]
        if self.item["type"] in ("function_call", "custom_tool_call"):
            self._argument(kind, event)
            return
        if kind.endswith("part.added"):
            assert self.state == "added", "one part in an item"
            self.part = event["part"]["type"]
            assert event["part"].get("text", event["part"].get("refusal")) == ""
            expected = ("added", _PARTS[self.part][0], "open")
        else:
            _, delta, done, part_done = _PARTS[self.part]
            expected = {
                delta: ("open", delta, "open"),
                done: ("open", done, "closing"),
                part_done: ("closing", part_done, "closed"),
            }[kind]
        assert (self.state, kind) == expected[:2], f"{kind} in the state {self.state}"
        self.state = expected[2]
        assert event["summary_index" if self.part == "summary_text" else "content_index"] == 0
        if kind.endswith(".delta"):
            assert event["delta"], "an empty delta"
            self.text += event["delta"]
        elif kind.endswith("text.done"):
            assert event["text"] == self.text
        elif kind == "refusal.done":
            assert event["refusal"] == self.text

    def _argument(self, kind: str, event: dict[str, Any]) -> None:
        is_custom = self.item["type"] == "custom_tool_call"
        prefix = "custom_tool_call_input" if is_custom else "function_call_arguments"
        assert self.state == "added"
        if kind == f"{prefix}.delta":
            self.text += event["delta"]
        else:
            assert kind == f"{prefix}.done"
            assert event["input" if is_custom else "arguments"] == self.text
            self.state = "closed"

    def cut(self, last: dict[str, Any]) -> dict[str, Any]:
        """The item as the output has it that has no end, which only a call may have, and only in half an answer."""
        assert last["type"] == "response.incomplete", "an item has no end"
        whole = {"function_call": {"arguments": self.text}, "custom_tool_call": {"input": ""}}[self.item["type"]]
        assert self.state == "added", "what was cut is done"
        assert not is_object(self.text), "a call that is whole has no end"
        return {**self.item, **whole, "status": "incomplete"}

    def check_done(self, item: dict[str, Any]) -> None:
        assert (item["id"], item["type"]) == (self.item["id"], self.item["type"])
        match item["type"]:
            case "message":
                assert self.state == "closed"
                assert item["status"] in ("completed", "incomplete")
                (part,) = item["content"]
                assert part.get("text", part.get("refusal")) == self.text
                assert self.text, "an empty message"
            case "reasoning":
                assert self.state == ("closed" if self.text else "added")
                assert item["summary"] == ([{"type": "summary_text", "text": self.text}] if self.text else [])
                assert self.text or item["encrypted_content"]
            case "function_call":
                assert is_object(self.text), "half a call is done"
                assert (item["status"], self.state, item["arguments"]) == ("completed", "closed", self.text)
                assert (item["call_id"], item["name"]) == (self.item["call_id"], self.item["name"])
            case "custom_tool_call":
                assert (self.state, item["input"]) == ("closed", self.text)


def _note_item(said: Said, item: dict[str, Any]) -> None:
    said.blocks.append(item["type"])
    match item["type"]:
        case "message":
            for part in item["content"]:
                said.text += part.get("text", "")
                said.refusal += part.get("refusal", "")
        case "reasoning":
            said.reasoning += "".join(part["text"] for part in item["summary"])
            if item.get("encrypted_content"):
                said.signatures.append(item["encrypted_content"])
        case "function_call":
            said.calls.append((item["call_id"], item["name"], item["arguments"]))
        case "custom_tool_call":
            said.calls.append((item["call_id"], item["name"], json.dumps({"input": item["input"]})))


def check(protocol: str, wire: bytes, *, include_usage: bool = True) -> Said:
    """Check a stream of the protocol named "chat", "messages" or "responses"."""
    if protocol == "chat":
        return check_chat(wire, include_usage=include_usage)
    return check_messages(wire) if protocol == "messages" else check_responses(wire)
