"""The sampler: the grid of time, restarts, and what it measures."""

from pathlib import Path

import pytest

from gateway.metrics.entries import EntryNames
from gateway.metrics.errors import HistoryFileError
from gateway.metrics.history import FILE_NAME, SAMPLE_NS, History, HistoryWriter, Sample, Step, WorkerUsage
from gateway.metrics.outcome import Outcome
from gateway.metrics.sampler import ProcessUsage
from gateway.metrics.window import Totals
from tests.support.metrics import INFO, START_NS, Instance, of_cells


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
    """The 257th worker has no CPU figure and no rate of its own, and everything else."""
    for slot in range(257):
        instance.start_worker(slot).started()
        instance.usage[instance.pids[slot]] = ProcessUsage(1.0, 1)
    instance.tick(after_s=0.25)
    snapshot = instance.snapshot()
    assert snapshot.active == 257
    assert [worker.cpu_percent for worker in snapshot.workers[-2:]] == [1.0, None]
    assert instance.chart().scalars[-1].cpu_percent == 257.0
    instance.tick(after_s=5.0)
    instance.clock.advance(60.0)
    workers = instance.snapshot().workers
    assert [worker.requests_per_second for worker in workers[-2:]] == [0.0, None]


def test_a_bad_worker_file_does_not_stop_the_sampler(instance: Instance) -> None:
    """The good ones go into the history."""
    for slot in (0, 2):
        instance.start_worker(slot).started()
    (instance.run_dir / "worker-1.metrics").write_bytes(b"garbage")
    instance.tick(after_s=5.0)
    assert instance.chart().scalars[-1].active == 2


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
    assert (len(early.chart(10**6).scalars), len(early.chart(10**6).steps)) == (3600, 181)
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
    before = allocated()
    assert before < 800_000
    instance.start_worker(1)
    collector = instance.start_worker(2)
    collector.started()
    collector.finished(collector.attribute("echo"), Outcome.OK, 1000, 1, 1)
    instance.tick(after_s=5.0)
    # 184 steps of 9 counters and 448 pairs of cells for each of two entries: unattributed requests are none.
    assert 184 * 457 * 8 <= allocated() - before < 800_000
    assert path.stat().st_size > 10_000_000


def test_the_last_entry_fits_into_the_file(instance: Instance) -> None:
    """Making room for the steps of "other" does not make the file longer, which would make it foreign."""
    collector = instance.start_worker(0)
    collector.started()
    collector.finished(collector.attribute("other"), Outcome.OK, 1000, 1, 1)
    for _ in range(200):
        instance.tick(after_s=5.0)
    assert [step.models for step in instance.chart(10**6).steps[-2:]] == [{}, {}]
    assert instance.new_view().snapshot(INFO, "").models[0].lifetime.finished == 1


def test_the_newest_measurement_of_every_worker_is_kept(instance: Instance) -> None:
    """One row for each, as it was found by the last tick."""
    expected = []
    for slot in range(3):
        instance.start_worker(slot)
    for cpu_percent in (10.0, 20.0):
        instance.usage = {pid: ProcessUsage(cpu_percent, pid) for pid in instance.pids.values()}
        instance.tick(after_s=0.25)
        expected = [WorkerUsage(slot, pid, pid / 2, cpu_percent, pid) for slot, pid in instance.pids.items()]
    history = History.open(instance.run_dir / FILE_NAME)
    assert history.usage() == (instance.clock(), expected)
    history.close()


def test_before_the_first_tick_there_is_nothing(instance: Instance) -> None:
    """The beginning is a sample and a step without any counts, and nobody has been measured."""
    history = History.open(instance.run_dir / FILE_NAME)
    assert history.first_sample() == Sample(START_NS, (0,) * 9, 0, 0.0, 0)
    assert history.first_step() == Step(START_NS, [Totals()] * 18, EntryNames(()))
    assert history.usage() == (START_NS, [])
    history.close()


def test_names_lie_in_their_own_part_of_the_file(instance: Instance) -> None:
    """Sixteen names of the greatest length change nothing but themselves and their number."""
    path = instance.run_dir / FILE_NAME
    before = memoryview(path.read_bytes()).cast("Q")
    writer = HistoryWriter.create_or_continue(path, now_ns=0)
    for entry in range(1, 17):
        writer.publish_name(entry, chr(96 + entry) * 128)
    assert writer.names() == [chr(96 + entry) * 128 for entry in range(1, 17)]
    after = memoryview(path.read_bytes()).cast("Q")
    changed = [cell for cell in range(len(after)) if before[cell] != after[cell]]
    # Ten cells of header, one of which is the number of names, and 16 times a length and 128 bytes.
    assert [cell for cell in changed if cell < 10] == [4]
    assert changed[1:] == list(range(10, 10 + 16 * 17))
    writer.close()


@pytest.mark.parametrize(
    ("times_ns", "totals"),
    [
        ([START_NS + 1], [0]),
        ([START_NS + SAMPLE_NS, START_NS + 2 * SAMPLE_NS - 1], [0, 0]),
        ([START_NS + 2 * SAMPLE_NS, START_NS + SAMPLE_NS], [0, 0]),
        ([START_NS + SAMPLE_NS, START_NS + 2 * SAMPLE_NS], [2, 1]),
    ],
    ids=["off the grid after the beginning", "off the grid", "back in time", "a total that shrinks"],
)
def test_a_history_that_cannot_be_is_noticed(tmp_path: Path, times_ns: list[int], totals: list[int]) -> None:
    """`check_valid`, on which the property tests rely, fails where time or totals go wrong."""
    history = HistoryWriter.create_or_continue(tmp_path / FILE_NAME, now_ns=START_NS + SAMPLE_NS // 4)
    history.check_valid()
    for time_ns, total in zip(times_ns, totals, strict=True):
        history.append_sample(Sample(time_ns, (total,) * 9, 0, 0.0, 0))
    with pytest.raises(AssertionError):
        history.check_valid()
    history.close()


@pytest.mark.parametrize("entry", [0, 1, 17])
def test_steps_lie_in_their_own_part_of_the_file(tmp_path: Path, entry: int) -> None:
    """The second step of an entry changes its own place, the time of the step and two cells of the header."""
    path = tmp_path / FILE_NAME
    writer = HistoryWriter.create_or_continue(path, now_ns=START_NS)
    writer.append_step(1, [Totals()] * 18)
    before = memoryview(path.read_bytes()).cast("Q")
    totals = [Totals()] * 18
    totals[entry] = Totals((1,) * 9, of_cells([1] * 896))
    writer.append_step(2, totals)
    after = memoryview(path.read_bytes()).cast("Q")
    changed = [cell for cell in range(len(after)) if before[cell] != after[cell]]
    entries_at = len(after) - 18 * 184 * 457
    place = entries_at + (entry * 184 + 1) * 457
    assert changed == [8, 9, entries_at - 184 + 1, *range(place, place + 457)]
    writer.close()
