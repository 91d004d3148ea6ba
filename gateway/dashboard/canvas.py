"""The screen as rows of segments, and what of it has to be written anew.

Theory of operation. A picture is the tiles laid over each other, bottom to top; flattened, every row of the screen is
one list of (role, text) segments that covers it exactly. Two pictures are compared row by row, where a tile is another
than before, and in a row segment by segment: figures stand in segments of constant width, so what changed is mostly
single segments, and of those only the part between the first and the last sign that differ. From the first place where
the segments of the two rows do not lie below each other, the rest of the row counts as changed. Spans that lie so close
that moving the cursor would cost more than what is between them are written as one.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.dashboard.layout import Rect
from gateway.dashboard.text import Row, Segment, cells, is_narrow, slice_cells, widths

# ESC [ y ; x H takes six to eight bytes, and the colours begin anew behind it.
_CLOSE = 8

Span = tuple[int, int]
"""The columns from the first, counted from 0, up to before the second."""


@dataclass(frozen=True)
class Tile:
    """A panel in its place: `rows` are as many as the rectangle is high, each exactly as wide."""

    name: str
    rect: Rect
    rows: Sequence[Row]

    @property
    def lines(self) -> range:
        """The rows of the screen in which it lies."""
        return range(self.rect.y, self.rect.y + self.rect.height)


def flatten(tiles: Iterable[Tile], wanted: Container[int] | None = None) -> Mapping[int, Row]:
    """The rows of the screen by their number from 0; where tiles lie over each other, the later one is on top.

    Below an overlay there must be something: a row has no holes. Of `wanted`, only those rows.
    """
    parts: dict[int, list[tuple[int, int, Row]]] = {}
    for tile in tiles:
        x, width = tile.rect.x, tile.rect.width
        for y, row in enumerate(tile.rows, tile.rect.y):
            if wanted is None or y in wanted:
                parts.setdefault(y, []).append((x, x + width, row))
    return {y: _joined(row_parts) for y, row_parts in parts.items()}


def _joined(parts: Sequence[tuple[int, int, Row]]) -> Row:
    row: Row = []
    end = 0
    for start, stop, part in parts:
        if start >= end:
            row = row + part
            end = stop
        else:
            row = slice_cells(row, 0, start) + part + slice_cells(row, stop, end)
            end = max(end, stop)
    return row


def changes(old: Row, new: Row) -> Iterator[tuple[int, Row]]:
    """What to write over a row of the same width, left to right: the column from 0, and the segments from there on."""
    sizes = widths(new)
    spans = iter(_changed_spans(old, new, sizes))
    span = next(spans, None)
    at = 0
    part: Row = []
    for segment, size in zip(new, sizes, strict=True):
        if span is None:
            return
        end = at + size
        while span is not None and span[0] < end:
            # The cut is within a segment of one row where both are narrow, else at its ends.
            first, last = max(0, span[0] - at), min(span[1], end) - at
            part.append(segment if last - first == size else (segment[0], segment[1][first:last]))
            if span[1] > end:
                break
            yield span[0], part
            part, span = [], next(spans, None)
        at = end


def _changed_spans(old: Row, new: Row, sizes: Sequence[int]) -> list[Span]:
    """Where a row of the same width has to be written anew, left to right, apart by more than a few cells."""
    spans: list[Span] = []
    at = 0
    for was, now, size in zip(old, new, sizes, strict=False):
        if was != now:
            if cells(was[1]) != size:
                _append(spans, (at, sum(sizes)))
                return spans
            if size:
                _append(spans, _changed_part(was, now, at, size))
        at += size
    if len(old) != len(new) and at < sum(sizes):
        _append(spans, (at, sum(sizes)))
    return spans


def _changed_part(was: Segment, now: Segment, at: int, size: int) -> Span:
    old, new = was[1], now[1]
    if was[0] != now[0] or len(old) != len(new) or len(new) != size or not (is_narrow(old) and is_narrow(new)):
        return at, at + size
    first, last = 0, size
    while old[first] == new[first]:
        first += 1
    while old[last - 1] == new[last - 1]:
        last -= 1
    return at + first, at + last


def _append(spans: list[Span], span: Span) -> None:
    if spans and span[0] - spans[-1][1] < _CLOSE:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)
