"""The panels of charts over time, and what the cursor reads in them.

A chart panel is drawn in two steps. The first gathers what the picture is made of, plain values that can be compared;
the second draws it, and is kept: a panel whose values have not changed costs a look-up. Requests, as an area, and
errors, as a stack, are sums and have linear axes only; latency and tokens follow the choice of `Ui.log_scale`; the heat
map of latency is always logarithmic.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import SECOND_NS, Column, LatencyColumn, Reading, cursor_column
from gateway.dashboard.tables import ERROR_TYPES
from gateway.dashboard.text import (
    NO_DATA,
    Row,
    Segment,
    count,
    left,
    rate,
    right,
    row_cells,
    short,
    uptime,
)
from gateway.dashboard.theme import Charset
from gateway.dashboard.view import (
    View,
    box,
    flowing,
    giving_way,
    labelled,
    percentile_figures,
)
from gateway.metrics.outcome import ERRORS

# Wide enough for every tick of every axis (500ms, 0.05/s, 1.5k/s), so a field never moves sideways with its scale.
_LABEL = 6
# The charts of a screen. A picture takes about 15 kB at 120x40.
_PICTURES = 4
# The least that the upper end of an axis stands for: requests and errors a second, milliseconds, tokens a second.
_LEAST_RATE, _LEAST_MS, _LEAST_TOKENS = 0.1, 1.0, 10.0
# The bands in which the ends of the heat map's axis are found: 1-2-5 milliseconds, from 1 microsecond to 83 minutes.
_BANDS_MS = tuple(nice * 10.0**power for power in range(-3, 7) for nice in (1, 2, 5))
# From this inner height on the counts of errors stand above their chart.
_HIGH = 7
# The lines of the two charts that have some. The median is drawn last: where lines meet, it is the one to see.
_PERCENTILES, _TOKENS = ("p99", "p95", "p50"), ("tokens.in", "tokens.out")
# From here on there is a table above them, and still five rows to draw in.
_TABLED = 12
# From this width on the title of the tokens has room for its unit.
_UNITED = 34
# From here on the tokens have a line of their own above their chart.
_LINED = 6
# Else they stand beside it, in these cells.
_NAME, _AMOUNT = max(len(kind.label) for kind in ERRORS), 5
# From the foot of the stack: what is the gateway's or the provider's fault has the steady base.
_STACKED = ERRORS[::-1]


def readout(view: View, room: int) -> Row:
    """What the cursor reads, in one line of at most `room` cells.

    Where there is not room for all, what goes first is how long ago that was, then the tokens, the types of the errors,
    p50, p99, the rate, the errors, p95, n, and last the time.
    """
    reading = view.reading
    if reading is None:
        return [("label", "the cursor is older than the window")]
    p50, p95, p99 = percentile_figures(reading.latency_ms)
    # Of a moment that nobody counted no stretch is known either.
    then = [_clock(view, instant) for instant in sorted({reading.begin_ns, reading.end_ns})]
    return giving_way(
        [
            (0, [("strong", " to ".join(then))]),
            (1, labelled("label", "n", count(reading.number))),
            (4, [("requests", rate(reading.rate(reading.latency_ms.count)))]),
            *((6, p50), (2, p95), (5, p99)),
            (3, labelled("label", "err", rate(reading.rate(sum(reading.errors))))),
            *((7, named) for named in _errors_of(reading.errors)),
            (8, labelled("tokens.in", "in", rate(reading.rate(reading.input_tokens)))),
            (8, labelled("tokens.out", "out", rate(reading.rate(reading.output_tokens)))),
            (9, [("label", _ago(view, reading))]),
        ],
        room,
    )


def _clock(view: View, instant_ns: int) -> str:
    """The time of day at an instant of the history's clock."""
    return datetime.fromtimestamp((instant_ns + view.wall_ns_at_zero) / 1e9, view.zone).strftime("%H:%M:%S")


def _ago(view: View, reading: Reading) -> str:
    return f"{uptime((view.history.now_ns - reading.begin_ns) / SECOND_NS)} ago"


_FINISHED, _INPUT, _OUTPUT = attrgetter("finished"), attrgetter("input_tokens"), attrgetter("output_tokens")


