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
        (1.01, 9, 1.5, ["0", "0.5", "1", "1.5"]),
        (3100, 12, 4000, ["0", "1000", "2000", "3000", "4000"]),
    ],
)
def test_linear_ticks_are_round(highest: float, rows: int, top: float, ticks: list[str]) -> None:
    """The axis ends at a round number just above the highest value, and labels stand apart."""
    scale = charts.linear_scale(highest, rows, label, 1)
    assert scale.top == top
    assert [text for _, text in scale.ticks] == ticks


@pytest.mark.parametrize(
    ("rows", "ticks"),
    [(4, ["10", "1000"]), (8, ["10", "50", "100", "1000"]), (14, ["10", "20", "50", "100", "200", "500", "1000"])],
)
def test_log_labels_give_way(rows: int, ticks: list[str]) -> None:
    """A logarithmic axis runs between round numbers; its ends are labelled first, then what still stands apart."""
    assert [text for _, text in charts.log_scale(12, 900, rows, label).ticks] == ticks


def test_log_scale_has_a_decade_at_least() -> None:
    """Latencies that are all alike do not fill the height with their noise, and equal ratios are equal heights."""
    scale = charts.log_scale(300, 310, 8, label)
    assert (scale.bottom, scale.top) == (50, 500)
    assert charts.log_scale(12, 900, 8, label).share(100) == pytest.approx(0.5)
    assert scale.share(1) == 0


def test_area_in_braille() -> None:
    """Two values a cell, filled from the foot; a gap is blank, zero is a dot, and what is little is more than that."""
    scale = charts.Scale(8, ())
    assert charts.area([8, 4, None, 0.01, None, 0], scale, 2, "braille") == ["⣇  ", "⣿⢠⢀"]


def test_area_in_blocks() -> None:
    """Without braille one value a cell in eighths."""
    assert charts.area([8, 3, None, 0], charts.Scale(8, ()), 2, "block") == ["█   ", "█▇ ▁"]


def test_stack_tells_its_parts_apart_without_colour() -> None:
    """A row of dots is left out where the next part begins, half of it of a part that has no other dot."""
    roles = ["error.timeout", "error.upstream"]
    columns = [[4.0, 4.0], [0.01, 7.99], [0.0, 8.0], [0.0, 0.0], None]
    drawn = charts.stack(columns, roles, charts.Scale(8, ()), 2, "braille")
    assert ["".join(text for _, text in row) for row in drawn] == ["⠿⣿⣿  ", "⣿⣛⣿⣀ "]
    letters = charts.stack(columns, roles, charts.Scale(8, ()), 2, "block")
    assert ["".join(text for _, text in row) for row in letters] == ["uuu  ", "ttu▁ "]


def test_heat_legend_names_the_least_count_of_each_shade() -> None:
    """The legend goes from one request to what is near the most, and leaves out shades that no count has."""
    assert "".join(text for _, text in charts.heat_legend(50)) == "░1 ▒3 ▓9 █29"
    assert "".join(text for _, text in charts.heat_legend(1)) == "█1"


def test_cursor_is_a_line_where_nothing_is_drawn() -> None:
    """A column of cells takes the role of the cursor: over signs as they are, else as a line."""
    field = [[("p99", "ab"), ("p50", " d")], [("text", "    ")]]
    assert charts.with_cursor(field, 2) == [
        [("p99", "ab"), ("cursor", "│"), ("p50", "d")],
        [("text", "  "), ("cursor", "│"), ("text", " ")],
    ]


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
    assert charts.time_axis(60, 900) == "-15m        -12m        -9m         -6m         -3m      now"
    assert charts.time_axis(30, 60) == "-60s      -40s      -20s   now"
    assert charts.time_axis(12, 60) == "-60s     now"
    assert charts.time_axis(5, 900).strip() == "now"
    assert len(charts.time_axis(2, 900)) == 2


def test_time_axis_gives_way_to_the_cursor() -> None:
    """What the cursor stands for is written beside its mark, on the side that has room, or not at all."""
    assert charts.time_axis(30, 900, (4, "11:58:20")) == "    ▴ 11:58:20      -5m    now"
    assert charts.time_axis(30, 900, (24, "11:58:20")) == "-15m      -10m 11:58:20 ▴  now"
    assert charts.time_axis(30, 900, (28, "11:58:20")) == "-15m      -10m     11:58:20 ▴ "
    assert charts.time_axis(9, 900, (4, "11:58:20")) == "    ▴ now"


def test_bar_shows_a_trace_of_little() -> None:
    """A share above zero is visible, and full is full."""
    assert charts.bar(0, 4) == ("", "····")
    assert charts.bar(0.0001, 4) == ("▏", "···")
    assert charts.bar(1.5, 4) == ("████", "")
