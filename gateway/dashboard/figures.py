"""The figures of the gateway as a whole: the status, and what stands in its place on a small terminal."""

from collections.abc import Sequence
from datetime import datetime

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.resting import rest_rows
from gateway.dashboard.series import cursor_column
from gateway.dashboard.tables import model_table
from gateway.dashboard.text import (
    Row,
    clean,
    count,
    duration,
    fit,
    percent,
    rate,
    right,
    row_cells,
    short,
    size,
    uptime,
)
from gateway.dashboard.view import (
    View,
    box,
    feed_state,
    fitting,
    flowing,
    labelled,
    percentile_figures,
    trend_of,
)
from gateway.metrics.outcome import ERRORS

# The relative error of every percentile, from the width of the latency cells.
_ERROR_BOUND = "±1.5%"


def status(rect: Rect, view: View) -> list[Row]:
    """What runs where, and the gauges, in one row or in two; without a border all of it in a line."""
    if rect.height == 1:
        return [_status_line(rect.width, view)]
    snapshot, window = view.snapshot, view.snapshot.window
    wide = rect.width >= 120
    title = _title(view)
    if wide:
        title.append(("label", f" {clean(snapshot.instance.version)}"))
    figures: list[Row] = [[("text", _address(view))], *rest_rows(snapshot)]
    number = len(snapshot.workers)
    alive = str(number) if view.workers == number else f"{view.workers} of {number}"
    figures.append([("label" if view.workers == number else "halt", f"{alive} worker{'' if number == 1 else 's'}")])
    figures.append([("label", f"up {_up(view)}")])
    covered = window.coverage_s or 0.0
    span = f"window {window.seconds // 60}m"
    figures.append([("label", span if covered >= window.seconds else f"{span}, {uptime(covered)} so far")])
    if wide:
        figures += [[("label", f"n {count(window.latency_ms.count)}")], [("label", _error_bound(view))]]
    # The live sign matters most and stands last, so it is reserved first and put back at the edge.
    live = feed_state(view)
    joined = fitting(figures, rect.width - 6 - row_cells(title) - row_cells(live) - 2)
    shown = [[*joined, ("border", "  "), *live]] if joined else [live]
    return box(rect, title, shown, _gauges(rect.inner_width, rect.inner_height, view), focused=False)


def _status_line(width: int, view: View) -> Row:
    """What has room of the same, the most important first."""
    snapshot, tokens = view.snapshot, view.snapshot.window.tokens
    parts: list[Row] = [
        [("label", " "), *_title(view), ("label", f" :{_port(view)}")],
        feed_state(view),
        *rest_rows(snapshot),
        labelled("label", "active", right(count(snapshot.active), 2)),
        labelled("label", "cpu", right(percent(view.cpu_percent), 4)),
        labelled("label", "mem", right(size(view.rss_bytes), 4)),
        [
            *labelled("label", "tok", right(short(tokens.input), 5)),
            *(("label", " in "), ("strong", right(short(tokens.output), 5)), ("label", " out")),
        ],
        [("label", f"up {_up(view)}")],
        labelled("label", "err", right(rate(snapshot.window.errors_per_second), 6)),
        [("label", f"n {count(snapshot.window.latency_ms.count)}")],
        [("label", _error_bound(view))],
    ]
    return fit(fitting(parts, width), width)


def _error_bound(view: View) -> str:
    """How exact the percentiles are; a plus alone would say something else, and ASCII has no sign for both."""
    bound = f"percentiles {_ERROR_BOUND}"
    return bound.replace("±", "+-") if view.theme.charset == "ascii" else bound


def _title(view: View) -> Row:
    """What the figures are of; it has to catch the eye when they are not real."""
    return [("halt", clean(view.label))] if view.label else [("title.focus", "gateway")]


def _port(view: View) -> str:
    return clean(view.snapshot.instance.address).rpartition(":")[2]


def _address(view: View) -> str:
    return clean(view.snapshot.instance.address).removeprefix("http://")


def _up(view: View) -> str:
    snapshot = view.snapshot
    started, taken = map(datetime.fromisoformat, (snapshot.instance.started_at, snapshot.taken_at))
    return uptime((taken - started).total_seconds())


