"""The stream and the body of a Responses answer, decoded.

| event                                                    | events of the model                                       |
|----------------------------------------------------------|-----------------------------------------------------------|
| the first that has a `response`                          | `Start`                                                   |
| `output_item.added` of a function call                   | `ToolCallStart`; the output index is the number of it     |
| `output_text.delta`, `refusal.delta`                     | `TextDelta`, `RefusalDelta`                               |
| `reasoning_summary_text.delta`, `reasoning_text.delta`   | `ReasoningDelta`                                          |
| `reasoning_summary_part.added`, the second and later     | `ReasoningDelta` of an empty line                         |
| `function_call_arguments.delta`                          | `ToolCallArguments`                                       |
| `content_part.done`                                      | `BlockEnd`                                                |
| `output_item.done`                                       | what no delta has told; `ReasoningSignature`; `BlockEnd`  |
| `response.completed`                                     | `UsageReport`, `Stop`, `End`                              |
| `response.incomplete`                                    | the same, with the reason that it names                   |
| `response.failed`, `response.cancelled`, `error`         | `Failure`                                                 |
| an error without a type, which is chat's                 | `Failure`                                                 |
| all others                                               | nothing                                                   |

llama.cpp repeats `response.created` between the deltas.
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
    RefusalDelta,
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


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def report(self) -> UsageReport:
        given = self.input_tokens_details or _InputDetails()
        written = self.output_tokens_details or _OutputDetails()
        return UsageReport(
            input=self.input_tokens or 0,
            output=self.output_tokens or 0,
            cached=given.cached_tokens or 0,
            cache_written=given.cache_write_tokens or 0,
            reasoning=written.reasoning_tokens,
        )


class _Text(msgspec.Struct):
    type: str = ""
    text: str = ""
    refusal: str = ""


class _Item(msgspec.Struct):
    type: str = ""
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[_Text] | None = None
    summary: list[_Text] | None = None
    encrypted_content: str | None = None


class _Error(msgspec.Struct):
    message: str = ""
    code: str | int | None = None
    type: str | None = None
    param: str | None = None


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    output: list[_Item] | None = None
    usage: _Usage | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None


class _Event(msgspec.Struct):
    type: str = ""
    output_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    item: _Item | None = None
    response: _Response | None = None
    message: str | None = None
    code: str | int | None = None
    param: str | None = None
    error: _Error | None = None


_event = msgspec.json.Decoder(_Event)
_whole = msgspec.json.Decoder(_Response)


class ResponsesDecoder(StreamDecoder):
    """Decodes the events of one stream."""

    __slots__ = ("_has_started", "_told")

    def __init__(self, answer_id: str) -> None:
        super().__init__(answer_id)
        self._has_started = False
        # The items of which a delta has come: their last event has nothing new.
        self._told: set[int] = set()

    def decode(self, event: SseEvent, out: list[Event]) -> None:
        """Append what one event says."""
        if event.data.startswith(b"[DONE]"):
            return
        decoded = decode_answer(_event, event.data)
        if decoded is None:
            out.append(failure_in(Origin.RESPONSES, event.data, None) or Failure(502, UNREADABLE))
            return
        if not decoded.type and (failure := failure_in(Origin.RESPONSES, event.data, None)):
            out.append(failure)
            return
        if decoded.response is not None and not self._has_started:
            self._start(decoded.response, out)
        index, delta = decoded.output_index, decoded.delta
        match decoded.type.removeprefix("response."):
            case "output_text.delta" if delta:
                self._told.add(index)
                out.append(TextDelta(delta))
            case "function_call_arguments.delta" if delta:
                self._told.add(index)
                out.append(ToolCallArguments(index, delta))
            case "reasoning_summary_text.delta" | "reasoning_text.delta" if delta:
                self._told.add(index)
                out.append(ReasoningDelta(delta))
            case "refusal.delta" if delta:
                self._told.add(index)
                out.append(RefusalDelta(delta))
            case "reasoning_summary_part.added" if decoded.summary_index > 0:
                out.append(ReasoningDelta("\n\n"))
            case "content_part.done":
                out.append(BlockEnd())
            case "output_item.added" if decoded.item is not None:
                self._item(decoded.item, index, out)
            case "output_item.done" if decoded.item is not None:
                self._item_done(decoded.item, index, out)
            case "completed" | "incomplete" | "failed" | "cancelled" if decoded.response is not None:
                self.end_with(decoded.response, out)
            case "error":
                error = decoded.error or _Error(decoded.message or "", decoded.code, None, decoded.param)
                out.append(_failure(error))

    def _start(self, response: _Response, out: list[Event]) -> None:
        self._has_started = True
        self.answer_id = response.id or self.answer_id
        out.append(Start(self.answer_id))

    def _item(self, item: _Item, index: int, out: list[Event]) -> None:
        if item.type == "function_call":
            out.append(ToolCallStart(index, item.call_id or call_id(self.answer_id, index), item.name or ""))

    def _item_done(self, item: _Item, index: int, out: list[Event]) -> None:
        is_new = index not in self._told
        match item.type:
            case "function_call" if is_new and item.arguments:
                out.append(ToolCallArguments(index, item.arguments))
            case "message" if is_new:
                for part in item.content or ():
                    out.append(RefusalDelta(part.refusal) if part.type == "refusal" else TextDelta(part.text))
                    out.append(BlockEnd())
            case "reasoning":
                self._reasoning(item, is_new, out)
        out.append(BlockEnd())

    def _reasoning(self, item: _Item, is_new: bool, out: list[Event]) -> None:
        text = "\n\n".join(part.text for part in (*(item.summary or ()), *(item.content or ())) if part.text)
        if is_new and text:
            out.append(ReasoningDelta(text))
        if item.encrypted_content:
            out.append(ReasoningSignature(unwrap(item.encrypted_content, Origin.RESPONSES, redacted=not text)))

    def end_with(self, response: _Response, out: list[Event]) -> None:
        """Append what the last event says, or the state of a whole answer."""
        if response.usage is not None:
            out.append(response.usage.report())
        if response.status in ("failed", "cancelled") or response.error is not None:
            error = response.error or _Error(f"The response is {response.status}.")
            out.append(_failure(error))
            return
        reason = StopReason.END_TURN
        if response.status == "incomplete":
            named = response.incomplete_details.reason if response.incomplete_details else None
            reason = StopReason.REFUSAL if named == "content_filter" else StopReason.MAX_TOKENS
        out += [Stop(reason), End()]

    def whole(self, response: _Response, out: list[Event]) -> None:
        """Append what a whole answer says."""
        self._start(response, out)
        for index, item in enumerate(response.output or ()):
            self._item(item, index, out)
            self._item_done(item, index, out)
        self.end_with(response, out)


def _failure(error: _Error) -> Failure:
    return failure_of(Origin.RESPONSES, error.message, error.type, error.code, param=error.param)


def decode_body(body: bytes, answer_id: str) -> list[Event]:
    """Decode a whole answer; what is no response is a `Failure`."""
    response = decode_answer(_whole, body)
    if response is None or (response.output is None and response.error is None):
        return [failure_in(Origin.RESPONSES, body, None) or Failure(502, "The provider's answer is no response.")]
    if response.status not in ("completed", "incomplete", "failed", "cancelled"):
        return [Failure(502, "The provider's answer is not complete.")]
    out: list[Event] = []
    ResponsesDecoder(answer_id).whole(response, out)
    return [event for event in out if isinstance(event, Failure)] or out
