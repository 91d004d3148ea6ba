"""The tables of models, workers and errors: columns as data, sorted by any of them, with a row to select.

A table shows the columns for which it is wide enough and as many rows as it has room for; the rows scroll with the
selection. Rows that are equal in the column that sorts keep the order in which the snapshot has them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.dashboard import charts
from gateway.dashboard.layout import Rect
from gateway.dashboard.names import cut_apart
from gateway.dashboard.series import Column as Stretch
from gateway.dashboard.state import NO_MODEL
from gateway.dashboard.text import (
    Row,
    cells,
    clean,
    count,
    duration,
    fit,
    left,
    percent,
    rate,
    right,
    short,
    size,
)
from gateway.dashboard.view import View, panel, trend_of
from gateway.metrics.outcome import ERRORS
from gateway.metrics.snapshot import ModelWindow, WorkerFigures

_T = TypeVar("_T")

# A narrower sparkline shows no course over time.
_LEAST_COURSE = 12
# A longer name is cut for the sake of a sparkline, of any that there is room for or, from 40 cells on, of that.
_LONGEST_NAME, _LONG_COURSE = 32, 40


@dataclass(frozen=True)
class Column(Generic[_T]):
    """A column of figures: `value` sorts, None last; `text` is shown, in a table of at least `from_width` cells."""

    name: str
    width: int
    text: Callable[[_T], str]
    value: Callable[[_T], float | None]
    from_width: int = 0
    ascending: bool = False
    role: Callable[[_T], str] = lambda _: "text"


@dataclass(frozen=True)
class Table(Generic[_T]):
    """A first column of names, columns of figures, and where the rows come from.

    `sort` is the column that sorts at first, `key` the name of a row, and `place` what the first column sorts by.
    """

    name: str
    head: str
    columns: Sequence[Column[_T]]
    sort: str
    rows: Callable[[View], Sequence[_T]]
    key: Callable[[_T], str]
    place: Callable[[_T], str | int]
    dim: Callable[[_T], bool] = lambda _: False
    least_name: int = 16
    name_role: Callable[[_T], str] = lambda _: "text"

    def shown_columns(self, inner: int) -> list[Column[_T]]:
        """The columns for which `inner` cells are enough."""
        return [column for column in self.columns if inner >= column.from_width]

    def column_names(self, inner: int) -> list[str]:
        """What the table can be sorted by, in the order of the columns, beginning with the one that sorts at first."""
        names = [self.head, *(column.name for column in self.shown_columns(inner))]
        first = names.index(self.sort) if self.sort in names else 0
        return names[first:] + names[:first]

    def sorted_rows(self, view: View) -> list[_T]:
        """The rows in the order that the user has chosen."""
        order = view.ui.order(self.name)
        rows = list(self.rows(view))
        name = order.column or self.sort
        column = next((column for column in self.columns if column.name == name), None)
        if column is None:
            return sorted(rows, key=self.place, reverse=order.reversed)
        value = column.value
        known = [row for row in rows if value(row) is not None]
        unknown = [row for row in rows if value(row) is None]
        down = column.ascending == order.reversed
        return sorted(known, key=lambda row: value(row) or 0.0, reverse=down) + unknown

    def names(self, view: View) -> list[str]:
        """The names of the rows in that order."""
        return [self.key(row) for row in self.sorted_rows(view)]

    def sign(self, view: View, name: str) -> str:
        """The head of a column, with the direction in which it sorts."""
        order = view.ui.order(self.name)
        if name != (order.column or self.sort):
            return name
        column = next((column for column in self.columns if column.name == name), None)
        ascending = (column is None or column.ascending) != order.reversed
        return f"{name}{'▴' if ascending else '▾'}"

    def body(
        self, inner: int, room: int, view: View, *, course: Callable[[_T, int], str] | None = None, title: str = ""
    ) -> list[Row]:
        """The heads and as many rows as `room` allows; `course` draws a sparkline in the cells that are left."""
        rows = self.sorted_rows(view)
        columns = self.shown_columns(inner)
        figures = sum(column.width for column in columns)
        names = [clean(self.key(row)) for row in rows]
        longest = max((cells(name) for name in names), default=0)
        name_width = max(1, min(max(self.least_name, longest), _longest_name(inner - figures)))
        spare = inner - name_width - figures - 2
        drawn = course if spare >= _LEAST_COURSE else None
        head: Row = [("label", left(self.sign(view, self.head), name_width))]
        head += [("label", right(self.sign(view, column.name), column.width)) for column in columns]
        if drawn is not None:
            head.append(("label", f"  {title}"))
        body = [head]
        selected = view.ui.selected.get(self.name)
        keys = [self.key(row) for row in rows]
        first = max(0, keys.index(selected) + 2 - room) if selected in keys else 0
        shown = cut_apart(frozenset(names), name_width) if longest > name_width else {}
        for row, name in list(zip(rows, names, strict=True))[first : first + room - 1]:
            dim = self.dim(row)
            line: Row = [("dim" if dim else self.name_role(row), left(shown.get(name, name), name_width))]
            for column in columns:
                line.append(("dim" if dim else column.role(row), right(column.text(row), column.width)))
            if drawn is not None:
                line.append(("requests", "  " + drawn(row, spare)))
            if self.key(row) == selected:
                line = [("selected", "".join(text for _, text in fit(line, inner)))]
            body.append(line)
        return body


def _longest_name(room: int) -> int:
    """How long a name may be where that many cells are left for it and for a sparkline."""
    beside = room - 2 - _LONG_COURSE
    return max(_LONGEST_NAME, beside) if room - 2 - _LEAST_COURSE >= _LONGEST_NAME else room


_CountedError = tuple[str, int, float | None, float | None]
"""A type of error: how many in the window, which share of all requests, how many a second in the last minute."""


class _ModelRow(NamedTuple):
    """A model, or with an empty name the requests that have none."""

    name: str
    active: int
    window: ModelWindow


def _models(view: View) -> list[_ModelRow]:
    """One for each model, and one for the requests whose model no provider knew, if there are any."""
    rows = [_ModelRow(model.name, model.active, model.window) for model in view.snapshot.models]
    nameless = view.snapshot.unattributed
    if nameless.window.finished:
        rows.append(_ModelRow("", nameless.active, nameless.window))
    # What is equal keeps one order from frame to frame.
    return sorted(rows, key=lambda row: (-row.window.finished, row.name))


def _model_name(row: _ModelRow) -> str:
    return row.name or NO_MODEL


def _error_share(model: _ModelRow) -> float | None:
    return 100 * model.window.errors / model.window.finished if model.window.finished else None


MODELS: Table[_ModelRow] = Table(
    "models",
    "model",
    (
        Column("req", 8, lambda row: count(row.window.finished), lambda row: row.window.finished, 75),
        Column("rate", 7, lambda row: rate(row.window.requests_per_second), lambda row: row.window.requests_per_second),
        Column(
            "err",
            6,
            lambda row: percent(_error_share(row)),
            lambda row: _error_share(row),
            role=lambda row: "errors" if row.window.errors else "text",
        ),
        Column("p50", 7, lambda row: duration(row.window.latency_ms.p50), lambda row: row.window.latency_ms.p50, 43),
        Column("p95", 7, lambda row: duration(row.window.latency_ms.p95), lambda row: row.window.latency_ms.p95, 56),
        Column("p99", 7, lambda row: duration(row.window.latency_ms.p99), lambda row: row.window.latency_ms.p99),
        Column("in", 6, lambda row: short(row.window.tokens.input), lambda row: row.window.tokens.input, 62),
        Column("out", 6, lambda row: short(row.window.tokens.output), lambda row: row.window.tokens.output, 49),
        Column("act", 5, lambda row: count(row.active), lambda row: row.active, 67),
    ),
    "rate",
    _models,
    _model_name,
    _model_name,
)

WORKERS: Table[WorkerFigures] = Table(
    "workers",
    "slot",
    (
        Column("pid", 8, lambda row: str(row.pid), lambda row: row.pid, 29, ascending=True),
        Column(
            "cpu",
            5,
            lambda row: percent(row.cpu_percent) if row.alive else "gone",
            lambda row: row.cpu_percent,
        ),
        Column("mem", 6, lambda row: size(row.rss_bytes), lambda row: row.rss_bytes),
        Column("act", 5, lambda row: count(row.active), lambda row: row.active),
        Column("req/s", 8, lambda row: rate(row.requests_per_second), lambda row: row.requests_per_second, 37),
    ),
    "slot",
    lambda view: view.snapshot.workers,
    lambda row: str(row.slot),
    lambda row: row.slot,
    dim=lambda row: not row.alive,
    least_name=5,
)


def _errors(view: View) -> list[_CountedError]:
    """In the window, with the rate of the last minute; with a cursor, what that reads."""
    reading = view.reading
    if reading is not None:
        number = reading.number
        return [
            (kind.label, amount, 100 * amount / number if number else None, reading.rate(amount))
            for kind, amount in zip(ERRORS, reading.errors, strict=True)
        ]
    minute = view.history.columns(60, 1)[0]
    counted: list[_CountedError] = []
    finished = view.latency_ms.count
    for place, (kind, amount) in enumerate(zip(ERRORS, view.errors, strict=True)):
        share = 100 * amount / finished if finished else None
        now = minute.rate(minute.errors[place]) if minute is not None else None
        counted.append((kind.label, amount, share, now))
    return counted


ERROR_TYPES: Table[_CountedError] = Table(
    "errors",
    "type",
    (
        Column("n", 7, lambda row: short(row[1]), lambda row: row[1], role=lambda row: "strong" if row[1] else "dim"),
        Column("share", 7, lambda row: percent(row[2]), lambda row: row[2], 40),
        Column("rate", 8, lambda row: rate(row[3]), lambda row: row[3], 34),
    ),
    "type",
    _errors,
    lambda row: row[0],
    # In the order of the taxonomy: what the client did wrong first, what the gateway did wrong last.
    lambda row: [kind.label for kind in ERRORS].index(row[0]),
    least_name=10,
    name_role=lambda row: f"error.{row[0]}",
)

TABLES: Mapping[str, Table[Any]] = {table.name: table for table in (MODELS, WORKERS, ERROR_TYPES)}


def workers(rect: Rect, view: View) -> list[Row]:
    """Each worker's process, and what all of them together used over the chosen window."""
    inner, room = rect.inner_width, rect.inner_height
    number = len(view.snapshot.workers)
    trends: list[tuple[str, Callable[[Stretch], float]]] = [
        ("active", lambda column: column.active),
        ("cpu", lambda column: column.cpu_percent),
        ("mem", lambda column: column.rss_bytes),
    ]
    if room < number + 1 + len(trends) + 1:
        body = WORKERS.body(inner, room, view)
    else:
        body = WORKERS.body(inner, number + 1, view)
        body += [[]] * (room - len(body) - len(trends) - 1)
        width = inner - 8
        for name, figure in trends:
            values = view.over_time(width, figure, one_a_cell=True)
            body.append([("label", left(name, 7)), ("border", "│"), ("gauge", trend_of(values))])
        body.append([("dim", " " * 8 + charts.time_axis(width, view.ui.window_s))])
    alive = str(view.workers) if view.workers == number else f"{view.workers} of {number}"
    # In a word of its own, as "of" tells how many are alive.
    hidden = [[("label", f"{room - 1} shown")]] if number > room - 1 else []
    return panel("workers", rect, view, [[("strong", alive)], *hidden], body)


