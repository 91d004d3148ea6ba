"""The stream and the body of an Anthropic message, decoded.

| event                                   | events of the model                                                      |
|-----------------------------------------|--------------------------------------------------------------------------|
| `message_start`                         | `Start`, `UsageReport`                                                   |
| `content_block_start` of text, thinking | a delta, if the block does not begin empty                               |
| ... of redacted_thinking                | `ReasoningSignature`, redacted                                           |
| ... of tool_use                         | `ToolCallStart`                                                          |
| ... of anything else                    | nothing, to the end of the block: it belongs to tools that were refused  |
| `content_block_delta`                   | the delta of its kind; signatures are kept for the end of the block      |
| `content_block_stop`                    | `ReasoningSignature` if there is one, `BlockEnd`                         |
| `message_delta`                         | `UsageReport` (its members replace those before), `Stop`                 |
| `message_stop`                          | `End`                                                                    |
| `error`, or one without a type          | `Failure`                                                                |
| `ping`, unknown events                  | nothing                                                                  |

The whole input of a tool may stand in `content_block_start`, where the protocol has `{}`: it is told at the end of a
block that had no deltas.
"""

import msgspec

from gateway.protocol.codec import UNREADABLE, StreamDecoder
from gateway.protocol.conversation import Origin
from gateway.protocol.events import (
    BlockEnd,
    End,
    Event,
    Failure,
    ReasoningDelta,
    ReasoningSignature,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
    UsageReport,
)
from gateway.protocol.failure import failure_in, failure_of
from gateway.protocol.identity import call_id
from gateway.protocol.signature import unwrap
from gateway.protocol.sse import SseEvent
from gateway.protocol.wire import decode_answer

_STOPS = {str(reason): reason for reason in StopReason}


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, msgspec.Raw] | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: _Usage | None = None
    type: str = ""


class _Delta(msgspec.Struct):
    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Error(msgspec.Struct):
    type: str | None = None
    message: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _Error | None = None


_event = msgspec.json.Decoder(_Event)
_whole = msgspec.json.Decoder(_Message)


class _Total:
    """The usage so far: cumulative, a member that is present replaces the one before."""

    __slots__ = ("_cached", "_input", "_output", "_thinking", "_written")

    def __init__(self) -> None:
        self._input = self._written = self._cached = self._output = 0
        self._thinking: int | None = None

    def report(self, usage: _Usage) -> UsageReport:
        """Return the total after `usage`; Anthropic's input excludes the cache, the model's includes it."""
        if usage.input_tokens is not None:
            self._input = usage.input_tokens
        if usage.cache_creation_input_tokens is not None:
            self._written = usage.cache_creation_input_tokens
        if usage.cache_read_input_tokens is not None:
            self._cached = usage.cache_read_input_tokens
        if usage.output_tokens is not None:
            self._output = usage.output_tokens
        if usage.output_tokens_details is not None:
            self._thinking = usage.output_tokens_details.thinking_tokens
        total = self._input + self._written + self._cached
        return UsageReport(total, self._output, self._cached, self._written, self._thinking)


class MessagesDecoder(StreamDecoder):
    """Decodes the events of one stream."""

    __slots__ = ("_input", "_kind", "_signature", "_total")

    def __init__(self, answer_id: str) -> None:
        super().__init__(answer_id)
        self._total = _Total()
        self._kind = ""
        self._signature = ""
        self._input: dict[str, msgspec.Raw] | None = None

    def decode(self, event: SseEvent, out: list[Event]) -> None:
        """Append what one event says."""
        decoded = decode_answer(_event, event.data)
        if decoded is None:
            out.append(failure_in(Origin.MESSAGES, event.data, None) or Failure(502, UNREADABLE))
            return
        if not decoded.type and (failure := failure_in(Origin.MESSAGES, event.data, None)):
            out.append(failure)
            return
        match decoded:
            case _Event(type="content_block_delta", delta=_Delta() as delta):
                self._delta(delta, decoded.index, out)
            case _Event(type="content_block_start", content_block=_Block() as block):
                self._block(block, decoded.index, out)
            case _Event(type="content_block_stop"):
                self._block_stop(decoded.index, out)
            case _Event(type="message_start", message=_Message() as message):
                self.answer_id = message.id or self.answer_id
                out.append(Start(self.answer_id))
                if message.usage is not None:
                    out.append(self._total.report(message.usage))
            case _Event(type="message_delta"):
                if decoded.usage is not None:
                    out.append(self._total.report(decoded.usage))
                if decoded.delta is not None and decoded.delta.stop_reason:
                    out.append(_stop(decoded.delta.stop_reason, decoded.delta.stop_sequence))
            case _Event(type="message_stop"):
                out.append(End())
            case _Event(type="error"):
                error = decoded.error or _Error()
                out.append(failure_of(Origin.MESSAGES, error.message, error.type, None))

    def _block(self, block: _Block, index: int, out: list[Event]) -> None:
        self._kind = block.type
        self._signature = block.signature or ""
        self._input = None
        match block.type:
            case "text" if block.text:
                out.append(TextDelta(block.text))
            case "thinking" if block.thinking:
                out.append(ReasoningDelta(block.thinking))
            case "redacted_thinking" if block.data:
                out.append(ReasoningSignature(unwrap(block.data, Origin.MESSAGES, redacted=True)))
            case "tool_use":
                out.append(ToolCallStart(index, block.id or call_id(self.answer_id, index), block.name or ""))
                self._input = block.input or None

    def _delta(self, delta: _Delta, index: int, out: list[Event]) -> None:
        match delta.type:
            case "text_delta" if self._kind == "text" and delta.text:
                out.append(TextDelta(delta.text))
            case "input_json_delta" if self._kind == "tool_use" and delta.partial_json:
                self._input = None
                out.append(ToolCallArguments(index, delta.partial_json))
            case "thinking_delta" if self._kind == "thinking" and delta.thinking:
                out.append(ReasoningDelta(delta.thinking))
            case "signature_delta" if self._kind == "thinking":
                self._signature += delta.signature or ""

    def _block_stop(self, index: int, out: list[Event]) -> None:
        if self._kind == "thinking" and self._signature:
            out.append(ReasoningSignature(unwrap(self._signature, Origin.MESSAGES)))
        if self._kind == "tool_use" and self._input is not None:
            out.append(ToolCallArguments(index, msgspec.json.encode(self._input).decode()))
        out.append(BlockEnd())
        self._kind = ""


def _stop(reason: str, sequence: str | None) -> Stop:
    return Stop(_STOPS.get(reason, StopReason.END_TURN), sequence)


def decode_body(body: bytes, answer_id: str) -> list[Event]:
    """Decode a whole answer; what is no message is a `Failure`."""
    message = decode_answer(_whole, body)
    if message is None or message.content is None:
        return [failure_in(Origin.MESSAGES, body, None) or Failure(502, "The provider's answer is no message.")]
    if not message.stop_reason:
        return [Failure(502, "The provider's answer does not say why it stopped.")]
    decoder = MessagesDecoder(answer_id)
    out: list[Event] = [Start(message.id or answer_id)]
    for index, block in enumerate(message.content):
        decoder._block(block, index, out)
        decoder._block_stop(index, out)
    if message.usage is not None:
        out.append(_Total().report(message.usage))
    return [*out, _stop(message.stop_reason, message.stop_sequence), End()]
