"""The panels of figures and of charts over time; each turns the view into the finished rows of its rectangle."""

from collections.abc import Sequence
from datetime import datetime

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import Column
from gateway.dashboard.tables import model_table
from gateway.dashboard.text import (
    NO_DATA,
    Row,
    clean,
    count,
    left,
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
    highest_of,
    labelled,
    panel,
    percentile_figures,
    trend_of,
)
from gateway.metrics.outcome import ERRORS

# The relative error of every percentile, from the width of the latency cells.
ERROR_BOUND = "±1.5%"
# Wide enough for every tick of both axes (500ms, 0.5/s, 200k), so that a field never moves sideways with its scale.
_LABEL = 5


def status(rect: Rect, view: View) -> list[Row]:
    """What runs where, and the gauges."""
    snapshot, window = view.snapshot, view.snapshot.window
    instance = snapshot.instance
    wide = rect.width >= 120
    title: Row = [("title.focus", "gateway")]
    if wide:
        title.append(("label", f" {clean(instance.version)}"))
    address = clean(instance.address).removeprefix("http://")
    figures: list[Row] = [feed_state(view), [("text", address)]]
    figures.append([("label", f"{view.workers} worker{'' if view.workers == 1 else 's'}")])
    figures.append([("label", f"up {uptime(_seconds_between(instance.started_at, snapshot.taken_at))}")])
    covered = window.coverage_s or 0.0
    span = f"window {window.seconds // 60}m"
    figures.append([("label", span if covered >= window.seconds else f"{span}, {uptime(covered)} so far")])
    if wide:
        figures += [[("label", f"n {count(window.latency_ms.count)}")], [("label", f"percentiles {ERROR_BOUND}")]]
    # The live sign matters most and stands last, so it is reserved first and put back at the edge.
    live, rest = figures[0], figures[1:]
    room = rect.width - 6 - row_cells(title) - row_cells(live) - 2
    joined = fitting(rest, room)
    shown = [[*joined, ("border", "  "), *live]] if joined else [live]
    return box(rect, title, shown, [_gauges(rect.width - 4, view)], focused=False)