def _gauges(width: int, rows: int, view: View) -> list[Row]:
    """Active requests over time, CPU of what the workers can use, memory of what the host has, then plain figures.

    In one row all stand beside each other; in two the memory begins the second; in three the tokens have the third.

    Figures have their room whatever they are: a gauge whose length changed would be another chart of the same history,
    which has to be added up anew.
    """
    snapshot, tokens = view.snapshot, view.snapshot.window.tokens
    wide = width >= 110
    cores = max(1, view.workers)
    of_cores = f" of {cores} core{'' if cores == 1 else 's'}" if wide else ""
    of_memory = f" of {size(view.memory_bytes)}" if wide else ""
    names = ("active ", "cpu ", "mem ")
    figures = (
        f" {right(count(snapshot.active), 3)}",
        f" {right(percent(view.cpu_percent), 4)}{of_cores}",
        f" {right(size(view.rss_bytes), 4)}{of_memory}",
    )
    gap = "   " if wide else "  "
    used: Row = [("label", "tok "), ("tokens.in", right(short(tokens.input), 5)), ("label", " in ")]
    plain: list[Row] = [[*used, ("tokens.out", right(short(tokens.output), 5)), ("label", " out")]]
    wrong = labelled("label", "err", right(rate(snapshot.window.errors_per_second), 6))
    # In two rows, and in a wide one, there is room for the errors too; where room is short they matter more.
    if rows > 1:
        plain.insert(0, wrong)
    elif wide:
        plain.append(wrong)
    abreast = 3 if rows == 1 else 2
    words = [len(name) + len(figure) for name, figure in zip(names, figures, strict=True)]
    taken = sum(words[:abreast]) + len(gap) * (abreast - 1)
    beside = fitting(plain, max(0, width - taken - 5 * abreast)) if rows == 1 else []
    # The gauges share what the words and figures leave, and are shorter where that gives all figures room below them.
    length = max(3, (width - taken - (row_cells(beside) + len(gap) if beside else 0)) // abreast)
    if rows == 2:
        spare = width - words[2] - len(gap) - row_cells(fitting(plain, width))
        length = min(length, spare) if spare >= 3 else length
    active = trend_of(view.over_time(length, lambda column: column.active, one_a_cell=True))
    cpu = charts.bar((view.cpu_percent or 0.0) / (100 * cores), length)
    memory = charts.bar((view.rss_bytes or 0.0) / view.memory_bytes, length)
    gauges: list[Row] = [
        [("label", name), ("gauge", filled), ("dim", empty), ("strong", figure[:5]), ("label", figure[5:])]
        for name, figure, (filled, empty) in zip(names, figures, ((active, ""), cpu, memory), strict=True)
    ]
    first = _joined(gauges[:abreast], gap)
    if rows == 1:
        return [_joined([first, beside], gap) if beside else first]
    second = _joined([*gauges[abreast:], fitting(plain, width - words[2] - length - len(gap))], gap)
    return [first, second, fitting(plain[1:], width)][:rows]


def _joined(parts: Sequence[Row], gap: str) -> Row:
    return [segment for part in parts for segment in (("label", gap), *part)][1:]


def compact(rect: Rect, view: View) -> list[Row]:
    """The figures without charts, for a small terminal."""
    snapshot, window = view.snapshot, view.snapshot.window
    inner = rect.inner_width
    width = inner - 12
    trend = trend_of(view.over_time(width, lambda column: column.rate(column.finished), one_a_cell=True))
    course: Row = [("requests", trend)]
    if view.reading is not None:
        cell = cursor_column(view.ui.cursor_ns or 0, view.history.now_ns, view.ui.window_s, width)
        if cell is not None:
            # There is no axis to carry a sign, so the line stands in place of what the footer reads.
            [course] = charts.with_cursor([[("requests", f"{trend[:cell]} {trend[cell + 1 :]}")]], cell)
    failed = sorted(((window.outcomes.get(kind.label, 0), kind.label) for kind in ERRORS), reverse=True)
    now = [
        labelled("label", "active", right(count(snapshot.active), 3)),
        labelled("label", "cpu", percent(view.cpu_percent)),
        labelled("label", "mem", size(view.rss_bytes)),
    ]
    wrong = [*rest_rows(snapshot), labelled("label", "err", rate(window.errors_per_second))]
    wrong += [labelled("label", name, short(amount)) for amount, name in failed if amount]
    body: list[Row] = [
        fitting(now, inner),
        [*labelled("label", "req", right(rate(window.requests_per_second), 7)), ("text", " "), *course],
        fitting(percentile_figures(window.latency_ms), inner),
        fitting(wrong, inner),
        labelled("label", "tok", f"{short(window.tokens.input)} in  {short(window.tokens.output)} out"),
    ]
    if rect.inner_height > len(body):
        body += model_table(inner, rect.inner_height - len(body), view)
    title: Row = [*_title(view), ("label", f" :{_port(view)}")]
    return box(rect, title, [feed_state(view)], body, focused=False)


def line_rows(rect: Rect, view: View) -> list[Row]:
    """The gateway in as many rows as there are, at least 20 cells wide: the first of its figures that have room."""
    snapshot, window = view.snapshot, view.snapshot.window
    latency, tokens = window.latency_ms, window.tokens
    parts = [
        *([_title(view)] if view.label else []),
        feed_state(view),
        [("requests", rate(window.requests_per_second))],
        labelled("label", "err", rate(window.errors_per_second)),
        *rest_rows(snapshot),
        labelled("p95", "p95", duration(latency.p95)),
        labelled("label", "active", count(snapshot.active)),
        labelled("p50", "p50", duration(latency.p50)),
        labelled("p99", "p99", duration(latency.p99)),
        labelled("label", "cpu", percent(view.cpu_percent)),
        labelled("label", "mem", size(view.rss_bytes)),
        labelled("label", "tok", f"{short(tokens.input)} in {short(tokens.output)} out"),
        labelled("label", "n", count(latency.count)),
        labelled("label", "workers", str(view.workers)),
        labelled("label", "up", _up(view)),
        [("label", _address(view))],
    ]
    return [fit(row, rect.width) for row in flowing(parts, rect.width, rect.height)]
