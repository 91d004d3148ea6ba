"""The stream and the body of a chat completion, decoded.

| member of a chunk                  | events                                                                          |
|------------------------------------|---------------------------------------------------------------------------------|
| the first chunk                    | `Start`                                                                         |
| `reasoning_content`, `reasoning`   | `ReasoningDelta`; both at once say the same                                     |
| `reasoning_details`                | `ReasoningSignature` for a signature or encrypted data                          |
| `content`, `refusal`               | `TextDelta`, `RefusalDelta`                                                     |
| `content`, a list (Mistral)        | `TextDelta` for its texts, `ReasoningDelta` for its thinking                    |
| `tool_calls[]`, a call not seen    | `ToolCallStart` as soon as its name is whole: with the first `arguments`, even  |
|                                    | empty ones, the next call or the end; some servers split the name               |
| `tool_calls[]`, a fragment         | `ToolCallArguments`                                                             |
| `finish_reason`                    | `Stop`; `error` is a `Failure`                                                  |
| `usage`                            | `UsageReport`                                                                   |
| `error`, or `message` alone        | `Failure`; vLLM has the members of the error at the top                         |
| `[DONE]`                           | `End`                                     |

One chunk may have all of them; they are read in this order. Servers differ in how they tell calls apart: an index that
was not seen begins a call, an id that differs from the one of the index does as well (some count every call as 0), and
a fragment with neither belongs to the call before it. A missing id is made from the answer's.
"""

import msgspec

from gateway.protocol.chat.reasoning import Detail, reasoning_of
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
from gateway.protocol.failure import failure_in
from gateway.protocol.identity import call_id
from gateway.protocol.sse import SseEvent
from gateway.protocol.wire import decode_answer

_STOPS = {
    "stop": StopReason.END_TURN,
    "length": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.REFUSAL,
}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, msgspec.Raw] | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    # A text by itself, or parts of text.
    thinking: msgspec.Raw = msgspec.Raw()


