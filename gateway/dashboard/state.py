"""What the viewer remembers between two keys, and what each key makes of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TypeVar

from gateway.dashboard.bindings import BINDINGS, DISPATCH, Action, Binding, Context
from gateway.dashboard.layout import PANELS
from gateway.dashboard.logfilter import FieldTerm
from gateway.dashboard.logview import LogView
from gateway.dashboard.theme import INKS
from gateway.metrics.entries import OTHER_NAME

_T = TypeVar("_T")

WINDOWS_S = (60, 300, 900)
THEMES = tuple(INKS)
# The lowest level that the log shows.
LEVELS = ("info", "warning", "error")
NO_MODEL = "(no model)"
"""The row of unattributed requests, whose model never became known: refused, or asked for by a name nobody has."""
TABLES = ("errors", "workers", "models")
"""The panels with rows to select and columns to sort by."""
_CHARTS = ("requests", "latency", "errors", "tokens")


class Effect(Enum):
    """What the loop has to do after a key, beyond drawing."""

    NONE = auto()
    QUIT = auto()
    TOGGLE = auto()
    SUSPEND = auto()
    FREEZE = auto()


@dataclass(frozen=True)
class Order:
    """By which column a table is sorted, None for its own order, and whether the other way round."""

    column: str | None = None
    reversed: bool = False


@dataclass(frozen=True)
class Ui:
    """The state of the picture; scroll position, selected line and filter in force of the log live in the `LogView`.

    `cursor_ns` is the instant that the charts read out, None for none; `orders` and `selected` are by table. Where
    quitting stops the gateway (`owns_gateway`), Esc only asks for it (`asking`). `notice` says of the last key what the
    picture does not.
    """

    owns_gateway: bool = False
    asking: bool = False
    notice: str = ""
    window_s: int = 900
    focus: str = "log"
    zoomed: bool = False
    dropped: frozenset[str] = frozenset()
    help: bool = False
    help_row: int = 0
    details: bool = False
    filtering: bool = False
    filter_text: str = ""
    level: str = LEVELS[0]
    wrap: bool = False
    frozen: bool = False
    cursor_ns: int | None = None
    orders: Mapping[str, Order] = field(default_factory=dict)
    selected: Mapping[str, str] = field(default_factory=dict)
    heat: bool = False
    log_scale: bool = False
    theme: str = THEMES[0]

    @property
    def context(self) -> Context:
        """What takes the keys."""
        if self.asking:
            return "question"
        if self.filtering:
            return "filter"
        if self.help:
            return "keys"
        return "details" if self.details else "panels"

    def order(self, table: str) -> Order:
        """How a table is sorted."""
        return self.orders.get(table, Order())


@dataclass(frozen=True)
class Stage:
    """What is on the screen for the keys to act on.

    `panels` are those that Tab visits; `shown` is all that is on the screen, and `unzoomed` what would be without zoom,
    by the names of the layout; `columns` and `rows` are, for each table, the names of its columns and the keys of its
    rows as they are sorted now; the cursor goes from `oldest_ns` to `newest_ns` by `step_ns`; the overlay of keys can
    be scrolled by `help_rows`; `colored` tells whether there are any colours.
    """

    panels: tuple[str, ...] = PANELS
    shown: Collection[str] = (*PANELS, "footer")
    unzoomed: Collection[str] = (*PANELS, "footer")
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    oldest_ns: int = 0
    newest_ns: int = 0
    step_ns: int = 1
    help_rows: int = 0
    colored: bool = True


def press(ui: Ui, key: str, log: LogView, stage: Stage) -> tuple[Ui, Effect]:
    """The state after a key; what concerns the log changes `log`."""
    ui = replace(ui, notice="")
    binding = DISPATCH[ui.context].get(key)
    if binding is None:
        if ui.asking:
            return replace(ui, asking=False), Effect.NONE
        # A key without a meaning, or a character of the filter.
        if ui.filtering and len(key) == 1:
            return _filtered(ui, log, ui.filter_text + key), Effect.NONE
        return ui, Effect.NONE
    action = binding.action
    if action in _EFFECTS:
        # Who leaves the picture takes the question back.
        return replace(ui, asking=False), _EFFECTS[action]
    if action is Action.BACK:
        return _back(ui, log)
    if action is Action.FREEZE:
        return replace(ui, frozen=not ui.frozen), Effect.FREEZE
    if ui.help and action in _ROW_MOVES:
        row = min(stage.help_rows, ui.help_row) + _ROW_MOVES[action]
        return replace(ui, help_row=min(stage.help_rows, max(0, row))), Effect.NONE
    if ui.context == "panels":
        missing = _missing(ui, stage, action)
        if missing:
            return replace(ui, notice=missing), Effect.NONE
    if action in _LOG_MOVES and not (action in _ROW_MOVES and _has_table(ui, stage)):
        _LOG_MOVES[action](log)
        return ui, Effect.NONE
    return _changed(ui, log, stage, binding), Effect.NONE


_EFFECTS = {Action.QUIT: Effect.QUIT, Action.TOGGLE: Effect.TOGGLE, Action.SUSPEND: Effect.SUSPEND}
_LOG_MOVES: Mapping[Action, Callable[[LogView], None]] = {
    Action.UP: lambda log: log.move(-1),
    Action.DOWN: lambda log: log.move(1),
    Action.PAGE_UP: lambda log: log.page(-1),
    Action.PAGE_DOWN: lambda log: log.page(1),
    Action.TOP: lambda log: log.top(),
    Action.END: lambda log: log.end(),
}
_ROW_MOVES = {Action.UP: -1, Action.DOWN: 1}

# What a key is about: how a notice calls it, and the names of the layout, one of which must be on the screen. Nobody
# should find out later what a key has changed behind the panel that fills the screen, or on a screen that has no room.
_About = tuple[str, tuple[str, ...]]
_LOG: _About = ("the log", ("log", "log lines"))
_ABOUT: Mapping[Action, _About] = {
    Action.HELP: ("keys", ("footer", "line")),
    **dict.fromkeys((Action.NEXT_PANEL, Action.PREVIOUS_PANEL), ("panels", PANELS)),
    **dict.fromkeys((Action.ZOOM, Action.DROP, Action.DROP_FOCUS, Action.RESTORE), ("panels", (*PANELS, "figures"))),
    **dict.fromkeys((Action.EARLIER, Action.LATER), ("charts", (*_CHARTS, "figures"))),
    Action.WINDOW: ("charts", (*_CHARTS, "status", "figures", "workers")),
    Action.HEAT: ("latency", ("latency",)),
    Action.SCALE: ("latency and tokens", ("latency", "tokens")),
    **dict.fromkeys((Action.FILTER, Action.LEVEL, Action.WRAP, Action.OPEN, *_LOG_MOVES), _LOG),
}


def _missing(ui: Ui, stage: Stage, action: Action) -> str:
    """How what a key is about comes onto the screen; empty if it is there."""
    label, names = _ABOUT.get(action, ("", ()))
    if action in (Action.SORT, Action.REVERSE):
        table = _table(ui, stage)
        label, names = table, (table,)
    elif action in (Action.UP, Action.DOWN, Action.OPEN) and _has_table(ui, stage):
        # The rows of a table lead to the log, which comes to the front.
        names = () if action is not Action.OPEN or "log" in stage.panels else names
    if not names or not set(names).isdisjoint(stage.shown):
        return ""
    if ui.zoomed and not set(names).isdisjoint(stage.unzoomed):
        return f"z brings back {label}"
    panels = [name for name in names if name in PANELS]
    if panels and ui.dropped.issuperset(panels):
        return f"{_key_of(panels[0]) if len(panels) == 1 else 'X'} brings back {label}"
    return f"no room for {label}"


def _has_table(ui: Ui, stage: Stage) -> bool:
    """Whether the panel in focus is a table on the screen."""
    return ui.context == "panels" and ui.focus in TABLES and ui.focus in stage.shown


def _back(ui: Ui, log: LogView) -> tuple[Ui, Effect]:
    """Esc closes the innermost thing that is open, and when nothing is, it quits or asks whether to.

    A server must not stop because somebody closed one thing too many: pressed again, it takes the question back.
    """
    if ui.asking:
        return replace(ui, asking=False), Effect.NONE
    if ui.filtering:
        return replace(_filtered(ui, log, ""), filtering=False), Effect.NONE
    if ui.help:
        return replace(ui, help=False), Effect.NONE
    if ui.details:
        return replace(ui, details=False), Effect.NONE
    if ui.zoomed:
        return replace(ui, zoomed=False), Effect.NONE
    if ui.cursor_ns is not None:
        return replace(ui, cursor_ns=None), Effect.NONE
    if ui.selected:
        return replace(ui, selected={}), Effect.NONE
    if ui.filter_text or ui.level != LEVELS[0]:
        return _filtered(replace(ui, level=LEVELS[0]), log, ""), Effect.NONE
    if not log.following:
        log.end()
        return ui, Effect.NONE
    if ui.frozen:
        return replace(ui, frozen=False), Effect.FREEZE
    if ui.owns_gateway:
        return replace(ui, asking=True), Effect.NONE
    return ui, Effect.QUIT


def _filtered(ui: Ui, log: LogView, text: str) -> Ui:
    log.set_filter(text, ui.level)
    return replace(ui, filter_text=text)


def _move_row(ui: Ui, stage: Stage, step: int) -> Ui:
    rows = stage.rows.get(ui.focus, ())
    if not rows:
        return ui
    selected = ui.selected.get(ui.focus)
    if selected in rows:
        row = rows[min(len(rows) - 1, max(0, rows.index(selected) + step))]
    else:
        row = rows[0] if step > 0 else rows[-1]
    return replace(ui, selected={**ui.selected, ui.focus: row})


def _open(ui: Ui, log: LogView, stage: Stage) -> Ui:
    """Enter: the details of the log line, the lines of the selected row, or the end of typing."""
    if ui.filtering:
        return replace(ui, filtering=False)
    if _has_table(ui, stage):
        selected = ui.selected.get(ui.focus)
        if selected not in stage.rows.get(ui.focus, ()):
            return ui
        text = " ".join(map(str, _terms(ui.focus, str(selected), stage)))
        return replace(_filtered(ui, log, text), focus="log")
    if log.newest is None and not ui.details:
        return replace(ui, notice="there is no log line to open")
    return replace(ui, details=not ui.details)


def _terms(table: str, row: str, stage: Stage) -> list[FieldTerm]:
    """What the log lines of a row have in common."""
    if table == "models" and row == NO_MODEL:
        return [_UNATTRIBUTED]
    if table != "models" or row != OTHER_NAME:
        return [FieldTerm(_FIELDS[table], row)]
    # The models that have no row; a request that counts under no model is not one of theirs.
    named = [name for name in stage.rows[table] if name not in (NO_MODEL, OTHER_NAME)]
    others = [FieldTerm("model", name, inverted=True) for name in ("", *named)]
    return [*others, replace(_UNATTRIBUTED, inverted=True)]


_UNATTRIBUTED = FieldTerm("unattributed", "true")
_FIELDS = {"errors": "outcome", "workers": "worker", "models": "model"}


def _move_cursor(ui: Ui, stage: Stage, step: int) -> Ui:
    """A stretch earlier or later; the first press reads the newest one, and behind that the cursor is gone."""
    if ui.cursor_ns is None:
        return ui if step > 0 else replace(ui, cursor_ns=stage.newest_ns)
    at = max(stage.oldest_ns, ui.cursor_ns + step * stage.step_ns)
    return replace(ui, cursor_ns=at if at // stage.step_ns <= stage.newest_ns // stage.step_ns else None)


def _sorted_by_next(ui: Ui, stage: Stage) -> Ui:
    """By the next column, in its natural direction first."""
    table = _table(ui, stage)
    columns = stage.columns.get(table, ())
    if not columns:
        return ui
    return _ordered(ui, table, Order(_after(columns, ui.order(table).column or columns[0])))


def _ordered(ui: Ui, table: str, order: Order) -> Ui:
    return replace(ui, orders={**ui.orders, table: order})


def _table(ui: Ui, stage: Stage) -> str:
    """The table that is sorted: the one in focus, else the models."""
    return ui.focus if _has_table(ui, stage) else "models"


def _toggled(ui: Ui, name: str, stage: Stage) -> Ui:
    """Drop a panel, or bring it back; the last one stays. The focus goes from a dropped panel to the one after it."""
    if name in ui.dropped:
        return replace(ui, dropped=ui.dropped - {name}, notice=f"{name} is back")
    left = [panel for panel in PANELS if panel not in ui.dropped and panel != name]
    if not left:
        return replace(ui, notice="the last panel stays; X brings all back")
    ui = replace(ui, dropped=ui.dropped | {name}, notice=f"{name} is hidden; {_key_of(name)} or X brings it back")
    if ui.focus != name:
        return ui
    neighbours = [panel for panel in stage.panels if panel == name or panel in left]
    focus = _after(neighbours, name)
    return replace(ui, focus=focus if focus in left else left[0], zoomed=False)


def _key_of(panel: str) -> str:
    """The key that drops a panel and brings it back."""
    return next(binding.keys[0] for binding in BINDINGS if binding.argument == panel)


def _changed(ui: Ui, log: LogView, stage: Stage, binding: Binding) -> Ui:
    match binding.action:
        case Action.THEME:
            if not stage.colored:
                return replace(ui, notice="colours are off: NO_COLOR or TERM says so")
            theme = _after(THEMES, ui.theme)
            return replace(ui, theme=theme, notice=f"theme {theme}")
        case Action.HELP:
            return replace(ui, help=not ui.help, help_row=0)
        case Action.NEXT_PANEL:
            return replace(ui, focus=_after(stage.panels, ui.focus))
        case Action.PREVIOUS_PANEL:
            return replace(ui, focus=_after(stage.panels[::-1], ui.focus))
        case Action.ZOOM:
            return replace(ui, zoomed=not ui.zoomed)
        case Action.DROP_FOCUS:
            return _toggled(ui, ui.focus, stage)
        case Action.DROP:
            return _toggled(ui, str(binding.argument), stage)
        case Action.RESTORE:
            return replace(ui, dropped=frozenset(), notice="all panels are back" if ui.dropped else "")
        case Action.EARLIER:
            return _move_cursor(ui, stage, -1)
        case Action.LATER:
            return _move_cursor(ui, stage, 1)
        case Action.WINDOW:
            return replace(ui, window_s=int(binding.argument or WINDOWS_S[-1]))
        case Action.HEAT:
            return replace(ui, heat=not ui.heat)
        case Action.SCALE:
            return replace(ui, log_scale=not ui.log_scale)
        case Action.SORT:
            return _sorted_by_next(ui, stage)
        case Action.REVERSE:
            table = _table(ui, stage)
            order = ui.order(table)
            return _ordered(ui, table, replace(order, reversed=not order.reversed))
        case Action.UP | Action.DOWN:
            return _move_row(ui, stage, _ROW_MOVES[binding.action])
        case Action.OPEN:
            return _open(ui, log, stage)
        case Action.FILTER:
            return replace(ui, filtering=True)
        case Action.LEVEL:
            return _filtered(replace(ui, level=_after(LEVELS, ui.level)), log, ui.filter_text)
        case Action.WRAP:
            return replace(ui, wrap=not ui.wrap)
        case Action.ERASE:
            return _filtered(ui, log, ui.filter_text[:-1])
        case Action.ERASE_ALL:
            return _filtered(ui, log, "")
        case _:
            raise AssertionError(f"the action {binding.action} has no meaning here")


def _after(items: Sequence[_T], item: _T) -> _T:
    """The item that follows, around the end; the first if `item` is not among them, and `item` if there is none."""
    if item in items:
        return items[(items.index(item) + 1) % len(items)]
    return items[0] if items else item
