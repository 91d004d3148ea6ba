"""The pytermgui side: windows that hold finished rows, and a compositor that writes only what changed.

Importing this module imports pytermgui, which costs 0.1 s and changes process-wide settings: see `viewer`.
"""

from collections.abc import Callable, Iterable, Sequence

from pytermgui.window_manager.compositor import Compositor
from pytermgui.window_manager.window import Window

from gateway.dashboard.canvas import Tile, changes, flatten
from gateway.dashboard.text import Row, cells, is_narrow
from gateway.dashboard.theme import Theme

# Synchronized output: a terminal that knows it shows the frame in one go, any other ignores the marks.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_CLEAR = "\x1b[0m\x1b[2J"


class Pane(Window):
    """A window whose rows come finished: no markup, no wrapping, no cache that grows with every new text."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(width=tile.rect.width, height=tile.rect.height, box="EMPTY")
        self.place(tile)

    def place(self, tile: Tile) -> None:
        """Take position, size and rows of a tile."""
        self.tile = tile
        self.pos = (tile.rect.x + 1, tile.rect.y + 1)
        self.width, self.height = tile.rect.width, tile.rect.height

    def get_lines(self) -> list[str]:
        """The rows as plain text."""
        return ["".join(text for _, text in row) for row in self.tile.rows]


class Screen(Compositor):
    """Draws panes by what changed in them; the screen is cleared for the first picture and for one of another size."""

    def __init__(self, write: Callable[[str], None], framerate: int) -> None:
        super().__init__([], framerate=framerate)
        self._write = write
        self._panes: dict[str, Pane] = {}
        self._theme: Theme | None = None
        self._size: tuple[int, int] | None = None
        self._shown: dict[int, Row] = {}
        # The rows in which something may have changed since the last picture.
        self._touched: set[int] = set()

    def show(self, tiles: Iterable[Tile], theme: Theme, size: tuple[int, int], *, force: bool) -> None:
        """Draw these tiles, later ones on top, on a terminal of that many columns and rows; `force` writes all."""
        before, self._panes = self._panes, {}
        for tile in tiles:
            pane = before.pop(tile.name, None)
            if pane is None:
                self._touched.update(tile.lines)
                pane = Pane(tile)
            elif pane.tile is not tile:
                self._touched.update(pane.tile.lines, tile.lines)
                pane.place(tile)
            self._panes[tile.name] = pane
        for pane in before.values():
            self._touched.update(pane.tile.lines)
        # The base class draws the last window first.
        self._windows[:] = list(self._panes.values())[::-1]
        if theme != self._theme or size != self._size:
            self._shown, force = {}, True
        self._theme, resized, self._size = theme, size != self._size, size
        self.draw(force=force, clear=resized)

    def draw(self, force: bool = False, clear: bool = False) -> None:
        """Write what changed, as one frame; a picture that stays writes nothing."""
        tiles = (pane.tile for pane in reversed(self._windows) if isinstance(pane, Pane))
        rows = flatten(tiles, None if force else self._touched)
        self._touched = set()
        written = [_CLEAR] if clear else []
        for y, row in rows.items():
            shown = self._shown.get(y)
            if force or shown is None:
                written.append(self._painted(y, 0, row))
            elif shown != row:
                written += [self._painted(y, at, part) for at, part in changes(shown, row)]
        self._shown.update(rows)
        if written:
            self._write(f"{_BEGIN}{''.join(written)}{_END}")

    def _painted(self, y: int, x: int, row: Sequence[tuple[str, str]]) -> str:
        """A part of a row in its place; what follows signs on whose width terminals disagree is placed by column."""
        assert self._theme is not None, "there is a theme once something is shown"
        painted = [f"\x1b[{y + 1};{x + 1}H"]
        settled = True
        for role, text in row:
            if not settled:
                painted.append(f"\x1b[{x + 1}G")
            painted.append(self._theme.painted(role, text))
            settled = text.isascii() or is_narrow(text)
            x += len(text) if settled else cells(text)
        return "".join(painted)