@dataclass(frozen=True)
class _Frame:
    """Where a chart panel stands, and what is around its field.

    `above` are rows over the field; `legend` stands to the left of it, in place of the labels of the axis; `names` are
    the cells to the right of it for the names of its lines.
    """

    name: str
    rect: Rect
    focused: bool
    window_s: int
    charset: Charset
    above: tuple[tuple[Segment, ...], ...] = ()
    legend: tuple[tuple[Segment, ...], ...] = ()
    names: int = 0

    @property
    def margin(self) -> int:
        """The cells to the left of the field."""
        return row_cells(self.legend[0]) if self.legend else _LABEL + 1

    @property
    def width(self) -> int:
        """The columns of the field."""
        return max(1, self.rect.inner_width - self.margin - self.names)

    @property
    def rows(self) -> int:
        """The rows of the field; below it stands the time axis, unless a legend needs all the rows."""
        room = self.rect.inner_height - len(self.above)
        return max(1, len(self.legend), room - 1)

    @property
    def values(self) -> int:
        """How many values an area or lines can show."""
        return charts.resolution(self.width, self.charset)


def _frame(
    name: str, rect: Rect, view: View, *, above: Sequence[Row] = (), legend: Sequence[Row] = (), names: int = 0
) -> _Frame:
    rows = tuple(map(tuple, above)), tuple(map(tuple, legend))
    return _Frame(name, rect, view.ui.focus == name, view.ui.window_s, view.theme.charset, *rows, names)


_Draw = Callable[[Any, charts.Scale, int, Charset], list[Row]]


