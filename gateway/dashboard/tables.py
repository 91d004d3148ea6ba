"""The tables of workers and of models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import Column
from gateway.dashboard.text import Row, cells, clean, count, duration, left, percent, rate, right, short, size
from gateway.dashboard.view import View, panel, trend_of
from gateway.metrics.snapshot import ModelFigures


def workers(rect: Rect, view: View) -> list[Row]:
    """Each worker's process, and what all of them together used over the chosen window."""
    body: list[Row] = [[("label", "slot     pid   cpu    mem  active")]]
    for worker in view.snapshot.workers:
        if worker.alive:
            use = (percent(worker.cpu_percent), size(worker.rss_bytes), count(worker.active))
            body.append([("text", "{:>4}{:>8}{:>6}{:>7}{:>8}".format(worker.slot, worker.pid, *use))])
        else:
            body.append([("dim", f"{worker.slot:>4}{worker.pid:>8}  ended")])
    room = rect.height - 2
    trends: list[tuple[str, Callable[[Column], float]]] = [
        ("active", lambda column: column.active),
        ("cpu", lambda column: column.cpu_percent),
        ("mem", lambda column: column.rss_bytes),
    ]
    if room - len(body) >= len(trends) + 1:
        body += [[]] * (room - len(body) - len(trends) - 1)
        width = rect.width - 4 - 8
        for name, figure in trends:
            values = view.over_time(width, figure, one_a_cell=True)
            body.append([("label", left(name, 7)), ("border", "│"), ("gauge", trend_of(values))])
        body.append([("dim", " " * 8 + charts.time_axis(width, view.ui.window_s))])
    return panel("workers", rect, view, [[("strong", str(view.workers))]], body)


@dataclass(frozen=True)
class _Heading:
    """A column of the table of models: its width, the narrowest table that shows it, and its figure."""

    name: str
    width: int
    from_width: int
    sort: str
    figure: Callable[[ModelFigures, float | None], str]


_HEADINGS = (
    _Heading("req", 8, 76, "", lambda model, _: count(model.window.finished)),
    _Heading("rate", 8, 0, "rate", lambda _, now: rate(now)),
    _Heading("err", 6, 0, "errors", lambda model, _: percent(_error_share(model))),
    _Heading("p50", 7, 0, "", lambda model, _: duration(model.window.latency_ms.p50)),
    _Heading("p95", 7, 60, "", lambda model, _: duration(model.window.latency_ms.p95)),
    _Heading("p99", 7, 0, "p99", lambda model, _: duration(model.window.latency_ms.p99)),
    _Heading("in", 7, 76, "", lambda model, _: short(model.window.tokens.input)),
    _Heading("out", 7, 0, "tokens", lambda model, _: short(model.window.tokens.output)),
    _Heading("act", 5, 60, "", lambda model, _: count(model.active)),
)


def _error_share(model: ModelFigures) -> float | None:
    return 100 * model.window.errors / model.window.finished if model.window.finished else None


def _sorted_models(view: View, rates: Mapping[str, float]) -> list[ModelFigures]:
    keys: dict[str, Callable[[ModelFigures], float]] = {
        "rate": lambda model: rates.get(model.name, 0.0),
        "errors": lambda model: _error_share(model) or 0.0,
        "p99": lambda model: model.window.latency_ms.p99 or 0.0,
        "tokens": lambda model: model.window.tokens.output,
    }
    # What is equal keeps one order from frame to frame.
    by_size = sorted(view.snapshot.models, key=lambda model: (-model.window.finished, model.name))
    if view.ui.sort == "name":
        return sorted(by_size, key=lambda model: model.name)
    return sorted(by_size, key=keys[view.ui.sort], reverse=True)


def model_table(inner: int, room: int, view: View) -> list[Row]:
    """The heads and as many models as `room` allows, with the columns for which `inner` cells are enough."""
    rates = view.history.model_rates()
    models = _sorted_models(view, rates)
    headings = [heading for heading in _HEADINGS if inner >= heading.from_width]
    figures_width = sum(heading.width for heading in headings)
    names = [clean(model.name) for model in models]
    name_width = min(max(16, *(cells(name) for name in names), 16), 32, inner - figures_width)
    spark = inner - name_width - figures_width - 2
    # Fewer cells show no course over time.
    courses = view.history.model_courses(view.ui.window_s, spark) if spark >= 12 else {}
    sort = view.ui.sort
    head: Row = [("label", left("model▾" if sort == "name" else "model", name_width))]
    head += [("label", right(f"{item.name}▾" if item.sort == sort else item.name, item.width)) for item in headings]
    if spark >= 12:
        head.append(("label", f"  rate over {view.ui.window_s // 60}m"))
    body = [head]
    for model, name in list(zip(models, names, strict=True))[: room - 1]:
        row: Row = [("text", left(name, name_width))]
        for heading in headings:
            text = heading.figure(model, rates.get(model.name))
            role = "errors" if heading.name == "err" and model.window.errors else "text"
            row.append((role, right(text, heading.width)))
        if spark >= 12:
            row.append(("requests", "  " + trend_of(courses.get(model.name, []))))
        body.append(row)
    return body


def models(rect: Rect, view: View) -> list[Row]:
    """One row for each model over the last 15 minutes."""
    number, room = len(view.snapshot.models), rect.height - 3
    if not number:
        return panel("models", rect, view, [], _first_steps(rect.width - 4, view))
    shown = str(number) if number <= room else f"{room} of {number}"
    figures: list[Row] = [[("strong", shown)], [("label", f"by {view.ui.sort}")]]
    return panel("models", rect, view, figures, model_table(rect.width - 4, rect.height - 2, view))


def _first_steps(inner: int, view: View) -> list[Row]:
    """What to try while there is nothing to show; the quotes let the body of the request span lines."""
    url = f"{clean(view.snapshot.instance.address)}/v1/chat/completions"
    header = "-H 'content-type: application/json'"
    body = ('{"model": "echo", "messages": [', '{"role": "user", "content": "hello"}]}')
    request = [f"curl {url} {header} \\", f"  -d '{''.join(body)}'"]
    if inner < max(cells(line) for line in request):
        request = [f"curl {url} \\", f"  {header} \\", f"  -d '{body[0]}", f"  {body[1]}'"]
    lines = [("label", "no requests yet; try"), *(("strong", line) for line in request)]
    return [[line] for line in (*lines, *(("label", clean(line)) for line in view.welcome))]
