"""The window as a state machine: workers, sampler and viewers under a manual clock, against the full log.

It checks the laws 24 to 29, 33 and 34 after every step; tests/properties/LAWS.md says which method checks which.
"""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.metrics.collector import Collector
from gateway.metrics.history import FILE_NAME, SAMPLE_NS, STEP_NS, History
from gateway.metrics.lanes import Distribution
from gateway.metrics.outcome import ERRORS, OUTCOMES, Outcome
from gateway.metrics.percentiles import percentiles_ms
from gateway.metrics.snapshot import ChartData, Snapshot
from gateway.metrics.window import RATE_NS, WINDOW_NS
from gateway.metrics.worker_file import WorkerFileReader, worker_file_name
from tests.support.metrics import INFO, START_NS, Instance, of_latencies

SLOTS = st.integers(0, 2)
MODELS = st.none() | st.sampled_from(["a", "b", "c"])
PAUSES_NS = st.sampled_from(
    [
        0,
        1,
        SAMPLE_NS - 1,
        SAMPLE_NS,
        STEP_NS - 1,
        STEP_NS,
        STEP_NS + 1,
        RATE_NS,
        WINDOW_NS - 1,
        WINDOW_NS,
        4 * WINDOW_NS,
    ]
) | st.integers(0, 2 * STEP_NS)


@dataclass(frozen=True)
class Finish:
    """One line of the full log."""

    model: str | None
    outcome: Outcome
    latency_us: int
    tokens: int
    slot: int


