"""The rows of the log: columns, highlights, the selection, wrapping, titles, and one record in full."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gateway.dashboard import logpanel
from gateway.dashboard.layout import Rect
from gateway.dashboard.state import Ui
from gateway.dashboard.text import Row
from gateway.dashboard.view import View
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData, LogFigures
from tests.support.dashboard_scene import NOW_NS, UNIX_NS, make_records, make_scene, make_snapshot

NO_CHART = ChartData(NOW_NS, (), ())
REQUEST = {
    "method": "POST",
    "path": "/v1/messages",
    "model": "claude-sonnet-4",
    "provider": "anthropic",
    "status": 504,
    "outcome": "timeout",
    "ms": 60_000.0,
    "input_tokens": 9_134,
    "request_id": "req_0123456789abcdef",
    "error": "the provider was silent for 60 s, which is longer than the idle limit of this gateway allows",
}


def scene(records: list[LogRecord] | None = None, **ui: Any) -> View:
    """A view of the made-up gateway without charts."""
    return make_scene(chart=NO_CHART, records=records, ui=Ui(**ui))


def one(event: str = "request", level: str = "warning", **fields: Any) -> list[LogRecord]:
    """A log of one record."""
    return [LogRecord(1, UNIX_NS, level, event, "worker-0", fields)]


def text(row: Row) -> str:
    """What stands in a row."""
    return "".join(segment for _, segment in row)


def inside(rows: list[Row]) -> list[str]:
    """What stands within the border."""
    return [text(row)[2:-2].rstrip() for row in rows[1:-1]]


def marked(rows: list[Row], role: str) -> list[str]:
    """The segments of that role below the title."""
    return [segment for row in rows[1:] for name, segment in row if name == role]


def panel(view: View, columns: int, rows: int) -> list[Row]:
    """The panel of the log at that size."""
    return logpanel.log(Rect(0, 0, columns, rows), view)


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (44, "12:00:00 warn  claude…net-4 timeout 60s"),
        (60, "12:00:00 warn  messages claude-…nnet-4 timeout       60s"),
        (76, "12:00:00 warn  messages claude-…nnet-4 → anthropic 504 timeout       60s"),
        (80, "12:00:00 warn  messages claude-sonnet-4    → anthropic 504 timeout       60s"),
        (84, "12:00:00.000 warn  messages claude-sonnet-4    → anthropic 504 timeout       60s"),
        (103, "12:00:00.000 warn  messages  claude-sonnet-4    → anthropic 504 timeout       60s   9,134↑        –"),
        (
            140,
            "12:00:00.000 warn  messages  claude-sonnet-4        → anthropic 504 timeout       60s   9,134↑        –"
            "  req_0123456…  the provider was…",
        ),
    ],
)
def test_columns_give_way_by_rule(columns: int, row: str) -> None:
    """The narrower the panel, the fewer columns, the least important ones first."""
    assert inside(panel(scene(one(**REQUEST)), columns, 3)) == [row]


def test_the_longest_route_is_whole_where_there_is_room() -> None:
    """`responses` has nine letters, one more than the other routes."""
    view = scene(one(**REQUEST | {"path": "/v1/responses"}))
    assert inside(panel(view, 84, 3))[0].split()[2] == "respons…"
    assert inside(panel(view, 85, 3))[0].split()[2] == "responses"


def test_matches_are_highlighted_across_columns() -> None:
    """What the filter finds is marked wherever the row shows it, and no more than that."""
    view = scene(one(**REQUEST))
    for typed, parts in {
        "anthropic 504 t": ["anthropic", "504", "t"],
        "~s.l.nt": ["silent"],
        "~^w.*g messages": ["warn", "messages"],
        "~^warn": ["warn"],
        "~^warning m": ["warn", "m"],
        "!echo": [],
        "0123456789": ["0123456789"],
    }.items():
        view.log.set_filter(typed)
        assert marked(panel(view, 230, 4), "match") == parts
    view.log.set_filter("0123456789")
    assert marked(panel(view, 140, 4), "match") == ["0123456"]


def test_selected_row_is_marked_from_edge_to_edge_and_by_a_sign() -> None:
    """The selected line has its role in every cell within the border, matches apart, and an arrow without colour."""
    view = scene(make_records(20))
    panel(view, 80, 7)
    view.log.set_filter("chat")
    view.log.move(-1)
    rows = panel(view, 80, 7)
    chosen = [row for row in rows if "→" in text(row)[2:18]]
    assert len(chosen) == 1
    assert {role for role, _ in chosen[0][1:-1]} == {"selected", "match"}
    assert not marked([row for row in rows if row is not chosen[0]], "selected")


def test_title_says_the_state() -> None:
    """Following, how many are below, held; the filter and what it lets through; the level; what is lost."""
    view = scene(make_records(40))
    assert "following  info+  0 lost  40 records" in text(panel(view, 100, 8)[0])
    assert "held" in text(panel(replace(view, ui=Ui(frozen=True)), 100, 8)[0])
    view.log.move(-1)
    assert "held" in text(panel(view, 100, 8)[0])
    view.log.add(make_records(3))
    view.log.lost = 2
    view = replace(view, snapshot=msgspec.structs.replace(make_snapshot(), log=LogFigures(3)))
    view.log.set_filter("claude", "warning")
    assert "6 of 43  warn+  5 lost  43 records" in text(panel(view, 100, 8)[0])
    view.log.set_filter("", "info")
    assert " 3 below, 3 new " in text(panel(view, 100, 8)[0])


def test_wrong_filter_is_said_while_the_old_one_is_in_force() -> None:
    """The title shows what is wrong beside the filter that still counts."""
    view = scene(make_records(40))
    view.log.set_filter("claude")
    view.log.set_filter("~cla(ude")
    title = panel(view, 120, 8)[0]
    assert ("wrong", "wrong: missing ): cla(ude") in title
    assert "/ claude" in text(title)


def test_empty_log_says_why() -> None:
    """No record yet, no match and no such level are told apart."""
    assert inside(panel(scene([]), 80, 3)) == ["no records yet; send a request, and its line stands here"]
    view = scene(one(level="info"))
    view.log.set_filter("nothing")
    assert inside(panel(view, 80, 3)) == ["none of 1 lines matches; / changes the filter, Esc drops it"]
    view.log.set_filter("", "error")
    assert inside(panel(view, 80, 3)) == ["none of 1 lines is of level error or above"]


def test_long_lines_go_on_below_their_message() -> None:
    """With wrapping a message continues in its own column, broken at spaces, and the newest line is whole."""
    view = scene([*make_records(5), *one("a", level="info", note="word " * 20)], wrap=True)
    assert inside(panel(view, 60, 5)) == [
        "12:00:00 info  a note=word word word word word word word",
        "               word word word word word word word word",
        "               word word word word word",
    ]
    view = scene(one(**REQUEST), wrap=True)
    assert inside(panel(view, 80, 6)) == [
        "12:00:00 warn  messages claude-sonnet-4    → anthropic 504 timeout       60s",
        "               the provider was silent for 60 s, which is longer than the",
        "               idle limit of this gateway allows",
        "",
    ]
    view.log.set_filter("longer than the idle limit")
    assert marked(panel(view, 80, 6), "match") == ["longer than the", "idle limit"]


def test_words_are_broken_only_if_they_are_longer_than_the_column() -> None:
    """A row ends at the last space that fits, however early that is; only what is wider than the column is cut."""
    said = "a b responsibilities of incomprehensibilities and 0123456789abcdefghij end"
    rows = logpanel.details(Rect(0, 0, 30, 16), scene(one("e", said=said)))
    assert [row[8:] for row in inside(rows)][5:13] == [
        "a b",
        "responsibilities",
        "of",
        "incomprehensibilit",
        "ies and",
        "0123456789abcdefgh",
        "ij end",
        "",
    ]


def test_first_line_may_begin_above_the_picture() -> None:
    """Of the oldest line that is in the picture one sees the last rows, so that the newest one is whole; held, too."""
    records = [record for name in "ab" for record in one(name, level="info", note="word " * 15)]
    view = scene(records, wrap=True)
    expected = [
        "               word word word word word word word word",
        "12:00:00 info  b note=word word word word word word word",
        "               word word word word word word word word",
    ]
    assert inside(panel(view, 60, 5)) == expected
    view.log.move(0)
    view.log.add(one("new"))
    assert [row.replace("→", " ") for row in inside(panel(view, 60, 5))] == expected


def test_compact_log_has_no_border() -> None:
    """On a small terminal the parts of a line follow each other."""
    rows = logpanel.log_lines(Rect(0, 0, 40, 3), scene(make_records(3)))
    assert [text(row) for row in rows] == [
        "12:00:00 info  workers are ready worker…",
        "12:00:00 info  claude-sonnet-4 ok 6.5s  ",
        "12:00:00 warn  gpt-4.1 upstream 210ms r…",
    ]


def test_details_show_every_field() -> None:
    """Names are aligned, long values wrapped, and what cannot be seen is written as an escape."""
    fields = {"event": "of a field", "path": "a\nb", "count": None, "words": "word " * 12}
    view = scene([LogRecord(1, UNIX_NS, "info", "start\x1b[2J", "worker-0", fields)])
    rows = logpanel.details(Rect(0, 0, 60, 14), view)
    assert inside(rows) == [
        "time           2026-01-01 12:00:00.000+00:00",
        "level          info",
        "source         worker-0",
        "event          start\\x1b[2J",
        "event (field)  of a field",
        "path           a\\nb",
        "count          null",
        "words          word word word word word word word word",
        "               word word word word",
        "",
        "",
        "",
    ]
    assert logpanel.details_height(60, view) == 11


def test_details_scroll_and_say_how_much_is_left() -> None:
    """A record that is higher than the box shows what fits, says how many rows are left, and scrolls to its end."""
    view = scene(one(**REQUEST))
    whole = inside(logpanel.details(Rect(0, 0, 60, 40), view))
    height = logpanel.details_height(60, view)
    first = logpanel.details(Rect(0, 0, 60, 8), view)
    assert f"{height - 8} more rows" in text(first[0])
    assert inside(first) == whole[:6]
    last = logpanel.details(Rect(0, 0, 60, 8), view, offset=99)
    assert "more rows" not in text(last[0])
    assert inside(last) == whole[height - 8 : height - 2]


def test_details_are_of_the_selected_record_or_the_newest() -> None:
    """Without a selection the newest line is shown, without any line the reason."""
    view = scene(make_records(9))
    assert "req_" in "".join(inside(logpanel.details(Rect(0, 0, 60, 20), view)))
    view.log.top()
    assert "workers are ready" in "".join(inside(logpanel.details(Rect(0, 0, 60, 20), view)))
    assert inside(logpanel.details(Rect(0, 0, 70, 3), scene([]))) == [
        "no records yet; send a request, and its line stands here"
    ]
