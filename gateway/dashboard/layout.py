"""Where each panel stands: a pure function of the terminal size and what there is to show.

Theory of operation. Panels stand in bands, one below the other, and share the width of their band. A plan is a list of
bands; of the plans whose panels fit at their smallest, the one that shows most panels is taken, and its rows are shared
out: every band gets its smallest height, what is left goes by weight, and a band takes no more than it can use while
others can. Panels that the user has dropped are taken out of the plans beforehand, so that the others fit into less.

    columns x rows (nothing dropped)
    100 x 30   normal     [requests latency] [errors tokens workers] [models] [log]; from 140 x 40 called wide
     80 x 22   standard   the same panels; below 30 rows they are open and the status is a line without a border
     80 x 17   standard   [requests latency] [errors models] [log]
     60 x 18   portrait   [requests] [latency] [log], then [models] [errors] [tokens] [workers] as the rows allow
     40 x 19   portrait   the same, with a row more of status
     40 x 10   compact    figures, and the log without a border
     20 x 1    line       figures in a line, or in as many lines as there are
    less       too small  what is needed

An open panel has no line at its foot: the head of the one below closes it, and the row that this saves shows something.

A larger terminal never shows less: each row of this table shows all that the rows below it show.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

MIN_COLUMNS, MIN_ROWS = 20, 1
COMPACT_COLUMNS, COMPACT_ROWS = 40, 10
# Where the one panel that fills the screen leaves room for the status above it.
_STATUS_BESIDE_ZOOM_ROWS = 16
_WIDE_COLUMNS, _WIDE_ROWS = 140, 40

Kind = Literal["too small", "line", "compact", "portrait", "standard", "normal", "wide", "zoom"]

PANELS = ("requests", "latency", "errors", "tokens", "workers", "models", "log")
"""What can be focused, dropped and zoomed, in reading order."""


@dataclass(frozen=True)
class Rect:
    """A rectangle of cells; x and y count from 0. A panel in it has a border, `open` ones none at the foot."""

    x: int
    y: int
    width: int
    height: int
    open: bool = False

    @property
    def inner_width(self) -> int:
        """The cells between the border and the blanks beside it."""
        return self.width - 4

    @property
    def inner_height(self) -> int:
        """The rows within the border."""
        return self.height - (1 if self.open else 2)


@dataclass(frozen=True)
class Layout:
    """The kind of layout and the rectangle of each panel by name."""

    kind: Kind
    panels: Mapping[str, Rect]

    @property
    def focusable(self) -> tuple[str, ...]:
        """The panels that Tab visits, in reading order."""
        return tuple(name for name in self.panels if name in PANELS)


@dataclass(frozen=True)
class _Band:
    """Panels beside each other, with the shares of the width that they get."""

    panels: tuple[tuple[str, int], ...]
    height: int
    weight: int
    # Beyond it more rows would stay empty; None for charts and the log, which use all that they get.
    highest: int | None = None


@dataclass(frozen=True)
class _Plan:
    """Bands from top to bottom for a terminal of at least that many columns, below a status of that height."""

    kind: Kind
    columns: int
    status: int
    bands: tuple[_Band, ...]
    open: bool = False

    @property
    def panels(self) -> int:
        """How many panels it shows."""
        return sum(len(band.panels) for band in self.bands)

    @property
    def rows(self) -> int:
        """The rows that it needs, the footer included."""
        return self.status + sum(band.height for band in self.bands) + 1


def arrange(
    columns: int,
    rows: int,
    *,
    models: int,
    workers: int,
    dropped: Iterable[str] = (),
    zoomed: str | None = None,
) -> Layout:
    """Lay out a terminal of that size for that many models and workers; `zoomed` fills the screen with one panel."""
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        return Layout("too small", {"too small": Rect(0, 0, max(0, columns), max(0, rows))})
    if columns < COMPACT_COLUMNS or rows < COMPACT_ROWS:
        return Layout("line", {"line": Rect(0, 0, columns, rows)})
    if zoomed is not None:
        return Layout("zoom", _zoomed(columns, rows, zoomed))
    gone = frozenset(dropped)
    plans = [_without(gone, plan) for plan in _plans(models, workers) if columns >= plan.columns]
    fitting = [plan for plan in plans if plan.bands and rows >= plan.rows]
    if not fitting:
        return Layout("compact", _compact(columns, rows, models, gone))
    plan = max(fitting, key=lambda plan: plan.panels)
    kind = "wide" if plan.kind == "normal" and columns >= _WIDE_COLUMNS and rows >= _WIDE_ROWS else plan.kind
    return Layout(kind, _placed(plan, columns, rows))


def _zoomed(columns: int, rows: int, name: str) -> dict[str, Rect]:
    status = 3 if rows >= _STATUS_BESIDE_ZOOM_ROWS else 0
    panels = {"status": Rect(0, 0, columns, status)} if status else {}
    return panels | {name: Rect(0, status, columns, rows - status - 1), "footer": Rect(0, rows - 1, columns, 1)}


def _compact(columns: int, rows: int, models: int, gone: frozenset[str]) -> dict[str, Rect]:
    """Five lines of figures; on a higher terminal the models come below them, then the log."""
    figures = 7 + (min(models, rows - 16) + 1 if rows >= 18 and models else 0)
    if "log" in gone:
        figures = rows - 1
    panels = {"figures": Rect(0, 0, columns, figures)}
    if figures < rows - 1:
        panels["log lines"] = Rect(0, figures, columns, rows - figures - 1)
    return panels | {"footer": Rect(0, rows - 1, columns, 1)}


def _plans(models: int, workers: int) -> list[_Plan]:
    """From the richest to the plainest; where two show the same panels, the first is taken."""
    # One line of heads; a table with little in it is not smaller than one of four rows.
    table = 1 + max(4, models)
    # Below the workers stand three courses over time and their axis.
    crew = 1 + max(4, workers) + 4

    def everything(wide: bool, border: int, charts: int, tables: int, log: int) -> tuple[_Band, ...]:
        halves = (("requests", 50), ("latency", 50)) if wide else (("requests", 44), ("latency", 56))
        thirds = (27, 32, 41) if wide else (25, 30, 25)
        return (
            _Band(halves, charts, 8),
            _Band(
                tuple(zip(("errors", "tokens", "workers"), thirds, strict=True)), 5 + border, 5, max(9, crew) + border
            ),
            _Band((("models", 100),), tables, 10, table + border),
            _Band((("log", 100),), log, 5),
        )

    charts, _, _, log = everything(wide=False, border=1, charts=5, tables=5, log=4)
    pairs = (charts, _Band((("errors", 33), ("models", 67)), 6, 5, max(8, table) + 1), log)
    stacked = (
        _Band((("requests", 100),), 5, 6),
        _Band((("latency", 100),), 5, 6),
        _Band((("models", 100),), 5, 4, table + 1),
        _Band((("errors", 100),), 6, 3, 9),
        _Band((("tokens", 100),), 5, 3, 9),
        _Band((("workers", 100),), 4, 3, crew + 1),
    )
    return [
        _Plan("normal", 100, 3, everything(wide=True, border=2, charts=7, tables=7, log=5)),
        _Plan("standard", 80, 3, everything(wide=False, border=2, charts=7, tables=7, log=5)),
        _Plan("standard", 80, 1, everything(wide=False, border=1, charts=5, tables=5, log=4), open=True),
        _Plan("standard", 80, 1, pairs, open=True),
        *(
            _Plan("portrait", columns, status, (*stacked[:shown], log), open=True)
            for columns, status in ((60, 3), (40, 4))
            for shown in range(len(stacked), 1, -1)
        ),
    ]


def _without(gone: frozenset[str], plan: _Plan) -> _Plan:
    bands = []
    for band in plan.bands:
        panels = tuple(panel for panel in band.panels if panel[0] not in gone)
        if panels:
            bands.append(_Band(panels, band.height, band.weight, band.highest))
    return replace(plan, bands=tuple(bands))


def _placed(plan: _Plan, columns: int, rows: int) -> dict[str, Rect]:
    panels = {"status": Rect(0, 0, columns, plan.status, plan.open)}
    y = plan.status
    for band, height in zip(plan.bands, _heights(plan.bands, rows - plan.status - 1), strict=True):
        x, share = 0, 0
        whole = sum(weight for _, weight in band.panels)
        for name, weight in band.panels:
            share += weight
            end = columns * share // whole
            panels[name] = Rect(x, y, end - x, height, plan.open)
            x = end
        y += height
    return panels | {"footer": Rect(0, rows - 1, columns, 1)}


def _heights(bands: Sequence[_Band], rows: int) -> list[int]:
    """Share the rows out: each row goes to the band that is furthest below its share, among those that can use it."""
    heights = [band.height for band in bands]
    for _ in range(rows - sum(heights)):
        hungry = [place for place, band in enumerate(bands) if band.highest is None or heights[place] < band.highest]
        # Where only tables are left, the last one gets the rows that nobody can use.
        place = min(
            hungry or [len(bands) - 1],
            # Of equals the lower one: at 80 x 24 the log has the odd row.
            key=lambda place: ((heights[place] - bands[place].height) / bands[place].weight, -place),
        )
        heights[place] += 1
    return heights
