"""The stream and the body of a Responses answer, encoded. Each block of the answer is an output item of its own.

| event                 | events of the protocol, each `response.`                                                    |
|-----------------------|---------------------------------------------------------------------------------------------|
| `Start`               | created, in_progress                                                                        |
| text, refusal: first  | output_item.added (message), content_part.added; then as below                              |
| `TextDelta`           | output_text.delta                                                                           |
| `RefusalDelta`        | refusal.delta                                                                               |
| reasoning: first      | output_item.added (reasoning), reasoning_summary_part.added if there is text; then as below |
| `ReasoningDelta`      | reasoning_summary_text.delta                                                                |
| `ReasoningSignature`  | nothing; it is `encrypted_content` of the finished item                                     |
| `ToolCallStart`       | output_item.added (function_call or custom_tool_call)                                       |
| `ToolCallArguments`   | function_call_arguments.delta; those of a custom tool are kept, its input is in them        |
| `BlockEnd`            | the `done` of text, refusal, summary, arguments or input; of the part; output_item.done     |
| ... of a cut call     | nothing: clients act on what is done; it stands, incomplete, in the output                  |
| `UsageReport`, `Stop` | nothing; kept                                                                               |
| `End`                 | completed or incomplete, with the whole output and the usage                                |
| `Failure`             | failed (after created and in_progress, if it comes first)                                   |

The output_item.done of a message waits for the event behind it: its status depends on whether the stop cut it.

The codes and messages of a failure are the provider's own: Codex tells by them whether to try again.
"""

from typing import Any

from gateway.protocol.answer import Answer, Block, Kind
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
from gateway.protocol.responses.items import item_of, part_of, response_of, status_of
from gateway.protocol.sse import encode_event
from gateway.protocol.wire import encode as to_json

Json = dict[str, Any]


