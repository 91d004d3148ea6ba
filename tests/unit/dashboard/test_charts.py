"""Scales, areas, lines and axes as text."""

import pytest

from gateway.dashboard import charts


def label(value: float) -> str:
    """The value as it is."""
    return f"{value:g}"


@pytest.mark.parametrize(
    ("highest", "rows", "top", "ticks"),
    [
        (0, 4, 1, ["0", "1"]),
        (59.9, 4, 60, ["0", "60"]),
        (59.9, 7, 60, ["0", "20", "40", "60"]),
        (6.5, 4, 8, ["0", "8"]),
    ],
)
def test_linear_ticks_are_round(highest: float, rows: int, top: float, ticks: list[str]) -> None:
    """The axis ends at a round number just above the highest value, and labels stand apart."""
    scale = charts.linear_scale(highest, rows, label, 1)
    assert scale.top == top
    assert [text for _, text in scale.ticks] == ticks


def test_log_scale_spans_whole_decades() -> None:
    """A logarithmic axis has a tick at each decade and puts the middle of a decade at its geometric middle."""
    scale = charts.log_scale(12, 900, 8, label)
    assert [text for _, text in scale.ticks] == ["10", "100", "1000"]
    assert scale.share(100) == pytest.approx(0.5)
    assert scale.share(1) == 0


def test_area_in_braille() -> None:
    """Two values a cell, filled from the foot; a gap is blank, and what is little is still there."""
    scale = charts.Scale(8, ())
    assert charts.area([8, 4, None, 0.01], scale, 2, "braille") == ["⡇ ", "⣿⢀"]


def test_area_in_blocks() -> None:
    """Without braille one value a cell in eighths."""
    assert charts.area([8, 3, None], charts.Scale(8, ()), 2, "block") == ["█  ", "█▆ "]


def test_lines_are_joined_and_broken_at_gaps() -> None:
    """A jump is one line, a gap is a hole, and the later series gives a shared cell its colour."""
    scale = charts.Scale(3, ())
    rows = charts.lines([("p99", [0, 3, None, 0]), ("p50", [0, 0, None, None])], scale, 1, "braille")
    assert ["".join(text for _, text in row) for row in rows] == ["⣸⢀"]
    assert rows[0][0][0] == "p50"


def test_lines_without_braille_have_a_mark_for_each_series() -> None:
    """Where colour and dots are missing, the marks tell the series apart."""
    rows = charts.lines([("p99", [1.0]), ("p95", [0.5]), ("p50", [0.0])], charts.Scale(1, ()), 3, "ascii")
    assert ["".join(text for _, text in row) for row in rows] == ["·", "×", "●"]


def test_time_axis_names_both_ends() -> None:
    """The axis goes from the age of the left edge to now, and drops what has no room."""
    assert charts.time_axis(30, 900) == "-15m      -10m      -5m    now"
    assert charts.time_axis(30, 60) == "-60s      -40s      -20s   now"
    assert charts.time_axis(12, 60) == "-60s     now"
    assert charts.time_axis(5, 900).strip() == "now"
    assert len(charts.time_axis(2, 900)) == 2


def test_bar_shows_a_trace_of_little() -> None:
    """A share above zero is visible, and full is full."""
    assert charts.bar(0, 4) == ("", "····")
    assert charts.bar(0.0001, 4) == ("▏", "···")
    assert charts.bar(1.5, 4) == ("████", "")
