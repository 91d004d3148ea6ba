"""The figures of the gateway as a whole, at every size that has room for some."""

import pytest

from gateway.dashboard import figures
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import SECOND_NS
from gateway.dashboard.state import Ui
from gateway.dashboard.text import Row
from tests.support.dashboard_scene import NOW_NS, PLAIN, make_scene


def texts(rows: list[Row]) -> list[str]:
    """Rows as text."""
    return ["".join(text for _, text in row) for row in rows]


@pytest.mark.parametrize(("height", "rows"), [(3, 1), (4, 2)])
def test_status_fills_the_rows_that_it_has(height: int, rows: int) -> None:
    """A narrow status panel of four rows has its gauges in two, all of them whole."""
    shown = texts(figures.status(Rect(0, 0, 80 if rows == 1 else 40, height), make_scene()))
    gauges = " ".join(shown[1:-1])
    assert len(shown) == height
    assert {len(row) for row in shown} == {80 if rows == 1 else 40}
    for word in ("active ", " 44", "cpu ", "39%", "mem ", "412M"):
        assert word in gauges
    assert ("err  0.4/s" in gauges) == (rows == 2)


def test_bound_of_the_percentiles_is_not_a_plus_in_ascii() -> None:
    """Where there is no sign for plus and minus there are both."""
    plain = {**PLAIN, "LANG": "C"}
    shown = [texts(figures.status(Rect(0, 0, 160, 4), make_scene(environ=environ)))[0] for environ in (PLAIN, plain)]
    assert " percentiles ±1.5% " in shown[0]
    assert " percentiles +-1.5% " in shown[1]


def test_one_line_says_what_matters_most() -> None:
    """Twenty cells are enough for the state and the rate; more cells and rows add figures by importance."""
    view = make_scene()
    assert texts(figures.line_rows(Rect(0, 0, 20, 1), view)) == ["● live  45.4/s      "]
    assert texts(figures.line_rows(Rect(0, 0, 32, 2), view)) == [
        "● live  45.4/s  err 0.4/s       ",
        "p95 3.1s  active 44  p50 640ms  ",
    ]
    assert texts(figures.line_rows(Rect(0, 0, 20, 1), make_scene(stopped=True))) == ["■ gateway stopped   "]


def test_cursor_stands_in_the_course_of_the_compact_layout() -> None:
    """A line, which can be seen without colours, is in the cell of the moment that the footer reads."""
    rect = Rect(0, 0, 40, 7)
    plain = texts(figures.compact(rect, make_scene()))
    # A cell is 37.5 seconds, and cells begin at multiples of them.
    for minutes in (14, 7, 0):
        cursor = make_scene(ui=Ui(cursor_ns=NOW_NS - minutes * 60 * SECOND_NS))
        shown = texts(figures.compact(rect, cursor))
        [mark] = [place for place, sign in enumerate(shown[2]) if sign == "│"][1:-1]
        assert abs(mark - (37 - minutes * 60 / 37.5)) <= 1
        assert shown[2][:mark] + shown[2][mark + 1 :] == plain[2][:mark] + plain[2][mark + 1 :]