class ResponsesEncoder(StreamEncoder):
    """Encodes the events of one answer."""

    __slots__ = (
        "_block",
        "_closing",
        "_context",
        "_has_started",
        "_item",
        "_number",
        "_output",
        "_pieces",
        "_start",
        "_stop",
        "_usage",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._number = 0
        self._start = Start(context.answer_id)
        self._has_started = False
        self._output: list[Json] = []
        self._block: Block | None = None
        # The message whose output_item.done is still to be told.
        self._closing: Block | None = None
        self._pieces: list[str] = []
        # What every event of the open item repeats.
        self._item: Json = {}
        self._stop = Stop(StopReason.END_TURN)
        self._usage = UsageReport()

    def tell(self, event: Event) -> bytes:
        """Return what tells one event."""
        if self._closing is not None and not isinstance(event, UsageReport):
            block, self._closing = self._closing, None
            stop = event if isinstance(event, Stop) else self._stop
            status = status_of(block, is_last=stop is event, stop=stop)
            return self._item_done(self._item_of(block, status)) + self.tell(event)
        match event:
            case TextDelta(text=text):
                return self._opened("text") + self._delta("output_text.delta", text, logprobs=[])
            case ToolCallArguments(fragment=fragment):
                self._pieces.append(fragment)
                if self._item["item_id"].startswith("ctc_"):
                    return b""
                return self._tell("function_call_arguments.delta", **self._item, delta=fragment)
            case ReasoningDelta(text=text):
                return self._opened("reasoning") + self._delta("reasoning_summary_text.delta", text)
            case RefusalDelta(text=text):
                return self._opened("refusal") + self._delta("refusal.delta", text)
            case ReasoningSignature(signature=signature):
                opened = self._opened("reasoning", has_text=False)
                if self._block is not None:
                    self._block.signature = signature
                return opened
            case ToolCallStart(id=identity, name=name):
                return self._open(Block("call", id=identity, name=name))
            case BlockEnd(cut=cut):
                return self._close(cut=cut)
            case Start():
                return self._begin(event)
            case UsageReport():
                self._usage = event
            case Stop():
                self._stop = event
            case End():
                response = self._response(stop=self._stop, usage=self._usage)
                return self._tell(response["status"], response=response)
            case Failure():
                begun = b"" if self._has_started else self._begin(self._start)
                failure = for_client(Origin.RESPONSES, event)
                return begun + self._tell("failed", response=self._response(failure=failure))
        return b""

    def _tell(self, event: str, /, **members: Any) -> bytes:
        kind = f"response.{event}"
        said = to_json({"type": kind, "sequence_number": self._number, **members})
        self._number += 1
        return encode_event(said, kind)

    def _delta(self, name: str, text: str, **members: Any) -> bytes:
        self._pieces.append(text)
        return self._tell(name, **self._item, delta=text, **members)

    def _begin(self, start: Start) -> bytes:
        self._has_started = True
        self._start = Start(start.id or self._context.answer_id)
        response = self._response()
        return self._tell("created", response=response) + self._tell("in_progress", response=response)

    def _response(self, **state: Any) -> Json:
        return response_of(self._context, self._start.id, self._output, **state)

    def _opened(self, kind: Kind, *, has_text: bool = True) -> bytes:
        """Open an item for a block of `kind` unless it is open, and its part when the first text comes."""
        opened = b"" if self._block is not None else self._open(Block(kind))
        if not has_text or self._pieces or self._block is None:
            return opened
        if kind == "reasoning":
            self._item["summary_index"] = 0
            part = {"type": "summary_text", "text": ""}
            return opened + self._tell("reasoning_summary_part.added", **self._item, part=part)
        self._item["content_index"] = 0
        return opened + self._tell("content_part.added", **self._item, part=part_of(self._block))

    def _open(self, block: Block) -> bytes:
        self._block = block
        self._pieces = []
        item = self._item_of(block, "in_progress")
        index = len(self._output)
        self._item = {"item_id": item["id"], "output_index": index}
        return self._tell("output_item.added", output_index=index, item=item)

    def _item_of(self, block: Block, status: str) -> Json:
        return item_of(block, len(self._output), self._start.id, status, self._context.conversation)

    def _close(self, *, cut: bool) -> bytes:
        block, self._block = self._block, None
        if block is None:
            return b""
        text = block.text = "".join(self._pieces)
        if cut:
            block.cut = True
            self._output.append(self._item_of(block, "incomplete"))
            return b""
        item = self._item_of(block, "completed")
        told = self._done(block, text, item, self._item)
        if block.kind in ("text", "refusal"):
            self._closing = block
            return told
        return told + self._item_done(item)

    def _item_done(self, item: Json) -> bytes:
        told = self._tell("output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        return told

    def _done(self, block: Block, text: str, item: Json, here: Json) -> bytes:
        match block.kind:
            case "text":
                done = self._tell("output_text.done", **here, text=text, logprobs=[])
                return done + self._tell("content_part.done", **here, part=part_of(block))
            case "refusal":
                done = self._tell("refusal.done", **here, refusal=text)
                return done + self._tell("content_part.done", **here, part=part_of(block))
            case "reasoning" if text:
                done = self._tell("reasoning_summary_text.done", **here, text=text)
                part = {"type": "summary_text", "text": text}
                return done + self._tell("reasoning_summary_part.done", **here, part=part)
            case "call" if item["type"] == "custom_tool_call":
                given = item["input"]
                delta = self._tell("custom_tool_call_input.delta", **here, delta=given)
                return delta + self._tell("custom_tool_call_input.done", **here, input=given)
            case "call":
                return self._tell("function_call_arguments.done", **here, name=item["name"], arguments=text)
        return b""


def encode_body(answer: Answer, context: Context) -> bytes:
    """Return the body of a whole answer."""
    identity = answer.id or context.answer_id
    output = []
    for index, block in enumerate(answer.blocks):
        status = status_of(block, is_last=block is answer.blocks[-1], stop=answer.stop)
        output.append(item_of(block, index, identity, status, context.conversation))
    return to_json(response_of(context, identity, output, stop=answer.stop, usage=answer.usage))