def model_table(inner: int, room: int, view: View) -> list[Row]:
    """The heads and as many models as `room` allows, with the course of their rates where there is width for it."""
    courses: dict[int, Mapping[str, Sequence[float | None]]] = {}

    def course(row: _ModelRow, width: int) -> str:
        if width not in courses:
            courses[width] = view.history.model_courses(view.ui.window_s, width)
        return trend_of(courses[width].get(row.name, []))

    return MODELS.body(inner, room, view, course=course, title=f"rate over {view.ui.window_s // 60}m")


def models(rect: Rect, view: View) -> list[Row]:
    """One row for each model over the last 15 minutes."""
    number, room = len(_models(view)), rect.inner_height - 1
    if not number:
        return panel("models", rect, view, [[("label", "no requests yet; try")]], _first_steps(rect.inner_width, view))
    shown = str(number) if number <= room else f"{room} of {number}"
    order = view.ui.order("models").column or MODELS.sort
    figures: list[Row] = [[("strong", shown)], [("label", f"by {order}")]]
    return panel("models", rect, view, figures, model_table(rect.inner_width, rect.inner_height, view))


def _first_steps(inner: int, view: View) -> list[Row]:
    """What to try while there is nothing to show; the quotes let the body of the request span lines."""
    url = f"{clean(view.snapshot.instance.address)}/v1/chat/completions"
    header = "-H 'content-type: application/json'"
    body = ('{"model": "echo", "messages": [', '{"role": "user", "content": "hello"}]}')
    request = [f"curl {url} {header} \\", f"  -d '{''.join(body)}'"]
    if inner < max(cells(line) for line in request):
        request = [f"curl {url} \\", f"  {header} \\", f"  -d '{body[0]}", f"  {body[1]}'"]
    return [[("strong", line)] for line in request] + [[("label", clean(line))] for line in view.welcome]
