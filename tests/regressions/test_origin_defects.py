"""The defects of the Rust dashboard that came before this gateway, each as a port of its logic that fails the test.

Every test asks the same question twice. The port, a few lines that reproduce the faulty logic, gives the wrong answer,
so the test would have found the defect; the gateway gives the right one.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.lease import Lease
from gateway.config import load
from gateway.dashboard import chartpanels
from gateway.dashboard.layout import Rect
from gateway.dashboard.logview import LogView
from gateway.dashboard.text import cut
from gateway.logs.ring import LogRecord, RingReader, RingWriter
from gateway.metrics.clock import ManualClock
from gateway.metrics.entries import MAX_NAME_BYTES, cut_name
from gateway.metrics.outcome import ERRORS, OUTCOMES, Outcome
from gateway.metrics.percentiles import percentiles_ms
from gateway.metrics.snapshot import Snapshot
from tests.support.asgi import Body, Gateway, Ledger, event_stream
from tests.support.dashboard_scene import make_scene, make_snapshot
from tests.support.hurry import hurried
from tests.support.metrics import Instance, of_latencies

CHAT = "/v1/chat/completions"
STREAMED = b'{"model":"chatty","stream":true,"messages":[]}'
CHUNK = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    """The metrics of a gateway under a manual clock."""
    instance = Instance(tmp_path)
    yield instance
    instance.close()


def serve(instance: Instance, requests: int, outcome: Outcome = Outcome.OK) -> None:
    """Requests that begin and end in worker 0."""
    if 0 not in instance.files:
        instance.start_worker(0)
    collector = instance.collector(0)
    for _ in range(requests):
        collector.started()
        collector.finished(0, outcome, 5_000_000, 0, 0)


# --- the window


def test_the_window_is_not_a_list_of_3600_requests(instance: Instance) -> None:
    """At 5,000 requests a second four seconds are in the window, not the last 0.72."""
    samples: list[float] = []
    for quarter in range(16):
        for number in range(1250):
            samples.append(quarter / 4 + number / 5000)
            del samples[:-3600]
        serve(instance, 1250)
        instance.tick(after_s=0.25)
    assert round(4.0 - samples[0], 2) == 0.72
    window = instance.snapshot().window
    assert (window.coverage_s, window.finished) == (4.0, 20_000)


def test_the_request_rate_is_not_a_one_per_request(instance: Instance) -> None:
    """Twice the load draws a line twice as high."""
    sparkline: list[int] = []
    for requests in (10, 20):
        sparkline += [1] * requests
        serve(instance, requests)
        instance.tick(after_s=0.25)
    assert set(sparkline) == {1}
    rates = [point.finished * 1e9 / point.interval_ns for point in instance.chart().scalars]
    assert rates == [40.0, 80.0]


# --- one request, one record


class OriginCounters:
    """Counts at the end of the handler, and once more at the end of the stream."""

    def __init__(self) -> None:
        self.total = self.successes = 0
        self.latencies_ms: list[float] = []

    async def handle(self, stream: AsyncIterator[bytes]) -> None:
        """A streamed request: the handler returns as soon as it has a response."""
        self.total += 1
        self.successes += 1
        try:
            async for _ in stream:
                pass
        except httpx.ReadError:
            pass
        self.total += 1


async def test_a_streamed_request_is_not_counted_twice() -> None:
    """One stream is one start and one finish."""
    origin = OriginCounters()
    await origin.handle(aiter(Body(CHUNK, END)))
    assert origin.total == 2
    gateway = Gateway(lambda _: event_stream(CHUNK, END))
    await gateway.post(CHAT, STREAMED)
    assert (gateway.ledger.starts, len(gateway.ledger.finishes)) == (1, 1)


def test_the_latency_does_not_begin_when_the_provider_has_answered() -> None:
    """Two seconds of tries that failed and three until the first byte are part of the latency."""
    clock, ledger = ManualClock(), Ledger()
    with Lease(ledger, clock=clock, method="POST", path=CHAT, request_id="r", log_line=lambda lease, ns: None) as lease:
        clock.advance(2.0)
        clock.advance(3.0)
        origin_begin_ns = clock()
        clock.advance(1.0)
        lease.settle(Outcome.OK)
        origin_latency_ns = clock() - origin_begin_ns
    assert origin_latency_ns == 1_000_000_000
    assert ledger.finishes[0].latency_ns == 6_000_000_000


async def test_a_broken_stream_is_not_a_success() -> None:
    """What breaks midway ends as an error of the provider."""
    origin = OriginCounters()
    await origin.handle(aiter(Body(CHUNK, httpx.ReadError("reset"))))
    assert origin.successes == 1
    gateway = Gateway(lambda _: event_stream(CHUNK, httpx.ReadError("reset")))
    await gateway.post(CHAT, STREAMED)
    assert gateway.ledger.outcome is Outcome.UPSTREAM


async def test_a_cancelled_stream_is_not_a_success() -> None:
    """What the client leaves midway ends as cancelled."""
    origin = OriginCounters()
    task = asyncio.ensure_future(origin.handle(aiter(Body(CHUNK, None))))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert origin.successes == 1
    gateway = Gateway(lambda _: event_stream(CHUNK, None))
    await gateway.post(CHAT, STREAMED, leave_after=2)
    assert gateway.ledger.outcome is Outcome.CANCELLED


def test_a_failed_request_has_a_latency(instance: Instance) -> None:
    """As many latencies are counted as requests have ended, in whatever way."""
    origin_latencies = []
    for outcome in OUTCOMES:
        if outcome is Outcome.OK:
            origin_latencies.append(5.0)
        serve(instance, 1, outcome)
    assert len(origin_latencies) == 1
    window = instance.snapshot().window
    assert window.latency_ms.count == window.finished == 7


# --- percentiles


def origin_percentile(latencies: Sequence[int], quantile: float) -> float:
    """With the index int(n * q), and 0.0 for nothing."""
    return sorted(latencies)[min(int(len(latencies) * quantile), len(latencies) - 1)] if latencies else 0.0


def test_the_median_of_two_is_not_the_maximum() -> None:
    """The rank of a percentile is ceil(n * q), so p50 of two is the first, and p95 of twenty the nineteenth."""
    assert origin_percentile([10, 50], 0.5) == 50
    assert origin_percentile(range(1, 21), 0.95) == 20
    assert percentiles_ms(of_latencies([10, 50]))[0] == 0.010
    assert percentiles_ms(of_latencies(range(1, 21)))[1] == 0.019


def test_an_empty_window_is_not_zero_milliseconds(instance: Instance) -> None:
    """No data is None."""
    assert origin_percentile([], 0.5) == 0.0
    latency = instance.snapshot().window.latency_ms
    assert (latency.p50, latency.p95, latency.p99) == (None, None, None)


# --- gauges


def test_an_end_without_a_start_does_not_wrap_around(instance: Instance) -> None:
    """Active stays at zero."""
    origin_active = (0 - 1) % 2**64
    assert origin_active == 18_446_744_073_709_551_615
    instance.start_worker(0)
    instance.collector(0).finished(0, Outcome.OK, 1000, 0, 0)
    snapshot = instance.snapshot()
    assert (snapshot.active, snapshot.workers[0].active) == (0, 0)


# --- the screen


def origin_error_panel(snapshot: Snapshot) -> list[str]:
    """Draws the total and nothing of what is counted by type."""
    return [f"errors {sum(snapshot.window.outcomes[error.label] for error in ERRORS)}"]


def test_errors_are_shown_by_type() -> None:
    """Each of the five types stands in the panel."""

    def shown(lines: list[str]) -> set[str]:
        return {error.label for error in ERRORS if error.label in "\n".join(lines)}

    view = make_scene()
    assert shown(origin_error_panel(make_snapshot())) == set()
    panel = ["".join(text for _, text in row) for row in chartpanels.errors(Rect(0, 0, 80, 10), view)]
    assert shown(panel) == {error.label for error in ERRORS}


def log_record(number: int) -> LogRecord:
    """A line that says its number."""
    return LogRecord(number, number, "info", f"line {number}", "worker-0", {})


def test_the_log_panel_does_not_show_the_oldest_lines() -> None:
    """A panel of three rows shows the newest three."""
    records = [log_record(number) for number in range(10)]
    assert [record.event for record in records[:3]] == ["line 0", "line 1", "line 2"]
    log = LogView()
    log.add(records)
    assert [line.message for line in log.visible(3)] == ["line 7", "line 8", "line 9"]


def test_log_lines_are_not_dropped_silently(tmp_path: Path) -> None:
    """A reader that is busy costs no line, and one that is too late is told how many it has missed."""
    lock, origin_lines = threading.Lock(), []
    with lock:  # the panel draws
        for number in range(3):
            if lock.acquire(blocking=False):
                origin_lines.append(number)
    assert origin_lines == []
    writer = RingWriter.create(tmp_path / "worker-0.log", pid=1, capacity=4)
    reader = RingReader.open(tmp_path / "worker-0.log")
    for number in range(3):
        writer.append(number, "info", b'{"event":"line"}')
    assert len(reader.read_new()) == 3
    for number in range(10):
        writer.append(number, "info", b'{"event":"line"}')
    assert (len(reader.read_new()) + reader.lost, reader.lost > 0) == (10, True)
    reader.close()
    writer.close()


def test_a_name_is_not_cut_within_a_character() -> None:
    """Names of multi-byte characters are cut between them, in the files and on the screen."""
    name = "x" + "é" * 100
    with pytest.raises(UnicodeDecodeError):
        name.encode()[:MAX_NAME_BYTES].decode()
    assert cut_name(name) == "x" + "é" * 63
    assert cut(name, 10) == "x" + "é" * 8 + "…"


# --- defaults and limits


def test_the_default_address_is_not_the_whole_network(tmp_path: Path) -> None:
    """Without a configuration only this machine can connect."""
    origin_host = "0.0.0.0"
    assert origin_host != "127.0.0.1"
    assert load(path=None, environ={}, overrides={}, cwd=tmp_path).server.host == "127.0.0.1"


class SlowBody(Body):
    """A chunk every fifty seconds."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            await asyncio.sleep(50.0)
            yield chunk


def test_a_long_stream_is_not_cut_by_a_total_limit() -> None:
    """A stream that is never silent for long may last for twenty minutes."""
    body = [CHUNK] * 24 + [END]

    async def origin() -> None:
        received = []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(300.0):
                received = [chunk async for chunk in SlowBody(*body)]
        assert received == []

    async def ours() -> None:
        headers = {"content-type": "text/event-stream"}
        gateway = Gateway(lambda _: httpx.Response(200, headers=headers, stream=SlowBody(*body)))
        answer = await gateway.post(CHAT, STREAMED)
        assert answer.complete
        assert answer.body.count(CHUNK) == 24
        assert gateway.ledger.outcome is Outcome.OK

    assert hurried(origin) == pytest.approx(300.0, abs=1.0)
    assert hurried(ours) == pytest.approx(1250.0, abs=1.0)
