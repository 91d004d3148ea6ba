"""One picture: everything that is known in, the finished rows of the screen out."""

from collections.abc import Callable, Mapping

from gateway.dashboard import edges, logpanel, panels, tables
from gateway.dashboard.canvas import Tile
from gateway.dashboard.keys import HELP
from gateway.dashboard.layout import Layout, Rect, arrange
from gateway.dashboard.text import Row
from gateway.dashboard.view import View

_DRAW: Mapping[str, Callable[[Rect, View], list[Row]]] = {
    "status": panels.status,
    "requests": panels.requests,
    "latency": panels.latency,
    "errors": panels.errors,
    "tokens": panels.tokens,
    "workers": tables.workers,
    "models": tables.models,
    "log": logpanel.log,
    "figures": panels.compact,
    "log lines": logpanel.log_lines,
    "footer": edges.footer,
    "help": edges.help_rows,
    "too small": edges.too_small,
}


def _layout(view: View, columns: int, rows: int, zoomed: str | None) -> Layout:
    snapshot = view.snapshot
    return arrange(columns, rows, models=len(snapshot.models), workers=len(snapshot.workers), zoomed=zoomed)


def focusable(view: View, columns: int, rows: int) -> tuple[str, ...]:
    """The panels that Tab visits on a terminal of that size, also while one of them fills the screen."""
    return _layout(view, columns, rows, None).focusable


def build_tiles(view: View, columns: int, rows: int) -> list[Tile]:
    """The panels in reading order, what lies on top of others last."""
    layout = _layout(view, columns, rows, view.ui.focus if view.ui.zoomed else None)
    tiles = [Tile(name, rect, _DRAW[name](rect, view)) for name, rect in layout.panels.items()]
    if view.ui.help and layout.kind != "too small":
        rect = _centred(66, len(HELP) + 2, columns, rows)
        tiles.append(Tile("help", rect, _DRAW["help"](rect, view)))
    return tiles


def _centred(width: int, height: int, columns: int, rows: int) -> Rect:
    width, height = min(width, columns), min(height, rows)
    return Rect((columns - width) // 2, (rows - height) // 2, width, height)
