"""Lines, filter, selection and position of the log."""

from datetime import UTC
from typing import Any

import pytest

from gateway.dashboard.logview import LogLine, LogView
from gateway.logs.ring import LogRecord


def record(event: str, level: str = "info", **fields: Any) -> LogRecord:
    """A record of worker 0 at the beginning of time."""
    return LogRecord(1, 1_500_000_000, level, event, "worker-0", fields)


def filled(lines: int, rows: int = 5, keep: int = 100) -> LogView:
    """A log of numbered lines in a panel of that many rows."""
    log = LogView(keep=keep, zone=UTC)
    log.add(record(f"event {number}") for number in range(lines))
    log.visible(rows)
    return log


def shown(log: LogView, rows: int = 5) -> list[int]:
    """The numbers of the lines that the panel shows."""
    return [line.number for line in log.visible(rows)]


def selected(log: LogView) -> int | None:
    """The number of the selected line."""
    return None if log.selected is None else log.selected.number


def test_request_line_has_its_figures_apart() -> None:
    """The fields of a request line become columns, and the rest is its message."""
    fields = {"method": "POST", "path": "/v1/messages?beta=true", "model": "m\x1b[2J", "status": 502, "ms": 12.5}
    line = LogLine(0, record("request", "warning", **fields, attempts=3, error="refused", provider="p"), UTC)
    words = line.words
    assert line.time == "00:00:01.500"
    assert (words.route, words.model, words.status, words.latency_ms) == ("messages", "m·", "502", 12.5)
    assert line.message == "refused, 3 attempts"
    assert line.text == "warning messages m· p 502 refused, 3 attempts"
    assert words.input_tokens is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", "m" * 128),
        ("status", "502"),
        ("stream", "true"),
        ("note", "a\\nb"),
        ("absent", ""),
        ("nothing", ""),
        ("level", "warning"),
        ("source", "worker-12"),
        ("event", "request"),
        ("worker", "12"),
    ],
)
def test_fields_are_those_of_the_details(name: str, value: str) -> None:
    """A field is the text that the details show, and a model is cut as its name in the tables is."""
    fields = {"model": "m" * 200, "status": 502, "stream": True, "note": "a\nb", "nothing": None, "worker": 7}
    line = LogLine(0, LogRecord(1, 0, "warning", "request", "worker-12", fields))
    assert line.field(name) == value


def test_only_workers_have_a_slot() -> None:
    """What the supervisor logs is of no worker."""
    assert LogLine(0, LogRecord(1, 0, "info", "e", "supervisor", {})).field("worker") == ""


@pytest.mark.parametrize("figure", [float("inf"), float("nan"), 10**400, -1, "12", None, 1e300])
def test_figure_that_cannot_be_is_no_figure(figure: object) -> None:
    """A latency or a count that no request can have is left out instead of breaking the picture."""
    words = LogLine(0, record("request", ms=figure, input_tokens=figure, output_tokens=figure)).words
    assert (words.latency_ms, words.input_tokens, words.output_tokens) == (None, None, None)


def test_other_line_keeps_its_fields() -> None:
    """What is not a request line is its event and its fields."""
    line = LogLine(0, record("workers\nready", count=2), UTC)
    assert line.message == "workers·ready count=2"
    assert line.text == "info workers·ready count=2"


def test_follows_until_a_line_is_selected() -> None:
    """Up selects the line above the newest and holds the picture; new lines are counted; End follows again."""
    log = filled(20)
    assert (shown(log), selected(log)) == ([15, 16, 17, 18, 19], None)
    log.move(-1)
    log.add([record("new"), record("new")])
    assert (shown(log), selected(log)) == ([15, 16, 17, 18, 19], 18)
    assert (log.following, log.below) == (False, 2)
    log.end()
    assert (shown(log)[-1], log.below, selected(log)) == (21, 0, None)


def test_lines_below_are_new_until_a_picture_has_shown_them() -> None:
    """What one scrolls away from is below, and not new; what comes after that is both."""
    log = filled(20)
    log.top()
    assert (shown(log)[0], log.below, log.unseen) == (0, 15, 0)
    log.add([record("new"), record("new")])
    assert (shown(log)[0], log.below, log.unseen) == (0, 17, 2)
    log.end()
    assert (shown(log)[-1], log.unseen) == (21, 0)
    log.top()
    assert (shown(log)[0], log.below, log.unseen) == (0, 17, 0)


def test_up_starts_from_the_line_that_one_sees() -> None:
    """What came since the last picture does not move the line above the newest visible one; Down selects nothing."""
    log = filled(20)
    log.add([record("not seen yet"), record("nor this")])
    log.move(1)
    assert log.following
    log.move(-1)
    assert (shown(log), selected(log)) == ([15, 16, 17, 18, 19], 18)


def test_picture_scrolls_only_when_the_selection_leaves_it() -> None:
    """Within the picture only the selection moves; beyond its edges the picture follows line by line."""
    log = filled(20)
    log.move(-4)
    assert (shown(log), selected(log)) == ([15, 16, 17, 18, 19], 15)
    log.move(-1)
    assert (shown(log), selected(log)) == ([14, 15, 16, 17, 18], 14)
    log.move(4)
    assert (shown(log), selected(log)) == ([14, 15, 16, 17, 18], 18)
    log.move(1)
    assert (shown(log), selected(log), log.following) == ([15, 16, 17, 18, 19], 19, False)


def test_down_past_the_newest_line_follows_again() -> None:
    """The newest line can be selected; one further down follows."""
    log = filled(20)
    log.move(-2)
    log.move(2)
    assert (log.following, selected(log)) == (False, 19)
    log.move(1)
    assert log.following
    log.move(3)
    assert log.following


