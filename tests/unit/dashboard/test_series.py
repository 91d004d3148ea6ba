"""The history as chart columns."""

import msgspec
import pytest

from gateway.dashboard.series import SECOND_NS, History, column_ns, cursor_column, reading_ns
from gateway.metrics.snapshot import ChartData, ScalarPoint, StepPoint
from tests.support.metrics import of_latencies

TICK_NS = SECOND_NS // 4


def point(time_ns: int, finished: int, interval_ns: int = TICK_NS) -> ScalarPoint:
    """A sample in which that many requests succeeded, each with ten tokens in and one out."""
    return ScalarPoint(time_ns, interval_ns, finished, (finished, 0, 0, 0, 0, 0, 0), finished * 10, finished, 1, 2.0, 3)


def step(time_s: int, *times: int, **models: int) -> StepPoint:
    """A step of five seconds with those latencies in milliseconds."""
    ended = (len(times), 0, 0, 0, 0, 0, 0)
    latencies = of_latencies(time * 1000 for time in times)
    return StepPoint(time_s * SECOND_NS, 5 * SECOND_NS, len(times), None, None, None, models, ended, latencies)


def history(now_s: float, scalars: list[ScalarPoint], steps: list[StepPoint] | None = None) -> History:
    """A history as read at that second."""
    made = History()
    made.update(ChartData(int(now_s * SECOND_NS), scalars, steps or []))
    return made


def test_columns_do_not_move_while_time_passes() -> None:
    """Reading later shifts columns as a whole and never changes one that is complete."""
    points = [point(n * TICK_NS, n % 7) for n in range(1, 401)]
    before = [column and column.finished for column in history(90, points[:360]).columns(60, 6)]
    after = [column and column.finished for column in history(97, points[:388]).columns(60, 6)]
    assert before[1:5] == after[1:5]
    assert [column and column.finished for column in history(100, points).columns(60, 6)][:4] == after[1:5]


def test_newest_column_is_the_last_stretch_up_to_now() -> None:
    """Just after an edge the newest column holds a full stretch, not the one sample since the edge."""
    points = [point(n * TICK_NS, 1) for n in range(1, 401)]
    newest = history(90.25, points[:361]).columns(60, 6)[-1]
    assert newest is not None
    assert newest.rate(newest.finished) == pytest.approx(4)


def test_newest_column_stands_until_the_next_sample_is_overdue() -> None:
    """Where columns are shorter than the sampler's tick the newest is no gap between two samples, but later it is."""
    points = [point(n * TICK_NS, 3) for n in range(1, 401)]
    newest = [history(now_s, points).columns(60, 500)[-1] for now_s in (100.01, 100.24, 100.49, 100.51)]
    assert [column is not None for column in newest] == [True, True, True, False]


def test_continued_columns_equal_those_of_a_new_reader() -> None:
    """Frame by frame or all at once, the columns are the same."""
    points = [point(n * TICK_NS, n % 5) for n in range(1, 401)]
    continued = History()
    for number in range(200, 401, 3):
        continued.update(ChartData(number * TICK_NS, points[:number], []))
        assert continued.columns(60, 8) == history(number / 4, points[:number]).columns(60, 8)


def test_columns_shorter_than_a_second_show_the_whole_rate() -> None:
    """Twelve requests a second are twelve a second, however narrow the columns are."""
    points = [point(n * TICK_NS, 3) for n in range(1, 401)]
    for count in (6, 60, 134, 500):
        columns = history(100, points).columns(60, count)
        assert {column and round(column.rate(column.finished), 6) for column in columns} == {12.0}


def test_late_sample_fills_the_time_that_it_stands_for() -> None:
    """A sample over half a minute is spread over its columns, and what was never sampled is a gap."""
    columns = history(60, [point(50 * SECOND_NS, 30, 30 * SECOND_NS)]).columns(60, 6)
    assert [column and round(column.finished) for column in columns] == [None, 10, 10, 10, None, None]


def test_percentiles_are_those_of_all_requests_of_a_column() -> None:
    """Steps that share a column are merged: the median of 1, 1, 1 and 9, 9 is 1, which no mean of medians gives."""
    columns = history(29, [], [step(5, 9, 9), step(10, 1, 1, 1), step(15), step(25, 7), step(30, 6)]).latencies(30, 3)
    assert [column and (column.count, round(column.p50), round(column.p99)) for column in columns] == [
        (5, 1, 9),
        None,
        (2, 6, 7),
    ]


