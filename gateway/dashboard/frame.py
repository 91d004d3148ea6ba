"""One picture: everything that is known in, the finished rows of every panel out."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from gateway.dashboard import chartpanels, edges, figures, logpanel, series, tables
from gateway.dashboard.canvas import Tile
from gateway.dashboard.layout import PANELS, Layout, Rect, arrange
from gateway.dashboard.state import Stage
from gateway.dashboard.text import Row, clean, left
from gateway.dashboard.view import View

_DRAW: Mapping[str, Callable[[Rect, View], list[Row]]] = {
    "status": figures.status,
    "requests": chartpanels.requests,
    "latency": chartpanels.latency,
    "errors": chartpanels.errors,
    "tokens": chartpanels.tokens,
    "workers": tables.workers,
    "models": tables.models,
    "log": logpanel.log,
    "figures": figures.compact,
    "log lines": logpanel.log_lines,
    "line": figures.line_rows,
    "footer": edges.footer,
    "help": edges.help_rows,
    "details": logpanel.details,
    "too small": edges.too_small,
}

_OF_LOG = frozenset({"log", "log lines"})

# On fewer rows the line itself says what state it is in.
LEAST_BANNER_ROWS = 3
# Two of them are the border of a box.
_LEAST_BOX_ROWS = 3


# Of the whole screen and of a panel that fills it.
_arrange = lru_cache(2)(arrange)


def _layout(view: View, columns: int, rows: int, zoomed: str | None) -> Layout:
    snapshot = view.snapshot
    return _arrange(
        columns,
        rows,
        models=len(snapshot.models) + bool(snapshot.unattributed.window.finished),
        workers=len(snapshot.workers),
        dropped=view.ui.dropped,
        zoomed=zoomed,
    )


def stage(view: View, columns: int, rows: int) -> Stage:
    """What the keys act on, on a terminal of that size."""
    ui = view.ui
    layout, unzoomed = _layout(view, columns, rows, ui.focus if ui.zoomed else None), _layout(view, columns, rows, None)
    # Any panel can fill the screen, also one that has no room beside others.
    visited = tuple(name for name in PANELS if name not in ui.dropped) if layout.kind == "zoom" else layout.focusable
    widths = {name: layout.panels[name].inner_width for name in tables.TABLES if name in layout.panels}
    step_ns = series.reading_ns(ui.window_s)
    begin_ns = view.history.now_ns - ui.window_s * series.SECOND_NS
    return Stage(
        panels=visited,
        shown=layout.panels,
        unzoomed=unzoomed.panels,
        columns={name: tables.TABLES[name].column_names(width) for name, width in widths.items()},
        rows={name: table.names(view) for name, table in tables.TABLES.items()},
        oldest_ns=(begin_ns // step_ns + 1) * step_ns + step_ns // 2,
        newest_ns=view.history.newest_ns() // step_ns * step_ns + step_ns // 2,
        step_ns=step_ns,
        help_rows=edges.help_rows_hidden(columns, rows) if ui.help else 0,
        colored=view.theme.depth != "none",
    )


def build_tiles(view: View, columns: int, rows: int) -> list[Tile]:
    """The panels in reading order, what lies on top of others last."""
    layout = _layout(view, columns, rows, view.ui.focus if view.ui.zoomed else None)
    tiles = [Tile(name, rect, _DRAW[name](rect, view)) for name, rect in layout.panels.items()]
    overlays: list[tuple[str, Rect]] = []
    has_room = layout.kind != "too small"
    if view.ui.details and has_room and rows >= _LEAST_BOX_ROWS:
        overlays.append(("details", _centred(100, logpanel.details_height(min(100, columns), view), columns, rows)))
    if view.ui.help and has_room:
        overlays.append(("help", _centred(*edges.help_size(columns, rows), columns, rows)))
    if "footer" not in layout.panels and rows > 0 and edges.has_priority(view):
        overlays.append(("footer", Rect(0, rows - 1, columns, 1)))
    return tiles + [Tile(name, rect, _DRAW[name](rect, view)) for name, rect in overlays]


def with_new_log(tiles: list[Tile], view: View, columns: int, rows: int) -> list[Tile]:
    """The tiles of a picture of that size in which nothing but the log has changed since they were built."""
    if view.ui.details:
        # What is chosen, and so the height of its details, may have moved on.
        return build_tiles(view, columns, rows)
    return [
        Tile(tile.name, tile.rect, _DRAW[tile.name](tile.rect, view)) if tile.name in _OF_LOG else tile
        for tile in tiles
    ]


def banner(text: str, columns: int, rows: int) -> list[Tile]:
    """A line across the screen above the footer, where every layout has no more than a border or a log line."""
    if rows < LEAST_BANNER_ROWS:
        return []
    return [Tile("banner", Rect(0, rows - 2, columns, 1), [[("banner", left(f" {clean(text)}", columns))]])]


def _centred(width: int, height: int, columns: int, rows: int) -> Rect:
    width, height = min(width, columns), min(height, rows)
    return Rect((columns - width) // 2, (rows - height) // 2, width, height)
