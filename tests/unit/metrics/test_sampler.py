"""The sampler: the grid of time, restarts, and what it measures."""

from pathlib import Path

import pytest

from gateway.metrics.errors import HistoryFileError
from gateway.metrics.history import FILE_NAME, History
from gateway.metrics.outcome import Outcome
from gateway.metrics.sampler import ProcessUsage
from tests.support.metrics import START_NS, Instance


def times_s(instance: Instance) -> list[float]:
    """When the samples were taken, in seconds after the start."""
    return [(point.time_ns - START_NS) / 1e9 for point in instance.chart().scalars]


def test_a_burst_of_ticks_takes_one_sample_per_grid_line(instance: Instance) -> None:
    """A thousand ticks in a second cannot shorten the history."""
    for _ in range(1000):
        instance.tick(after_s=0.001)
    assert times_s(instance) == [0.25, 0.5, 0.75, 1.0]


def test_a_late_tick_makes_a_longer_interval(instance: Instance) -> None:
    """What was counted meanwhile is spread over the real time, and nothing is made up for ticks that were missed."""
    collector = instance.start_worker(0)
    instance.tick(after_s=0.25)
    for _ in range(10):
        collector.started()
        collector.finished(0, Outcome.OK, 0, 0, 0)
    instance.tick(after_s=3.0)
    assert [(point.interval_ns, point.finished) for point in instance.chart().scalars] == [
        (250_000_000, 0),
        (3_000_000_000, 10),
    ]


def test_a_clock_that_goes_back_makes_no_sample_until_it_has_caught_up(instance: Instance) -> None:
    """And then goes on as if nothing had been."""
    for after_s in (1.0, 0.0, -0.9, 0.5, 0.5, 0.5):
        instance.tick(after_s)
    assert times_s(instance) == [1.0, 1.6]


def test_a_restarted_sampler_continues_the_history(instance: Instance) -> None:
    """Nothing is lost, nothing is counted twice, and names keep their entries."""
    collector = instance.start_worker(0)
    collector.finished(collector.attribute("echo"), Outcome.OK, 1000, 1, 1)
    collector.started()
    instance.tick(after_s=5.0)
    instance.sampler.close()
    instance.sampler = instance.new_sampler()
    collector.started()
    collector.finished(collector.attribute("gpt"), Outcome.OK, 1000, 1, 1)
    instance.tick(after_s=5.0)
    assert [step.models for step in instance.new_view().chart().steps] == [{"echo": 1}, {"gpt": 1}]


def test_cpu_and_memory_are_those_of_the_living(instance: Instance) -> None:
    """The sample has the sum, the snapshot each worker's share, and a process that cannot be measured has none."""
    for slot in range(3):
        instance.start_worker(slot)
    instance.usage = {pid: ProcessUsage(10.0, 1000) for pid in (instance.pids[0], instance.pids[1])}
    instance.kill_worker(1)
    instance.tick(after_s=0.25)
    point = instance.chart().scalars[-1]
    assert (point.cpu_percent, point.rss_bytes) == (10.0, 1000)
    workers = instance.snapshot().workers
    assert [(worker.alive, worker.cpu_percent, worker.rss_bytes) for worker in workers] == [
        (True, 10.0, 1000),
        (False, None, None),
        (True, None, None),
    ]


def test_old_measurements_are_not_shown_as_new(instance: Instance) -> None:
    """When the sampler has been silent for more than five seconds, CPU and memory are unknown."""
    instance.start_worker(0)
    instance.usage = {instance.pids[0]: ProcessUsage(10.0, 1000)}
    instance.tick(after_s=0.25)
    instance.clock.advance(5.0)
    assert instance.snapshot().workers[0].cpu_percent == 10.0
    instance.clock.now_ns += 1
    assert instance.snapshot().workers[0].cpu_percent is None


def test_more_workers_than_the_table_has_rows_are_still_counted(instance: Instance) -> None:
    """The 257th worker has no CPU figure of its own, and everything else."""
    for slot in range(257):
        instance.start_worker(slot).started()
        instance.usage[instance.pids[slot]] = ProcessUsage(1.0, 1)
    instance.tick(after_s=0.25)
    snapshot = instance.snapshot()
    assert snapshot.active == 257
    assert [worker.cpu_percent for worker in snapshot.workers[-2:]] == [1.0, None]
    assert instance.chart().scalars[-1].cpu_percent == 257.0


def test_a_bad_worker_file_does_not_stop_the_sampler(instance: Instance) -> None:
    """The good ones go into the history."""
    instance.start_worker(0).started()
    (instance.run_dir / "worker-1.metrics").write_bytes(b"garbage")
    instance.tick(after_s=5.0)
    assert instance.chart().scalars[-1].active == 1


def test_a_foreign_history_is_refused(tmp_path: Path) -> None:
    """With a sentence that names the file."""
    (tmp_path / FILE_NAME).write_bytes(b"x" * 100)
    with pytest.raises(HistoryFileError, match="history is not a metrics file of this kind"):
        Instance(tmp_path)


def test_the_history_laps_and_keeps_fifteen_minutes(instance: Instance) -> None:
    """After 16 minutes it has the last 3,600 samples and 180 steps of 5 s, also for a viewer that comes late."""
    collector = instance.start_worker(0)
    early = instance.new_view()
    for number in range(4 * 960):
        if number % 20 == 0:
            collector.started()
            collector.finished(collector.attribute("echo"), Outcome.OK, number * 1000, 1, 1)
            early.chart()
        instance.tick(after_s=0.25)
    chart, late = early.chart(), instance.new_view().chart()
    assert (chart.scalars, chart.steps) == (late.scalars, late.steps)
    assert len(chart.scalars) == 3600
    assert len(chart.steps) == 180
    assert sum(point.finished for point in chart.scalars) == 180
    assert {point.interval_ns for point in chart.scalars} == {250_000_000}
    assert [step.models for step in chart.steps] == [{"echo": 1}] * 180
    history = History.open(instance.run_dir / FILE_NAME)
    history.check_valid()
    assert history.sample(0) is None
    assert history.step(0) is None
    history.close()


def test_models_that_nobody_uses_take_no_memory(instance: Instance) -> None:
    """The steps of an entry are allocated with its first request: the file is mostly a hole."""
    path = instance.run_dir / FILE_NAME

    def allocated() -> int:
        return path.stat().st_blocks * 512

    instance.start_worker(0)
    instance.tick(after_s=5.0)
    assert allocated() < 800_000
    instance.start_worker(1)
    collector = instance.start_worker(2)
    collector.started()
    collector.finished(collector.attribute("echo"), Outcome.OK, 1000, 1, 1)
    instance.tick(after_s=5.0)
    assert 600_000 < allocated() < 1_600_000
    assert path.stat().st_size > 10_000_000
