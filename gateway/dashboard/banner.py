"""The line on top of everything that says that the gateway is gone, for how long, and what is waited for."""

from gateway.dashboard.frame import Tile
from gateway.dashboard.layout import Rect
from gateway.dashboard.text import Row, clean, row_cells, uptime
from gateway.dashboard.theme import Theme


def banner(stopped_s: float, address: str, problem: str, theme: Theme, columns: int, rows: int) -> Tile:
    """A line across the screen above the footer, where every layout has no more than a border or a log line.

    `stopped_s` is how long the gateway has been gone, `problem` why the one that is back cannot be shown, or empty.
    """
    then = problem or f"waiting for {clean(address).removeprefix('http://')}"
    text = f" ■ gateway stopped {uptime(stopped_s)} ago; {then}; these are its last figures"
    row: Row = [("selected", text)]
    row.append(("selected", " " * max(0, columns - row_cells(row))))
    return Tile("banner", Rect(0, max(0, rows - 2), columns, 1), [theme.paint(row, columns)])
