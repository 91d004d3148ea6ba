"""The answer model: the events that every protocol's stream and body are decoded into, and encoded from.

Theory. An answer is a sequence of blocks: text, reasoning, a tool call, a refusal. Events open, fill and end them:

    answer  = Start, { block | UsageReport | BlockEnd }, ( [ Stop, { UsageReport } ], End | Failure )
    block   = TextDelta+ | RefusalDelta+ | ReasoningDelta*, [ ReasoningSignature ] | call
    call    = ToolCallStart, ToolCallArguments*

* A delta continues the open block if it is of its kind, else it ends that block and opens one. `BlockEnd` ends the
  open block, so that two blocks of one kind can follow each other. `ReasoningSignature` ends a reasoning block; one
  that is `redacted` is a block by itself.
* A call is known by `call`, a number that no other call of the answer has. The arguments of several calls may be
  interleaved (chat allows it); `gateway.protocol.sequence` puts them one after the other.
* `UsageReport` is cumulative: each replaces the one before, and nothing is ever summed. It may come anywhere behind
  `Start`, also behind `Stop`, which is where chat sends it.
* `Stop` says why the model stopped; `End` that nothing more comes. An `End` without `Stop`, which is how a decoder
  tells that a stream broke off, becomes a `Failure` in the sequencer. Nothing follows `End` or `Failure`.

A body is told in the same events, so an answer means the same whether it came as a stream or in one piece.
"""

import enum
from typing import TypeAlias

import msgspec

from gateway.protocol.conversation import Signature


class StopReason(enum.StrEnum):
    """Why the model stopped; the names are Anthropic's, which tell more apart than OpenAI's."""

    END_TURN = "end_turn"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    TOOL_USE = "tool_use"
    REFUSAL = "refusal"
    PAUSE = "pause_turn"
    CONTEXT_FULL = "model_context_window_exceeded"


class Start(msgspec.Struct, frozen=True):
    """The answer begins; the id may be empty when the provider does not say.

    The name that the provider has for its model is no part of an answer: clients are told the one that they asked for.
    Claude Code takes the reasoning of an answer under another name for that of another model, and never sends it back.
    """

    id: str


class TextDelta(msgspec.Struct, frozen=True):
    """More text."""

    text: str


class RefusalDelta(msgspec.Struct, frozen=True):
    """More of what the model says while it declines."""

    text: str


class ReasoningDelta(msgspec.Struct, frozen=True):
    """More reasoning."""

    text: str


class ReasoningSignature(msgspec.Struct, frozen=True):
    """The proof of the reasoning before it, or a redacted block."""

    signature: Signature


class ToolCallStart(msgspec.Struct, frozen=True):
    """A call begins."""

    call: int
    id: str
    name: str


class ToolCallArguments(msgspec.Struct, frozen=True):
    """A fragment of the JSON text of a call's arguments."""

    call: int
    fragment: str


class BlockEnd(msgspec.Struct, frozen=True):
    """The open block is complete, or a call that was `cut` inside its arguments; only the sequencer says that."""

    cut: bool = False


class UsageReport(msgspec.Struct, frozen=True):
    """Tokens so far. `input` includes `cached` and `cache_written`, `output` includes `reasoning`.

    `reasoning` is None where the provider does not say: how much of the output it was cannot be known then.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_written: int = 0
    reasoning: int | None = None


class Stop(msgspec.Struct, frozen=True):
    """The model has said all; `stop_sequence` is the one that it met, where that is known."""

    reason: StopReason
    stop_sequence: str | None = None


class End(msgspec.Struct, frozen=True):
    """The answer is whole."""


class Failure(msgspec.Struct, frozen=True):
    """The answer failed. `status` is the HTTP status that says so in the provider's protocol.

    `param` is the field of the request that an OpenAI provider blames, in its own words.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None


Event: TypeAlias = (
    Start
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ReasoningSignature
    | ToolCallStart
    | ToolCallArguments
    | BlockEnd
    | UsageReport
    | Stop
    | End
    | Failure
)
