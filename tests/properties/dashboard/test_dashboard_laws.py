"""Laws of the dashboard: every picture fits its terminal, whatever others wrote, and keys survive any split."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from gateway.dashboard import charts, text
from gateway.dashboard.bindings import DISPATCH
from gateway.dashboard.canvas import flatten
from gateway.dashboard.frame import build_tiles, stage
from gateway.dashboard.keys import KeyDecoder
from gateway.dashboard.layout import PANELS
from gateway.dashboard.series import SECOND_NS, History
from gateway.dashboard.state import TABLES, THEMES, WINDOWS_S, Order, Ui, press
from gateway.dashboard.view import View
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData, ScalarPoint
from tests.support.dashboard_scene import NOW_NS, make_chart, make_scene, make_snapshot

STRANGE = [
    "漢字" * 12,
    "e\u0301" * 9,
    "[999]x [!link(http://x)]",
    "\x1b[2J\x1b]0;title\x07",
    "👩\u200d💻🇩🇪✈\ufe0f",
    "a\tb\r\nc\x9b5m",
    "\u202eabc",
    "",
]
NASTY = st.one_of(st.text(max_size=40), st.sampled_from(STRANGE))
CHARTS = {seconds: make_chart(seconds) for seconds in (0, 1, 60)}
ENVIRONS: list[Mapping[str, str]] = [
    {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"},
    {"TERM": "linux", "LANG": "C.UTF-8"},
    {"TERM": "xterm", "NO_COLOR": "1"},
]


def cells(row: str) -> int:
    """The width of a text, counted without the code under test."""
    return sum(max(0, wcwidth(char)) for char in row)


@given(
    columns=st.integers(1, 60) | st.integers(61, 180),
    rows=st.integers(1, 30) | st.integers(31, 60),
    nasty=st.lists(NASTY, min_size=3, max_size=3),
    ui=st.builds(
        Ui,
        window_s=st.sampled_from(WINDOWS_S),
        focus=st.sampled_from(PANELS),
        zoomed=st.booleans(),
        dropped=st.frozensets(st.sampled_from(PANELS)),
        help=st.booleans(),
        details=st.booleans(),
        wrap=st.booleans(),
        filtering=st.booleans(),
        filter_text=NASTY,
        orders=st.dictionaries(
            st.sampled_from(sorted(TABLES)),
            st.builds(Order, st.sampled_from([None, "model", "rate", "err", "slot", "pid", "n"]), st.booleans()),
        ),
        selected=st.dictionaries(st.sampled_from(sorted(TABLES)), st.sampled_from(["echo", "0", "auth"])),
        log_scale=st.booleans(),
        heat=st.booleans(),
        cursor_ns=st.none() | st.integers(NOW_NS - 1000 * SECOND_NS, NOW_NS),
        theme=st.sampled_from(THEMES),
    ),
    environ=st.sampled_from(ENVIRONS),
    seconds=st.sampled_from(sorted(CHARTS)),
)
def test_every_row_of_every_picture_has_the_width_of_its_panel(
    columns: int, rows: int, nasty: list[str], ui: Ui, environ: Mapping[str, str], seconds: int
) -> None:
    """Whatever the size, the state and what others wrote, each row has its width and is printable."""
    model, error, event = nasty
    snapshot = make_snapshot()
    models = [msgspec.structs.replace(figures, name=model) for figures in snapshot.models]
    fields = {"path": event, "model": model, "provider": model, "error": error, "status": 200, "ms": 1.0}
    records = [
        LogRecord(1, 10**18, "info", "request", "worker-0", fields),
        LogRecord(2, 10**18, "error", event, "worker-0", {"field": error}),
    ]
    view = make_scene(
        ui=ui,
        environ=environ,
        chart=CHARTS[seconds],
        snapshot=msgspec.structs.replace(snapshot, models=models),
        records=records,
    )
    for tile in build_tiles(replace(view, welcome=(error,)), columns, rows):
        assert len(tile.rows) == tile.rect.height
        for segments in tile.rows:
            row = "".join(text for _, text in segments)
            assert cells(row) == tile.rect.width
            assert all(char.isprintable() or char == "\u3000" or not char.isascii() for char in row)
            assert environ.get("LANG") or all(view.theme.painted(*segment).isascii() for segment in segments)


# Esc may close what a larger terminal has shown, and a frozen picture has a banner that is no part of it.
NOT_IN_THE_PICTURE = {"esc", "f"}


@given(
    size=st.sampled_from([(12, 3), (20, 1), (20, 5), (40, 10), (60, 20), (80, 12), (80, 24), (140, 40)]),
    focus=st.sampled_from(PANELS),
    zoomed=st.booleans(),
    dropped=st.frozensets(st.sampled_from(PANELS), max_size=3),
    keys=st.lists(st.sampled_from(sorted(set(DISPATCH["panels"]) - NOT_IN_THE_PICTURE)), min_size=1, max_size=3),
)
def test_no_key_changes_anything_unseen(
    size: tuple[int, int], focus: str, zoomed: bool, dropped: frozenset[str], keys: list[str]
) -> None:
    """Whatever fills the screen, is dropped or has no room: what a key has changed is seen, or said."""
    ui = Ui(focus=focus, zoomed=zoomed, dropped=dropped - {focus})
    view = make_scene(ui=ui, environ=ENVIRONS[0], chart=CHARTS[60])
    for key in keys:
        view = replace(view, ui=replace(view.ui, notice=""))
        picture, state = seen(view, size), kept(view)
        ui, _ = press(view.ui, key, view.log, stage(view, *size))
        view = replace(view, ui=ui)
        assert seen(view, size) != picture or kept(view) == state


def seen(view: View, size: tuple[int, int]) -> object:
    """The picture and its colours."""
    return flatten(build_tiles(view, *size)), view.ui.theme


def kept(view: View) -> object:
    """What keys change for longer than until the next one."""
    return replace(view.ui, notice=""), view.log.filter.text, view.log.filter.level, view.log.selected


KEYS = st.sampled_from(
    [
        *(b"q", b"/", b"\r", b"\x7f", b"\x1bx", "é".encode(), "漢".encode(), "👩".encode(), b"\xff"),
        *(b"\x1b[A", b"\x1bOB", b"\x1b[5~", b"\x1b[1;5C", b"\x1bOH", b"\x1b[4~", b"\x1b\x1b[A"),
        *(b"\x1b[200~q\x1b[Apaste\x1b[201~", b"\x1b[<35;1;1M", b"\x1b[\xc3\xa9"),
    ]
)


@given(st.lists(KEYS, max_size=12).map(b"".join), st.data())
def test_keys_do_not_depend_on_where_the_bytes_are_split(data: bytes, draw: st.DataObject) -> None:
    """Read at once or in any pieces, the same bytes are the same keys."""
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(data)))))
    decoder = KeyDecoder()
    pieces = [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]
    assert [key for piece in pieces for key in decoder.feed(piece, 0)] == KeyDecoder().feed(data, 0)


@given(st.binary(max_size=60))
def test_no_input_breaks_the_decoder(data: bytes) -> None:
    """Any bytes are keys or nothing, and after a pause a plain key is always heard."""
    decoder = KeyDecoder()
    decoder.feed(data, 0)
    assert decoder.feed(b"q", 2.0)[-1:] == ["q"]


@given(st.floats(1e-6, 1e12), st.integers(1, 40))
def test_axis_holds_the_highest_value(highest: float, rows: int) -> None:
    """The axis ends at or above the highest value, at most 1.5 times as high, with ticks from the foot to the end."""
    scale = charts.linear_scale(highest, rows, str, 1e-9)
    assert highest <= scale.top * (1 + 1e-6)
    assert scale.top <= highest * 1.5 * (1 + 1e-6)
    assert (scale.ticks[0][0], scale.ticks[-1][0]) == (0, 1)
    assert len(charts.y_axis(scale, rows, 12)) == rows


@given(st.integers(1, 200), st.sampled_from(["braille", "block", "ascii"]), st.integers(1, 12), st.data())
def test_charts_have_the_shape_of_their_field(
    width: int, charset: charts.Charset, rows: int, draw: st.DataObject
) -> None:
    """Areas and lines fill exactly their rows and columns, in every character set."""
    number = charts.resolution(width, charset)
    values = draw.draw(st.lists(st.none() | st.floats(0, 10), min_size=number, max_size=number))
    scale = charts.linear_scale(10, rows, str, 1)
    area = charts.area(values, scale, rows, charset)
    lines = charts.lines([("p99", values), ("p50", values)], scale, rows, charset)
    assert [len(row) for row in area] == [width] * rows
    assert [text.row_cells(row) for row in lines] == [width] * rows
    assert len(charts.sparkline(values, 10)) == number
    assert len(charts.time_axis(width, 900)) == width


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 40)), max_size=60),
    st.integers(2, 50),
    st.sampled_from(WINDOWS_S),
)
def test_columns_add_up_to_the_samples(samples: list[tuple[int, int]], count: int, window_s: int) -> None:
    """However the samples fall over the columns, nothing is counted twice or lost: rate times time is the count."""
    points, now = [], 10_000 * SECOND_NS
    for finished, quarters in samples:
        interval = quarters * SECOND_NS // 4
        now += interval
        points.append(ScalarPoint(now, interval, finished, (0, finished, 0, 0, 0, 0, 0), 0, 0, 0, 0.0, 0))
    history = History()
    # Read once the newest column is past, and within the window of the oldest sample.
    length = window_s * SECOND_NS // count
    later = now + length
    history.update(ChartData(later, points, ()))
    columns = [column for column in history.columns(window_s, count)[:-1] if column is not None]
    covered = [point for point in points if point.time_ns - point.interval_ns >= (later // length - count + 1) * length]
    at_least, at_most = sum(point.finished for point in covered), sum(point.finished for point in points)
    total = sum(column.finished for column in columns)
    assert at_least - 1e-6 <= total <= at_most + 1e-6
    assert sum(column.rate(column.finished) * column.covered_ns / SECOND_NS for column in columns) == pytest.approx(
        total
    )
    assert sum(column.covered_ns for column in columns) <= (count - 1) * length * (1 + 1e-9)
