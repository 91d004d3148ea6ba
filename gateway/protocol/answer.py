"""A whole answer, collected from its events."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from gateway.protocol.conversation import Signature
from gateway.protocol.events import (
    BlockEnd,
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

Kind: TypeAlias = Literal["text", "refusal", "reasoning", "call"]


class Block(msgspec.Struct):
    """One block; the text of a call is that of its arguments, which are not whole if it was `cut`."""

    kind: Kind
    text: str = ""
    signature: Signature | None = None
    id: str = ""
    name: str = ""
    cut: bool = False


class Answer(msgspec.Struct):
    """What the events of an answer come to."""

    id: str = ""
    blocks: list[Block] = []
    usage: UsageReport = UsageReport()
    stop: Stop = Stop(StopReason.END_TURN)
    failure: Failure | None = None

    def text(self, kind: Kind) -> str:
        """Return the text of all blocks of one kind."""
        return "".join([block.text for block in self.blocks if block.kind == kind])


def collect(events: Iterable[Event]) -> Answer:
    """Collect events as `gateway.protocol.sequence` gives them: one block at a time, each with its end."""
    answer = Answer()
    pieces: list[str] = []
    block: Block | None = None
    for event in events:
        match event:
            case TextDelta(text=text):
                block = block or Block("text")
                pieces.append(text)
            case RefusalDelta(text=text):
                block = block or Block("refusal")
                pieces.append(text)
            case ReasoningDelta(text=text):
                block = block or Block("reasoning")
                pieces.append(text)
            case ReasoningSignature(signature=signature):
                block = block or Block("reasoning")
                block.signature = signature
            case ToolCallStart(id=identity, name=name):
                block = Block("call", id=identity, name=name)
            case ToolCallArguments(fragment=fragment):
                pieces.append(fragment)
            case BlockEnd(cut=cut) if block is not None:
                block.text, block.cut = "".join(pieces), cut
                answer.blocks.append(block)
                block = None
                pieces.clear()
            case Start(id=identity):
                answer.id = identity
            case UsageReport():
                answer.usage = event
            case Stop():
                answer.stop = event
            case Failure():
                answer.failure = event
    return answer
