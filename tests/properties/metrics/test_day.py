"""A simulated day of four workers that die and come back, under a clock with every fault; each law at each step.

The default profile ticks every 250 ms to two minutes, nightly every 250 ms, which takes minutes.
"""

from bisect import bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from hypothesis import settings

from gateway.metrics.cells import index, representative
from gateway.metrics.collector import Collector
from gateway.metrics.history import FILE_NAME, SAMPLE_NS, STEP_NS, STEPS, History
from gateway.metrics.outcome import ERRORS, OUTCOMES, Outcome
from gateway.metrics.snapshot import Snapshot
from gateway.metrics.window import RATE_NS, WINDOW_NS
from tests.support.metrics import INFO, START_NS, Instance

DAY_NS = 86_400 * 10**9
SLOTS = 4
MODELS = ("echo", "gpt", "clé")
DENSE = settings.default.max_examples > 1000
LONG_PAUSES_NS = (SAMPLE_NS, 3 * STEP_NS, 15 * STEP_NS, 24 * STEP_NS)


@dataclass
class Log:
    """The oracle: every finish in order, and how many there were at each sample and each step that was due."""

    latencies_us: list[int] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    tokens: int = 0
    samples: list[tuple[int, int]] = field(default_factory=lambda: [(START_NS, 0)])
    steps: list[tuple[int, int]] = field(default_factory=lambda: [(START_NS, 0)])

    def tick(self, now_ns: int) -> None:
        """What the sampler should do now."""
        for marks, grid_ns in ((self.samples, SAMPLE_NS), (self.steps, STEP_NS)):
            if now_ns // grid_ns > marks[-1][0] // grid_ns:
                marks.append((now_ns, len(self.outcomes)))

    @staticmethod
    def at(marks: list[tuple[int, int]], now_ns: int) -> tuple[int, int]:
        """The newest mark at or before a time, else the beginning."""
        return marks[max(0, bisect_right(marks, now_ns, key=lambda mark: mark[0]) - 1)]