def test_page_moves_selection_and_picture() -> None:
    """A page is the rows of the panel less one of overlap, up from the end and down again."""
    log = filled(20)
    log.page(-1)
    assert (shown(log), selected(log)) == ([11, 12, 13, 14, 15], 15)
    log.page(-1)
    assert (shown(log), selected(log)) == ([7, 8, 9, 10, 11], 11)
    log.page(1)
    assert (shown(log), selected(log)) == ([11, 12, 13, 14, 15], 15)
    log.page(-9)
    assert (shown(log), selected(log)) == ([0, 1, 2, 3, 4], 0)
    log.page(9)
    assert log.following


def test_top_selects_the_oldest_line() -> None:
    """Home shows a full page of the oldest lines, and there is nothing above it."""
    log = filled(20)
    log.top()
    log.move(-1)
    assert (shown(log), selected(log)) == ([0, 1, 2, 3, 4], 0)


def test_nothing_can_be_selected_where_there_is_nothing() -> None:
    """Without a matching line every key is without effect, and the log follows."""
    log = filled(0)
    for move in (lambda: log.move(-1), lambda: log.page(-1), log.top, log.end):
        move()
        assert (log.following, log.selected, shown(log)) == (True, None, [])


def test_taller_panel_shows_more_below_then_above() -> None:
    """A panel that grows shows what is below, then what is above; one that shrinks keeps its top, or the selection."""
    log = filled(20)
    log.page(-1)
    assert shown(log, 7) == [11, 12, 13, 14, 15, 16, 17]
    assert shown(log, 12) == list(range(8, 20))
    assert shown(log, 9) == list(range(8, 17))
    assert shown(log, 3) == [13, 14, 15]
    assert shown(log, 0) == []


def test_held_picture_outlives_its_lines() -> None:
    """Lines of a held picture stay although newer ones push the rest out of the store, until one goes elsewhere."""
    log = filled(50)
    log.top()
    before = shown(log)
    log.add(record(f"more {number}") for number in range(300))
    log.check_valid()
    assert (shown(log), selected(log), log.kept) == (before, 0, 105)
    log.move(5)
    assert shown(log) == [1, 2, 3, 4, 250]
    log.end()
    log.add(record("more") for number in range(100))
    assert (log.kept, log.lost) == (100, 0)


def test_filter_finds_what_comes_later_and_a_dropped_one_leaves_the_picture() -> None:
    """Only matching lines are shown, also those that come after; without the filter everything is where it was."""
    log = filled(30)
    log.move(-5)
    before = shown(log), selected(log)
    log.set_filter("EVENT 2".lower())
    assert (shown(log)[-1], selected(log), log.matching) == (28, 24, 11)
    log.add([record("no"), record("later event 2")])
    assert (log.matching, log.kept) == (12, 32)
    log.clear_filter()
    assert (shown(log), selected(log)) == before


def test_selection_without_a_match_is_the_nearest_line() -> None:
    """A selected line that the filter hides stands for the next older line, or the oldest."""
    log = filled(30)
    log.move(-5)
    assert selected(log) == 24
    log.set_filter("event 1")
    assert selected(log) == 19
    log.set_filter("event 27")
    assert selected(log) == 27
    log.set_filter("nothing")
    assert (selected(log), shown(log), log.below) == (None, [], 0)


def test_wrong_filter_keeps_the_one_in_force() -> None:
    """A filter that is wrong changes nothing and says what is wrong; the next good one takes that back."""
    log = filled(30)
    log.set_filter("event 2", "info")
    log.set_filter("~event (2", "error")
    assert (log.filter.text, log.filter.level, log.matching) == ("event 2", "info", 11)
    assert log.filter_error == "missing ): event (2"
    log.set_filter("~event 2(9)?$")
    assert (log.filter_error, log.matching) == (None, 2)


def test_level_is_a_minimum() -> None:
    """Lines below the level are hidden, whatever they say."""
    log = LogView(zone=UTC)
    log.add(record(level, level) for level in ("info", "warning", "error", "critical"))
    for level, expected in (("info", 4), ("warning", 3), ("error", 2)):
        log.set_filter("", level)
        assert log.matching == expected


def test_copy_stays_as_it_is() -> None:
    """A copy has the same picture, selection and filter, and neither of the two sees what happens to the other."""
    log = filled(30)
    log.move(-5)
    log.set_filter("event", "info")
    twin = log.copy()
    before = shown(twin), selected(twin), twin.total, twin.matching
    log.add([record("new event")])
    log.set_filter("new")
    log.end()
    assert (shown(twin), selected(twin), twin.total, twin.matching) == before
    twin.set_filter("~0$")
    twin.top()
    assert (log.matching, log.following, shown(log)) == (1, True, [30])


def test_wrapped_newest_line_is_whole_at_the_bottom() -> None:
    """Where lines take several rows, the newest one ends the picture and the first one may begin above it."""
    log = filled(20)
    numbers = [line.number for line in log.visible(5, lambda line: 2)]
    assert (numbers, log.skipped) == ([17, 18, 19], 1)
    log.move(-1)
    log.add([record("new")])
    assert [line.number for line in log.visible(5, lambda line: 2)] == [17, 18, 19]
    assert (log.skipped, log.below) == (1, 1)
    log.move(-1)
    assert [line.number for line in log.visible(5, lambda line: 2)] == [17, 18, 19]
    assert log.skipped == 0


def test_line_that_is_higher_than_the_picture_shows_its_beginning() -> None:
    """Of a line that does not fit one sees the first rows."""
    log = filled(3)
    assert ([line.number for line in log.visible(4, lambda line: 9)], log.skipped) == ([2], 0)
    log.move(-1)
    assert ([line.number for line in log.visible(4, lambda line: 9)], log.skipped) == ([1], 0)
