"""Hypothesis strategies for answers as events, and what they come to."""

from hypothesis import strategies as st

from gateway.protocol.codec import Context
from gateway.protocol.conversation import Conversation, Origin, Signature, Text, Turn
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
from gateway.protocol.wire import encode

PROTOCOLS = ("chat", "messages", "responses")

# Includes control characters, quotes, line ends and the astral planes; no lone surrogates, which no UTF-8 can hold.
PIECES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NAMES = st.text("abcXYZ019_-", min_size=1, max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | PIECES,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
TOKENS = st.integers(0, 10_000)


@st.composite
def usages(draw: st.DrawFn) -> UsageReport:
    """A usage whose parts are within their totals."""
    cached, written, plain = draw(TOKENS), draw(TOKENS), draw(TOKENS)
    reasoning, spoken = draw(st.none() | TOKENS), draw(TOKENS)
    return UsageReport(cached + written + plain, (reasoning or 0) + spoken, cached, written, reasoning)


@st.composite
def fragments(draw: st.DrawFn) -> list[str]:
    """The JSON text of an object, cut anywhere."""
    arguments = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    text = encode(arguments).decode()
    if draw(st.booleans()) and not arguments:
        return []
    cuts = sorted(draw(st.lists(st.integers(1, len(text) - 1), max_size=4, unique=True)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def blocks(draw: st.DrawFn, call: int) -> list[Event]:
    """One block, with its end told or not."""
    pieces = draw(st.lists(PIECES, min_size=1, max_size=3))
    events: list[Event]
    match draw(st.sampled_from(["text", "refusal", "reasoning", "redacted", "call"])):
        case "text":
            events = [TextDelta(piece) for piece in pieces]
        case "refusal":
            events = [RefusalDelta(piece) for piece in pieces]
        case "reasoning":
            events = [ReasoningDelta(piece) for piece in pieces]
            if draw(st.booleans()):
                events.append(ReasoningSignature(Signature(Origin.MESSAGES, draw(NAMES))))
        case "redacted":
            events = [ReasoningSignature(Signature(Origin.MESSAGES, draw(NAMES), redacted=True))]
        case _:
            events = [ToolCallStart(call, f"toolu_{call}_{draw(NAMES)}", draw(NAMES))]
            pieces = draw(fragments())
            events += [ToolCallArguments(call, piece) for piece in pieces]
            if not pieces:
                # Whether more is to come of a call that has said nothing, only its end can tell.
                events.append(BlockEnd())
    return [*events, BlockEnd()] if draw(st.booleans()) else events


ORDINARY = (StopReason.END_TURN, StopReason.TOOL_USE, StopReason.MAX_TOKENS, StopReason.REFUSAL)


@st.composite
def answers(draw: st.DrawFn, *, may_fail: bool = True) -> list[Event]:
    """The events of one answer, sequential, whole or failed."""
    events: list[Event] = [Start(f"id_{draw(NAMES)}")]
    for call in range(draw(st.integers(0, 5))):
        events += draw(blocks(call))
        if draw(st.booleans()):
            events.append(draw(usages()))
    if may_fail and draw(st.booleans()):
        return [*events, Failure(draw(st.sampled_from([400, 429, 500, 502, 503, 504, 529])), draw(PIECES))]
    reason = draw(st.sampled_from(ORDINARY))
    return [*events, Stop(reason), draw(usages()), End()]


def context(*, include_usage: bool = True) -> Context:
    """The context of an encoder, for a request that says nothing special."""
    asked = Conversation(model="asked-for", turns=(Turn("user", (Text("hi"),)),), include_usage=include_usage)
    return Context(asked, "req_1", 1_700_000_000)


@st.composite
def interleaved_calls(draw: st.DrawFn) -> list[Event]:
    """Parallel calls whose fragments come in any order, each call's own in order; then a stop."""
    cut = [draw(fragments()) or ["{}"] for _ in range(draw(st.integers(2, 4)))]
    events: list[Event] = [Start("id_1")]
    started: set[int] = set()
    turns = draw(st.permutations([call for call, pieces in enumerate(cut) for _ in pieces]))
    left = [list(pieces) for pieces in cut]
    for call in turns:
        if call not in started:
            started.add(call)
            events.append(ToolCallStart(call, f"call_{call}", f"tool_{call}"))
        events.append(ToolCallArguments(call, left[call].pop(0)))
    return [*events, Stop(StopReason.TOOL_USE), End()]


CALLS = st.integers(0, 3)
ANY_EVENT: st.SearchStrategy[Event] = st.one_of(
    st.builds(Start, NAMES),
    st.builds(TextDelta, st.text(max_size=3)),
    st.builds(RefusalDelta, PIECES),
    st.builds(ReasoningDelta, st.text(max_size=3)),
    st.builds(ReasoningSignature, st.builds(Signature, st.sampled_from(Origin), NAMES, st.booleans())),
    st.builds(ToolCallStart, CALLS, NAMES, NAMES),
    st.builds(ToolCallArguments, CALLS, st.sampled_from(["", " ", "{", "}", "{}", '{"a":', "1}", "x"])),
    st.just(BlockEnd()),
    usages(),
    st.builds(Stop, st.sampled_from(StopReason)),
    st.just(End()),
    st.builds(Failure, st.integers(400, 599), PIECES),
)