def _gauges(width: int, view: View) -> Row:
    """Active requests over time, CPU of what the workers can use, memory of what the host has, then plain figures."""
    snapshot, tokens = view.snapshot, view.snapshot.window.tokens
    wide = width >= 110
    cores = max(1, view.workers)
    figures = (right(count(snapshot.active), 3), right(percent(view.cpu_percent), 4), right(size(view.rss_bytes), 4))
    of_cores = f" of {cores} core{'' if cores == 1 else 's'}"
    of = ("", of_cores, f" of {size(view.memory_bytes)}") if wide else ("", "", "")
    gap = "   " if wide else "  "
    plain: Row = [("label", f"{gap}tok "), ("tokens.in", short(tokens.input)), ("label", " in ")]
    plain += [("tokens.out", short(tokens.output)), ("label", " out")]
    if wide:
        plain += [("label", f"{gap}err "), ("strong", rate(snapshot.window.errors_per_second))]
    names = ("active ", f"{gap}cpu ", f"{gap}mem ")
    # The gauges share what the words and figures leave.
    length = max(3, (width - row_cells(plain) - sum(map(len, names + figures + of)) - len(names)) // len(names))
    active = trend_of(view.over_time(length, lambda column: column.active, one_a_cell=True))
    cpu = charts.bar((view.cpu_percent or 0.0) / (100 * cores), length)
    memory = charts.bar((view.rss_bytes or 0.0) / view.memory_bytes, length)
    row: Row = []
    for name, (filled, empty), value, whole in zip(names, ((active, ""), cpu, memory), figures, of, strict=True):
        row += [("label", name), ("gauge", filled), ("dim", empty), ("strong", f" {value}"), ("label", whole)]
    return row + plain


def _seconds_between(started_at: str, taken_at: str) -> float:
    return (datetime.fromisoformat(taken_at) - datetime.fromisoformat(started_at)).total_seconds()


def compact(rect: Rect, view: View) -> list[Row]:
    """The figures without charts, for a small terminal."""
    snapshot, window = view.snapshot, view.snapshot.window
    inner = rect.width - 4
    trend = view.over_time(inner - 12, lambda column: column.rate(column.finished), one_a_cell=True)
    failed = sorted(((window.outcomes.get(kind.label, 0), kind.label) for kind in ERRORS), reverse=True)
    now = [
        ("active", right(count(snapshot.active), 3)),
        ("cpu", percent(view.cpu_percent)),
        ("mem", size(view.rss_bytes)),
    ]
    wrong = [("err", rate(window.errors_per_second)), *((name, short(amount)) for amount, name in failed[:2] if amount)]
    body: list[Row] = [
        _row([labelled("label", name, figure) for name, figure in now]),
        [*labelled("label", "req", right(rate(window.requests_per_second), 7)), ("requests", f" {trend_of(trend)}")],
        _row(percentile_figures(window.latency_ms)),
        _row([labelled("label", name, figure) for name, figure in wrong]),
        labelled("label", "tok", f"{short(window.tokens.input)} in  {short(window.tokens.output)} out"),
    ]
    if rect.height > len(body) + 2:
        body += model_table(inner, rect.height - 2 - len(body), view)
    port = clean(snapshot.instance.address).rpartition(":")[2]
    title: Row = [("title.focus", "gateway"), ("label", f" :{port}")]
    return box(rect, title, [feed_state(view)], body, focused=False)


def _row(parts: Sequence[Row]) -> Row:
    return [segment for part in parts for segment in (("text", "  "), *part)][1:]


def _field(rect: Rect) -> tuple[int, int]:
    """The columns and rows that borders and axes leave for a chart."""
    return max(1, rect.width - 4 - _LABEL - 1), max(1, rect.height - 3)


def _with_axes(field: Sequence[Row], scale: charts.Scale, view: View, width: int) -> list[Row]:
    labels = charts.y_axis(scale, len(field), _LABEL)
    body: list[Row] = [[("dim", f"{label}┤"), *row] for label, row in zip(labels, field, strict=True)]
    return [*body, [("dim", " " * (_LABEL + 1) + charts.time_axis(width, view.ui.window_s))]]


def _rate_tick(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:g}/s" if value else "0"


def _time_tick(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:g}s"
    if milliseconds < 1:
        return f"{milliseconds * 1000:g}µs" if milliseconds else "0"
    return f"{milliseconds:g}ms"


def requests(rect: Rect, view: View) -> list[Row]:
    """Requests a second over the chosen window."""
    width, rows = _field(rect)
    rates = view.over_time(width, lambda column: column.rate(column.finished))
    scale = charts.linear_scale(highest_of(rates), rows, _rate_tick, 1.0)
    drawn = charts.area(rates, scale, rows, view.theme.charset)
    field: list[Row] = [[("requests.high" if row < rows // 3 else "requests", text)] for row, text in enumerate(drawn)]
    figures = [
        [("strong", rate(view.snapshot.window.requests_per_second))],
        labelled("label", "peak", rate(highest_of(rates))),
    ]
    return panel("requests", rect, view, figures, _with_axes(field, scale, view, width))


def latency(rect: Rect, view: View) -> list[Row]:
    """The percentiles over the chosen window, from the arrival of a request to its last byte."""
    width, rows = _field(rect)
    figures = percentile_figures(view.snapshot.window.latency_ms)
    series = view.history.percentiles(view.ui.window_s, charts.resolution(width, view.theme.charset))
    highest = highest_of(series["p99"])
    if view.ui.log_scale and highest:
        lowest = min(value for value in series["p50"] if value is not None)
        scale = charts.log_scale(lowest, highest, rows, _time_tick)
    else:
        scale = charts.linear_scale(highest, rows, _time_tick, 1.0)
    # The median is drawn last: where lines meet, it is the one to see.
    field = charts.lines([(name, series[name]) for name in ("p99", "p95", "p50")], scale, rows, view.theme.charset)
    return panel("latency", rect, view, figures, _with_axes(field, scale, view, width))


def tokens(rect: Rect, view: View) -> list[Row]:
    """Tokens a second, in and out, over the chosen window, and the mean of a request."""
    width, rows = _field(rect)
    minute = view.history.columns(60, 1)[0] or Column()
    window = view.snapshot.window
    figures = [
        labelled("tokens.in", "in", rate(minute.rate(minute.input_tokens))),
        labelled("tokens.out", "out", rate(minute.rate(minute.output_tokens))),
    ]
    body: list[Row] = []
    if rows >= 5:
        rows -= 1
        each = (window.tokens.input, window.tokens.output)
        mean = [short(total / window.finished) if window.finished else NO_DATA for total in each]
        body.append(
            [("label", "per request  "), ("text", mean[0]), ("label", " in  "), ("text", mean[1]), ("label", " out")]
        )
    coming = view.over_time(width, lambda column: column.rate(column.input_tokens))
    going = view.over_time(width, lambda column: column.rate(column.output_tokens))
    scale = charts.linear_scale(max(highest_of(coming), highest_of(going)), rows, _rate_tick, 10.0)
    field = charts.lines([("tokens.in", coming), ("tokens.out", going)], scale, rows, view.theme.charset)
    return panel("tokens", rect, view, figures, body + _with_axes(field, scale, view, width))


def errors(rect: Rect, view: View) -> list[Row]:
    """Errors by type: the count in the window, and when they happened, all types on one scale."""
    window = view.snapshot.window
    counts = {kind.label: window.outcomes.get(kind.label, 0) for kind in ERRORS}
    name_width = max(len(name) for name in counts)
    digits = max(4, *(len(short(amount)) for amount in counts.values()))
    width = rect.width - 4 - name_width - digits - 2
    # Each type gets as many rows as there are for all of them, the time axis apart.
    deep = max(1, (rect.height - 3) // len(ERRORS))
    columns = view.columns(width, one_a_cell=deep == 1)
    series = [[None if column is None else column.errors[index] for column in columns] for index in range(len(ERRORS))]
    highest = max(highest_of(values) for values in series) or 1.0
    body: list[Row] = []
    for (name, amount), values in zip(counts.items(), series, strict=True):
        drawn = [charts.sparkline(values, highest)]
        if deep > 1:
            drawn = charts.area(values, charts.Scale(highest, ()), deep, view.theme.charset)
        *above, foot = drawn
        body += [[("border", " " * (name_width + digits) + " │"), ("errors", text)] for text in above]
        figure: Row = [("label", left(name, name_width)), ("strong" if amount else "dim", right(short(amount), digits))]
        body.append([*figure, ("border", " │"), ("errors", foot)])
    body.append([("dim", " " * (name_width + digits + 2) + charts.time_axis(width, view.ui.window_s))])
    largest = sorted(((amount, name) for name, amount in counts.items() if amount), reverse=True)
    figures = [[("strong", rate(window.errors_per_second))]]
    figures += [labelled("label", name, short(amount)) for amount, name in largest[:2]]
    return panel("errors", rect, view, figures, body)
