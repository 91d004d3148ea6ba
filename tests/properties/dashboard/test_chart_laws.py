"""The chart law: what is drawn, decoded, gives the values back; and columns, axes and cursors stay where they are.

The decoders below know Unicode and nothing of the code under test.
"""

import random
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dashboard import chartpanels, charts, figures
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import SECOND_NS, History, column_ns, cursor_column, reading_ns
from gateway.dashboard.state import WINDOWS_S, Ui
from gateway.dashboard.text import Row, row_cells
from gateway.dashboard.theme import Charset
from gateway.metrics.lanes import merge
from gateway.metrics.outcome import ERRORS
from gateway.metrics.percentiles import P50, P95, P99, count_and_percentiles_ms
from gateway.metrics.snapshot import ChartData, Latency, ScalarPoint, StepPoint
from tests.support.dashboard_scene import NOW_NS, make_chart, make_scene
from tests.support.metrics import of_latencies

# Unicode gives each dot of a braille cell a bit; these are the dots of the two columns, bottom first.
DOT_BITS = ((6, 2, 1, 0), (7, 5, 4, 3))
BLOCKS = " ▁▂▃▄▅▆▇█"
CHARSETS: tuple[Charset, ...] = ("braille", "block", "ascii")
ROWS = st.integers(1, 12)
LINEAR = st.builds(charts.Scale, st.floats(1e-3, 1e9), st.just(()))
LOGARITHMIC = st.builds(
    lambda bottom, decades: charts.Scale(bottom * 10**decades, (), bottom), st.floats(1e-3, 1e3), st.integers(1, 6)
)
SCALES = LINEAR | LOGARITHMIC
# Shares of the scale's end, so that what is drawn fills the field.
SHARES = st.lists(st.none() | st.just(0.0) | st.floats(0, 1.1) | st.floats(0, 0.02), min_size=2, max_size=24)


