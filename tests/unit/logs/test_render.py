"""One record, one line: columns for people, JSON for machines, and nothing that a value can do about it."""

import time

import msgspec
import pytest

from gateway.logs.render import console_line, json_line, json_payload, render, visible
from gateway.logs.ring import LogRecord

NOON_NS = 1_700_000_000_462_000_000
STAMP = time.strftime("%H:%M:%S.462", time.localtime(NOON_NS // 1_000_000_000))

REQUEST = {
    "method": "POST",
    "path": "/v1/chat/completions",
    "model": "gpt-4.1-mini",
    "provider": "openai",
    "status": 200,
    "outcome": "ok",
    "ms": 1180.2,
    "input_tokens": 4812,
    "output_tokens": 220,
    "attempts": 1,
    "request_id": "req_9f2c1a",
}


def line(level: str, event: str, fields: dict[str, object], *, color: bool = False) -> str:
    """A console line at a fixed time, without that time."""
    text = console_line(NOON_NS, level, event, fields, color=color)
    assert STAMP in text
    return text if color else text.removeprefix(f"{STAMP} ")


def test_a_request_is_columns() -> None:
    """Route, model, provider, status, outcome, duration, tokens and id stand in columns."""
    assert line("info", "request", REQUEST) == (
        "info  chat      gpt-4.1-mini         → openai     200 ok           1.18s   4,812↑    220↓  req_9f2c1a"
    )


def test_columns_line_up_when_figures_are_unknown() -> None:
    """A request that failed early has dashes in the same columns, and ends in its error and the other fields."""
    failed = {
        "path": "/v1/messages",
        "status": 504,
        "outcome": "timeout",
        "ms": 60000.0,
        "attempts": 3,
        "request_id": "req_c3e5f0",
        "error": "silent for 60 s",
        "unattributed": True,
    }
    text = line("warning", "request", failed)
    assert text == (
        "warn  messages  –                    → –          504 timeout     60.00s        –       –  req_c3e5f0"
        "  silent for 60 s  attempts=3"
    )
    assert text.index("req_") == line("info", "request", REQUEST).index("req_")


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(0.4, "0.4ms"), (0.004, "0.004ms"), (4.25, "4.25ms"), (99.96, "100ms"), (640.2, "640ms"), (999.5, "1.00s")],
)
def test_a_duration_has_three_digits(ms: float, shown: str) -> None:
    """However short a request was, its time is not shown as none."""
    text = line("info", "request", {**REQUEST, "ms": ms})
    assert f" {shown} " in text
    assert text.index("req_") == line("info", "request", REQUEST).index("req_")


def test_other_events_are_pairs() -> None:
    """Any other event is followed by key=value pairs, quoted where a value is not one plain word."""
    fields = {"a": 1, "b": "x y", "c": "", "d": 'say "hi"', "e": [1, {"f": None}], "g": "plain", "h": True}
    assert line("error", "worker died", fields) == (
        'error worker died a=1 b="x y" c="" d="say \\"hi\\"" e=[1,{"f":null}] g=plain h=true'
    )


def test_colour_only_where_it_is_asked_for() -> None:
    """Without colour there is no escape sequence; with it the text between the sequences is the same."""
    plain = line("error", "request", REQUEST)
    coloured = line("error", "request", REQUEST, color=True)
    assert "\x1b" not in plain
    assert coloured.count("\x1b[0m") == 4
    for code in ("2", "31", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == f"{STAMP} {plain}"


NASTY = "a\nb\r\x1b[2Jc\x07\x7f\x9b2J\u2028\u202ed\ttab"


def test_control_characters_are_made_visible() -> None:
    """Line ends, terminal commands and direction marks appear as escapes."""
    assert visible(NASTY) == "a\\nb\\r\\x1b[2Jc\\x07\\x7f\\x9b2J\\u2028\\u202ed\\ttab"
    assert visible("é → 日本 👍") == "é → 日本 👍"


@pytest.mark.parametrize("event", ["request", NASTY])
def test_one_record_is_one_line(event: str) -> None:
    """No value, key or event can break the line or command the terminal, in either format."""
    fields = {**dict.fromkeys(REQUEST, NASTY), NASTY: NASTY, "deep": [{NASTY: NASTY}], "error": NASTY}
    record = LogRecord(1, NOON_NS, "info", event, "worker-0", fields)
    for text in (render(record, "console", color=False), render(record, "json", color=False)):
        assert len(text.splitlines()) == 1
        assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in text)
    decoded = msgspec.json.decode(render(record, "json", color=False))
    assert (decoded["event"], decoded["deep"]) == (event, [{NASTY: NASTY}])


def test_json_has_time_level_and_source_first() -> None:
    """A JSON line begins with UTC time, level and, if it is known, the source."""
    payload = json_payload({"event": "e", "n": 1})
    expected = '{"time":"2023-11-14T22:13:20.462Z","level":"info","source":"worker-0","event":"e","n":1}'
    assert json_line(NOON_NS, "info", "worker-0", payload).decode() == expected
    assert render(LogRecord(1, NOON_NS, "info", "e", "worker-0", {"n": 1}), "json", color=False) == expected
    assert '"source"' not in json_line(NOON_NS, "info", "", payload).decode()
