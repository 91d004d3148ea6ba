"""What each key does: the one table behind dispatch, the footer, the overlay of keys and the documentation.

A key means one thing in a context. The context is what takes the keys: the panels, what lies over them, the filter
while it is typed, the question whether to stop the gateway, or nothing on the screen while the dashboard is hidden.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal, get_args

Context = Literal["panels", "details", "keys", "filter", "question", "hidden"]
CONTEXTS: tuple[Context, ...] = get_args(Context)


class Action(Enum):
    """What a key can do."""

    QUIT = auto()
    BACK = auto()
    SUSPEND = auto()
    TOGGLE = auto()
    FREEZE = auto()
    THEME = auto()
    HELP = auto()
    NEXT_PANEL = auto()
    PREVIOUS_PANEL = auto()
    ZOOM = auto()
    DROP_FOCUS = auto()
    DROP = auto()
    RESTORE = auto()
    EARLIER = auto()
    LATER = auto()
    WINDOW = auto()
    SCALE = auto()
    HEAT = auto()
    SORT = auto()
    REVERSE = auto()
    UP = auto()
    DOWN = auto()
    OPEN = auto()
    FILTER = auto()
    LEVEL = auto()
    WRAP = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    TOP = auto()
    END = auto()
    ERASE = auto()
    ERASE_ALL = auto()


@dataclass(frozen=True)
class Binding:
    """One line of the table: what these keys do in these contexts.

    `shown` is how the overlay names the keys, with `help` beside it; where it is empty, the line above tells of these
    keys, too. `footer` is the word in the footer, empty for none. `argument` tells apart what one action can do.
    """

    action: Action
    keys: tuple[str, ...]
    shown: str = ""
    help: str = ""
    footer: str = ""
    argument: str | int | None = None
    contexts: Sequence[Context] = ("panels",)


_EVERYWHERE = CONTEXTS
_NOT_TYPING: Sequence[Context] = ("panels", "details", "keys", "question", "hidden")
_ON_SCREEN: Sequence[Context] = ("panels", "details", "keys")
_LOG: Sequence[Context] = ("panels", "details")
_TYPING: Sequence[Context] = ("filter",)

SECTIONS: Mapping[str, tuple[Binding, ...]] = {
    "program": (
        Binding(Action.QUIT, ("q",), "q", "quit (also Ctrl-C)", "quit", contexts=_NOT_TYPING),
        Binding(Action.QUIT, ("ctrl-c", "ctrl-\\"), contexts=_EVERYWHERE),
        Binding(Action.TOGGLE, ("d",), "d", "hide, follow the log; back", "log", contexts=_NOT_TYPING),
        Binding(Action.FREEZE, ("f",), "f", "freeze; again to go on", "freeze", contexts=_LOG),
        Binding(Action.BACK, ("esc",), "Esc", "close what is open, or quit", contexts=_EVERYWHERE),
        Binding(Action.QUIT, ("y",), "y", "stop, when Esc has asked", contexts=("question",)),
        Binding(Action.SUSPEND, ("ctrl-z",), "Ctrl-Z", "suspend; fg comes back", contexts=_EVERYWHERE),
        Binding(Action.THEME, ("t",), "t", "next theme", contexts=_ON_SCREEN),
        Binding(Action.HELP, ("?",), "?", "show or hide these keys", "keys", contexts=_ON_SCREEN),
    ),
    "panels": (
        Binding(Action.NEXT_PANEL, ("tab",), "Tab", "next panel; Shift: previous", "next"),
        Binding(Action.PREVIOUS_PANEL, ("shift-tab",)),
        Binding(Action.ZOOM, ("z",), "z", "zoom the panel in focus", "zoom"),
        Binding(Action.DROP_FOCUS, ("x",), "x X", "drop the panel; all back"),
        Binding(Action.RESTORE, ("X",)),
        Binding(Action.DROP, ("R",), "R L E T", "panels by initial, off, on", argument="requests"),
        Binding(Action.DROP, ("L",), argument="latency"),
        Binding(Action.DROP, ("E",), argument="errors"),
        Binding(Action.DROP, ("T",), argument="tokens"),
        Binding(Action.DROP, ("W",), "W M O", "workers, models, log (O)", argument="workers"),
        Binding(Action.DROP, ("M",), argument="models"),
        Binding(Action.DROP, ("O",), argument="log"),
    ),
    "charts": (
        Binding(Action.EARLIER, ("left",), "← →", "cursor: read a past moment", "read"),
        Binding(Action.LATER, ("right",)),
        Binding(Action.WINDOW, ("1",), "1 5 0", "last 1, 5 or 15 minutes", "window", argument=60),
        Binding(Action.WINDOW, ("5",), argument=300),
        Binding(Action.WINDOW, ("0",), argument=900),
        Binding(Action.HEAT, ("h",), "h", "latency as a heat map"),
        Binding(Action.SCALE, ("l",), "l", "latency on a log scale"),
    ),
    "tables": (
        Binding(Action.UP, ("up", "k"), "↑ ↓", "select in table or log", contexts=_LOG),
        Binding(Action.DOWN, ("down", "j"), contexts=_LOG),
        Binding(Action.SORT, ("s",), "s", "sort by the next column", "sort"),
        Binding(Action.REVERSE, ("r",), "r", "reverse the order"),
        Binding(Action.OPEN, ("enter",), "Enter", "its log lines, or details", contexts=_LOG),
    ),
    "log": (
        Binding(Action.FILTER, ("/",), "/", "words, a=b a>9 ~regex !not", "find"),
        Binding(Action.LEVEL, ("v",), "v", "lowest level shown"),
        Binding(Action.WRAP, ("w",), "w", "wrap long lines"),
        Binding(Action.PAGE_UP, ("pgup",), "PgUp PgDn", "scroll by a page", contexts=_LOG),
        Binding(Action.PAGE_DOWN, ("pgdn",), contexts=_LOG),
        Binding(Action.TOP, ("home", "g"), "Home End", "oldest; newest and follow", contexts=_LOG),
        Binding(Action.END, ("end", "G"), contexts=_LOG),
    ),
    "keys": (
        Binding(Action.UP, ("up", "k"), contexts=("keys",)),
        Binding(Action.DOWN, ("down", "j"), contexts=("keys",)),
    ),
    # Any other character is text.
    "filter": (
        Binding(Action.OPEN, ("enter",), contexts=_TYPING),
        Binding(Action.ERASE, ("backspace",), contexts=_TYPING),
        Binding(Action.ERASE_ALL, ("ctrl-u",), contexts=_TYPING),
        Binding(Action.UP, ("up",), contexts=_TYPING),
        Binding(Action.DOWN, ("down",), contexts=_TYPING),
        Binding(Action.PAGE_UP, ("pgup",), contexts=_TYPING),
        Binding(Action.PAGE_DOWN, ("pgdn",), contexts=_TYPING),
    ),
}
BINDINGS: Sequence[Binding] = tuple(binding for section in SECTIONS.values() for binding in section)
# What one needs most comes first, because not all of them fit; the key that tells of all others stays in any case.
_FOOTER_ORDER = (
    *(Action.QUIT, Action.TOGGLE, Action.FREEZE, Action.FILTER, Action.WINDOW, Action.EARLIER),
    *(Action.NEXT_PANEL, Action.ZOOM, Action.SORT, Action.HELP),
)
FOOTER: Sequence[Binding] = tuple(
    sorted((binding for binding in BINDINGS if binding.footer), key=lambda binding: _FOOTER_ORDER.index(binding.action))
)


def dispatch_table(bindings: Iterable[Binding], context: Context) -> Mapping[str, Binding]:
    """What each key does in a context; a key that stands there twice is an error of the table."""
    table: dict[str, Binding] = {}
    for binding in bindings:
        for key in binding.keys if context in binding.contexts else ():
            if key in table:
                raise ValueError(f"the key {key!r} is bound twice for the {context}")
            table[key] = binding
    return table


DISPATCH: Mapping[Context, Mapping[str, Binding]] = {context: dispatch_table(BINDINGS, context) for context in CONTEXTS}


def help_lines() -> Sequence[tuple[str, Sequence[tuple[str, str]]]]:
    """The sections of the overlay and of the documentation: heading, then (keys, what they do)."""
    sections = [
        (name, [(binding.shown, binding.help) for binding in bindings if binding.shown])
        for name, bindings in SECTIONS.items()
    ]
    return [(name, lines) for name, lines in sections if lines]