class Day:
    """One run; `random` decides what happens."""

    def __init__(self, run_dir: Path, random: Random) -> None:
        self.random = random
        self.instance = Instance(run_dir)
        self.log = Log()
        self.collectors: dict[int, Collector] = {}
        self.running: dict[int, deque[int]] = {}
        self.abandoned = self.deaths = 0
        self.faults: Counter[str] = Counter()
        self.seen_ns = self.edge_ns = START_NS
        for slot in range(SLOTS):
            self.start_worker(slot)

    def start_worker(self, slot: int) -> None:
        """Into an empty slot."""
        self.collectors[slot] = self.instance.start_worker(slot)
        self.running[slot] = deque()

    def requests(self) -> None:
        """A few begin, a few end."""
        for _ in range(self.random.randrange(4)):
            slot = self.random.choice(list(self.collectors))
            self.collectors[slot].started()
            self.running[slot].append(self.collectors[slot].attribute(self.random.choice(MODELS)))
        for slot, running in self.running.items():
            if running and self.random.random() < 0.8:
                latency_us, outcome = int(self.random.lognormvariate(11, 2)), self.random.choice(OUTCOMES)
                self.collectors[slot].finished(running.popleft(), outcome, latency_us * 1000, 2, 3)
                self.log.latencies_us.append(latency_us)
                self.log.outcomes.append(outcome)

    def deaths_and_births(self) -> None:
        """A worker is killed; it comes back at once or later."""
        if self.random.random() < 0.05:
            slot = self.random.choice(list(self.collectors))
            if len(self.collectors) > 1:
                self.instance.kill_worker(slot)
                del self.collectors[slot]
                self.abandoned += len(self.running.pop(slot))
                self.deaths += 1
        if len(self.collectors) < SLOTS and self.random.random() < 0.3:
            self.start_worker(min(set(range(SLOTS)) - set(self.collectors)))

    def time_passes(self) -> None:
        """Mostly forward; now and then the clock fails, the machine sleeps or the supervisor is replaced."""
        clock, dice = self.instance.clock, self.random.random()
        faults_ns = {
            "stands still": 0,
            "goes back": -self.random.choice((1, SAMPLE_NS, STEP_NS, 30 * STEP_NS)),
            "jumps": RATE_NS,
            "sleeps": self.random.choice((WINDOW_NS - 1, WINDOW_NS, WINDOW_NS + 1, 2 * WINDOW_NS)),
        }
        if self.random.random() < 0.02:
            fault = self.random.choice(list(faults_ns))
            self.faults[fault] += 1
            clock.now_ns = max(START_NS, clock.now_ns + faults_ns[fault])
        else:
            clock.now_ns += SAMPLE_NS if DENSE else self.random.choice(LONG_PAUSES_NS)
        if dice < 0.002:
            self.instance.sampler.close()
            self.instance.sampler = self.instance.new_sampler()
        if dice > 0.1:  # else the tick is late
            self.instance.tick()
            self.log.tick(clock.now_ns)

    def check(self) -> None:
        """Every figure of the snapshot is that of the log."""
        self.seen_ns = now_ns = max(self.seen_ns, self.instance.clock.now_ns)
        snapshot, log = self.instance.snapshot(), self.log
        active = sum(map(len, self.running.values()))
        assert snapshot.active == active
        assert snapshot.lifetime.finished == len(log.outcomes)
        assert snapshot.lifetime.started == len(log.outcomes) + active + self.abandoned
        edge_ns, evicted = log.at(log.steps, now_ns - WINDOW_NS)
        assert edge_ns >= self.edge_ns
        self.edge_ns = edge_ns
        window = log.outcomes[evicted:]
        assert snapshot.window.coverage_s == (now_ns - edge_ns) / 1e9
        assert snapshot.window.finished == snapshot.window.latency_ms.count == len(window)
        assert list(snapshot.window.outcomes.values()) == [window.count(outcome) for outcome in OUTCOMES]
        assert (snapshot.window.tokens.input, snapshot.window.tokens.output) == (2 * len(window), 3 * len(window))
        self.check_percentiles(snapshot, sorted(log.latencies_us[evicted:]))
        minute_ns, before = log.at(log.samples, now_ns - RATE_NS)
        errors = sum(outcome in ERRORS for outcome in log.outcomes[before:])
        if now_ns > minute_ns:
            assert snapshot.window.requests_per_second == (len(log.outcomes) - before) * 1e9 / (now_ns - minute_ns)
            assert snapshot.window.errors_per_second == errors * 1e9 / (now_ns - minute_ns)

    def check_percentiles(self, snapshot: Snapshot, latencies_us: list[int]) -> None:
        """They are those of the sorted latencies in the window."""
        found = snapshot.window.latency_ms
        for percent, value_ms in ((50, found.p50), (95, found.p95), (99, found.p99)):
            if latencies_us:
                rank = max(1, -(-len(latencies_us) * percent // 100))
                assert value_ms == representative(index(latencies_us[rank - 1])) / 1000
            else:
                assert value_ms is None

    def check_the_past(self) -> None:
        """Evicted + charted + live is the lifetime; a viewer that comes now sees the same; the history is valid."""
        late = self.instance.new_view()
        ours, theirs = self.instance.chart(10**6), late.chart(10**6)
        assert (theirs.scalars, theirs.steps) == (ours.scalars, ours.steps)
        marks = self.log.steps[-STEPS - 1 :]
        assert [step.count for step in ours.steps] == [later - earlier for (_, earlier), (_, later) in pairwise(marks)]
        live = len(self.log.outcomes) - marks[-1][1]
        assert marks[0][1] + sum(step.count for step in ours.steps) + live == len(self.log.outcomes)
        if self.seen_ns == self.instance.clock.now_ns:
            assert late.snapshot(INFO, "") == self.instance.view.snapshot(INFO, "")
        late.close()
        history = History.open(self.instance.run_dir / FILE_NAME)
        history.check_valid()
        history.close()


def test_a_day_with_clock_faults(tmp_path: Path) -> None:
    """Laws 24 to 34: over 24 hours every snapshot agrees with the full log, whatever the clock and the workers do."""
    day = Day(tmp_path, Random(24))
    moves = 0
    while day.instance.clock.now_ns < START_NS + DAY_NS:
        day.requests()
        day.deaths_and_births()
        day.time_passes()
        day.check()
        moves += 1
        if moves % 500 == 0:
            day.check_the_past()
    assert day.deaths > 40
    assert len(day.faults) == 4
    assert min(day.faults.values()) > 1
    day.instance.close()
