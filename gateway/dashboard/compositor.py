"""The pytermgui side: windows that hold finished rows, and a compositor that writes only the rows that changed.

Importing this module imports pytermgui, which costs 0.1 s and changes process-wide settings: see `viewer`.
"""

from collections.abc import Callable, Iterable

from pytermgui.window_manager.compositor import Compositor
from pytermgui.window_manager.window import Window

from gateway.dashboard.frame import Tile, join_row

# Synchronized output: a terminal that knows it shows the frame in one go, any other ignores the marks.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class Pane(Window):
    """A window whose rows come finished: no markup, no wrapping, no cache that grows with every new text."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(width=tile.rect.width, height=tile.rect.height, box="EMPTY")
        self.place(tile)

    def place(self, tile: Tile) -> None:
        """Take position, size and rows of a tile."""
        self.pos = (tile.rect.x + 1, tile.rect.y + 1)
        self.width, self.height = tile.rect.width, tile.rect.height
        self.rows = tile.rows

    def get_lines(self) -> list[str]:
        """The finished rows."""
        return self.rows


class Screen(Compositor):
    """Draws panes by rows: a row that looks as it did is not written, and nothing is ever cleared."""

    def __init__(self, write: Callable[[str], None], framerate: int) -> None:
        super().__init__([], framerate=framerate)
        self._write = write
        self._panes: dict[str, Pane] = {}
        self._shown: dict[int, str] = {}

    def show(self, tiles: Iterable[Tile], *, force: bool) -> None:
        """Draw these tiles, later ones on top; `force` writes all rows, as after a resize."""
        panes: dict[str, Pane] = {}
        for tile in tiles:
            pane = self._panes.get(tile.name)
            if pane is None:
                pane = Pane(tile)
            else:
                pane.place(tile)
            panes[tile.name] = pane
        self._panes = panes
        # The base class draws the last window first.
        self._windows[:] = list(panes.values())[::-1]
        self.draw(force=force)

    def draw(self, force: bool = False) -> None:
        """Write the rows that changed, as one frame."""
        parts: dict[int, list[tuple[int, str]]] = {}
        for window in reversed(self._windows):
            for (x, y), line in self._iter_positioned(window):
                parts.setdefault(y, []).append((x - 1, line))
        rows = {y: join_row(row_parts) for y, row_parts in parts.items()}
        changed = [f"\x1b[{y};1H{row}" for y, row in rows.items() if force or self._shown.get(y) != row]
        self._shown = rows
        if changed:
            self._write(f"{_BEGIN}{''.join(changed)}{_END}")
