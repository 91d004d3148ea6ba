"""What every panel works with: the view of everything that is known, and the box that it draws itself in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.logview import LogView
from gateway.dashboard.series import SECOND_NS, Column, History, Reading
from gateway.dashboard.state import Ui
from gateway.dashboard.text import ELLIPSIS, Row, duration, fit, row_cells, uptime
from gateway.dashboard.theme import Theme
from gateway.metrics.outcome import ERRORS
from gateway.metrics.snapshot import Latency, Snapshot

# The sampler ticks four times a second; without a sample for this long the figures are no longer live.
STALE_S = 2.0


_MARK = -1


@dataclass(frozen=True)
class View:
    """Everything that a picture is made of.

    `memory_bytes` is the memory of the host; `stopped` tells that the gateway is gone, `label` what its figures are if
    they are no real ones; `welcome` are lines for a gateway that has served nothing yet; `wall_ns_at_zero` is the Unix
    time in nanoseconds at instant 0 of the history's clock, and times of day are those of `zone`, None for the local
    one.
    """

    snapshot: Snapshot
    history: History
    log: LogView
    ui: Ui
    theme: Theme
    memory_bytes: int
    stopped: bool = False
    label: str = ""
    welcome: Sequence[str] = ()
    wall_ns_at_zero: int = 0
    zone: tzinfo | None = None

    def over_time(
        self, width: int, figure: Callable[[Column], float], *, one_a_cell: bool = False
    ) -> list[float | None]:
        """One figure over the chosen window for a chart, or a sparkline (`one_a_cell`), of that many cells."""
        columns = self.columns(width, one_a_cell=one_a_cell)
        return [None if column is None else figure(column) for column in columns]

    def columns(self, width: int, *, one_a_cell: bool = False) -> list[Column | None]:
        """The history over the chosen window in as many columns as a chart of that many cells can show."""
        number = width if one_a_cell else charts.resolution(width, self.theme.charset)
        return self.history.columns(self.ui.window_s, max(1, number))

    @property
    def reading(self) -> Reading | None:
        """What the cursor reads, the same for every panel; None if there is no cursor in the window."""
        at, history = self.ui.cursor_ns, self.history
        if at is None or at <= history.now_ns - self.ui.window_s * SECOND_NS:
            return None
        return history.reading(at, self.ui.window_s)

    @property
    def latency_ms(self) -> Latency:
        """The percentiles of the chosen window, whose `count` are its requests.

        The snapshot has those of the longest window, up to now; those of a shorter one are up to the newest step.
        """
        shorter = self._shorter_window
        return shorter.latency_ms if shorter else self.snapshot.window.latency_ms

    @property
    def errors(self) -> Sequence[int]:
        """The errors of the chosen window by type, as above."""
        shorter, outcomes = self._shorter_window, self.snapshot.window.outcomes
        return shorter.errors if shorter else [outcomes.get(kind.label, 0) for kind in ERRORS]

    @property
    def _shorter_window(self) -> Reading | None:
        """The chosen window, if it is shorter than the snapshot's."""
        window_s = self.ui.window_s
        return self.history.since(window_s) if window_s < self.snapshot.window.seconds else None

    @property
    def workers(self) -> int:
        """How many workers are alive."""
        return sum(worker.alive for worker in self.snapshot.workers)

    @property
    def cpu_percent(self) -> float | None:
        """What all workers use, in percent of one core."""
        return _total([worker.cpu_percent for worker in self.snapshot.workers if worker.alive])

    @property
    def rss_bytes(self) -> float | None:
        """The memory of all workers."""
        return _total([worker.rss_bytes for worker in self.snapshot.workers if worker.alive])


