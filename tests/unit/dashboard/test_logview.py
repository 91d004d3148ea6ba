"""Lines, filter and scroll position of the log."""

from datetime import UTC
from typing import Any

from gateway.dashboard.logview import LogView, make_line
from gateway.logs.ring import LogRecord


def record(event: str, level: str = "info", **fields: Any) -> LogRecord:
    """A record of worker 0 at the beginning of time."""
    return LogRecord(1, 1_500_000_000, level, event, "worker-0", fields)


def filled(lines: int, rows: int = 5) -> LogView:
    """A log of numbered lines in a panel of that many rows."""
    log = LogView(keep=100, zone=UTC)
    log.add(record(f"event {number}") for number in range(lines))
    log.visible(rows)
    return log


def shown(log: LogView, rows: int = 5) -> list[str]:
    """What the panel shows."""
    return [line.message for line in log.visible(rows)]


def test_request_line_has_its_figures_apart() -> None:
    """The fields of a request line become columns, and the rest is its message."""
    fields = {"method": "POST", "path": "/v1/messages?beta=true", "model": "m\x1b[2J", "status": 502, "ms": 12.5}
    line = make_line(0, record("request", "warning", **fields, attempts=3, error="refused", provider="p"), UTC)
    assert (line.time, line.route, line.model, line.status, line.latency_ms) == (
        "00:00:01.500",
        "messages",
        "m",
        "502",
        12.5,
    )
    assert line.message == "refused, 3 attempts"
    assert line.input_tokens is None


def test_other_line_keeps_its_fields() -> None:
    """What is not a request line is its event and its fields."""
    assert make_line(0, record("workers\nready", count=2), UTC).message == "workers·ready count=2"


def test_follows_until_scrolled() -> None:
    """The newest line is at the bottom until one scrolls up; then the picture stays and new lines are counted."""
    log = filled(20)
    assert shown(log)[-1] == "event 19"
    log.scroll(-2)
    log.add([record("new")])
    assert shown(log)[-1] == "event 17"
    assert (log.following, log.below) == (False, 3)
    log.end()
    assert shown(log)[-1] == "new"


def test_scrolling_to_the_last_line_follows_again() -> None:
    """Down to the newest line is the same as End."""
    log = filled(20)
    log.page(-1)
    assert log.below == 4
    log.scroll(4)
    assert log.following


def test_oldest_page_is_full() -> None:
    """Home shows a full page of the oldest lines, and there is nothing above it."""
    log = filled(20)
    log.top()
    assert shown(log) == [f"event {number}" for number in range(5)]
    log.scroll(-1)
    assert shown(log)[0] == "event 0"


def test_short_log_does_not_scroll() -> None:
    """A log that fits its panel follows, whatever is pressed."""
    log = filled(3)
    log.page(-1)
    log.top()
    assert log.following


def test_filter_ignores_case_and_finds_what_comes_later() -> None:
    """Only lines that contain the text are shown, also those that come after."""
    log = filled(3)
    log.set_filter("EVENT 2")
    log.add([record("no"), record("later event 2")])
    assert shown(log) == ["event 2", "later event 2"]
    log.set_filter("")
    assert len(shown(log)) == 5


def test_forgotten_lines_do_not_move_a_held_position_below_the_oldest() -> None:
    """When the line at the bottom is forgotten, the oldest lines are shown."""
    log = filled(50)
    log.top()
    log.add(record(f"more {number}") for number in range(300))
    log.check_valid()
    assert shown(log) == [line.message for line in log.visible(5)]
    assert len(shown(log)) == 5
    assert log.kept <= 112


def test_hold_keeps_the_newest_line_at_the_bottom() -> None:
    """A frozen log stays where it was, also when it was empty."""
    for lines in (0, 20):
        log = filled(lines)
        before = shown(log)
        log.hold()
        log.add([record("new")])
        assert shown(log)[: len(before)] == before
        assert log.below == 1
