"""Laws of the lives and deaths of workers: counts stay, active requests do not, whatever was left behind."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.layout import MappedFile
from gateway.metrics.outcome import Outcome
from gateway.metrics.view import MetricsView
from gateway.metrics.worker_file import KIND, WorkerFile, worker_file_name
from tests.support.metrics import INFO, Instance

SLOT = 0


@contextmanager
def a_gateway() -> Iterator[Instance]:
    """Without workers, in a folder of its own."""
    run_dir = Path(tempfile.mkdtemp())
    instance = Instance(run_dir)
    try:
        yield instance
    finally:
        instance.close()
        shutil.rmtree(run_dir)


def serve(instance: Instance, finished: int, running: int) -> None:
    """A worker starts in the slot, ends some requests and is left with others."""
    collector = instance.start_worker(SLOT)
    for number in range(finished + running):
        collector.started()
        entry = collector.attribute("echo")
        if number < finished:
            collector.finished(entry, Outcome.OK, 1_000_000, 3, 4)


def figures(instance: Instance) -> tuple[int, int, int]:
    """Started and finished since the beginning, and active now."""
    snapshot = instance.snapshot()
    return snapshot.lifetime.started, snapshot.lifetime.finished, snapshot.active


LIVES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=5)


@given(LIVES, st.booleans())
def test_totals_keep_the_dead_and_active_does_not(lives: list[tuple[int, int]], ticks: bool) -> None:
    """Law 33, death: in every life the totals go on from the one before, and active is that of the living alone."""
    started = finished = 0
    with a_gateway() as instance:
        for ended, running in lives:
            serve(instance, ended, running)
            started, finished = started + ended + running, finished + ended
            assert figures(instance) == (started, finished, running)
            instance.kill_worker(SLOT)
            if ticks:
                instance.tick(after_s=5.0)
            assert figures(instance) == (started, finished, 0)


@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3))
def test_a_pid_that_comes_again_is_another_process(ended: int, running: int, later: int) -> None:
    """Law 33, the same pid: a process that got the pid of a dead worker makes it neither alive nor active."""
    with a_gateway() as instance:
        serve(instance, ended, running)
        pid = instance.pids[SLOT]
        instance.kill_worker(SLOT)
        path = instance.run_dir / worker_file_name(SLOT)
        WorkerFile.open(path, slot=SLOT, pid=pid, process_started=pid / 2 - 1).close()
        instance.alive.add(pid)
        snapshot = instance.snapshot()
        assert [(worker.pid, worker.alive, worker.active) for worker in snapshot.workers] == [(pid, False, 0)]
        assert figures(instance) == (ended + running, ended, 0)
        # And when the worker in the slot really is that process, it starts with nothing active.
        serve(instance, 0, later)
        assert figures(instance) == (ended + running + later, ended, later)


@given(st.integers(1, 4), st.integers(0, 3), st.binary(max_size=64), st.integers(0, 1 << 20))
def test_a_crash_before_the_file_is_in_its_place_changes_nothing(
    ended: int, running: int, garbage: bytes, length: int
) -> None:
    """Law 33, crash between create and header: what a half-made file holds is neither read nor continued."""
    with a_gateway() as instance:
        serve(instance, ended, running)
        instance.kill_worker(SLOT)
        path = instance.run_dir / worker_file_name(SLOT)
        half_made = path.with_name(path.name + ".new")
        half_made.write_bytes((garbage + path.read_bytes())[:length])
        assert figures(instance) == (ended + running, ended, 0)
        serve(instance, ended, running)
        assert figures(instance) == (2 * (ended + running), 2 * ended, running)
        assert not half_made.exists()


class Killed(BaseException):
    """Stands for kill -9: nothing is tidied up."""


@given(st.integers(0, 4), st.integers(0, 3))
def test_a_successor_that_dies_while_it_takes_over_loses_nothing(ended: int, running: int) -> None:
    """Law 33, crash in the takeover: readers go on with the predecessor's file, and so does the next successor."""
    with a_gateway() as instance:
        serve(instance, ended, running)
        instance.kill_worker(SLOT)

        def die(file: MappedFile) -> None:
            file.cells[:] = memoryview(bytes(8 * len(file.cells))).cast("Q")
            raise Killed

        path = instance.run_dir / worker_file_name(SLOT)
        with suppress(Killed):
            KIND.create(path, die)
        assert figures(instance) == (ended + running, ended, 0)
        serve(instance, 1, 1)
        assert figures(instance) == (ended + running + 2, ended + 1, 1)


@given(LIVES)
def test_files_of_an_old_boot_have_totals_and_nothing_active(lives: list[tuple[int, int]]) -> None:
    """Law 33, stale files: after a boot their workers are dead, even when other processes have their pids."""
    with a_gateway() as before:
        for slot, (ended, running) in enumerate(lives):
            collector = before.start_worker(slot)
            for number in range(ended + running):
                collector.started()
                if number < ended:
                    collector.finished(collector.UNATTRIBUTED, Outcome.OK, 1000, 0, 0)
        assert before.snapshot().active == sum(running for _, running in lives)
        pids = set(before.pids.values())
        after = MetricsView(before.run_dir, clock=before.clock, is_alive=lambda pid, at: pid in pids and at == 0.0)
        stale = after.snapshot(INFO, "")
        assert stale.active == 0
        assert not any(worker.alive for worker in stale.workers)
        assert stale.lifetime.finished == sum(ended for ended, _ in lives)


PAUSES_S = st.sampled_from([0.25, 5.0, 60.0, 300.0])


@given(st.lists(st.tuples(st.integers(0, 3), PAUSES_S), max_size=30), st.integers(0, 30))
def test_attaching_at_any_time_sees_the_same(steps: list[tuple[int, float]], attach_at: int) -> None:
    """Law 34: a viewer that comes at any time, and one that comes at the end, see what the resident one sees."""
    with a_gateway() as instance:
        collector = instance.start_worker(SLOT)
        viewers = [instance.view]
        for number, (requests, pause_s) in enumerate(steps):
            if number == attach_at:
                viewers.append(instance.new_view())
            for _ in range(requests):
                collector.started()
                collector.finished(collector.attribute("echo"), Outcome.OK, number * 10**6, 1, 1)
            instance.tick(after_s=pause_s)
            if number % 2:
                instance.chart()
                instance.snapshot()
        viewers.append(instance.new_view())
        snapshots = [view.snapshot(INFO, "") for view in viewers]
        charts = [view.chart() for view in viewers]
        assert all(snapshot == snapshots[0] for snapshot in snapshots)
        assert all(chart == charts[0] for chart in charts)
        for view in viewers[1:]:
            view.close()
