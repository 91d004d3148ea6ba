"""What is not a panel: the footer and the overlay of keys, both from the key table, and the plea for more room."""

from itertools import zip_longest

from gateway.dashboard.bindings import FOOTER, Action, help_lines
from gateway.dashboard.chartpanels import readout
from gateway.dashboard.layout import COMPACT_COLUMNS, MIN_COLUMNS, MIN_ROWS, Rect
from gateway.dashboard.text import Row, clean, fit, left, row_cells
from gateway.dashboard.view import View, box, fitting

# What has no meaning where there are no panels.
_PANEL_ACTIONS = frozenset((Action.NEXT_PANEL, Action.ZOOM, Action.EARLIER, Action.WINDOW, Action.SORT))
_GAP = 3


def footer(rect: Rect, view: View) -> list[Row]:
    """What has to be said, the filter while it is typed, what the cursor reads, or the keys.

    Keys that do not fit are left out, `?` last of all.
    """
    ui = view.ui
    if said := message(rect, view):
        return said
    if ui.filtering:
        row: Row = [("key", " / "), ("text", clean(ui.filter_text)), ("selected", " ")]
        if view.log.filter_error is not None:
            row.append(("wrong", f"  {clean(view.log.filter_error)}"))
        row.append(("label", "  name=value  ms>500  ~ regex  ! without  Enter keep  Esc drop"))
        return [fit(row, rect.width)]
    if ui.cursor_ns is not None:
        row = [("key", " ← → "), *readout(view, rect.width - 5)]
        return [fit(row, rect.width)]
    state = {Action.WINDOW: f"{ui.window_s // 60}m", Action.FREEZE: "resume" if ui.frozen else "freeze"}
    words: list[Row] = [
        [("key", binding.shown), ("label", f" {state.get(binding.action, binding.footer)}")]
        for binding in FOOTER
        if rect.width >= 2 * COMPACT_COLUMNS or binding.action not in _PANEL_ACTIONS
    ]
    *others, last = words
    shown = fitting(others, rect.width - 3 - row_cells(last))
    return [fit([("text", " "), *shown, ("text", "  "), *last], rect.width)]


def message(rect: Rect, view: View) -> list[Row]:
    """The question that waits for an answer, or what became of the last key; empty if there is neither."""
    if view.ui.asking:
        words = " Stop the gateway? " if rect.width >= COMPACT_COLUMNS else " Stop? "
        row: Row = [("halt", words), ("key", "y"), ("label", " yes  "), ("key", "Esc"), ("label", " no")]
    elif view.ui.notice:
        row = [("halt", f" {clean(view.ui.notice)}")]
    else:
        return []
    return [fit(row, rect.width)]


def help_size(columns: int, rows: int) -> tuple[int, int]:
    """The width and height of the overlay of keys on a terminal of that size."""
    body = _help_body(columns, rows)
    return min(columns, max(map(row_cells, body)) + 4), min(rows, len(body) + 2)


def help_rows(rect: Rect, view: View) -> list[Row]:
    """Every key and what it does, from the table that dispatches them; scrolled where the terminal is too small."""
    body, room = _help_body(rect.width, rect.height), rect.inner_height
    first = min(view.ui.help_row, max(0, len(body) - room))
    hint = "↑ ↓ more, Esc closes" if len(body) > room else "Esc closes"
    return box(rect, [("title.focus", "keys")], [[("label", hint)]], body[first:], focused=True)


def _help_body(columns: int, rows: int) -> list[Row]:
    """One column where it is high enough, else two that end between sections where they fit beside each other."""
    sections: list[list[Row]] = [
        [[("title", heading)], *([("key", left(shown, 9)), ("text", f" {text}")] for shown, text in lines)]
        for heading, lines in help_lines()
    ]
    whole = [row for section in sections for row in (*section, [])][:-1]
    if len(whole) + 2 <= rows:
        return whole
    half = next(place for place in range(len(sections)) if 2 * sum(map(len, sections[:place])) >= len(whole) - place)
    halves = [[row for section in part for row in (*section, [])][:-1] for part in (sections[:half], sections[half:])]
    widths = [max(map(row_cells, part)) for part in halves]
    if sum(widths) + _GAP + 4 > columns:
        return whole
    return [[*fit(one or [], widths[0] + _GAP), *fit(other or [], widths[1])] for one, other in zip_longest(*halves)]


def too_small(rect: Rect, view: View) -> list[Row]:
    """What the dashboard needs, on a terminal that has less."""
    lines = [f"needs {MIN_COLUMNS}x{MIN_ROWS}", f"is {rect.width}x{rect.height}", "q quits"]
    rows: list[Row] = [[("text", line)] for line in lines]
    padded = [*rows, *[[]] * max(0, rect.height - len(rows))][: rect.height]
    return [fit(row, rect.width) for row in padded]
