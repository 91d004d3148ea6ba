"""The stream and the body of a chat completion, encoded.

| event                | chunk                                                                                 |
|----------------------|---------------------------------------------------------------------------------------|
| `Start`              | `delta: {role, content: null}`                                                        |
| `TextDelta`          | `delta: {content}`                                                                    |
| `RefusalDelta`       | `delta: {refusal}`                                                                    |
| `ReasoningDelta`     | `delta: {reasoning_content}`                                                          |
| `ReasoningSignature` | `delta: {reasoning_details: [...]}`, with the text that it signs                      |
| `ToolCallStart`      | `delta: {tool_calls: [{index, id, type, function: {name, arguments: ""}}]}`           |
| `ToolCallArguments`  | `delta: {tool_calls: [{index, function: {arguments}}]}`                               |
| `BlockEnd`           | nothing                                                                               |
| `UsageReport`        | nothing; kept                                                                         |
| `Stop`               | `delta: {}, finish_reason`                                                            |
| `End`                | `choices: [], usage` if the client asked for it, then `[DONE]`                        |
| `Failure`            | `error`; no `[DONE]`                                                                  |
"""

from typing import Any

from gateway.protocol.answer import Answer
from gateway.protocol.chat.reasoning import detail_of
from gateway.protocol.codec import Context, StreamEncoder
from gateway.protocol.conversation import Origin
from gateway.protocol.events import (
    End,
    Event,
    Failure,
    ReasoningDelta,
    ReasoningSignature,
    RefusalDelta,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    UsageReport,
)
from gateway.protocol.failure import for_client
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.wire import encode as to_json

_FINISH = {
    StopReason.END_TURN: "stop",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.PAUSE: "stop",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.MAX_TOKENS: "length",
    StopReason.CONTEXT_FULL: "length",
    StopReason.REFUSAL: "content_filter",
}


class ChatEncoder(StreamEncoder):
    """Encodes the events of one answer."""

    __slots__ = ("_calls", "_context", "_details", "_head", "_tail", "_thought", "_usage", "_wants_usage")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wants_usage = context.conversation.include_usage
        self._tail = b'},"logprobs":null,"finish_reason":null}]' + (b',"usage":null}' if self._wants_usage else b"}")
        self._tail += b"\n\n"
        self._begin(Start(""))
        self._calls: dict[int, int] = {}
        self._details = 0
        self._thought: list[str] = []
        self._usage = UsageReport()

    def tell(self, event: Event) -> bytes:
        """Return the chunk that tells one event."""
        match event:
            case TextDelta(text=text):
                return self._delta(b'"content":' + to_json(text))
            case ToolCallArguments(call=call, fragment=fragment):
                index = self._calls[call]
                return self._delta(
                    b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (index, to_json(fragment))
                )
            case ReasoningDelta(text=text):
                self._thought.append(text)
                return self._delta(b'"reasoning_content":' + to_json(text))
            case ToolCallStart(call=call, id=identity, name=name):
                index = self._calls[call] = len(self._calls)
                function = {"name": name, "arguments": ""}
                started = {"index": index, "id": identity, "type": "function", "function": function}
                return self._delta(b'"tool_calls":' + to_json([started]))
            case ReasoningSignature(signature=signature):
                detail = detail_of("".join(self._thought), signature, self._details)
                self._details += 1
                self._thought.clear()
                return self._delta(b'"reasoning_details":' + to_json([detail]))
            case RefusalDelta(text=text):
                return self._delta(b'"refusal":' + to_json(text))
            case Start():
                self._begin(event)
                return self._delta(b'"role":"assistant","content":null')
            case UsageReport():
                self._usage = event
            case Stop(reason=reason):
                end = self._tail.replace(b'"finish_reason":null', b'"finish_reason":' + to_json(_FINISH[reason]))
                return self._head + b'[{"index":0,"delta":{' + end
            case End():
                usage = b""
                if self._wants_usage:
                    usage = self._head + b'[],"usage":' + to_json(usage_of(self._usage)) + b"}\n\n"
                return usage + b"data: [DONE]\n\n"
            case Failure():
                failure = for_client(Origin.CHAT, event)
                return CHAT.error_event(failure.status, failure.message, code=failure.code, param=failure.param)
        return b""

    def _begin(self, start: Start) -> None:
        context = self._context
        head = {
            "id": start.id or context.answer_id,
            "object": "chat.completion.chunk",
            "created": context.created,
            "model": context.conversation.model,
        }
        self._head = b"data: " + to_json(head)[:-1] + b',"choices":'

    def _delta(self, member: bytes) -> bytes:
        return b'%b[{"index":0,"delta":{%b%b' % (self._head, member, self._tail)


def usage_of(usage: UsageReport) -> dict[str, Any]:
    """Return the `usage` of a completion."""
    said: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_written},
    }
    if usage.reasoning is not None:
        said["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return said


def encode_body(answer: Answer, context: Context) -> bytes:
    """Return the body of a whole answer."""
    calls = [
        {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": block.text}}
        for block in answer.blocks
        if block.kind == "call"
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text("text") or None,
        "refusal": answer.text("refusal") or None,
    }
    if thought := answer.text("reasoning"):
        message["reasoning_content"] = thought
    signed = [block for block in answer.blocks if block.signature is not None]
    if signed:
        details = [detail_of(block.text, block.signature, n) for n, block in enumerate(signed) if block.signature]
        message["reasoning_details"] = details
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.stop.reason]}
    return to_json(
        {
            "id": answer.id or context.answer_id,
            "object": "chat.completion",
            "created": context.created,
            "model": context.conversation.model,
            "choices": [choice],
            "usage": usage_of(answer.usage),
        }
    )