def values_of(shares: Sequence[float | None], scale: charts.Scale) -> list[float | None]:
    """An even number of values."""
    return [None if share is None else share * scale.top for share in shares[: len(shares) // 2 * 2]]


def texts(rows: Sequence[Row]) -> list[str]:
    """Rows of segments as text."""
    return ["".join(text for _, text in row) for row in rows]


def roles(rows: Sequence[Row]) -> list[list[str]]:
    """The role of each cell; a blank has none that could be seen."""
    return [[role if sign != " " else "" for role, text in row for sign in text] for row in rows]


def dots(rows: Sequence[str], x: int, side: int) -> set[int]:
    """The dots of one column of a field of braille, counted from the foot."""
    found = set()
    for base, row in enumerate(reversed(rows)):
        bits = 0 if row[x] == " " else ord(row[x]) - 0x2800
        assert 0 <= bits < 256
        found |= {base * 4 + dot for dot, bit in enumerate(DOT_BITS[side]) if bits >> bit & 1}
    return found


def heights(rows: Sequence[str], charset: Charset) -> tuple[list[int], int]:
    """How many dots, or eighths, are filled from the foot in each column, and how many there could be."""
    if charset == "braille":
        columns = [dots(rows, x, side) for x in range(len(rows[0])) for side in (0, 1)]
        assert all(column == set(range(len(column))) for column in columns)
        return [len(column) for column in columns], len(rows) * 4
    found = []
    for signs in zip(*reversed(rows), strict=True):
        eighths = [BLOCKS.index(sign) for sign in signs]
        assert all(lower == 8 or not upper for lower, upper in pairwise(eighths))
        found.append(sum(eighths))
    return found, len(rows) * 8


@given(SHARES, SCALES, ROWS, st.sampled_from(CHARSETS))
def test_area_decodes_to_its_values(
    shares: list[float | None], scale: charts.Scale, rows: int, charset: Charset
) -> None:
    """Each value is given back within one dot; a gap is nothing, zero one dot at the foot, and little is more."""
    values = values_of(shares, scale)
    found, most = heights(charts.area(values, scale, rows, charset), charset)
    for value, height in zip(values, found, strict=True):
        if value is None or value == 0:
            assert height == (value is not None)
        else:
            assert height >= 2
            assert abs((height - 1) - scale.share(value) * (most - 1)) <= 1


@given(SHARES, SCALES, ROWS)
def test_one_line_decodes_to_its_values(shares: list[float | None], scale: charts.Scale, rows: int) -> None:
    """From each column's dots and the value before follows the value, within one dot; a gap is nothing."""
    values = values_of(shares, scale)
    field = texts(charts.lines([("p50", values)], scale, rows, "braille"))
    before: int | None = None
    for place, value in enumerate(values):
        lit = dots(field, place // 2, place % 2)
        if value is None:
            assert not lit
            before = None
            continue
        assert lit == set(range(min(lit), max(lit) + 1))
        # The line comes from the side of the value before and ends at the value.
        level = max(lit) if before is None or max(lit) > before else min(lit)
        assert before is None or before in (level, min(lit) - 1, max(lit) + 1)
        assert abs(level - scale.share(value) * (rows * 4 - 1)) <= 1
        before = level


@given(st.lists(SHARES, min_size=2, max_size=3), SCALES, ROWS)
def test_lines_together_are_each_line(series: list[list[float | None]], scale: charts.Scale, rows: int) -> None:
    """Drawn together, lines light the dots that each lights alone, and no other."""
    length = min(map(len, series)) // 2 * 2
    named = [
        (name, values_of(shares[:length], scale)) for name, shares in zip(("p99", "p95", "p50"), series, strict=False)
    ]
    together = texts(charts.lines(named, scale, rows, "braille"))
    alone = [texts(charts.lines([one], scale, rows, "braille")) for one in named]
    for place in range(length):
        union = set().union(*(dots(field, place // 2, place % 2) for field in alone))
        assert dots(together, place // 2, place % 2) == union


@given(SHARES, SCALES, ROWS)
def test_marks_decode_to_their_values(shares: list[float | None], scale: charts.Scale, rows: int) -> None:
    """Without braille a value's mark stands in its row, one mark in a column; a gap has none."""
    values = values_of(shares, scale)
    field = texts(charts.lines([("p99", values)], scale, rows, "block"))
    for x, value in enumerate(values):
        marked = [y for y, row in enumerate(reversed(field)) if row[x] != " "]
        assert len(marked) == (value is not None)
        assert value is None or abs(marked[0] - scale.share(value) * (rows - 1)) <= 1


PARTS = st.none() | st.lists(st.just(0.0) | st.floats(0.001, 0.3), min_size=5, max_size=5)
TYPES = [f"error.{kind.label}" for kind in ERRORS]


def in_order(column: list[str]) -> bool:
    """Whether roles stand in the order of the parts."""
    known = [TYPES.index(role) for role in column if role in TYPES]
    return known == sorted(known)


@given(st.lists(PARTS, min_size=1, max_size=12), st.floats(0.01, 1e6), ROWS)
@example([[0.2, 0.0, 0.2, 0.2, 0.2]], 1.0, 6)
def test_stack_decodes_to_its_running_sums(columns: list[list[float] | None], top: float, rows: int) -> None:
    """Filled are the dots up to the sum; the breaks in them are the running sums, each within one dot, in order."""
    amounts = [parts and [part * top for part in parts] for parts in columns]
    drawn = charts.stack(amounts, TYPES, charts.Scale(top, ()), rows, "braille")
    field, ink, most = texts(drawn), roles(drawn), rows * 4 - 1
    for x, parts in enumerate(amounts):
        left, right = dots(field, x, 0), dots(field, x, 1)
        if parts is None:
            assert not left | right
            continue
        sums = [1 + min(1.0, total / top) * most for total in accumulate(parts) if total]
        height = max(left | right) + 1
        assert abs(height - (sums[-1] if sums else 1)) <= 1
        assert right <= left | right <= set(range(height))
        breaks = [dot + 1 for dot in range(height) if dot not in right]
        # What one dot cannot show apart is not told apart: every break is a running sum, and the other way round.
        assert all(any(abs(level - total) <= 1 for total in sums) for level in breaks)
        assert all(any(abs(level - total) <= 1 for level in (*breaks, height)) for total in sums)
        assert in_order([row[x] for row in reversed(ink)])


@given(st.lists(PARTS, min_size=1, max_size=12), ROWS, st.sampled_from(CHARSETS[1:]))
def test_stack_of_letters_decodes_to_its_running_sums(
    columns: list[list[float] | None], rows: int, charset: Charset
) -> None:
    """Without braille each type's letters reach up to its running sum, within one row, in the order of the types."""
    field = texts(charts.stack(columns, TYPES, charts.Scale(1.0, ()), rows, charset))
    letters = [role.removeprefix("error.")[0] for role in TYPES]
    for x, parts in enumerate(columns):
        column = "".join(row[x] for row in reversed(field)).rstrip()
        if not parts or not any(parts):
            assert column == ("" if parts is None else "▁")
            continue
        assert column == "".join(sorted(column, key=letters.index))
        for place, total in enumerate(accumulate(parts)):
            reached = sum(column.count(letter) for letter in letters[: place + 1])
            assert abs(reached - min(1.0, total) * rows) <= 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_heat_grows_with_the_count(one: int, other: int, most: int) -> None:
    """A shade never falls as the count grows; only nothing is blank, and the most is the darkest."""
    assert (charts.shade(one, most) <= charts.shade(other, most)) or one > other
    assert (charts.shade(one, most) == 0) == (one == 0)
    assert 0 <= charts.shade(one, most) <= charts.HEATS == charts.shade(most, most)


@given(st.lists(st.none() | st.lists(st.integers(0, 500), min_size=6, max_size=6), min_size=1, max_size=20))
def test_heat_map_is_readable_without_colour(columns: list[list[int] | None]) -> None:
    """The sign of each cell tells its count's quarter of the scale by the legend; bands grow upwards."""
    most = max((max(counts) for counts in columns if counts is not None), default=0) or 1
    field = texts(charts.heat(columns, most, 6))
    legend = re.findall(r"([░▒▓█])(\d+)", "".join(text for _, text in charts.heat_legend(most)))
    least = [(sign, int(number)) for sign, number in legend]
    assert [sign for sign, _ in least] == sorted((sign for sign, _ in least), key="░▒▓█".index)
    for x, counts in enumerate(columns):
        for band, count in enumerate(counts or [0] * 6):
            expected = [sign for sign, number in least if count >= number]
            assert field[5 - band][x] == (expected[-1] if expected else " ")


@given(st.integers(1, 200), st.sampled_from(WINDOWS_S), st.none() | st.integers(0, 199), st.integers(0, 86_399))
def test_time_labels_are_whole_or_absent(width: int, window_s: int, cell: int | None, second: int) -> None:
    """No label touches another or is cut, each stands at its time, and the cursor's mark is where the cursor is."""
    clock = f"{second // 3600:02}:{second % 3600 // 60:02}:{second % 60:02}"
    cell = None if cell is None else cell % width
    axis = charts.time_axis(width, window_s, None if cell is None else (cell, clock))
    assert len(axis) == width
    for found in re.finditer(r"\S+", axis):
        word = found.group()
        if word in (charts.CURSOR, clock):
            assert cell is not None
            assert word != charts.CURSOR or found.start() == cell
        elif word == "now":
            assert found.end() == width
        else:
            match = re.fullmatch(r"-(\d+)([ms])", word)
            assert match is not None
            age_s = int(match[1]) * (60 if match[2] == "m" else 1)
            assert found.start() == width * (window_s - age_s) // window_s
    assert (charts.CURSOR in axis) == (cell is not None)


@given(st.floats(1e-3, 1e9), st.integers(1, 40))
def test_axis_labels_are_whole_and_apart(highest: float, rows: int) -> None:
    """Of every axis, linear or logarithmic, all labels are shown whole, with a free row between two."""
    for scale in (
        charts.linear_scale(highest, rows, "{:g}".format, 1e-3),
        charts.log_scale(highest / 70, highest, rows, "{:g}".format),
    ):
        shown = charts.y_axis(scale, rows, 12)
        at = [y for y, label in enumerate(shown) if label.strip()]
        assert all(lower - upper >= 2 for upper, lower in pairwise(at)) or rows < 3
        assert {label.strip() for label in shown} - {""} <= {label for _, label in scale.ticks}
        assert rows < 3 or len(at) == len(scale.ticks)
        assert scale.share(highest) <= 1
        assert highest <= scale.top * (1 + 1e-6)


def samples(amounts: Sequence[int], start_ns: int = NOW_NS) -> list[ScalarPoint]:
    """Samples of a quarter of a second."""
    tick = SECOND_NS // 4
    return [
        ScalarPoint(start_ns + (n + 1) * tick, tick, amount, (amount, 0, 0, 0, 0, 0, 0), amount, 0, 0, 0.0, 0)
        for n, amount in enumerate(amounts)
    ]


@given(st.integers(2, 240), st.sampled_from(WINDOWS_S), st.data())
def test_time_within_a_column_changes_only_the_newest(count: int, window_s: int, draw: st.DataObject) -> None:
    """While now stays in one column and nothing new is known, no other column changes."""
    chart = CHART
    length = column_ns(window_s, count)
    edge = NOW_NS // length * length
    first, second = sorted(draw.draw(st.tuples(*[st.integers(0, length - 1)] * 2)))
    history = History()
    pictures = []
    for now_ns in (edge + first, edge + second):
        history.update(ChartData(now_ns, chart.scalars, chart.steps))
        pictures.append((history.columns(window_s, count)[:-1], history.latencies(window_s, count)[:-1]))
    assert pictures[0] == pictures[1]


CHART = make_chart(60)


@given(st.lists(st.integers(0, 60), min_size=40, max_size=160), st.sampled_from([8, 20, 60]))
def test_axis_that_has_risen_stays_for_a_column(amounts: list[int], count: int) -> None:
    """From one sample to the next an axis may rise; it comes down only when a column's length has passed."""
    window_s, points = 60, samples(amounts)
    length = column_ns(window_s, count)
    history = History()
    risen_ns, end = 0, 0.0
    for number in range(1, len(points) + 1):
        now_ns = points[number - 1].time_ns
        history.update(ChartData(now_ns, points[:number], ()))
        rates = [column.rate(column.finished) for column in history.columns(window_s, count) if column is not None]
        highest = max(*rates, history.peaks(window_s, count).finished, 0.0)
        top = charts.linear_scale(highest, 8, str, 0.1).top
        if top < end:
            assert now_ns - risen_ns >= length
        elif top > end:
            risen_ns = now_ns
        end = top


@given(
    st.lists(st.integers(0, 60), min_size=30, max_size=90),
    st.sampled_from(["requests", "tokens", "errors"]),
    st.sampled_from([17, 31]),
)
def test_drawn_axis_that_has_risen_stays_for_a_column(amounts: list[int], name: str, width: int) -> None:
    """The label at the upper end of a panel's axis comes down only a column's length after it has gone up."""
    draw = PANELS[name][0]
    view = make_scene(ui=Ui(window_s=60), chart=ChartData(NOW_NS, (), ()))
    points = [msgspec.structs.replace(point, outcomes=(0, 0, 0, 0, point.finished, 0, 0)) for point in samples(amounts)]
    length = column_ns(60, width if name == "errors" else 2 * width)
    risen_ns, end = 0, 0.0
    for number in range(1, len(points) + 1):
        now_ns = points[number - 1].time_ns
        view.history.update(ChartData(now_ns, points[:number], ()))
        rows = texts(draw(Rect(0, 0, width + 11, 9), view))
        label = next(row for row in rows if "┤" in row)[1:8].strip()
        top = float(label.removesuffix("/s").replace("k", "e3"))
        assert top >= end or now_ns - risen_ns >= length
        risen_ns = now_ns if top > end else risen_ns
        end = top


STEPS = st.lists(st.lists(st.integers(1, 10**7), max_size=12), min_size=1, max_size=24)


@given(STEPS, st.integers(1, 60))
@example([[65]], 1)
def test_a_column_has_the_percentiles_of_all_its_requests(steps: list[list[int]], count: int) -> None:
    """However many steps a column covers, its percentiles are those of one distribution of all their latencies."""
    window_s = 300
    points = [
        StepPoint(
            *(NOW_NS + n * 5 * SECOND_NS, 5 * SECOND_NS, len(times), None, None, None, {}),
            *((len(times), 0, 0, 0, 0, 0, 0), of_latencies(times)),
        )
        for n, times in enumerate(steps, 1)
    ]
    now_ns = points[-1].time_ns
    length = column_ns(window_s, count)
    history = History()
    history.update(ChartData(now_ns, (), points))
    columns = history.latencies(window_s, count)
    oldest = now_ns // length - count + 1
    for place, column in enumerate(columns):
        middle = (oldest + place) * length + length // 2
        if length > 5 * SECOND_NS:
            inside = [
                n
                for n, point in enumerate(points)
                if lies_in(point, middle, length) and point.time_ns - 5 * SECOND_NS >= NOW_NS
            ]
        else:
            inside = [n for n, point in enumerate(points) if point.time_ns - 5 * SECOND_NS <= middle < point.time_ns]
        times = sorted(time for n in inside for time in steps[n])
        if not times:
            assert column is None
            continue
        assert column is not None
        assert column.count == len(times)
        for found, (numerator, denominator) in zip((column.p50, column.p95, column.p99), (P50, P95, P99), strict=True):
            exact = times[-(-len(times) * numerator // denominator) - 1]
            assert abs(round(found * 1000) - exact) * 65 <= exact
        assert sum(column.counts((1.0, 100.0))) == len(times)


@given(STEPS, st.sampled_from(WINDOWS_S), st.randoms(use_true_random=False))
def test_what_the_cursor_reads_adds_up_to_the_steps(steps: list[list[int]], window_s: int, dice: random.Random) -> None:
    """Going through the history, the cursor reads each step once: counts, errors and tokens, and exact percentiles."""
    points, samples, time_ns = [], [], NOW_NS
    for times in steps:
        parts = [dice.randint(1, 3 * SECOND_NS) for _ in range(dice.randint(1, 5))]
        for part in parts:
            time_ns += part
            tokens = dice.randint(0, 99), dice.randint(0, 99)
            samples.append(ScalarPoint(time_ns, part, 0, (0,) * 7, *tokens, 0, 0.0, 0))
        ended = (0, 0, 0, 0, len(times), 0, 0)
        points.append(
            StepPoint(time_ns, sum(parts), len(times), None, None, None, {}, ended, of_latencies(times)),
        )
    history = History()
    history.update(ChartData(time_ns, samples, points))
    length = reading_ns(window_s)
    readings = [history.reading(at, window_s) for at in range(NOW_NS - length, time_ns + length, length)]
    read = [reading for reading in readings if reading.number is not None]
    assert sum(reading.latency_ms.count for reading in read) == sum(map(len, steps))
    assert sum(sum(reading.errors) for reading in read) == sum(map(len, steps))
    assert sum(reading.input_tokens for reading in read) == sum(sample.input_tokens for sample in samples)
    assert sum(reading.output_tokens for reading in read) == sum(sample.output_tokens for sample in samples)
    assert all(before.end_ns <= after.begin_ns for before, after in pairwise(read))
    for reading in read:
        inside = [point for point in points if reading.begin_ns < point.time_ns <= reading.end_ns]
        whole = merge([point.latencies for point in inside])
        assert reading.latency_ms == Latency(*count_and_percentiles_ms(whole))


def lies_in(point: StepPoint, middle_ns: int, length_ns: int) -> bool:
    """Whether a step belongs to the longer column with that middle: it holds the middle, or no other and its own."""
    begin_ns = point.time_ns - point.interval_ns
    half = length_ns // 2
    offset = (begin_ns - half) % length_ns
    held = begin_ns if offset == 0 else begin_ns + length_ns - offset
    if held < point.time_ns:
        return held == middle_ns
    own = begin_ns + point.interval_ns // 2
    return middle_ns - half <= own < middle_ns - half + length_ns


PANELS = {
    "requests": (chartpanels.requests, Rect(0, 0, 60, 9), 7),
    "latency": (chartpanels.latency, Rect(0, 0, 57, 8), 7),
    "tokens": (chartpanels.tokens, Rect(0, 0, 44, 7), 7),
    "errors": (chartpanels.errors, Rect(0, 0, 50, 9), 7),
}
ENVIRONS = [{"TERM": "xterm-256color", "LANG": "C.UTF-8"}, {"TERM": "linux", "LANG": "C.UTF-8"}, {"TERM": "xterm"}]


@given(
    st.sampled_from(sorted(PANELS)),
    st.sampled_from(WINDOWS_S),
    st.floats(-0.1, 1.1),
    st.booleans(),
    st.sampled_from(ENVIRONS),
)
def test_cursor_marks_exactly_its_column(
    name: str, window_s: int, age: float, heat: bool, environ: dict[str, str]
) -> None:
    """The cells of the cursor are those of the column that holds its instant, in every row of the field; else none."""
    draw, rect, margin = PANELS[name]
    cursor_ns = NOW_NS - round(age * window_s * SECOND_NS)
    view = make_scene(ui=Ui(window_s=window_s, cursor_ns=cursor_ns, heat=heat), chart=CHART, environ=environ)
    rows = draw(rect, view)
    named = {"latency": 3 * (not heat), "tokens": 3}.get(name, 0)
    if named:
        named += 1 if view.theme.charset == "braille" else 3
    width = rect.width - 4 - margin - named
    halves = 2 if view.theme.charset == "braille" and name != "errors" and not (heat and name == "latency") else 1
    marked = {
        (y, x - 2 - margin) for y, row in enumerate(roles(rows)) for x, role in enumerate(row) if role == "cursor"
    }
    place = cursor_column(cursor_ns, NOW_NS, window_s, width * halves)
    if place is None:
        assert not marked
        return
    length = column_ns(window_s, width * halves)
    oldest = NOW_NS // length - width * halves + 1
    assert (oldest + place) * length <= cursor_ns < (oldest + place + 1) * length
    assert {x for _, x in marked} == {place // halves}
    axis = texts(rows)[-2]
    assert [y for y, _ in sorted(marked)] == list(range(min(marked)[0], rect.height - 2))
    assert axis[2 + margin + place // halves] == charts.CURSOR


@given(
    st.lists(SHARES.filter(lambda shares: None not in shares[-1:]), max_size=3), SCALES, ROWS, st.sampled_from(CHARSETS)
)
def test_lines_can_be_told_apart_by_their_names(
    several: list[list[float | None]], scale: charts.Scale, rows: int, charset: Charset
) -> None:
    """As many names as have rows, in the order in which their lines end; with a row each, where the newest value is."""
    series = [(f"line.{name}", values_of(shares, scale)) for name, shares in zip("abc", several, strict=False)]
    if not series:
        return
    names = charts.line_names(series, scale, rows, charset)
    width = charts.names_width([role for role, _ in series], charset)
    assert [row_cells(row) for row in names] == [width] * rows
    found = [
        (row, names[-1 - row][0][0], text.split()) for row, text in enumerate(reversed(texts(names))) if text.strip()
    ]
    ends = {role: [value for value in values if value is not None][-1:] for role, values in series}
    drawn = [role for role, _ in series if ends[role]][-rows:]
    assert sorted(role for _, role, _ in found) == drawn
    heights = [scale.share(ends[role][0]) for _, role, _ in found]
    steps = rows * 4 - 1 if charset == "braille" else rows - 1
    assert all(lower <= upper + 0.5 / max(1, steps) + 1e-9 for lower, upper in pairwise(heights))
    exact = [round(height * steps) // (4 if charset == "braille" else 1) for height in heights]
    if all(upper > lower for lower, upper in pairwise(exact)):
        assert [row for row, _, _ in found] == exact
    for _, role, words in found:
        assert words[-1] == role[-1]
        assert len(words) == (1 if charset == "braille" else 2)
    marks = [words[0] for _, _, words in found]
    assert len(set(marks)) == len(marks)


@given(st.integers(20, 160), st.integers(1, 6))
def test_a_line_leaves_out_the_least_important(width: int, height: int) -> None:
    """The figures of any line are the first of those of the longest one, none of them cut."""
    view = make_scene(chart=CHART)
    everything = texts(figures.line_rows(Rect(0, 0, 400, 1), view))[0].split("  ")
    rows = figures.line_rows(Rect(0, 0, width, height), view)
    assert [row_cells(row) for row in rows] == [width] * height
    shown = [part for row in texts(rows) for part in row.strip().split("  ") if part]
    assert shown
    assert shown == [part for part in everything if part.strip()][: len(shown)]


@pytest.mark.parametrize("window_s", WINDOWS_S)
def test_equal_data_is_drawn_from_memory(window_s: int) -> None:
    """A panel whose values have not changed is the picture from before, also for a new view of the same."""
    first, second = (make_scene(ui=Ui(window_s=window_s), chart=CHART) for _ in range(2))
    for draw, rect, _ in PANELS.values():
        assert draw(rect, first) is draw(rect, second)


def test_kept_drawings_are_bounded() -> None:
    """Pictures whose every value changes leave no more behind than the caches hold."""
    view = make_scene(chart=CHART)
    for number in range(300):
        amounts = [(number * 37 + n * n) % 61 for n in range(240)]
        view.history.update(ChartData(NOW_NS + 60 * SECOND_NS, samples(amounts), CHART.steps))
        for draw, rect, _ in PANELS.values():
            draw(rect, view)
    for cached in (
        charts._area_strip,
        charts._line_strip,
        charts._stack_strip,
        charts._linear_scale,
        chartpanels._picture,
    ):
        held = cached.cache_info()
        assert held.maxsize is not None
        assert held.currsize <= held.maxsize <= 256
