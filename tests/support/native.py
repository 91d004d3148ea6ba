"""Streams and bodies as the real services write them, for one answer told in all three protocols.

Written by hand after recordings and the SDKs' types, with the habits of each service (chat's empty first content and
`obfuscation`, Anthropic's `ping` and its padding behind the JSON), and without any code of the gateway.
"""

import json
from dataclasses import dataclass, field
from typing import Any

CREATED = 1_700_000_000


@dataclass(frozen=True)
class Call:
    """A tool call, its arguments in pieces."""

    id: str
    name: str
    pieces: tuple[str, ...]
    is_custom: bool = False
    """A custom tool of the Responses API: the pieces are plain text, no JSON."""

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True)
class Spoken:
    """An answer: at most one reasoning, then one text, then calls. `stop` is Anthropic's word."""

    text: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    stop: str = "end_turn"
    number: int = 1
    """What tells its ids from those of other answers of one conversation."""
    model: str = "up"
    usage: dict[str, int] = field(
        default_factory=lambda: {"input": 30, "output": 9, "cached": 10, "written": 5, "reasoning": 4}
    )


ANSWERS = {
    "text": Spoken(text=("Hé", "llo \U0001f600", '"quoted"\n')),
    "reasoning": Spoken(text=("42",), reasoning=("Let me ", "think.")),
    "one call": Spoken(calls=(Call("toolu_1", "get_weather", ('{"ci', 'ty": "Pari', 's"}')),), stop="tool_use"),
    "parallel calls behind text": Spoken(
        text=("Looking ", "it up."),
        calls=(Call("toolu_1", "get_weather", ('{"city": "Paris"}',)), Call("toolu_2", "get_time", ("{}",))),
        stop="tool_use",
    ),
    "reasoning, then a call": Spoken(
        reasoning=("Hm.",), calls=(Call("toolu_9", "run", ('{"a": [1, {"b"', ": null}]}")),), stop="tool_use"
    ),
    "cut by the limit": Spoken(text=("Once upon",), stop="max_tokens"),
    "refused": Spoken(text=("I",), stop="refusal"),
}

_FINISH = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}


def _data(value: Any) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def chat_usage(usage: dict[str, int]) -> dict[str, Any]:
    """The `usage` of a chat completion."""
    return {
        "prompt_tokens": usage["input"],
        "completion_tokens": usage["output"],
        "total_tokens": usage["input"] + usage["output"],
        "prompt_tokens_details": {
            "cached_tokens": usage["cached"],
            "cache_write_tokens": usage["written"],
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": usage["reasoning"], "audio_tokens": 0},
    }


def chat_stream(answer: Spoken) -> bytes:
    """A chat completions stream whose client asked for the usage."""
    head = {
        "id": f"chatcmpl-{answer.number}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": answer.model,
    }
    head |= {"service_tier": "default", "system_fingerprint": "fp_1"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**head, "choices": [choice], "usage": None, "obfuscation": "x7"})

    out = chunk({"role": "assistant", "content": None if answer.calls else "", "refusal": None})
    out += "".join(chunk({"reasoning_content": piece}) for piece in answer.reasoning)
    out += "".join(chunk({"content": piece}) for piece in answer.text)
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        out += chunk({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})
        for piece in call.pieces:
            out += chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    out += chunk({}, _FINISH[answer.stop])
    out += _data({**head, "choices": [], "usage": chat_usage(answer.usage), "obfuscation": ""})
    return (out + "data: [DONE]\n\n").encode()


