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
