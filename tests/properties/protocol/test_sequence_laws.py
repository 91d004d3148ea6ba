"""Laws of the sequencer: whatever comes in, blocks come out one after the other."""

from hypothesis import given
from hypothesis import strategies as st

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
from gateway.protocol.sequence import Sequencer
from tests.support.answers import ANY_EVENT, answers, interleaved_calls


def check_sequential(events: list[Event]) -> None:
    """Assert the narrower grammar that stands at the top of `gateway.protocol.sequence`."""
    open_block: object = None
    over = stopped = False
    calls: set[int] = set()
    for event in events:
        assert not over, "something follows the end"
        match event:
            case TextDelta() | RefusalDelta() | ReasoningDelta():
                assert event.text
                assert not stopped
                assert open_block in (None, type(event))
                open_block = type(event)
            case ReasoningSignature(signature=signature):
                assert open_block is None or (open_block is ReasoningDelta and not signature.redacted)
                open_block = "signed"
            case ToolCallStart(call=call):
                assert open_block is None
                assert not stopped
                assert call not in calls
                calls.add(call)
                open_block = call
            case ToolCallArguments(call=call, fragment=fragment):
                assert open_block == call
                assert fragment
            case BlockEnd():
                assert open_block is not None, "a block ends that did not begin"
                open_block = None
            case Stop(reason=reason):
                assert open_block is None
                assert not stopped
                assert (reason is StopReason.TOOL_USE) <= bool(calls)
                stopped = True
            case End():
                assert stopped, "an end without a stop"
                over = True
            case Failure():
                over = True
            case Start() | UsageReport():
                pass


@given(st.lists(ANY_EVENT, max_size=25))
def test_any_events_at_all_come_out_in_sequence(events: list[Event]) -> None:
    """Also what no decoder should ever send is put in order or ends in a failure, and nothing raises."""
    check_sequential(Sequencer().feed(events))


@given(st.lists(ANY_EVENT, max_size=25))
def test_feeding_events_one_by_one_gives_the_same(events: list[Event]) -> None:
    """The sequencer has no notion of a batch."""
    whole, single = Sequencer(), Sequencer()
    assert [told for event in events for told in single.feed([event])] == whole.feed(events)


@given(answers() | interleaved_calls())
def test_a_sequence_stays_as_it_is(events: list[Event]) -> None:
    """What came out of one sequencer passes through the next unchanged."""
    once = Sequencer().feed(events)
    assert Sequencer().feed(once) == once


@given(answers(may_fail=False))
def test_nothing_is_lost(events: list[Event]) -> None:
    """Every delta, fragment, call and usage of a valid answer comes out once, in its own order."""
    content = (TextDelta, RefusalDelta, ReasoningDelta, ReasoningSignature, ToolCallStart, UsageReport)
    told = Sequencer().feed(events)
    assert [event for event in told if isinstance(event, content)] == [
        event for event in events if isinstance(event, content)
    ]
    assert [event for event in told if isinstance(event, ToolCallArguments) and event.fragment != "{}"] == [
        event for event in events if isinstance(event, ToolCallArguments) and event.fragment != "{}"
    ]