class Metrics(RuleBasedStateMachine):
    """The oracle knows every finished request in order, and how many there were at each tick that was due."""

    @initialize()
    def start(self) -> None:
        """A gateway with one worker."""
        self.run_dir = Path(tempfile.mkdtemp())
        self.instance = Instance(self.run_dir)
        self.history = History.open(self.run_dir / FILE_NAME)
        self.log: list[Finish] = []
        self.samples = [(START_NS, 0)]
        self.steps = [(START_NS, 0)]
        self.latest_look_ns = START_NS
        self.collectors: dict[int, Collector] = {}
        self.running: dict[int, list[tuple[int, str | None]]] = {}
        self.abandoned = 0
        self.start_worker(0)

    def teardown(self) -> None:
        """Nothing is left behind."""
        if hasattr(self, "instance"):
            self.instance.close()
            self.history.close()
            shutil.rmtree(self.run_dir)

    # --- requests and workers

    def start_worker(self, slot: int) -> None:
        self.collectors[slot] = self.instance.start_worker(slot)
        self.running[slot] = []

    @rule(slot=SLOTS, model=MODELS)
    def begin(self, slot: int, model: str | None) -> None:
        """A request arrives."""
        if slot not in self.collectors:
            self.start_worker(slot)
        collector = self.collectors[slot]
        collector.started()
        self.running[slot].append((collector.UNATTRIBUTED if model is None else collector.attribute(model), model))

    @precondition(lambda self: any(self.running.values()))
    @rule(data=st.data(), outcome=st.sampled_from(OUTCOMES), latency_us=st.integers(0, 10**6), tokens=st.integers(0, 9))
    def finish(self, data: st.DataObject, outcome: Outcome, latency_us: int, tokens: int) -> None:
        """A running request ends."""
        slot = data.draw(st.sampled_from([slot for slot, running in self.running.items() if running]))
        entry, model = self.running[slot].pop(data.draw(st.integers(0, len(self.running[slot]) - 1)))
        self.collectors[slot].finished(entry, outcome, latency_us * 1000, tokens, 2 * tokens)
        self.log.append(Finish(model, outcome, latency_us, tokens, slot))

    @rule(slot=SLOTS, count=st.integers(1, 30), outcome=st.sampled_from(OUTCOMES))
    def burst(self, slot: int, count: int, outcome: Outcome) -> None:
        """Many requests come and go between two ticks."""
        for latency_us in range(count):
            self.begin(slot, "a")
            entry, model = self.running[slot].pop()
            self.collectors[slot].finished(entry, outcome, latency_us * 1000, 1, 2)
            self.log.append(Finish(model, outcome, latency_us, 1, slot))

    @precondition(lambda self: self.collectors)
    @rule(data=st.data(), replaced=st.booleans())
    def kill(self, data: st.DataObject, replaced: bool) -> None:
        """A worker dies with what it was doing, and is replaced at once or at its next request."""
        slot = data.draw(st.sampled_from(sorted(self.collectors)))
        self.instance.kill_worker(slot)
        del self.collectors[slot]
        self.abandoned += len(self.running.pop(slot))
        if replaced:
            self.start_worker(slot)

    # --- time

    @rule(pause_ns=PAUSES_NS)
    def wait(self, pause_ns: int) -> None:
        """The clock stands still, moves, or jumps past the window; nobody ticks."""
        self.instance.clock.now_ns += pause_ns

    @rule(back_ns=st.sampled_from([1, SAMPLE_NS, STEP_NS, WINDOW_NS]))
    def clock_goes_back(self, back_ns: int) -> None:
        """Which it never should."""
        self.instance.clock.now_ns = max(START_NS, self.instance.clock.now_ns - back_ns)

    @rule(data=st.data(), offset_ns=st.integers(-1, 1), age_ns=st.sampled_from([WINDOW_NS, RATE_NS]))
    def go_to_an_edge(self, data: st.DataObject, offset_ns: int, age_ns: int) -> None:
        """To the moment when a step or a sample becomes old enough, just before it, and just after it."""
        moments = self.steps if age_ns == WINDOW_NS else self.samples
        moment = data.draw(st.sampled_from(moments))[0] + age_ns + offset_ns
        self.instance.clock.now_ns = max(self.instance.clock.now_ns, moment)

    @rule(pauses_ns=st.just([]) | st.lists(st.sampled_from([0, SAMPLE_NS, STEP_NS]), max_size=5))
    def tick(self, pauses_ns: list[int]) -> None:
        """One tick, or several with pauses between them."""
        for pause_ns in (0, *pauses_ns):
            self.instance.tick(pause_ns / 1e9)
            now_ns = self.instance.clock.now_ns
            if now_ns // SAMPLE_NS > self.samples[-1][0] // SAMPLE_NS:
                self.samples.append((now_ns, len(self.log)))
                if now_ns // STEP_NS > self.steps[-1][0] // STEP_NS:
                    self.steps.append((now_ns, len(self.log)))

    @rule()
    def restart_sampler(self) -> None:
        """The supervisor comes back and continues the history."""
        self.instance.sampler.close()
        self.instance.sampler = self.instance.new_sampler()

    # --- laws

    @invariant()
    def snapshot_agrees_with_the_log(self) -> None:
        """Laws 24 to 28 and 33: window, rates, lifetime and active are those of the full log."""
        self.latest_look_ns = max(self.latest_look_ns, self.instance.clock.now_ns)
        now_ns = self.latest_look_ns
        snapshot = self.instance.snapshot()
        edge_ns, evicted = [step for step in self.steps if step[0] <= now_ns - WINDOW_NS or step[0] == START_NS][-1]
        window = self.log[evicted:]

        assert snapshot.window.coverage_s == (now_ns - edge_ns) / 1e9
        assert snapshot.window.finished == len(window)
        assert snapshot.window.outcomes == self.outcomes(window)
        assert (snapshot.window.tokens.input, snapshot.window.tokens.output) == self.tokens(window)
        latency = snapshot.window.latency_ms
        assert latency.count == len(window)
        assert (latency.p50, latency.p95, latency.p99) == percentiles_ms(self.latencies(window))

        minute_ns, before = [s for s in self.samples if s[0] <= now_ns - RATE_NS or s[0] == START_NS][-1]
        recent, elapsed_ns = self.log[before:], now_ns - minute_ns
        errors = sum(finish.outcome in ERRORS for finish in recent)
        assert snapshot.window.requests_per_second == (len(recent) * 1e9 / elapsed_ns if elapsed_ns else None)
        assert snapshot.window.errors_per_second == (errors * 1e9 / elapsed_ns if elapsed_ns else None)

        assert snapshot.lifetime.finished == len(self.log) == evicted + snapshot.window.finished
        assert snapshot.lifetime.outcomes == self.outcomes(self.log)
        assert snapshot.active == sum(map(len, self.running.values()))
        assert snapshot.lifetime.started == snapshot.lifetime.finished + snapshot.active + self.abandoned
        self.models_agree(snapshot, window, now_ns)
        self.workers_agree(snapshot, now_ns)

    def models_agree(self, snapshot: Snapshot, window: list[Finish], now_ns: int) -> None:
        """So are those of each model, and of all requests without one; their rates are of one stretch."""
        step_ns, before = self.minute_of_steps(now_ns)
        active = Counter(model for running in self.running.values() for _, model in running)
        named = [(figures.name, figures) for figures in snapshot.models]
        for name, figures in [*named, (None, snapshot.unattributed)]:
            mine = [finish for finish in window if finish.model == name]
            assert figures.window.finished == figures.window.latency_ms.count == len(mine)
            recent, elapsed_ns = (
                [finish for finish in self.log[before:] if finish.model == name],
                now_ns - step_ns,
            )
            assert figures.window.requests_per_second == (len(recent) * 1e9 / elapsed_ns if elapsed_ns else None)
            assert figures.window.errors == sum(finish.outcome in ERRORS for finish in mine)
            assert (figures.window.tokens.input, figures.window.tokens.output) == self.tokens(mine)
            assert figures.window.latency_ms.p99 == percentiles_ms(self.latencies(mine))[2]
            assert figures.active == active[name]
            assert figures.lifetime.finished == sum(finish.model == name for finish in self.log)
        order = [(-figures.window.finished, figures.name) for figures in snapshot.models]
        assert order == sorted(order)
        used = {finish.model for finish in self.log} | set(active)
        assert used - {None} <= {figures.name for figures in snapshot.models}

    def workers_agree(self, snapshot: Snapshot, now_ns: int) -> None:
        """So are those of each worker; a viewer that has just come knows its rate over the last minute, too."""
        step_ns, before = self.minute_of_steps(now_ns)
        elapsed_ns = now_ns - step_ns
        for worker in snapshot.workers:
            recent = sum(finish.slot == worker.slot for finish in self.log[before:])
            assert worker.finished == sum(finish.slot == worker.slot for finish in self.log)
            assert worker.requests_per_second == (recent * 1e9 / elapsed_ns if elapsed_ns and worker.alive else None)

    def minute_of_steps(self, now_ns: int) -> tuple[int, int]:
        """The newest step that is at least a minute old, else the beginning."""
        return [step for step in self.steps if step[0] <= now_ns - RATE_NS or step[0] == START_NS][-1]

    @invariant()
    def chart_agrees_with_the_log(self) -> None:
        """Laws 25, 27 and 29: intervals are seamless, add up to the log and end where a tick was due."""
        chart = self.instance.chart(window_s=10**9)
        for points, marks in ((chart.scalars, self.samples), (chart.steps, self.steps)):
            assert [point.time_ns for point in points] == [time_ns for time_ns, _ in marks[1:]]
            assert [point.time_ns - point.interval_ns for point in points] == [time_ns for time_ns, _ in marks[:-1]]
        counts = [until - since for (_, since), (_, until) in zip(self.samples, self.samples[1:], strict=False)]
        assert [point.finished for point in chart.scalars] == counts
        for point, (_, since), (_, until) in zip(chart.steps, self.steps, self.steps[1:], strict=False):
            part = self.log[since:until]
            assert point.count == len(part)
            assert (point.p50_ms, point.p95_ms, point.p99_ms) == percentiles_ms(self.latencies(part))
            assert point.models == Counter(finish.model or "" for finish in part)

    @rule()
    def late_viewer_sees_the_same(self) -> None:
        """Law 34: whoever attaches now sees what the viewer sees that was there from the start."""
        view = self.instance.new_view()
        if self.latest_look_ns == self.instance.clock.now_ns:
            assert view.snapshot(INFO, "now") == self.instance.snapshot()
        ours, theirs = self.instance.chart(10**9), view.chart(10**9)
        assert ChartData(0, theirs.scalars, theirs.steps) == ChartData(0, ours.scalars, ours.steps)
        view.close()

    @invariant()
    def files_are_valid(self) -> None:
        """In the history time moves forward and no total shrinks; in each worker file the counts add up."""
        self.history.check_valid()
        for slot in range(3):
            path = self.run_dir / worker_file_name(slot)
            if path.exists():
                worker = WorkerFileReader(path)
                worker.read().check_valid()
                worker.close()

    @staticmethod
    def outcomes(finishes: list[Finish]) -> dict[str, int]:
        return {outcome.label: sum(finish.outcome is outcome for finish in finishes) for outcome in OUTCOMES}

    @staticmethod
    def tokens(finishes: list[Finish]) -> tuple[int | None, int | None]:
        """Unknown, if there were requests and none of them had any."""
        total = sum(finish.tokens for finish in finishes)
        return (None, None) if finishes and not total else (total, 2 * total)

    @staticmethod
    def latencies(finishes: list[Finish]) -> Distribution:
        return of_latencies(finish.latency_us for finish in finishes)


TestMetrics = Metrics.TestCase
TestMetrics.settings = settings(max_examples=max(10, settings.default.max_examples // 3), stateful_step_count=40)
