"""What is not a panel: the footer and the overlay of keys, both from the key table, and the plea for more room."""

from gateway.dashboard.keys import FOOTER, HELP, PANEL_ACTIONS
from gateway.dashboard.layout import MIN_COLUMNS, MIN_ROWS, STANDARD_COLUMNS, Rect
from gateway.dashboard.text import Row, clean, fit, right, row_cells
from gateway.dashboard.view import View, box


def footer(rect: Rect, view: View) -> list[Row]:
    """The keys, or the filter while it is typed; keys that do not fit are left out, `?` last of all."""
    ui = view.ui
    if ui.filtering:
        row: Row = [
            ("key", " / "),
            ("text", clean(ui.filter_text)),
            ("selected", " "),
            ("label", "  Enter keep  Esc drop"),
        ]
        return [fit(row, rect.width)]
    state = {"w": f"window {ui.window_s // 60}m", "f": "resume" if ui.frozen else "freeze"}
    words = [(binding.shown, state.get(binding.shown, binding.footer)) for binding in FOOTER]
    if rect.width < STANDARD_COLUMNS:
        words = [(binding.shown, "") for binding in FOOTER if binding.action not in PANEL_ACTIONS]
    *others, last = words
    room = rect.width - 1 - _word_cells(last)
    row = [("text", " ")]
    for word in others:
        room -= _word_cells(word)
        if room >= 0:
            row += _word(word)
    return [fit([*row, *_word(last)], rect.width)]


def _word(word: tuple[str, str]) -> Row:
    key, text = word
    return [("key", key), ("label", f" {text}  " if text else " ")]


def _word_cells(word: tuple[str, str]) -> int:
    return row_cells(_word(word))


def help_rows(rect: Rect, view: View) -> list[Row]:
    """Every key and what it does, from the table that dispatches them."""
    body: list[Row] = [[("key", right(binding.shown, 9)), ("text", f"  {binding.help}")] for binding in HELP]
    return box(rect, [("title.focus", "keys")], [[("label", "Esc closes")]], body, focused=True)


def too_small(rect: Rect, view: View) -> list[Row]:
    """What the dashboard needs, on a terminal that has less."""
    lines = [f"too small: needs {MIN_COLUMNS}x{MIN_ROWS}", f"this is {rect.width}x{rect.height}", "q quits"]
    rows: list[Row] = [[("text", line)] for line in lines]
    padded = [*rows, *[[]] * max(0, rect.height - len(rows))][: rect.height]
    return [fit(row, rect.width) for row in padded]