def chat_body(answer: Spoken) -> bytes:
    """A chat completion in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.text) or None, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = "".join(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in answer.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.stop]}
    body = {"id": f"chatcmpl-{answer.number}", "object": "chat.completion", "created": CREATED, "model": answer.model}
    return json.dumps({**body, "choices": [choice], "usage": chat_usage(answer.usage)}).encode()


def messages_usage(usage: dict[str, int]) -> dict[str, Any]:
    """The `usage` of a message: the input without the cache."""
    return {
        "input_tokens": usage["input"] - usage["cached"] - usage["written"],
        "cache_creation_input_tokens": usage["written"],
        "cache_read_input_tokens": usage["cached"],
        "output_tokens": usage["output"],
        "output_tokens_details": {"thinking_tokens": usage["reasoning"]},
    }


def messages_blocks(answer: Spoken) -> list[dict[str, Any]]:
    """The content of the message."""
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": "c2ln"})
    if answer.text:
        blocks.append({"type": "text", "text": "".join(answer.text)})
    blocks += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in answer.calls
    ]
    return blocks


def messages_stream(answer: Spoken) -> bytes:
    """An Anthropic stream."""

    def event(name: str, **members: Any) -> str:
        padding = " " * (len(name) % 5)
        return f"event: {name}\ndata: {json.dumps({'type': name, **members}, ensure_ascii=False)}{padding}\n\n"

    message = {
        "id": f"msg_{answer.number}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None}
    first = {**messages_usage(answer.usage), "output_tokens": 1, "output_tokens_details": None}
    out = event("message_start", message={**message, "usage": first})
    index = 0

    def block(start: dict[str, Any], deltas: list[dict[str, Any]]) -> str:
        told = event("content_block_start", index=index, content_block=start)
        told += event("ping") if index == 0 else ""
        told += "".join(event("content_block_delta", index=index, delta=delta) for delta in deltas)
        return told + event("content_block_stop", index=index)

    if answer.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in answer.reasoning]
        signature = {"type": "signature_delta", "signature": "c2ln"}
        out += block({"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature])
        index += 1
    if answer.text:
        out += block({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in answer.text])
        index += 1
    for call in answer.calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]
        out += block({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, pieces)
        index += 1
    stop = {"stop_reason": answer.stop, "stop_sequence": None}
    out += event("message_delta", delta=stop, usage=messages_usage(answer.usage))
    return (out + event("message_stop")).encode()


def messages_body(answer: Spoken) -> bytes:
    """An Anthropic message in one piece."""
    message = {"id": f"msg_{answer.number}", "type": "message", "role": "assistant", "model": answer.model}
    message |= {"content": messages_blocks(answer), "stop_reason": answer.stop, "stop_sequence": None}
    return json.dumps({**message, "usage": messages_usage(answer.usage)}).encode()


def responses_usage(usage: dict[str, int]) -> dict[str, Any]:
    """The `usage` of a response."""
    return {
        "input_tokens": usage["input"],
        "input_tokens_details": {"cached_tokens": usage["cached"], "cache_write_tokens": usage["written"]},
        "output_tokens": usage["output"],
        "output_tokens_details": {"reasoning_tokens": usage["reasoning"]},
        "total_tokens": usage["input"] + usage["output"],
    }


def _response(answer: Spoken, output: list[dict[str, Any]], *, is_over: bool) -> dict[str, Any]:
    reason = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}.get(answer.stop) if is_over else None
    return {
        "id": f"resp_{answer.number}",
        "object": "response",
        "created_at": CREATED,
        "status": ("incomplete" if reason else "completed") if is_over else "in_progress",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": responses_usage(answer.usage) if is_over else None,
    }


def responses_output(answer: Spoken) -> list[dict[str, Any]]:
    """The output items of the response."""
    items: list[dict[str, Any]] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
        items.append(
            {"id": f"rs_{answer.number}", "type": "reasoning", "summary": summary, "encrypted_content": "ZW5j"}
        )
    if answer.text:
        part = {"type": "output_text", "text": "".join(answer.text), "annotations": [], "logprobs": []}
        item = {"id": f"msg_{answer.number}", "type": "message", "status": "completed", "role": "assistant"}
        items.append({**item, "content": [part]})
    for index, call in enumerate(answer.calls):
        kind, member = ("custom_tool_call", "input") if call.is_custom else ("function_call", "arguments")
        item = {"id": f"fc_{answer.number}_{index}", "type": kind, "status": "completed", member: call.arguments}
        items.append({**item, "call_id": call.id, "name": call.name})
    return items


ARGUMENTS = ("arguments", "function_call_arguments")
"""The member of a `function_call` item that is streamed, and the events that do so."""


def responses_stream(answer: Spoken) -> bytes:
    """A Responses stream."""
    number = -1

    def event(name: str, **members: Any) -> str:
        nonlocal number
        number += 1
        said = {"type": f"response.{name}", "sequence_number": number, **members}
        return f"event: response.{name}\ndata: {json.dumps(said, ensure_ascii=False)}\n\n"

    out = event("created", response=_response(answer, [], is_over=False))
    out += event("in_progress", response=_response(answer, [], is_over=False))
    output = responses_output(answer)
    calls = iter(answer.calls)
    for index, item in enumerate(output):
        here = {"item_id": item["id"], "output_index": index}
        match item["type"]:
            case "reasoning":
                out += event("output_item.added", output_index=index, item={**item, "summary": []})
                here["summary_index"] = 0
                out += event("reasoning_summary_part.added", **here, part={"type": "summary_text", "text": ""})
                for piece in answer.reasoning:
                    out += event("reasoning_summary_text.delta", **here, delta=piece, obfuscation="k")
                out += event("reasoning_summary_text.done", **here, text="".join(answer.reasoning))
                out += event("reasoning_summary_part.done", **here, part=item["summary"][0])
            case "message":
                begun = {**item, "status": "in_progress", "content": []}
                out += event("output_item.added", output_index=index, item=begun)
                here["content_index"] = 0
                out += event("content_part.added", **here, part={**item["content"][0], "text": ""})
                for piece in answer.text:
                    out += event("output_text.delta", **here, delta=piece, logprobs=[], obfuscation="k")
                out += event("output_text.done", **here, text="".join(answer.text), logprobs=[])
                out += event("content_part.done", **here, part=item["content"][0])
            case kind:
                member, name = ("input", "custom_tool_call_input") if kind == "custom_tool_call" else ARGUMENTS
                begun = {**item, "status": "in_progress", member: ""}
                out += event("output_item.added", output_index=index, item=begun)
                for piece in next(calls).pieces:
                    out += event(f"{name}.delta", **here, delta=piece)
                out += event(f"{name}.done", **here, **{member: item[member]})
        out += event("output_item.done", output_index=index, item=item)
    response = _response(answer, output, is_over=True)
    return (out + event(response["status"], response=response)).encode()


def responses_body(answer: Spoken) -> bytes:
    """A response in one piece."""
    return json.dumps(_response(answer, responses_output(answer), is_over=True)).encode()


STREAMS = {"chat": chat_stream, "messages": messages_stream, "responses": responses_stream}
BODIES = {"chat": chat_body, "messages": messages_body, "responses": responses_body}
