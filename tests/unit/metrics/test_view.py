"""What a viewer gets: the JSON, what is unknown, and what is left out."""

import json
from pathlib import Path

import msgspec
import pytest

from gateway.metrics.entries import UNATTRIBUTED
from gateway.metrics.errors import HistoryFileError, WorkerFileError
from gateway.metrics.history import FILE_NAME
from gateway.metrics.outcome import OUTCOMES, Outcome
from gateway.metrics.sampler import ProcessUsage
from gateway.metrics.snapshot import ChartData
from gateway.metrics.view import MetricsView
from tests.support.metrics import INFO, Instance

OUTCOME_COUNTS = {"ok": 1, "cancelled": 0, "auth": 1, "validation": 0, "upstream": 0, "timeout": 0, "internal": 0}
TOKENS = {"input": 12, "output": 9}
NO_LATENCY = {"count": 0, "p50": None, "p95": None, "p99": None}


def test_log_records_that_were_dropped_are_those_of_all_workers(instance: Instance) -> None:
    """One and two are three."""
    instance.start_worker(0).log_dropped()
    instance.start_worker(1).log_dropped(2)
    assert instance.view.snapshot(INFO, "now").log.dropped == 3


def test_requests_without_a_model_have_their_place_in_the_steps_of_the_chart(instance: Instance) -> None:
    """Under the empty name, beside the models."""
    collector = instance.start_worker(0)
    instance.tick(after_s=5.0)
    for entry in (UNATTRIBUTED, UNATTRIBUTED, collector.attribute("echo")):
        collector.started()
        collector.finished(entry, Outcome.OK, 50_000, 0, 0)
    instance.tick(after_s=5.0)
    told = [step.models for step in instance.chart().steps if step.count]
    assert told == [{"": 2, "echo": 1}]


def test_the_json_is_the_documented_one(instance: Instance) -> None:
    """Every field, in its order, with its figure."""
    collector = instance.start_worker(0)
    for outcome in (Outcome.OK, Outcome.AUTH):
        collector.started()
        collector.finished(collector.attribute("echo"), outcome, 50_000, 6, 9 * (outcome is Outcome.OK))
    collector.log_dropped()
    instance.clock.advance(4.0)
    expected = {
        "schema": 1,
        "instance": {
            "pid": 1,
            "version": "0.1.0",
            "address": "http://127.0.0.1:8000",
            "started_at": "2026-01-01T00:00:00Z",
            "state": "running",
            "label": "",
        },
        "taken_at": "now",
        "active": 0,
        "workers": [
            {
                "slot": 0,
                "pid": 100,
                "alive": True,
                "active": 0,
                "cpu_percent": None,
                "rss_bytes": None,
                "finished": 2,
                "requests_per_second": 0.5,
            }
        ],
        "lifetime": {"started": 2, "finished": 2, "outcomes": OUTCOME_COUNTS, "tokens": TOKENS},
        "window": {
            "seconds": 900,
            "coverage_s": 4.0,
            "finished": 2,
            "requests_per_second": 0.5,
            "errors_per_second": 0.25,
            "outcomes": OUTCOME_COUNTS,
            "tokens": TOKENS,
            "latency_ms": {"count": 2, "p50": 0.05, "p95": 0.05, "p99": 0.05},
        },
        "models": [
            {
                "name": "echo",
                "active": 0,
                "window": {
                    "finished": 2,
                    "requests_per_second": 0.5,
                    "errors": 1,
                    "tokens": TOKENS,
                    "latency_ms": {"count": 2, "p50": 0.05, "p95": 0.05, "p99": 0.05},
                },
                "lifetime": {"started": 2, "finished": 2, "outcomes": OUTCOME_COUNTS, "tokens": TOKENS},
            }
        ],
        "unattributed": {
            "active": 0,
            "window": {
                "finished": 0,
                "requests_per_second": 0.0,
                "errors": 0,
                "tokens": {"input": 0, "output": 0},
                "latency_ms": NO_LATENCY,
            },
            "lifetime": {
                "started": 0,
                "finished": 0,
                "outcomes": dict.fromkeys(OUTCOME_COUNTS, 0),
                "tokens": {"input": 0, "output": 0},
            },
        },
        "log": {"dropped": 1},
        "providers": [],
    }
    assert msgspec.json.encode(instance.snapshot()).decode() == json.dumps(expected, separators=(",", ":"))


