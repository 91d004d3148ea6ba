"""The history as chart columns."""

import pytest

from gateway.dashboard.series import SECOND_NS, History
from gateway.metrics.snapshot import ChartData, ScalarPoint, StepPoint
from tests.support.metrics import of_latencies

TICK_NS = SECOND_NS // 4


def point(time_ns: int, finished: int, interval_ns: int = TICK_NS) -> ScalarPoint:
    """A sample in which that many requests succeeded, each with ten tokens in and one out."""
    return ScalarPoint(time_ns, interval_ns, finished, (finished, 0, 0, 0, 0, 0, 0), finished * 10, finished, 1, 2.0, 3)


def step(time_s: int, p99: float | None, **models: int) -> StepPoint:
    """A step of five seconds with that highest percentile."""
    half = None if p99 is None else p99 / 2
    latencies = of_latencies([] if p99 is None else [int(p99 * 1000)])
    return StepPoint(time_s * SECOND_NS, 5 * SECOND_NS, 1, half, half, p99, models, (1, 0, 0, 0, 0, 0, 0), latencies)


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


def test_percentile_columns_take_the_highest_step() -> None:
    """Where two steps share a column the higher one shows, and a step without requests is a gap."""
    steps = [step(5, 10.0), step(10, 30.0), step(15, None), step(20, None), step(25, 7.0), step(30, 6.0)]
    assert history(29, [], steps).percentiles(30, 3)["p99"] == [30.0, None, 7.0]


def test_narrow_columns_repeat_their_step() -> None:
    """Where a column is shorter than a step, each of a step's columns shows it."""
    assert history(10, [], [step(5, 1.0), step(10, 2.0)]).percentiles(10, 10)["p99"] == [1.0] * 4 + [2.0] * 5 + [None]


def test_model_rates_are_over_the_last_minute() -> None:
    """The rate of a model is what finished in the steps of the last minute by their time."""
    steps = [step(second, 1.0, a=100 if second <= 40 else 10) for second in range(5, 105, 5)]
    assert history(100, [], steps).model_rates() == {"a": 2.0}


def test_no_history_is_all_gaps() -> None:
    """Before the first sample there are gaps and no figures."""
    empty = history(5, [])
    assert empty.columns(60, 4) == [None] * 4
    assert empty.model_rates() == {}
    assert empty.model_courses(60, 4) == {}