def _chart(
    frame: _Frame, view: View, figures: Sequence[Row], draw: _Draw, values: Any, scale: charts.Scale, columns: int
) -> list[Row]:
    """The panel with `values` of so many columns drawn by `draw`; equal arguments are drawn once."""
    cursor, reading = None, view.reading
    if reading is not None:
        place = cursor_column(view.ui.cursor_ns or 0, view.history.now_ns, frame.window_s, columns)
        cursor = None if place is None else (place * frame.width // columns, _clock(view, reading.begin_ns))
    return _picture(frame, tuple(map(tuple, figures)), draw, values, scale, cursor)


@lru_cache(_PICTURES)
def _picture(
    frame: _Frame,
    figures: tuple[tuple[Segment, ...], ...],
    draw: _Draw,
    values: Any,
    scale: charts.Scale,
    cursor: tuple[int, str] | None,
) -> list[Row]:
    field = draw(values, scale, frame.rows, frame.charset)
    if cursor is not None:
        field = charts.with_cursor(field, cursor[0])
    left: list[Row] = [[("dim", f"{label}┤")] for label in charts.y_axis(scale, frame.rows, _LABEL)]
    if frame.legend:
        blank: Row = [("dim", " " * (frame.margin - 1)), ("border", "│")]
        left = [*map(list, frame.legend), *[blank] * (frame.rows - len(frame.legend))]
    body: list[Row] = [*map(list, frame.above), *([*head, *row] for head, row in zip(left, field, strict=True))]
    body.append([("dim", " " * frame.margin), *_time_row(frame, cursor)])
    title = "title.focus" if frame.focused else "title"
    return box(frame.rect, [(title, frame.name)], [list(figure) for figure in figures], body, frame.focused)


def _time_row(frame: _Frame, cursor: tuple[int, str] | None) -> Row:
    axis = charts.time_axis(frame.width, frame.window_s, cursor)
    if cursor is None:
        return [("dim", axis)]
    before, mark, after = axis.partition(charts.CURSOR)
    return [("dim", before), ("strong", mark), ("dim", after)]


def _named_lines(
    series: Sequence[tuple[str, charts.Values]], scale: charts.Scale, rows: int, charset: Charset
) -> list[Row]:
    field, names = charts.lines(series, scale, rows, charset), charts.line_names(series, scale, rows, charset)
    return [row + name for row, name in zip(field, names, strict=True)]


def _rate_tick(value: float) -> str:
    if value >= 1000:
        return f"{short(value) if value % 1 == 0 else value}/s"
    return f"{value:g}/s" if value else "0"


def _time_tick(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:g}s"
    if milliseconds < 1:
        return f"{milliseconds * 1000:g}µs" if milliseconds else "0"
    return f"{milliseconds:g}ms"


def _rates(columns: Sequence[Column | None], amount: Callable[[Column], float]) -> tuple[float | None, ...]:
    """What `Column.rate` says of each, without a call for each."""
    return tuple([None if column is None else amount(column) * SECOND_NS / column.covered_ns for column in columns])


def _highest(values: charts.Values) -> float:
    return max(filter(None, values), default=0.0)


def _moment(view: View, reading: Reading) -> list[Row]:
    """When, and how long ago, for a title that reads the cursor."""
    return [[("strong", _clock(view, reading.begin_ns))], [("label", _ago(view, reading))]]


def requests(rect: Rect, view: View) -> list[Row]:
    """Requests a second over the chosen window."""
    frame = _frame("requests", rect, view)
    columns = view.history.columns(frame.window_s, frame.values)
    rates = _rates(columns, _FINISHED)
    highest = max(_highest(rates), view.history.peaks(frame.window_s, frame.values).finished)
    scale = charts.linear_scale(highest, frame.rows, _rate_tick, _LEAST_RATE)
    reading = view.reading
    if reading is None:
        now, peak = view.snapshot.window.requests_per_second, view.history.peak(frame.window_s)
        if now is not None and peak is not None:
            # The newest requests are in no step yet.
            peak = max(now, peak)
        figures = [[("strong", rate(now))], labelled("label", "peak", rate(peak))]
    else:
        now = reading.rate(reading.latency_ms.count)
        figures = [[("strong", rate(now))], labelled("label", "n", count(reading.number)), *_moment(view, reading)]
    return _chart(frame, view, figures, _requests_field, rates, scale, frame.values)


def _requests_field(values: charts.Values, scale: charts.Scale, rows: int, charset: Charset) -> list[Row]:
    drawn = charts.area(values, scale, rows, charset)
    return [[("requests.high" if row < rows // 3 else "requests", text)] for row, text in enumerate(drawn)]


def latency(rect: Rect, view: View) -> list[Row]:
    """The percentiles over the chosen window, from the arrival of a request to its last byte, or all latencies."""
    names = 0 if view.ui.heat else charts.names_width(_PERCENTILES, view.theme.charset)
    frame = _frame("latency", rect, view, names=names)
    number = frame.width if view.ui.heat else frame.values
    columns = view.history.latencies(frame.window_s, number)
    known = [column for column in columns if column is not None]
    reading = view.reading
    if reading is None:
        figures = percentile_figures(view.latency_ms)
    else:
        figures = [
            *percentile_figures(reading.latency_ms),
            labelled("label", "n", count(reading.number)),
            *_moment(view, reading),
        ]
    if view.ui.heat:
        scale, edges = _bands(known, frame.rows)
        counts = tuple([None if column is None else column.counts(edges) for column in columns])
        most = round(charts.ceil_125(max((max(cells) for cells in counts if cells is not None), default=1)))
        # What the cursor reads matters more than what the shades stand for.
        figures = [charts.heat_legend(most), *figures] if reading is None else [*figures, charts.heat_legend(most)]
        return _chart(frame, view, figures, _heat_field, (most, counts), scale, number)
    highest = max([column.p99 for column in known], default=0.0)
    if view.ui.log_scale and known:
        scale = charts.log_scale(min([column.p50 for column in known]), highest, frame.rows, _time_tick)
    else:
        scale = charts.linear_scale(highest, frame.rows, _time_tick, _LEAST_MS)
    series = tuple([(name, tuple([column and getattr(column, name) for column in columns])) for name in _PERCENTILES])
    return _chart(frame, view, figures, _named_lines, series, scale, number)


def _bands(columns: Sequence[LatencyColumn], rows: int) -> tuple[charts.Scale, tuple[float, ...]]:
    """The axis of the heat map, which holds every latency, and the edges between its rows in milliseconds."""
    used = [any(counts) for counts in zip(*(column.counts(_BANDS_MS) for column in columns), strict=True)]
    if not any(used):
        return _banded(1.0, 10.0, rows)
    # Band n is below edge n; what is below all edges is drawn at the foot.
    first, last = used.index(True), len(used) - 1 - used[::-1].index(True)
    return _banded(_BANDS_MS[max(0, first - 1)], _BANDS_MS[last], rows)


@lru_cache(_PICTURES)
def _banded(lowest_ms: float, highest_ms: float, rows: int) -> tuple[charts.Scale, tuple[float, ...]]:
    scale = charts.log_scale(lowest_ms, highest_ms, rows, _time_tick)
    ratio = scale.top / scale.bottom
    return scale, tuple(scale.bottom * ratio ** (row / rows) for row in range(1, rows))


def _heat_field(
    values: tuple[int, Sequence[Sequence[int] | None]], scale: charts.Scale, rows: int, charset: Charset
) -> list[Row]:
    most, counts = values
    return charts.heat(counts, most, rows)


def tokens(rect: Rect, view: View) -> list[Row]:
    """Tokens a second, in and out, over the chosen window, and the mean of a request."""
    window = view.snapshot.window
    above: list[Row] = []
    if rect.inner_height >= _LINED:
        each = (window.tokens.input, window.tokens.output)
        mean = [NO_DATA if total is None or not window.finished else short(total / window.finished) for total in each]
        texts = ("per request  ", mean[0], " in  ", mean[1], " out")
        above.append([("text" if text in mean else "label", text) for text in texts])
    frame = _frame("tokens", rect, view, above=above, names=charts.names_width(_TOKENS, view.theme.charset))
    columns = view.history.columns(frame.window_s, frame.values)
    coming = _rates(columns, _INPUT)
    going = _rates(columns, _OUTPUT)
    reading = view.reading
    if window.tokens.input is None:
        # Nobody told any.
        coming = going = (None,) * frame.values
        rates: list[float | None] = [None, None]
    elif reading is None:
        minute = view.history.columns(60, 1)[0]
        rates = [None if minute is None else minute.rate(amount(minute)) for amount in (_INPUT, _OUTPUT)]
    else:
        rates = [reading.rate(amount(reading)) for amount in (_INPUT, _OUTPUT)]
    # One unit for both, so that both have room; a narrow panel has it at its axis only.
    going_rate = rate(rates[1]) if rect.width >= _UNITED else rate(rates[1]).removesuffix("/s")
    figures = [
        labelled("tokens.in", "in", rate(rates[0]).removesuffix("/s")),
        labelled("tokens.out", "out", going_rate),
        *([] if reading is None else _moment(view, reading)),
    ]
    peaks = view.history.peaks(frame.window_s, frame.values)
    highest = max(_highest(coming), _highest(going), peaks.input_tokens, peaks.output_tokens)
    lowest = min([amount for amount in (*coming, *going) if amount], default=0.0)
    if view.ui.log_scale and lowest:
        scale = charts.log_scale(max(lowest, 1.0), max(highest, _LEAST_TOKENS), frame.rows, _rate_tick)
    else:
        scale = charts.linear_scale(highest, frame.rows, _rate_tick, _LEAST_TOKENS)
    series = tuple(zip(_TOKENS, (coming, going), strict=True))
    return _chart(frame, view, figures, _named_lines, series, scale, frame.values)


def errors(rect: Rect, view: View) -> list[Row]:
    """Errors by type, on top of each other, over the chosen window, and how many there were of each."""
    high = rect.inner_height >= _HIGH
    number = max(1, rect.inner_width - (_LABEL + 1 if high else _NAME + _AMOUNT + 2))
    window, history = view.snapshot.window, view.history
    columns = history.columns(view.ui.window_s, number)
    reading = view.reading
    if reading is None:
        amounts: Sequence[int] = view.errors
        figures = [[("strong", rate(window.errors_per_second))], *_errors_of(amounts)]
    else:
        amounts = reading.errors
        figures = [[("strong", rate(reading.rate(sum(amounts))))], _moment(view, reading)[0], *_errors_of(amounts)]
    by_type = dict(zip((kind.label for kind in ERRORS), amounts, strict=True))
    named = [(name, by_type[name], name == view.ui.selected.get("errors")) for name in ERROR_TYPES.names(view)]
    if rect.inner_height >= _TABLED:
        frame = _frame("errors", rect, view, above=ERROR_TYPES.body(rect.inner_width, len(ERRORS) + 1, view))
    elif high:
        counts = [_legend_entry(*each) for each in named]
        frame = _frame("errors", rect, view, above=[row for row in flowing(counts, rect.inner_width, 3) if row])
    else:
        frame = _frame("errors", rect, view, legend=[_legend_row(*each) for each in named])
    parts = tuple([None if column is None else tuple(map(column.rate, reversed(column.errors))) for column in columns])
    failed = max([sum(part) for part in parts if part is not None], default=0.0)
    highest = max(failed, history.peaks(frame.window_s, number).failed)
    scale = charts.linear_scale(highest, frame.rows, _rate_tick, _LEAST_RATE)
    return _chart(frame, view, figures, _errors_field, parts, scale, number)


def _legend_row(name: str, amount: int, selected: bool) -> Row:
    figures = left(name, _NAME), right(short(amount), _AMOUNT)
    row: Row = [(f"error.{name}", figures[0]), ("strong" if amount else "dim", figures[1])]
    return [*([("selected", "".join(figures))] if selected else row), ("border", " │")]


def _legend_entry(name: str, amount: int, selected: bool) -> Row:
    return [("selected", f"{name} {short(amount)}")] if selected else labelled(f"error.{name}", name, short(amount))


def _errors_of(amounts: Sequence[int]) -> list[Row]:
    """The types that there were, the most frequent first."""
    there = [(amount, kind.label) for amount, kind in zip(amounts, ERRORS, strict=False) if amount]
    ranked = sorted(there, key=lambda pair: -pair[0])
    return [labelled(f"error.{name}", name, short(amount)) for amount, name in ranked]


def _errors_field(
    values: Sequence[Sequence[float] | None], scale: charts.Scale, rows: int, charset: Charset
) -> list[Row]:
    return charts.stack(values, [f"error.{kind.label}" for kind in _STACKED], scale, rows, charset)
