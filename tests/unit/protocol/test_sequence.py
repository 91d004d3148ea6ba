"""The sequencer, row by row of its table where the laws do not pin it down."""

import pytest

from gateway.protocol.events import (
    BlockEnd,
    End,
    Event,
    Failure,
    Start,
    Stop,
    StopReason,
    TextDelta,
    ToolCallArguments,
    ToolCallStart,
)
from gateway.protocol.sequence import Sequencer

START = Start("id")


def test_only_what_stands_between_the_fragments_of_a_call_is_held():
    """The first call flows on; the second leaves as soon as the first is whole, not at the stop."""
    sequencer = Sequencer()
    first, second = ToolCallStart(0, "a", "f"), ToolCallStart(1, "b", "g")
    assert sequencer.feed([START, first, ToolCallArguments(0, "{")]) == [START, first, ToolCallArguments(0, "{")]
    assert sequencer.feed([second, ToolCallArguments(1, "{")]) == []
    released = sequencer.feed([ToolCallArguments(0, "}")])
    assert released == [ToolCallArguments(0, "}"), BlockEnd(), second, ToolCallArguments(1, "{")]
    assert sequencer.feed([ToolCallArguments(1, "}")]) == [ToolCallArguments(1, "}")]


def test_what_is_held_at_the_stop_is_told_before_it():
    """A call that never gets any arguments ends with an empty object, and what waited behind it follows."""
    events: list[Event] = [START, ToolCallStart(0, "a", "f"), TextDelta("t"), Stop(StopReason.TOOL_USE), End()]
    assert Sequencer().feed(events) == [
        START,
        ToolCallStart(0, "a", "f"),
        ToolCallArguments(0, "{}"),
        BlockEnd(),
        TextDelta("t"),
        BlockEnd(),
        Stop(StopReason.TOOL_USE),
        End(),
    ]


SILENT = [START, ToolCallStart(0, "a", "f")]


@pytest.mark.parametrize("end", [[], [BlockEnd()]])
@pytest.mark.parametrize("reason", [StopReason.MAX_TOKENS, StopReason.CONTEXT_FULL, StopReason.REFUSAL])
def test_a_call_that_is_silent_at_a_limit_was_cut(end: list[Event], reason: StopReason):
    """It never gets arguments that nobody said; Anthropic tells the end of a block also when the limit cut it."""
    told = Sequencer().feed([*SILENT, *end, Stop(reason), End()])
    assert told == [*SILENT, BlockEnd(cut=True), Stop(reason), End()]


def test_a_silent_call_has_no_arguments_if_the_provider_goes_on_or_ends_well():
    """Its `{}` comes with the next block, or with the stop; a failure in front of either leaves it without an end."""
    sequencer = Sequencer()
    assert sequencer.feed([*SILENT, BlockEnd()]) == SILENT
    empty = [ToolCallArguments(0, "{}"), BlockEnd()]
    assert sequencer.feed([TextDelta("t")]) == [*empty, TextDelta("t")]
    assert sequencer.feed([Stop(StopReason.MAX_TOKENS)]) == [BlockEnd(), Stop(StopReason.MAX_TOKENS)]
    ended = [Stop(StopReason.TOOL_USE), End()]
    assert Sequencer().feed([*SILENT, BlockEnd(), *ended]) == [*SILENT, *empty, *ended]
    failed = Failure(500, "no")
    assert Sequencer().feed([*SILENT, BlockEnd(), failed]) == [*SILENT, failed]


@pytest.mark.parametrize(
    "events",
    [
        [ToolCallStart(0, "a", "f"), ToolCallArguments(0, "{}"), ToolCallStart(0, "b", "g")],
        [ToolCallStart(0, "a", "f"), ToolCallArguments(0, "{}"), TextDelta("t"), ToolCallArguments(0, "x")],
        [ToolCallArguments(3, "{}")],
        [End()],
    ],
)
def test_what_no_protocol_can_tell_is_a_failure_and_nothing_follows_it(events: list[Event]):
    """A call that begins twice, goes on behind its end or never began; an end without a reason."""
    told = Sequencer().feed([START, *events, TextDelta("late")])
    assert isinstance(told[-1], Failure)
    assert told[-1].status == 502


def test_white_space_behind_a_whole_call_is_let_go():
    """Some servers end the arguments with a line feed of its own; it belongs to nothing any more."""
    events: list[Event] = [START, ToolCallStart(0, "a", "f"), ToolCallArguments(0, "{}"), TextDelta("t")]
    told = Sequencer().feed([*events, ToolCallArguments(0, "\n"), Stop(StopReason.END_TURN), End()])
    assert told[-2:] == [Stop(StopReason.TOOL_USE), End()]