class _Delta(msgspec.Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    def report(self) -> UsageReport:
        prompt = self.prompt_tokens_details or _PromptDetails()
        completion = self.completion_tokens_details or _CompletionDetails()
        return UsageReport(
            input=self.prompt_tokens or 0,
            output=self.completion_tokens or 0,
            cached=prompt.cached_tokens or 0,
            cache_written=prompt.cache_write_tokens or 0,
            reasoning=completion.reasoning_tokens,
        )


class _Chunk(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: msgspec.Raw = msgspec.Raw()


_chunk = msgspec.json.Decoder(_Chunk)
_thinking = msgspec.json.Decoder(str | list[_Part])

# The SDK raises on an `error` that is true in Python.
_NO_ERROR = frozenset({b"", b"null", b"false", b"{}", b'""'})
_FUNCTION_CALL = -1


class _OpenCall:
    """A call whose index and id were seen; `waiting` holds its fragments until its name is whole."""

    __slots__ = ("has_begun", "id", "name", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.name = ""
        self.has_begun = False
        self.waiting: list[str] = []


class ChatDecoder(StreamDecoder):
    """Decodes the chunks of one stream."""

    __slots__ = ("_calls", "_has_started", "_last", "_seen", "_thought")

    def __init__(self, answer_id: str) -> None:
        super().__init__(answer_id)
        self._has_started = False
        self._calls: dict[int, _OpenCall] = {}
        self._last: _OpenCall | None = None
        self._seen = 0
        self._thought: list[str] = []

    def decode(self, event: SseEvent, out: list[Event]) -> None:
        """Append what one chunk says."""
        if event.data.startswith(b"[DONE]"):
            out.append(End())
            return
        chunk = decode_answer(_chunk, event.data)
        if chunk is None:
            out.append(failure_in(Origin.CHAT, event.data, None) or Failure(502, UNREADABLE))
        else:
            self.decode_chunk(chunk, event.data, out)

    def decode_chunk(self, chunk: _Chunk, data: bytes, out: list[Event]) -> None:
        """Append what a decoded chunk says; `data` is its text, for its error."""
        if bytes(chunk.error) not in _NO_ERROR:
            out.append(failure_in(Origin.CHAT, data, None) or Failure(502, UNREADABLE))
            return
        if chunk.choices is None and (failure := failure_in(Origin.CHAT, data, None)):
            out.append(failure)
            return
        if not self._has_started:
            self._has_started = True
            self.answer_id = chunk.id or self.answer_id
            out.append(Start(self.answer_id))
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choice(choice, out)
        if chunk.usage is not None:
            out.append(chunk.usage.report())

    def _choice(self, choice: _Choice, out: list[Event]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._reasoning(delta, out)
            if isinstance(delta.content, list):
                out += [told for part in delta.content for told in _told(part)]
            elif delta.content:
                out.append(TextDelta(delta.content))
            if delta.refusal:
                out.append(RefusalDelta(delta.refusal))
            for call in delta.tool_calls or ():
                self._fragment(call, out)
            if delta.function_call is not None:
                self._fragment(_Call(_FUNCTION_CALL, None, delta.function_call), out)
        reason = choice.finish_reason
        if not reason:
            return
        for known in self._calls.values():
            self._begin(known, out)
        if any(not call.name for call in self._calls.values()):
            out.append(Failure(502, "The provider sent a tool call without a name."))
        elif reason == "error":
            out.append(Failure(502, "The provider stopped with an error."))
        else:
            out.append(Stop(_STOPS.get(reason, StopReason.END_TURN)))

    def _reasoning(self, delta: _Delta, out: list[Event]) -> None:
        parts = reasoning_of(delta.reasoning_details, None, {})
        text = delta.reasoning_content or delta.reasoning
        # Details repeat the text beside them, and one with a signature may repeat the text before it.
        is_spelled_out = not text or text == "".join([part.text for part in parts])
        if text and not is_spelled_out:
            self._thought.append(text)
            out.append(ReasoningDelta(text))
        for part in parts:
            if part.text and is_spelled_out and (part.signature is None or part.text != "".join(self._thought)):
                self._thought.append(part.text)
                out.append(ReasoningDelta(part.text))
            if part.signature is not None:
                self._thought.clear()
                out.append(ReasoningSignature(part.signature))

    def _fragment(self, fragment: _Call, out: list[Event]) -> None:
        before, call = self._last, self._call_of(fragment)
        if before is not None and before is not call:
            self._begin(before, out)
        function = fragment.function or _Function()
        # Some servers repeat the whole name.
        if not call.has_begun and function.name and function.name != call.name:
            call.name += function.name
        if function.arguments is not None:
            self._begin(call, out)
        arguments = function.arguments
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        if arguments and call.has_begun:
            out.append(ToolCallArguments(call.number, arguments))
        elif arguments:
            call.waiting.append(arguments)

    def _begin(self, call: _OpenCall, out: list[Event]) -> None:
        if call.name and not call.has_begun:
            call.has_begun = True
            out.append(ToolCallStart(call.number, call.id or call_id(self.answer_id, call.number), call.name))
            out += [ToolCallArguments(call.number, waiting) for waiting in call.waiting]

    def _call_of(self, fragment: _Call) -> _OpenCall:
        index = fragment.index
        call = self._last if index is None else self._calls.get(index)
        if call is None or (fragment.id and call.id and fragment.id != call.id):
            call = _OpenCall(self._seen)
            self._calls[index if index is not None else -2 - self._seen] = call
            self._seen += 1
        if not call.has_begun and fragment.id:
            call.id = fragment.id
        self._last = call
        return call


def _told(part: _Part) -> list[Event]:
    if part.type == "thinking":
        thought = decode_answer(_thinking, bytes(part.thinking)) or ""
        text = thought if isinstance(thought, str) else "".join([inner.text or "" for inner in thought])
        return [ReasoningDelta(text)] if text else []
    return [TextDelta(part.text)] if part.text else []


def decode_body(body: bytes, answer_id: str) -> list[Event]:
    """Decode a whole answer; what is no chat completion is a `Failure`."""
    chunk = decode_answer(_chunk, body)
    if chunk is None or (chunk.choices is None and bytes(chunk.error) in _NO_ERROR):
        return [failure_in(Origin.CHAT, body, None) or Failure(502, "The provider's answer is no chat completion.")]
    out: list[Event] = []
    ChatDecoder(answer_id).decode_chunk(chunk, body, out)
    if any(isinstance(event, Failure) for event in out):
        return [event for event in out if isinstance(event, Failure)]
    if not any(isinstance(event, Stop) for event in out):
        return [Failure(502, "The provider's answer does not say why it stopped.")]
    # In a body the calls stand one after the other: each is as whole as it will be.
    told: list[Event] = []
    for event in out:
        if isinstance(event, ToolCallStart | Stop):
            told.append(BlockEnd())
        told.append(event)
    return [*told, End()]