def test_without_a_sampler_there_are_totals_and_no_rates(tmp_path: Path) -> None:
    """A gateway that runs without the supervisor shows what it has counted; what needs a past is unknown."""
    instance = Instance(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    collector = instance.start_worker(0)
    collector.started()
    collector.finished(0, Outcome.OK, 1000, 0, 0)
    snapshot = instance.new_view().snapshot(INFO, "now")
    assert snapshot.lifetime.finished == snapshot.window.finished == snapshot.window.latency_ms.count == 1
    assert snapshot.window.coverage_s is None
    assert snapshot.window.requests_per_second is None
    assert snapshot.window.errors_per_second is None
    assert instance.new_view().chart() == ChartData(instance.clock(), (), ())


def test_an_empty_gateway_has_no_percentiles(instance: Instance) -> None:
    """No data is null and never 0; a count of none is 0."""
    snapshot = instance.snapshot()
    assert msgspec.to_builtins(snapshot.window.latency_ms) == NO_LATENCY
    assert snapshot.window.requests_per_second is None
    assert snapshot.models == snapshot.workers == []
    instance.clock.advance(1.0)
    assert instance.snapshot().window.requests_per_second == 0.0


def test_a_missing_run_directory_is_an_empty_gateway(tmp_path: Path) -> None:
    """A viewer that comes before the files does not fail."""
    view = MetricsView(tmp_path / "none", clock=lambda: 0, is_alive=lambda pid, started: True)
    assert view.snapshot(INFO, "now").lifetime.started == 0
    assert view.chart().now_ns == 0


def test_a_dead_worker_keeps_its_counts_and_loses_its_active_requests(instance: Instance) -> None:
    """Before and after its successor has started."""
    collector = instance.start_worker(0)
    for _ in range(2):
        collector.started()
        entry = collector.attribute("echo")
    collector.finished(entry, Outcome.OK, 1000, 1, 1)
    snapshot = instance.snapshot()
    assert snapshot.active == snapshot.workers[0].active == snapshot.models[0].active == 1
    instance.kill_worker(0)
    for start in (False, True):
        if start:
            instance.start_worker(0)
        snapshot = instance.snapshot()
        assert snapshot.workers[0].alive is start
        assert snapshot.active == snapshot.workers[0].active == snapshot.models[0].active == 0
        assert (snapshot.lifetime.started, snapshot.lifetime.finished) == (2, 1)


def test_models_come_in_the_order_of_their_use(instance: Instance) -> None:
    """Most used in the window first, then by name; requests of no known model are in the totals only."""
    collector = instance.start_worker(0)
    for model in ("b", "a", "c", "c"):
        collector.started()
        collector.finished(collector.attribute(model), Outcome.OK, 1000, 1, 1)
    collector.started()
    collector.finished(collector.UNATTRIBUTED, Outcome.VALIDATION, 1000, 0, 0)
    snapshot = instance.snapshot()
    assert [model.name for model in snapshot.models] == ["c", "a", "b"]
    assert snapshot.lifetime.finished == 5


def test_models_beyond_sixteen_share_a_row(instance: Instance) -> None:
    """Over all workers, whichever of them saw a model first, and "other" appears only when it is used."""
    first, second = instance.start_worker(0), instance.start_worker(1)

    def use(worker: int, model: str) -> None:
        collector = (first, second)[worker]
        collector.started()
        collector.finished(collector.attribute(model), Outcome.OK, 1000, 1, 1)

    for number in range(16):
        use(number % 2, f"model-{number:02}")
    assert [model.name for model in instance.snapshot().models] == [f"model-{number:02}" for number in range(16)]
    instance.tick(after_s=5.0)
    use(0, "late")
    use(1, "later")
    for after_s in (0.0, 5.0):
        instance.tick(after_s)
        models = {model.name: model.lifetime.finished for model in instance.snapshot().models}
        assert len(models) == 17
        assert models["other"] == 2


def test_foreign_files_are_reported(instance: Instance) -> None:
    """A viewer of another version says so instead of showing zeros."""
    (instance.run_dir / "worker-0.metrics").write_bytes(b"x" * 1000)
    with pytest.raises(WorkerFileError):
        instance.snapshot()
    (instance.run_dir / FILE_NAME).write_bytes(b"x" * 1000)
    with pytest.raises(HistoryFileError):
        instance.new_view().chart()


def test_a_chart_can_be_shorter_than_the_history(instance: Instance) -> None:
    """Only intervals that ended within the last seconds are in it."""
    for _ in range(40):
        instance.tick(after_s=0.25)
    chart = instance.chart(window_s=2)
    assert len(chart.scalars) == 8
    assert len(chart.steps) == 1
    assert chart.now_ns == instance.clock()


def test_the_left_edge_of_the_window(instance: Instance) -> None:
    """A request leaves when the first step after it is 900 seconds old, and not a nanosecond earlier."""
    collector = instance.start_worker(0)
    collector.started()
    collector.finished(0, Outcome.OK, 1000, 0, 0)
    instance.tick(after_s=5.0)
    step_ns = instance.clock()
    seen = []
    for offset_ns in (-1, 0, 1):
        instance.clock.now_ns = step_ns + 900 * 10**9 + offset_ns
        window = instance.snapshot().window
        seen.append((window.finished, window.coverage_s))
    assert seen == [(1, 904.999999999), (0, 900.0), (0, 900.000000001)]
    assert instance.snapshot().lifetime.finished == 1


def test_late_steps_still_reach_the_left_edge(instance: Instance) -> None:
    """When every step came late and the last one on time, the window is at most one step longer than it should be."""
    instance.start_worker(0)
    instance.clock.advance(4.75)
    for _ in range(200):
        instance.tick(after_s=5.0)
    instance.tick(after_s=0.25)
    assert instance.snapshot().window.coverage_s == 900.25


def test_five_thousand_requests_a_second_do_not_shorten_the_window(instance: Instance) -> None:
    """The window is bounded by time, not by a number of requests."""
    collector = instance.start_worker(0)
    for _ in range(4):
        for _ in range(1250):
            collector.started()
            collector.finished(0, Outcome.OK, 1000, 0, 0)
        instance.tick(after_s=0.25)
    assert instance.snapshot().window.finished == 5000
    assert [point.finished * 1e9 / point.interval_ns for point in instance.chart().scalars] == [5000.0] * 4


def test_every_outcome_is_told_apart_and_has_a_latency(instance: Instance) -> None:
    """A cancelled or a broken stream is no success, and errors by type add up to the errors."""
    collector = instance.start_worker(0)
    for outcome in OUTCOMES:
        for _ in range(outcome + 1):
            collector.started()
            collector.finished(collector.attribute("echo"), outcome, 1000, 0, 0)
    snapshot = instance.snapshot()
    assert list(snapshot.window.outcomes.values()) == [1, 2, 3, 4, 5, 6, 7]
    assert snapshot.window.latency_ms.count == snapshot.window.finished == 28
    assert snapshot.models[0].window.errors == 3 + 4 + 5 + 6 + 7
    instance.tick(after_s=0.25)
    (point,) = instance.chart().scalars
    assert (point.outcomes, point.finished) == ((1, 2, 3, 4, 5, 6, 7), 28)


def test_the_chart_has_the_tokens_of_each_interval(instance: Instance) -> None:
    """Input and output apart, each only where it was counted."""
    collector = instance.start_worker(0)
    for tokens in (5, 7):
        collector.started()
        collector.finished(0, Outcome.OK, 1000, tokens, 10 * tokens)
        instance.tick(after_s=0.25)
    assert [(point.input_tokens, point.output_tokens) for point in instance.chart().scalars] == [(5, 50), (7, 70)]


def test_models_keep_their_place_in_the_past(instance: Instance) -> None:
    """A window subtracts from each model its own past, although the workers number the models differently."""
    first, second = instance.start_worker(0), instance.start_worker(1)
    second.started()
    second.finished(second.attribute("b"), Outcome.OK, 1000, 0, 0)
    instance.tick(after_s=5.0)
    for _ in range(2):
        first.started()
        first.finished(first.attribute("a"), Outcome.OK, 1000, 0, 0)
    instance.tick(after_s=900.0)
    assert [(model.name, model.window.finished) for model in instance.snapshot().models] == [("a", 2), ("b", 0)]


def test_a_worker_that_has_just_died_uses_nothing(instance: Instance) -> None:
    """What was measured a moment before is not shown for a dead process."""
    instance.start_worker(0)
    instance.usage = {instance.pids[0]: ProcessUsage(10.0, 1000)}
    instance.tick(after_s=0.25)
    assert instance.snapshot().workers[0].rss_bytes == 1000
    instance.kill_worker(0)
    worker = instance.snapshot().workers[0]
    assert (worker.cpu_percent, worker.rss_bytes) == (None, None)


def test_requests_of_a_slot_are_counted_over_its_processes(instance: Instance) -> None:
    """Each worker has the number of its own finished requests, and a successor goes on from its predecessor."""
    for slot, model in ((0, "echo"), (1, "gpt")):
        collector = instance.start_worker(slot)
        for _ in range(slot + 2):
            collector.started()
            collector.finished(collector.attribute(model), Outcome.OK, 1000, 1, 1)
    assert [worker.finished for worker in instance.snapshot().workers] == [2, 3]
    instance.kill_worker(0)
    assert [worker.finished for worker in instance.snapshot().workers] == [2, 3]
    collector = instance.start_worker(0)
    collector.started()
    collector.finished(collector.UNATTRIBUTED, Outcome.AUTH, 1000, 0, 0)
    assert [worker.finished for worker in instance.snapshot().workers] == [3, 3]


def test_tokens_that_nobody_reported_are_unknown(instance: Instance) -> None:
    """They are null in the JSON for a model that never came with any; one answer that did makes the sum a number."""
    collector = instance.start_worker(0)
    for model, tokens in (("silent", 0), ("echo", 0), ("echo", 5)):
        collector.started()
        collector.finished(collector.attribute(model), Outcome.OK, 1000, tokens, 0)
    shown = {model.name: msgspec.to_builtins(model.window.tokens) for model in instance.snapshot().models}
    assert shown == {"silent": {"input": None, "output": None}, "echo": {"input": 5, "output": 0}}
    assert msgspec.to_builtins(instance.snapshot().window.tokens) == {"input": 5, "output": 0}


def test_a_worker_has_its_rate_for_a_viewer_that_has_just_come(instance: Instance) -> None:
    """It is over the last minute, of the slot, whichever process was in it; a dead worker has none."""
    collector = instance.start_worker(0)
    for second in range(120):
        instance.tick(after_s=1.0)
        for _ in range(4 if second < 90 else 2):
            collector.started()
            collector.finished(collector.UNATTRIBUTED, Outcome.OK, 1000, 0, 0)
    # The step of a minute ago was taken before the requests of its second.
    assert instance.new_view().snapshot(INFO, "now").workers[0].requests_per_second == (31 * 4 + 30 * 2) / 60
    instance.kill_worker(0)
    assert instance.snapshot().workers[0].requests_per_second is None
    instance.start_worker(0)
    assert instance.snapshot().workers[0].requests_per_second == (31 * 4 + 30 * 2) / 60


def test_a_chart_forgets_what_is_older_than_its_length(instance: Instance) -> None:
    """After hours of ticks a resident viewer has as many samples and steps as one that comes late, and the same."""
    for number in range(3 * 3600 + 5):
        instance.tick(after_s=0.25 if number % 100 else 5.0)
        if number % 1000 == 0:
            instance.chart()
    resident, late = instance.chart(10**9), instance.new_view().chart(10**9)
    assert (len(resident.scalars), len(resident.steps)) == (3600, 181)
    assert (resident.scalars, resident.steps) == (late.scalars, late.steps)
