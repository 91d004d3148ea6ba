"""What is not a panel: the footer and the overlay of keys, both from the key table, and the plea for more room."""

from collections.abc import Sequence

from gateway.dashboard.bindings import FOOTER, Action, help_lines
from gateway.dashboard.layout import COMPACT_COLUMNS, MIN_COLUMNS, MIN_ROWS, Rect
from gateway.dashboard.text import Row, clean, fit, left, row_cells
from gateway.dashboard.view import View, box

# What has no meaning where there are no panels.
_PANEL_ACTIONS = frozenset((Action.NEXT_PANEL, Action.ZOOM, Action.EARLIER, Action.WINDOW, Action.SORT))
_GAP = 3


def footer(rect: Rect, view: View) -> list[Row]:
    """The keys, or the filter while it is typed; keys that do not fit are left out, `?` last of all."""
    ui = view.ui
    if ui.filtering:
        row: Row = [("key", " / "), ("text", clean(ui.filter_text)), ("selected", " ")]
        if view.log.filter_error is not None:
            row.append(("wrong", f"  {clean(view.log.filter_error)}"))
        row.append(("label", "  ~ regex  ! without  Enter keep  Esc drop"))
        return [fit(row, rect.width)]
    state = {Action.WINDOW: f"window {ui.window_s // 60}m", Action.FREEZE: "resume" if ui.frozen else "freeze"}
    words = [(binding.shown, state.get(binding.action, binding.footer)) for binding in FOOTER]
    if rect.width < 2 * COMPACT_COLUMNS:
        words = [(binding.shown, "") for binding in FOOTER if binding.action not in _PANEL_ACTIONS]
    return [fit([("text", " "), *_as_many(words, rect.width - 1)], rect.width)]


def _as_many(words: Sequence[tuple[str, str]], room: int) -> Row:
    """The words that fit, the last one, which tells of all keys, first of all."""
    *others, last = [_word(*word) for word in words]
    room -= row_cells(last)
    row: Row = []
    for word in others:
        room -= row_cells(word)
        if room >= 0:
            row += word
    return row + last


def _word(key: str, text: str) -> Row:
    return [("key", key), ("label", f" {text}  " if text else " ")]


def help_size(columns: int, rows: int) -> tuple[int, int]:
    """The width and height of the overlay of keys on a terminal of that size: two columns where they fit."""
    blocks = _help_blocks(columns, rows)
    width = sum(max(map(row_cells, block)) for block in blocks) + _GAP * (len(blocks) - 1)
    return min(columns, width + 4), min(rows, max(map(len, blocks)) + 2)


def help_rows(rect: Rect, view: View) -> list[Row]:
    """Every key and what it does, from the table that dispatches them."""
    blocks = _help_blocks(rect.width, rect.height)
    body: list[Row] = []
    for index in range(max(map(len, blocks))):
        row: Row = []
        for block in blocks:
            width = max(map(row_cells, block)) + _GAP
            row += fit(block[index] if index < len(block) else [], width)
        body.append(row)
    return box(rect, [("title.focus", "keys")], [[("label", "Esc closes")]], body, focused=True)


def _help_blocks(columns: int, rows: int) -> list[list[Row]]:
    sections = [
        [[("title", heading)], *([("key", left(shown, 9)), ("text", f" {text}")] for shown, text in lines), []]
        for heading, lines in help_lines()
    ]
    whole = [row for section in sections for row in section][:-1]
    if len(whole) + 2 <= rows:
        return [whole]
    # The two halves end between sections.
    height, half = 0, 0
    while half < len(sections) and height < len(whole) // 2:
        height += len(sections[half])
        half += 1
    blocks = [[row for section in part for row in section][:-1] for part in (sections[:half], sections[half:])]
    width = sum(max(map(row_cells, block)) for block in blocks) + _GAP + 4
    return blocks if width <= columns else [whole]


def banner(rect: Rect, view: View) -> list[Row]:
    """That the picture stands still, since when, and how it goes on."""
    age = max(0, round(view.frozen_s))
    text = f" frozen {age // 60}m{age % 60:02}s ago, nothing is lost meanwhile; f goes on "
    return [[("banner", left(text, rect.width))]]


def too_small(rect: Rect, view: View) -> list[Row]:
    """What the dashboard needs, on a terminal that has less."""
    lines = [f"needs {MIN_COLUMNS}x{MIN_ROWS}", f"is {rect.width}x{rect.height}", "q quits"]
    rows: list[Row] = [[("text", line)] for line in lines]
    padded = [*rows, *[[]] * max(0, rect.height - len(rows))][: rect.height]
    return [fit(row, rect.width) for row in padded]