def _total(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def box(rect: Rect, title: Row, figures: Sequence[Row], body: Sequence[Row], focused: bool) -> list[Row]:
    """A bordered panel; the last of `figures` are left out of the title where it is too narrow for all of them."""
    inner = rect.inner_width
    border = "border.focus" if focused else "border"
    room = rect.width - 6 - row_cells(title)
    shown = fitting(figures, room)
    line = "─" * (rect.width - 4 - row_cells(title) - (row_cells(shown) + 2 if shown else 0))
    top: Row = [(border, "╭ "), *title, (border, f" {line}")]
    top += [(border, " "), *shown, (border, " ╮")] if shown else [(border, "╮")]
    rows = [fit(top, rect.width)]
    padded = [*body, *[[]] * (rect.inner_height - len(body))][: rect.inner_height]
    rows += [[(border, "│ "), *fit(row, inner), (border, " │")] for row in padded]
    if not rect.open:
        rows.append([(border, "╰" + "─" * (rect.width - 2) + "╯")])
    return rows


def fitting(parts: Sequence[Row], room: int) -> Row:
    """As many of the parts, from the first, as fit, two cells apart, or one where that saves a part."""
    for kept in range(len(parts), 0, -1):
        row = abreast(parts[:kept], room)
        if row is not None:
            return row
    return []


def abreast(parts: Sequence[Row], room: int) -> Row | None:
    """The parts two cells apart, or one if they do not fit otherwise; None if they do not fit at all."""
    for gap in ("  ", " "):
        row: Row = [segment for part in parts for segment in (("border", gap), *part)][1:]
        if row_cells(row) <= room:
            return row
    return None


def giving_way(parts: Sequence[tuple[int, Row]], room: int) -> Row:
    """The parts in their order; those of the highest ranks are left out until the others fit, which a mark tells."""
    for rank in sorted({rank for rank, _ in parts}, reverse=True):
        row = abreast([part for _, part in parts], room)
        if row is not None:
            return row
        mark: Row = [("label", ELLIPSIS)]
        parts = [*((place, part) for place, part in parts if place not in (rank, _MARK)), (_MARK, mark)]
    return []


def flowing(parts: Sequence[Row], width: int, rows: int) -> list[Row]:
    """As many of the parts, from the first, as have room in that many rows, two cells apart, none of them cut."""
    flow: list[Row] = [[]]
    for part in parts:
        if flow[-1] and row_cells(flow[-1]) + 2 + row_cells(part) > width:
            flow.append([])
        if len(flow) > rows or row_cells(part) > width:
            break
        flow[-1] = [*flow[-1], ("text", "  "), *part] if flow[-1] else part
    return [*flow, *[[]] * rows][:rows]


def panel(name: str, rect: Rect, view: View, figures: Sequence[Row], body: Sequence[Row]) -> list[Row]:
    """A box with its name, bright if it has the focus, and its main figures in the title."""
    focused = view.ui.focus == name
    return box(rect, [("title.focus" if focused else "title", name)], figures, body, focused)


def labelled(role: str, label: str, value: str) -> Row:
    """A label in that role and its value."""
    return [(role, f"{label} "), ("strong", value)]


def feed_state(view: View) -> Row:
    """Whether the picture is live, with a sign and a word."""
    if view.stopped:
        return [("halt", "■ gateway stopped")]
    if not view.workers:
        return [("halt", "◌ no worker")]
    if view.ui.frozen:
        return [("halt", "‖ frozen")]
    samples = view.history.scalars
    age_s = (view.history.now_ns - samples[-1].time_ns) / SECOND_NS if samples else 0.0
    if age_s > STALE_S:
        return [("halt", f"◌ stale {uptime(age_s)}")]
    return [("live", "● live")]


def percentile_figures(latency_ms: Latency) -> list[Row]:
    """The three percentiles, each in the colour of its line."""
    named = (("p50", latency_ms.p50), ("p95", latency_ms.p95), ("p99", latency_ms.p99))
    return [labelled(name, name, duration(value)) for name, value in named]


def highest_of(values: charts.Values) -> float:
    """The highest value, 0 if there is none."""
    return max((value for value in values if value is not None), default=0.0)


def trend_of(values: charts.Values) -> str:
    """A sparkline that its highest value fills."""
    return charts.sparkline(values, highest_of(values))
