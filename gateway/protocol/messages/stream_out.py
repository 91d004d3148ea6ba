"""The stream and the body of an Anthropic message, encoded.

| event                | events of the protocol                                                                     |
|----------------------|--------------------------------------------------------------------------------------------|
| `Start`              | `message_start`; its usage is 0, the provider has not said it yet                          |
| a block's first      | `content_block_start` with the next index, from 0; then as below                           |
| `TextDelta`          | `content_block_delta` of `text_delta`; a `RefusalDelta` too, Anthropic has no other word   |
| `ReasoningDelta`     | ... of `thinking_delta`                                                                    |
| `ReasoningSignature` | ... of `signature_delta`; a redacted one is a whole `redacted_thinking` block              |
| `ToolCallStart`      | `content_block_start` of `tool_use` with `input: {}`                                       |
| `ToolCallArguments`  | `content_block_delta` of `input_json_delta`                                                |
| `BlockEnd`           | `content_block_stop`                                                                       |
| `UsageReport`        | nothing; kept                                                                              |
| `Stop`               | nothing; kept, since `message_delta` also tells the usage, which chat sends behind it      |
| `End`                | `message_delta` with the whole usage, `message_stop`                                       |
| `Failure`            | `error`                                                                                    |
"""

from typing import Any

import msgspec

from gateway.protocol.answer import Answer, Block
from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.codec import Context, StreamEncoder
from gateway.protocol.conversation import Origin
from gateway.protocol.events import (
    BlockEnd,
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
from gateway.protocol.signature import wrap
from gateway.protocol.sse import encode_event
from gateway.protocol.wire import encode as to_json
from gateway.protocol.wire import object_text

Json = dict[str, Any]

_TEXT: Json = {"type": "text", "text": ""}
_THINKING: Json = {"type": "thinking", "thinking": "", "signature": ""}


class MessagesEncoder(StreamEncoder):
    """Encodes the events of one answer."""

    __slots__ = ("_context", "_index", "_open", "_stop", "_usage")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._index = -1
        self._open = ""
        self._stop = Stop(StopReason.END_TURN)
        self._usage = UsageReport()

    def tell(self, event: Event) -> bytes:
        """Return what tells one event."""
        match event:
            case TextDelta(text=text):
                return self._opened("text", _TEXT) + self._delta(b'"text_delta","text":' + to_json(text))
            case ToolCallArguments(fragment=fragment):
                return self._delta(b'"input_json_delta","partial_json":' + to_json(fragment))
            case ReasoningDelta(text=text):
                return self._opened("thinking", _THINKING) + self._delta(
                    b'"thinking_delta","thinking":' + to_json(text)
                )
            case BlockEnd():
                self._open = ""
                return encode_event(b'{"type":"content_block_stop","index":%d}' % self._index, "content_block_stop")
            case ToolCallStart(id=identity, name=name):
                return self._opened("tool_use", {"type": "tool_use", "id": identity, "name": name, "input": {}})
            case ReasoningSignature(signature=signature):
                carried = wrap(signature, Origin.MESSAGES)
                if signature.redacted:
                    return self._opened("redacted_thinking", {"type": "redacted_thinking", "data": carried})
                return self._opened("thinking", _THINKING) + self._delta(
                    b'"signature_delta","signature":' + to_json(carried)
                )
            case RefusalDelta(text=text):
                return self._opened("text", _TEXT) + self._delta(b'"text_delta","text":' + to_json(text))
            case Start():
                return self._start(event)
            case UsageReport():
                self._usage = event
            case Stop():
                self._stop = event
            case End():
                return self._end()
            case Failure():
                failure = for_client(Origin.MESSAGES, event)
                return MESSAGES.error_event(failure.status, failure.message, code=failure.code)
        return b""

    def _start(self, start: Start) -> bytes:
        message = _message(start.id, self._context)
        message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage_of(self._usage)}
        return encode_event(to_json({"type": "message_start", "message": message}), "message_start")

    def _opened(self, kind: str, block: Json) -> bytes:
        if self._open == kind:
            return b""
        self._open = kind
        self._index += 1
        started = {"type": "content_block_start", "index": self._index, "content_block": block}
        return encode_event(to_json(started), "content_block_start")

    def _delta(self, member: bytes) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b}}\n\n'
            % (self._index, member)
        )

    def _end(self) -> bytes:
        delta = {"stop_reason": self._stop.reason, "stop_sequence": self._stop.stop_sequence}
        ended = {"type": "message_delta", "delta": delta, "usage": usage_of(self._usage)}
        return encode_event(to_json(ended), "message_delta") + encode_event(b'{"type":"message_stop"}', "message_stop")


def _message(identity: str, context: Context) -> Json:
    return {
        "id": identity or context.answer_id,
        "type": "message",
        "role": "assistant",
        "model": context.conversation.model,
    }


def usage_of(usage: UsageReport) -> Json:
    """Return the `usage` of a message, whose input excludes what was read from and written to the cache."""
    said: Json = {
        "input_tokens": max(0, usage.input - usage.cached - usage.cache_written),
        "cache_creation_input_tokens": usage.cache_written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
    if usage.reasoning is not None:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return said


def encode_body(answer: Answer, context: Context) -> bytes:
    """Return the body of a whole answer. A call that `max_tokens` cut has no input to tell: it is left out."""
    message = _message(answer.id, context)
    message["content"] = [said for block in answer.blocks if (said := _block(block))]
    message["stop_reason"] = answer.stop.reason
    message["stop_sequence"] = answer.stop.stop_sequence
    message["usage"] = usage_of(answer.usage)
    return to_json(message)


def _block(block: Block) -> Json | None:
    signature = block.signature
    match block.kind:
        case "call":
            arguments = None if block.cut else object_text(block.text)
            if arguments is None:
                return None
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": msgspec.Raw(arguments.encode())}
        case "reasoning" if signature is not None and signature.redacted:
            return {"type": "redacted_thinking", "data": wrap(signature, Origin.MESSAGES)}
        case "reasoning":
            carried = "" if signature is None else wrap(signature, Origin.MESSAGES)
            return {"type": "thinking", "thinking": block.text, "signature": carried}
    return {"type": "text", "text": block.text}
