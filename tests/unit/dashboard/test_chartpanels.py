"""The panels of charts: what stands in their titles, what the cursor reads, and what gives way."""

from itertools import pairwise

import msgspec
import pytest

from gateway.dashboard import chartpanels, figures
from gateway.dashboard.layout import Rect
from gateway.dashboard.series import SECOND_NS
from gateway.dashboard.state import Ui
from gateway.dashboard.text import Row
from gateway.dashboard.view import View
from gateway.metrics.snapshot import ChartData, ScalarPoint, StepPoint, Tokens
from tests.support.dashboard_scene import (
    NOW_NS,
    make_chart,
    make_scene,
    make_snapshot,
)
from tests.support.metrics import of_latencies

MINUTE = make_chart(60)


def texts(rows: list[Row]) -> list[str]:
    """Rows as text."""
    return ["".join(text for _, text in row) for row in rows]


def quiet_but_for_one_burst() -> View:
    """Ten seconds before now, 12 requests in a second: nine took 100 ms, one 4 s, two failed at the provider."""
    burst_ns = NOW_NS - 10 * SECOND_NS
    scalars = [
        ScalarPoint(time_ns, SECOND_NS, 12, (10, 0, 0, 0, 2, 0, 0), 1200, 240, 1, 0.0, 0)
        if time_ns == burst_ns
        else ScalarPoint(time_ns, SECOND_NS, 0, (0,) * 7, 0, 0, 0, 0.0, 0)
        for time_ns in range(NOW_NS - 30 * SECOND_NS, NOW_NS + 1, SECOND_NS)
    ]
    ui = Ui(window_s=60, cursor_ns=burst_ns - SECOND_NS // 2)
    return make_scene(ui=ui, chart=ChartData(NOW_NS, scalars, quiet_steps()))


def quiet_steps() -> list[StepPoint]:
    """The step of that burst."""
    latencies = of_latencies([100_000] * 9 + [4_000_000] * 3)
    ended = (10, 0, 0, 0, 2, 0, 0)
    return [StepPoint(NOW_NS - 10 * SECOND_NS, 5 * SECOND_NS, 12, None, None, None, {}, ended, latencies)]


def test_titles_read_what_the_cursor_reads() -> None:
    """With a cursor the figures of every chart are those of one stretch of time, with when and how long ago."""
    view = quiet_but_for_one_burst()
    assert " 2.4/s  n 12  11:59:45  15s ago ╮" in texts(chartpanels.requests(Rect(0, 0, 71, 9), view))[0]
    latency = texts(chartpanels.latency(Rect(0, 0, 71, 9), view))[0]
    assert " p50 99ms  p95 4.0s  p99 4.0s  n 12  11:59:45  15s ago ╮" in latency
    assert " in 240  out 48.0/s  11:59:45  15s ago ╮" in texts(chartpanels.tokens(Rect(0, 0, 71, 9), view))[0]
    errors = texts(chartpanels.errors(Rect(0, 0, 71, 15), view))
    assert " 0.4/s  11:59:45  upstream 2 ╮" in errors[0]
    assert next(row for row in errors if row.startswith("│ upstream")).split()[2:5] == ["2", "17%", "0.4/s"]


@pytest.mark.parametrize("width", [40, 57, 71, 138])
@pytest.mark.parametrize("heat", [False, True])
def test_figures_of_the_cursor_do_not_depend_on_the_width_of_a_chart(width: int, heat: bool) -> None:
    """However many columns a chart has, its title shows what the footer shows."""
    view = make_scene(ui=Ui(cursor_ns=NOW_NS - 200 * SECOND_NS, heat=heat), chart=make_chart())
    footer = texts([chartpanels.readout(view, 200)])[0].split("  ")
    requests = texts(chartpanels.requests(Rect(0, 0, width, 9), view))[0]
    assert footer[1] in requests
    assert footer[2] in requests
    latency = texts(chartpanels.latency(Rect(0, 0, width, 9), view))[0].replace("  ", " ")
    assert " ".join(footer[3:6]) in latency


def test_readout_is_one_line_that_gives_way_by_rank() -> None:
    """What the cursor reads, in one order; with less room what matters less is left out whole, and that is marked."""
    view = quiet_but_for_one_burst()
    whole = texts([chartpanels.readout(view, 200)])[0]
    assert whole.startswith("11:59:45 to 11:59:50  n 12  2.4/s  p50 ")
    assert whole.endswith("err 0.4/s  upstream 2  in 240/s  out 48.0/s  15s ago")
    assert texts([chartpanels.readout(view, 37)]) == ["11:59:45 to 11:59:50 n 12 p95 4.0s …"]
    words = [texts([chartpanels.readout(view, room)])[0].split() for room in range(24, len(whole) - 20)]
    assert all(shown[-1] == "…" for shown in words)
    assert all(set(narrow) <= set(wide) for narrow, wide in pairwise(words))
    assert "p99" in words[70 - 24]
    assert "in" not in words[70 - 24]


def test_cursor_that_has_left_the_window_reads_nothing() -> None:
    """Time, or a shorter window, takes the cursor out of the charts: titles are live again, the footer says why."""
    view = make_scene(ui=Ui(window_s=60, cursor_ns=NOW_NS - 60 * SECOND_NS), chart=MINUTE)
    assert texts([chartpanels.readout(view, 200)]) == ["the cursor is older than the window"]
    assert " peak " in texts(chartpanels.requests(Rect(0, 0, 71, 9), view))[0]


def test_cursor_where_nothing_was_sampled_reads_no_data() -> None:
    """A gap has no figures, which is not the same as zero."""
    view = make_scene(ui=Ui(window_s=900, cursor_ns=NOW_NS - 600 * SECOND_NS), chart=MINUTE)
    assert texts([chartpanels.readout(view, 200)]) == [
        "11:50:00  n –  –  p50 –  p95 –  p99 –  err –  in –  out –  10m00s ago"
    ]
    assert " –  n –  11:50:00" in texts(chartpanels.requests(Rect(0, 0, 71, 9), view))[0]


@pytest.mark.parametrize("window_s", [60, 300])
def test_titles_are_of_the_chosen_window(window_s: int) -> None:
    """Percentiles and errors are those of the steps in the window, not of the whole history behind it."""
    long_ago = StepPoint(
        *(NOW_NS - 400 * SECOND_NS, 5 * SECOND_NS, 9, None, None, None, {}),
        *((0, 0, 9, 0, 0, 0, 0), of_latencies([60_000_000] * 9)),
    )
    view = quiet_but_for_one_burst()
    chart = ChartData(NOW_NS, view.history.scalars, [long_ago, *quiet_steps()])
    window = msgspec.structs.replace(make_snapshot().window, requests_per_second=0.2)
    snapshot = msgspec.structs.replace(make_snapshot(), window=window)
    shown = make_scene(ui=Ui(window_s=window_s), snapshot=snapshot, chart=chart)
    assert " p50 99ms  p95 4.0s  p99 4.0s ╮" in texts(chartpanels.latency(Rect(0, 0, 71, 9), shown))[0]
    assert " upstream 2 ╮" in texts(chartpanels.errors(Rect(0, 0, 71, 9), shown))[0]
    assert " peak 2.4/s ╮" in texts(chartpanels.requests(Rect(0, 0, 71, 9), shown))[0]


@pytest.mark.parametrize("width", [34, 60, 138])
def test_peak_does_not_depend_on_the_width_of_the_chart(width: int) -> None:
    """It is the highest rate of five seconds, however long the columns are; a longer window has none that is lower."""
    peaks = []
    for window_s in (60, 300, 900):
        view = make_scene(ui=Ui(window_s=window_s), chart=make_chart())
        title = texts(chartpanels.requests(Rect(0, 0, width, 9), view))[0]
        peaks.append(float(title.partition("peak ")[2].partition("/s")[0]))
    assert peaks == sorted(peaks)
    assert peaks[-1] == round(max(step.count for step in make_chart().steps) / 5, 1)


def test_peak_is_never_below_the_rate_beside_it() -> None:
    """Requests of the step that has not ended yet count in the rate of the last minute, so they count in the peak."""
    window = msgspec.structs.replace(make_snapshot().window, requests_per_second=90.0)
    scene = make_scene(snapshot=msgspec.structs.replace(make_snapshot(), window=window), chart=MINUTE)
    assert " 90.0/s  peak 90.0/s " in texts(chartpanels.requests(Rect(0, 0, 71, 9), scene))[0]


def test_tokens_that_nobody_reported_are_no_zeros() -> None:
    """Where no provider told any, the figures are dashes and the chart has no line; what is in the window decides."""
    snapshot = make_snapshot()
    silent = msgspec.structs.replace(snapshot.window, tokens=Tokens(None, None))
    scene = make_scene(snapshot=msgspec.structs.replace(snapshot, window=silent))
    shown = texts(chartpanels.tokens(Rect(0, 0, 50, 9), scene))
    assert "in –  out –" in shown[0]
    assert "per request  – in  – out" in shown[1]
    assert all(row[9:-2].strip() == "" for row in shown[2:-2])
    assert "tok     – in     – out" in texts(figures.status(Rect(0, 0, 100, 3), scene))[1]


def test_heat_map_has_its_legend_in_the_title() -> None:
    """Before the percentiles the title says what the shades stand for, and the rows are bands of latency."""
    rows = texts(chartpanels.latency(Rect(0, 0, 70, 10), make_scene(ui=Ui(heat=True, window_s=60), chart=MINUTE)))
    assert " ░1 ▒" in rows[0]
    assert rows[0].index("█") < rows[0].index("p50")
    assert any("█" in row for row in rows[1:-2])
    assert "s┤" in rows[1]


def test_errors_stand_beside_or_above_their_chart() -> None:
    """A low panel has the counts in place of the axis; a high one has them above, and both axes."""
    low = texts(chartpanels.errors(Rect(0, 0, 26, 7), make_scene(chart=MINUTE)))
    assert [row[2:12].strip() for row in low[1:-1]] == ["auth", "validation", "upstream", "timeout", "internal"]
    high = texts(chartpanels.errors(Rect(0, 0, 60, 12), make_scene(chart=MINUTE)))
    assert high[1].startswith("│ auth 2  validation 9  upstream 37  timeout 4  internal 0")
    assert "/s┤" in high[2]
    assert "now" in high[-2]


def test_axis_of_tokens_follows_the_choice() -> None:
    """Tokens in and out, which differ by orders of magnitude, can be read on a logarithmic axis."""
    linear, logarithmic = (
        texts(chartpanels.tokens(Rect(0, 0, 60, 12), make_scene(ui=Ui(log_scale=chosen), chart=MINUTE)))
        for chosen in (False, True)
    )
    assert "0┤" in linear[-3]
    assert "/s┤" in logarithmic[-3]
