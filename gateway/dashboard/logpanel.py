"""The panel of the log: one line a record, in columns that one reads down."""

from gateway.dashboard.layout import Rect
from gateway.dashboard.logview import LogLine
from gateway.dashboard.text import NO_DATA, Row, clean, count, duration, fit, left, right, row_cells
from gateway.dashboard.view import View, panel
from gateway.logs.render import LEVEL_WORDS

_LEVEL_ROLES = {"warn": "warning", "error": "error", "crit": "error"}
_OUTCOME_ROLES = {"ok": "text", "cancelled": "warning"}


def _head(line: LogLine, time: str) -> Row:
    level = LEVEL_WORDS.get(line.level, line.level)
    return [("dim", f"{time} "), (_LEVEL_ROLES.get(level, "info"), left(level, 6))]


def _log_row(line: LogLine, width: int) -> Row:
    row = _head(line, line.time if width >= 90 else line.time[:8])
    if not line.is_request:
        return [*row, ("text", line.message)]
    model_width = max(14, min(24, width // 7))
    provider_width = max(9, min(12, width // 11))
    row += [("label", left(line.route, 8) + " "), ("text", left(line.model, model_width)), ("dim", " → ")]
    row += [("text", left(line.provider, provider_width)), ("dim", f" {left(line.status, 4)}")]
    row.append((_OUTCOME_ROLES.get(line.outcome, "errors"), left(line.outcome, 10)))
    row.append(("text", right(duration(line.latency_ms), 7)))
    if width >= 90:
        row += [
            ("tokens.in", right(_arrow(line.input_tokens, "↑"), 9)),
            ("tokens.out", right(_arrow(line.output_tokens, "↓"), 9)),
        ]
    if width >= 120:
        row.append(("dim", "  " + (left(line.request_id, 12) if line.message else line.request_id)))
    # Less than a word of it says nothing.
    return [*row, ("text", f"  {line.message}")] if line.message and width - row_cells(row) >= 10 else row


def _arrow(tokens: int | None, sign: str) -> str:
    return NO_DATA if tokens is None else f"{tokens:,}{sign}"


def _log_state(view: View) -> list[Row]:
    log = view.log
    if log.following:
        state: Row = [("live", "following")]
    elif log.below:
        state = [("halt", f"{count(log.below)} new below")]
    else:
        state = [("halt", "held")]
    parts = [state]
    if log.filter:
        parts.append([("halt", f"filter {clean(view.ui.filter_text)!r} {count(log.matching)} of {count(log.kept)}")])
    dropped = log.lost + view.snapshot.log.dropped
    parts.append([("label" if not dropped else "warning", f"{count(dropped)} lost")])
    return [*parts, [("label", f"{count(log.total)} records")]]


def log(rect: Rect, view: View) -> list[Row]:
    """The log, newest at the bottom, and whether it follows."""
    inner, room = rect.width - 4, rect.height - 2
    body = [_log_row(line, inner) for line in view.log.visible(room)]
    if not body:
        body = [[("dim", "no line matches the filter" if view.log.filter else "no log lines yet")]]
    return panel("log", rect, view, _log_state(view), body)


def log_lines(rect: Rect, view: View) -> list[Row]:
    """The log without a border, for a small terminal."""
    rows: list[Row] = []
    for line in view.log.visible(rect.height):
        row = _head(line, line.time[:8])
        if line.is_request:
            row += [("text", f"{line.model} "), (_OUTCOME_ROLES.get(line.outcome, "errors"), line.outcome)]
            row.append(("text", f" {duration(line.latency_ms)} "))
        rows.append([*row, ("text", line.message)])
    rows += [[]] * (rect.height - len(rows))
    return [fit(row, rect.width) for row in rows]
