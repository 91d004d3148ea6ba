"""Puts the blocks of an answer one after the other and keeps the laws of its end.

Anthropic's and the Responses protocol tell block after block; chat may interleave the fragments of parallel calls, and
says neither where a call ends nor whether text may still follow it. Between a decoder and every encoder stands a
sequencer. It takes the grammar of `gateway.protocol.events` and gives this narrower one, in which every block has its
end and is alone:

    answer = Start, { block, BlockEnd | UsageReport }, ( Stop, { UsageReport }, End | Failure )

| open block    | event that comes                          | what happens                                             |
|---------------|-------------------------------------------|----------------------------------------------------------|
| none          | a delta or a call's start                 | passes, opens the block                                  |
| text, ...     | a delta of the same kind                  | passes                                                   |
| text, ...     | any other block                           | `BlockEnd`, then as with none                            |
| call, partial | its own fragment                          | passes; if that makes it whole, what was held follows    |
| call, partial | any other block, another call's fragment  | held                                                     |
| call, whole   | any other block                           | `BlockEnd`, then as with none                            |
| call, partial | `BlockEnd`                                | held                                                     |
| call, silent  | any other block                           | held, in case its fragments follow                       |
| call, silent  | `BlockEnd`                                | noted: with the next block it is given `{}`, and ends    |
| any other     | `BlockEnd`                                | passes (with events held: held as well)                  |
| call, partial | `Stop` at an ordinary end                 | `Failure`; the call has no end                           |
| call, partial | any other `Stop`                          | `BlockEnd` that is `cut`, then as with none              |
| call, silent  | any other `Stop`, with nothing held       | the same                                                 |
| any other     | `Stop`                                    | `BlockEnd`, what was held, each with its end, then `Stop`|
| any           | `End` without a `Stop` before it          | `Failure`                                                |

A call is whole when its fragments are a JSON object. One without any fragment is silent: it has no arguments, and is
given `{}`, if the provider goes on to another block or ends well, and it was cut if a limit comes first. So nothing is
ever held but what comes between the fragments of a call that is not whole, which only happens when a provider does
interleave, or behind a call that it has cut; and nothing is sent to a block that ended. Clients act on the end of a
call, so that of one that is not whole is told only when the stop reason allows for it.

The stop reason is made to agree with the blocks: a call makes `tool_use` of an ordinary stop, and `tool_use` without
any call becomes `end_turn`. A call that is not whole at an ordinary stop was cut by the provider: that is a failure. At
`max_tokens` it is what was asked for, and its end says that it was cut. And an end without any stop reason is a
failure, whether the connection broke or the provider thinks that it has said all: a stop is never made up.
"""

from collections.abc import Iterable

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
from gateway.protocol.wire import object_text

_BLOCK_END = BlockEnd()
_ORDINARY = frozenset({StopReason.END_TURN, StopReason.STOP_SEQUENCE, StopReason.PAUSE, StopReason.TOOL_USE})


class Sequencer:
    """One answer's worth of the table above."""

    __slots__ = ("_calls", "_ended", "_held", "_is_over", "_open", "_stopping")

    def __init__(self) -> None:
        # The kind of the open block, or the number of the open call.
        self._open: type[Event] | int | None = None
        self._calls: dict[int, list[str]] = {}
        self._held: list[Event] = []
        # Whether the end of a silent call was noted.
        self._is_over = False
        self._stopping = False
        self._ended = False

    @property
    def has_ended(self) -> bool:
        """Whether `End` or `Failure` has come."""
        return self._ended

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """Return what can be told now, in order."""
        out: list[Event] = []
        for event in events:
            if self._ended:
                break
            match event:
                case Stop():
                    self._stop(event, out)
                case Start() | UsageReport():
                    out.append(event)
                case End() if not self._stopping:
                    self._fail("The provider's stream ended before the answer was complete.", out)
                case End() | Failure():
                    self._ended = True
                    out.append(event)
                case _ if not self._stopping:
                    self._step(event, out)
        return out

    def _step(self, event: Event, out: list[Event]) -> None:
        if isinstance(event, ToolCallArguments) and event.call == self._open:
            if event.fragment.strip() or (event.fragment and self._calls[event.call]):
                self._calls[event.call].append(event.fragment)
                out.append(event)
                if self._held and event.fragment.rstrip().endswith("}") and self._is_whole(event.call):
                    self._release(out)
            return
        if self._held or self._is_cut() or (self._is_silent() and not (self._is_over or isinstance(event, BlockEnd))):
            self._held.append(event)
            return
        if isinstance(event, BlockEnd) and self._is_silent():
            self._is_over = True
            return
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta():
                if event.text:
                    if self._open is not type(event):
                        self._end_block(out)
                        self._open = type(event)
                    out.append(event)
            case ReasoningSignature(signature=signature):
                if self._open is not ReasoningDelta or signature.redacted:
                    self._end_block(out)
                    self._open = ReasoningSignature
                out.append(event)
                self._end_block(out)
            case ToolCallStart(call=call):
                self._end_block(out)
                if call in self._calls:
                    self._fail(f"The provider began the tool call {call} twice.", out)
                    return
                self._open = call
                self._is_over = False
                self._calls[call] = []
                out.append(event)
            case ToolCallArguments(call=call, fragment=fragment):
                if fragment.strip():
                    self._fail(f"The provider went on with the tool call {call}, which is not open.", out)
            case _:
                self._end_block(out)

    def _release(self, out: list[Event]) -> None:
        held, self._held = self._held, []
        for event in held:
            if not self._ended:
                self._step(event, out)

    def _end_block(self, out: list[Event]) -> None:
        if self._open is not None:
            if isinstance(self._open, int) and not self._calls[self._open]:
                self._calls[self._open].append("{}")
                out.append(ToolCallArguments(self._open, "{}"))
            self._open = None
            out.append(_BLOCK_END)

    def _is_cut(self) -> bool:
        """Whether the open block is a call that has begun its arguments and not ended them."""
        return isinstance(self._open, int) and bool(self._calls[self._open]) and not self._is_whole(self._open)

    def _is_silent(self) -> bool:
        return isinstance(self._open, int) and not self._calls[self._open]

    def _is_whole(self, call: int) -> bool:
        return object_text("".join(self._calls[call])) is not None

    def _stop(self, stop: Stop, out: list[Event]) -> None:
        if self._stopping:
            return
        while not self._ended:
            is_ordinary = stop.reason in _ORDINARY
            if self._is_cut() and is_ordinary:
                self._fail("The provider broke off inside the arguments of a tool call.", out)
            elif self._is_cut() or (self._is_silent() and not self._held and not is_ordinary):
                self._open = None
                out.append(BlockEnd(cut=True))
            else:
                self._end_block(out)
            if not self._held:
                break
            self._release(out)
        if self._ended:
            return
        self._stopping = True
        if stop.reason in _ORDINARY:
            if self._calls:
                stop = Stop(StopReason.TOOL_USE)
            elif stop.reason is StopReason.TOOL_USE:
                stop = Stop(StopReason.END_TURN)
        out.append(stop)

    def _fail(self, message: str, out: list[Event]) -> None:
        self._ended = True
        out.append(Failure(502, message))