def test_narrow_columns_repeat_their_step() -> None:
    """Where a column is shorter than a step, each of a step's columns shows it."""
    columns = history(10, [], [step(5, 1), step(10, 2)]).latencies(10, 10)
    assert [column and round(column.p99) for column in columns] == [1] * 4 + [2] * 5 + [None]


def test_counts_of_a_column_by_band() -> None:
    """Each request is counted in the band that holds its latency."""
    column = history(9, [], [step(5, 1, 3, 30, 40)]).latencies(10, 2)[0]
    assert column is not None
    assert [column.counts(edges) for edges in ((2.0, 10.0), (), (2.0,), (2.0, 10.0))] == [
        (1, 1, 2),
        (4,),
        (1, 3),
        (1, 1, 2),
    ]


def test_reading_is_of_whole_steps_and_the_samples_between_their_ends() -> None:
    """Requests, percentiles, errors and tokens of a stretch are those of its steps, however late those were taken."""
    steps = [step(5, 1), step(10, 2, 2), step(16, 4, 4, 4), step(20, 9)]
    samples = [point(second * SECOND_NS, second, SECOND_NS) for second in range(1, 21)]
    late = msgspec.structs.replace(steps[2], interval_ns=6 * SECOND_NS)
    last = msgspec.structs.replace(steps[3], interval_ns=4 * SECOND_NS)
    read = history(21, samples, [*steps[:2], late, last])
    stretch = read.reading(12 * SECOND_NS, 900)
    assert (stretch.begin_ns, stretch.end_ns) == (10 * SECOND_NS, 20 * SECOND_NS)
    assert (stretch.number, stretch.rate(5)) == (4, 0.5)
    assert stretch.output_tokens == sum(range(11, 21))
    assert read.reading(12 * SECOND_NS, 60).end_ns == 16 * SECOND_NS
    assert read.reading(22 * SECOND_NS, 900).number is None
    assert [reading_ns(window_s) // SECOND_NS for window_s in (60, 300, 900)] == [5, 5, 10]


def test_step_leaves_the_window_with_time_alone() -> None:
    """What the window holds is looked up at each instant, not only when a step comes."""
    read = history(64, [], [step(5, 9), step(10, 1, 1)])
    assert read.since(60).number == 3
    read.update(ChartData(66 * SECOND_NS, [], [step(5, 9), step(10, 1, 1)]))
    assert read.since(60).number == 2
    assert (read.peak(60), read.peak(300)) == (0.4, 0.4)


def test_newest_step_is_read_first() -> None:
    """The cursor begins in the middle of the newest step, not in what no step has counted yet."""
    assert history(14, [], [step(5), step(10)]).newest_ns() == 7.5 * SECOND_NS
    assert history(14, []).newest_ns() == 14 * SECOND_NS


def test_cursor_column_is_the_one_that_holds_the_instant() -> None:
    """Columns are aligned to the clock, and what is before the first or after the newest has none."""
    times = [47, 50, 59, 60, 103, 109, 110]
    places = [cursor_column(second * SECOND_NS, 105 * SECOND_NS, 60, 6) for second in times]
    assert places == [None, 0, 0, 1, 5, 5, None]
    assert column_ns(60, 6) == 10 * SECOND_NS


def test_peaks_remember_the_newest_column_for_its_length() -> None:
    """A burst that has left the newest column is still its peak until a column's length later."""
    amounts = [0] * 40 + [8] + [0] * 60
    points = [point(n * TICK_NS, amount) for n, amount in enumerate(amounts, 1)]
    peaks = [history(n / 4, points[:n]).peaks(60, 30).finished for n in (40, 41, 48, 55, 56)]
    assert peaks == [0, 4, 4, 4, 0]


def test_no_history_is_all_gaps() -> None:
    """Before the first sample there are gaps and no figures."""
    empty = history(5, [])
    assert empty.columns(60, 4) == empty.latencies(60, 4) == [None] * 4
    assert empty.model_courses(60, 4) == {}
