"""What is not a panel: the footer and the overlay of keys, both from the key table, and the plea for more room."""

from itertools import zip_longest
from textwrap import wrap

from gateway.dashboard.bindings import FOOTER, Action, help_lines
from gateway.dashboard.chartpanels import readout
from gateway.dashboard.layout import COMPACT_COLUMNS, COMPACT_ROWS, MIN_COLUMNS, MIN_ROWS, Rect
from gateway.dashboard.text import Row, cells, clean, cut_start, fit, left, row_cells
from gateway.dashboard.view import View, box, fitting

# What has no meaning where there are no panels.
_PANEL_ACTIONS = frozenset((Action.NEXT_PANEL, Action.ZOOM, Action.EARLIER, Action.WINDOW, Action.SORT))
_GAP = 3
_MORE = "↑ ↓ more, Esc closes"


def footer(rect: Rect, view: View) -> list[Row]:
    """What has to be said, the filter while it is typed, what the cursor reads, or the keys.

    Keys that do not fit are left out, `?` last of all.
    """
    ui = view.ui
    if said := message(rect, view):
        return said
    if ui.filtering:
        error = "" if view.log.filter_error is None else f"  {clean(view.log.filter_error)}"
        # What is typed matters more than what is wrong with it, and its end most.
        room = max(rect.width // 2, rect.width - 4 - cells(error))
        row: Row = [("key", " / "), ("text", cut_start(clean(ui.filter_text), room)), ("selected", " ")]
        row.append(("wrong", error))
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


def has_priority(view: View) -> bool:
    """Whether the footer has something to say that takes its row on a screen that has no footer."""
    return view.ui.asking or view.ui.notice != "" or view.ui.filtering


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
    if _is_bare(columns, rows):
        return columns, rows
    body = _help_body(columns, rows)
    return min(columns, max(COMPACT_COLUMNS, max(map(row_cells, body)) + 4)), min(rows, len(body) + 2)


def help_rows(rect: Rect, view: View) -> list[Row]:
    """Every key and what it does, from the table that dispatches them; scrolled where the terminal is too small."""
    body = _help_body(rect.width, rect.height)
    hidden = help_rows_hidden(rect.width, rect.height)
    shown = body[min(view.ui.help_row, hidden) :]
    if _is_bare(rect.width, rect.height):
        return [fit(row, rect.width) for row in [*shown, *[[]] * rect.height][: rect.height]]
    hint = _MORE if hidden else "Esc closes"
    return box(rect, [("title.focus", "keys")], [[("label", hint)]], shown, focused=True)


def help_rows_hidden(columns: int, rows: int) -> int:
    """How many rows of the keys have no room on a terminal, or in an overlay, of that size."""
    room = rows if _is_bare(columns, rows) else rows - 2
    return max(0, len(_help_body(columns, rows)) - room)


def _is_bare(columns: int, rows: int) -> bool:
    """Whether the keys need all the room that a terminal has, without a border."""
    return columns < COMPACT_COLUMNS or rows < COMPACT_ROWS


def _help_body(columns: int, rows: int) -> list[Row]:
    """One column where it is high enough, else two that end between sections where they fit beside each other."""
    sections = [
        [[("title", heading)], *(row for shown, text in lines for row in _help_entry(shown, text, columns))]
        for heading, lines in help_lines()
    ]
    if _is_bare(columns, rows):
        return [[("label", _MORE)], *(row for section in sections for row in section)]
    whole = [row for section in sections for row in (*section, [])][:-1]
    if len(whole) + 2 <= rows:
        return whole
    half = next(place for place in range(len(sections)) if 2 * sum(map(len, sections[:place])) >= len(whole) - place)
    halves = [[row for section in part for row in (*section, [])][:-1] for part in (sections[:half], sections[half:])]
    widths = [max(map(row_cells, part)) for part in halves]
    if sum(widths) + _GAP + 4 > columns:
        return whole
    return [[*fit(one or [], widths[0] + _GAP), *fit(other or [], widths[1])] for one, other in zip_longest(*halves)]


def _help_entry(shown: str, text: str, columns: int) -> list[Row]:
    """Keys and what they do, in a column each where there is width for it."""
    if columns >= COMPACT_COLUMNS:
        return [[("key", left(shown, 9)), ("text", f" {text}")]]
    first, *others = wrap(f"{shown} {text}", columns, subsequent_indent="  ")
    return [[("key", shown), ("text", first.removeprefix(shown))], *([("text", other)] for other in others)]


def too_small(rect: Rect, view: View) -> list[Row]:
    """What the dashboard needs, on a terminal that has less."""
    lines = [f"needs {MIN_COLUMNS}x{MIN_ROWS}", f"is {rect.width}x{rect.height}", "q quits"]
    rows: list[Row] = [[("text", line)] for line in lines]
    padded = [*rows, *[[]] * max(0, rect.height - len(rows))][: rect.height]
    return [fit(row, rect.width) for row in padded]
