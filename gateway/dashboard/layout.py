"""Where each panel stands: a pure function of the terminal size and what there is to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MIN_COLUMNS, MIN_ROWS = 40, 10
# The classic terminal; below it the charts give way to figures.
STANDARD_COLUMNS, STANDARD_ROWS = 80, 24
# From here on tokens and workers have panels of their own.
FULL_COLUMNS, FULL_ROWS = 100, 30

Kind = Literal["too small", "compact", "standard", "full", "zoom"]


@dataclass(frozen=True)
class Rect:
    """A rectangle of cells; x and y count from 0."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """The kind of layout and the rectangle of each panel by name."""

    kind: Kind
    panels: Mapping[str, Rect]

    @property
    def focusable(self) -> tuple[str, ...]:
        """The panels that Tab visits, in reading order."""
        return tuple(name for name in self.panels if name in FOCUSABLE)


FOCUSABLE = ("requests", "latency", "errors", "tokens", "workers", "models", "log")


def arrange(columns: int, rows: int, *, models: int, workers: int, zoomed: str | None = None) -> Layout:
    """Lay out a terminal of that size for that many models and workers; `zoomed` fills the screen with one panel."""
    if columns < MIN_COLUMNS or rows < MIN_ROWS:
        return Layout("too small", {"too small": Rect(0, 0, max(0, columns), max(0, rows))})
    footer = Rect(0, rows - 1, columns, 1)
    if columns < STANDARD_COLUMNS or rows < STANDARD_ROWS:
        # Five lines of figures; on a higher terminal the models come below them, then the log.
        figures = 7 + (min(models, rows - 16) + 1 if rows >= 18 and models else 0)
        log = Rect(0, figures, columns, rows - figures - 1)
        return Layout("compact", {"figures": Rect(0, 0, columns, figures), "log lines": log, "footer": footer})
    if zoomed is not None:
        status = Rect(0, 0, columns, 3)
        return Layout("zoom", {"status": status, zoomed: Rect(0, 3, columns, rows - 4), "footer": footer})
    if columns < FULL_COLUMNS or rows < FULL_ROWS:
        return Layout("standard", _standard(columns, rows, models) | {"footer": footer})
    return Layout("full", _full(columns, rows, models, workers) | {"footer": footer})


def _standard(columns: int, rows: int, models: int) -> dict[str, Rect]:
    """Status, two charts, errors beside models, log: 3 + 7 + 7 + 6 rows at 24."""
    extra = rows - STANDARD_ROWS
    charts = 7 + extra // 3
    # The table grows only for models that are there; the log takes what is left.
    tables = 7 + min(extra // 3, max(0, models - 4))
    log = rows - 1 - 3 - charts - tables
    half = columns // 2
    errors = max(26, columns // 4)
    below = 3 + charts
    return {
        "status": Rect(0, 0, columns, 3),
        "requests": Rect(0, 3, half, charts),
        "latency": Rect(half, 3, columns - half, charts),
        "errors": Rect(0, below, errors, tables),
        "models": Rect(errors, below, columns - errors, tables),
        "log": Rect(0, below + tables, columns, log),
    }


def _full(columns: int, rows: int, models: int, workers: int) -> dict[str, Rect]:
    """Status, two charts, errors beside tokens beside workers, models, log: 3 + 7 + 7 + 7 + 5 rows at 30."""
    extra = rows - FULL_ROWS
    # Two lines of border, one of heads and four models; from the extra rows a table takes what it has to show.
    table = 7 + min(extra // 2, max(0, min(models, 17) - 4))
    extra -= table - 7
    charts = 7 + extra * 2 // 5
    trio = 7 + min(extra // 4, max(4, workers + 1))
    log = rows - 1 - 3 - charts - trio - table
    half = columns // 2
    third, middle = columns * 27 // 100, columns * 32 // 100
    below = 3 + charts
    return {
        "status": Rect(0, 0, columns, 3),
        "requests": Rect(0, 3, half, charts),
        "latency": Rect(half, 3, columns - half, charts),
        "errors": Rect(0, below, third, trio),
        "tokens": Rect(third, below, middle, trio),
        "workers": Rect(third + middle, below, columns - third - middle, trio),
        "models": Rect(0, below + trio, columns, table),
        "log": Rect(0, below + trio + table, columns, log),
    }
