"""What the viewer remembers between two keys, and what each key makes of it."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeVar

from gateway.dashboard.keys import DISPATCH, Action
from gateway.dashboard.layout import FOCUSABLE
from gateway.dashboard.logview import LogView
from gateway.dashboard.theme import INKS

_T = TypeVar("_T")

WINDOWS_S = (60, 300, 900)
SORTS = ("rate", "errors", "p99", "tokens", "name")
THEMES = tuple(INKS)
# The lowest level that the log shows.
LEVELS = ("info", "warning", "error")


class Effect(Enum):
    """What the loop has to do after a key, beyond drawing."""

    NONE = auto()
    QUIT = auto()
    TOGGLE = auto()
    SUSPEND = auto()


@dataclass(frozen=True)
class Ui:
    """The state of the picture; the scroll position and the filter in force live in the `LogView`.

    `cursor_ns` is the instant that the charts read out, None for none. `sorts` and `selected` are by table.
    """

    window_s: int = 900
    focus: str = "log"
    zoomed: bool = False
    dropped: frozenset[str] = frozenset()
    help: bool = False
    details: bool = False
    filtering: bool = False
    filter_text: str = ""
    level: str = LEVELS[0]
    wrap: bool = False
    frozen: bool = False
    cursor_ns: int | None = None
    sort: str = "rate"
    heat: bool = False
    log_scale: bool = False
    theme: str = THEMES[0]


def press(ui: Ui, key: str, log: LogView, focusable: tuple[str, ...] = FOCUSABLE) -> tuple[Ui, Effect]:
    """The state after a key; scrolling and filtering change `log`. `focusable` are the panels on the screen."""
    if ui.filtering:
        return _edit_filter(ui, key, log)
    action = DISPATCH.get(key)
    if action is None:
        return ui, Effect.NONE
    if action in _EFFECTS:
        return ui, _EFFECTS[action]
    if action is Action.BACK:
        return _back(ui, log)
    if action in _SCROLLS:
        _SCROLLS[action](log)
        return ui, Effect.NONE
    if action is Action.FREEZE:
        if ui.frozen:
            log.end()
        else:
            log.move(0)
    return _changed(ui, action, focusable), Effect.NONE


_EFFECTS = {Action.QUIT: Effect.QUIT, Action.TOGGLE: Effect.TOGGLE, Action.SUSPEND: Effect.SUSPEND}
_SCROLLS = {
    Action.UP: lambda log: log.move(-1),
    Action.DOWN: lambda log: log.move(1),
    Action.PAGE_UP: lambda log: log.page(-1),
    Action.PAGE_DOWN: lambda log: log.page(1),
    Action.TOP: lambda log: log.top(),
    Action.END: lambda log: log.end(),
}


def _changed(ui: Ui, action: Action, focusable: tuple[str, ...]) -> Ui:
    match action:
        case Action.FREEZE:
            return replace(ui, frozen=not ui.frozen)
        case Action.FILTER:
            return replace(ui, filtering=True, help=False)
        case Action.HELP:
            return replace(ui, help=not ui.help)
        case Action.WINDOW_1:
            return replace(ui, window_s=60)
        case Action.WINDOW_5:
            return replace(ui, window_s=300)
        case Action.WINDOW_NEXT:
            return replace(ui, window_s=_after(WINDOWS_S, ui.window_s))
        case Action.SORT:
            return replace(ui, sort=_after(SORTS, ui.sort))
        case Action.THEME:
            return replace(ui, theme=_after(THEMES, ui.theme))
        case Action.SCALE:
            return replace(ui, log_scale=not ui.log_scale)
        case Action.ZOOM:
            return replace(ui, zoomed=not ui.zoomed)
        case Action.NEXT_PANEL:
            return replace(ui, focus=_after(focusable, ui.focus))
        case Action.PREVIOUS_PANEL:
            return replace(ui, focus=_after(focusable[::-1], ui.focus))
        case _:
            raise AssertionError(f"the action {action} has no meaning here")


def _back(ui: Ui, log: LogView) -> tuple[Ui, Effect]:
    """Esc closes the innermost thing that is open, and quits when nothing is."""
    if ui.help:
        return replace(ui, help=False), Effect.NONE
    if ui.zoomed:
        return replace(ui, zoomed=False), Effect.NONE
    if ui.filter_text:
        log.set_filter("", ui.level)
        return replace(ui, filter_text=""), Effect.NONE
    return ui, Effect.QUIT


def _edit_filter(ui: Ui, key: str, log: LogView) -> tuple[Ui, Effect]:
    """Keys while the filter is typed: the log narrows with every character; Enter keeps it, Esc drops it."""
    if key == "ctrl-c":
        return ui, Effect.QUIT
    if key == "ctrl-z":
        return ui, Effect.SUSPEND
    if key in ("up", "down", "pgup", "pgdn"):
        _SCROLLS[DISPATCH[key]](log)
        return ui, Effect.NONE
    if key == "enter":
        return replace(ui, filtering=False), Effect.NONE
    text = ui.filter_text
    if key == "esc":
        text, ui = "", replace(ui, filtering=False)
    elif key == "backspace":
        text = text[:-1]
    elif key == "ctrl-u":
        text = ""
    elif len(key) == 1:
        text += key
    log.set_filter(text, ui.level)
    return replace(ui, filter_text=text), Effect.NONE


def _after(items: tuple[_T, ...], item: _T) -> _T:
    """The item that follows, around the end; the first if `item` is not among them."""
    return items[(items.index(item) + 1) % len(items)] if item in items else items[0]
