"""The clocks."""

from gateway.metrics.clock import ManualClock, boottime_ns


def test_boot_time_is_whole_nanoseconds_that_do_not_go_back() -> None:
    """Two readings are integers in order."""
    first, second = boottime_ns(), boottime_ns()
    assert isinstance(first, int)
    assert 0 < first <= second


def test_a_manual_clock_moves_only_when_it_is_told_to() -> None:
    """It stands still, and goes forward and back by exact nanoseconds."""
    assert ManualClock()() == 0
    clock = ManualClock(5)
    assert clock() == clock() == 5
    clock.advance(0.25)
    assert clock() == 250_000_005
    clock.advance(-0.25)
    assert clock() == 5
