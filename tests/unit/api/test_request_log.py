"""The lines of finished requests: a moment late, complete, in order, and each with its own time."""

import asyncio

import pytest
import structlog
from structlog.testing import LogCapture

from gateway.api import lease as leases
from gateway.api.lease import Lease, RequestLog
from gateway.metrics.outcome import Outcome
from tests.support.asgi import Ledger


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The records of requests, as the log chain gets them."""
    capture = LogCapture()
    monkeypatch.setattr(leases, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries  # type: ignore[return-value]


def finish(log: RequestLog, request_id: str) -> None:
    with Lease(Ledger(), clock=lambda: 0, method="POST", path="/", request_id=request_id, log_line=log) as lease:
        lease.settle(Outcome.OK)


async def test_lines_come_by_themselves_in_order_and_with_the_time_of_their_end(lines: list[dict[str, object]]):
    """One timer writes all lines that have gathered, and the next line sets the next one."""
    times = iter([7, 8, 9])
    log = RequestLog(clock=lambda: next(times), delay_s=0.001)
    finish(log, "a")
    finish(log, "b")
    assert lines == []
    while len(lines) < 2:
        await asyncio.sleep(0)
    finish(log, "c")
    while len(lines) < 3:
        await asyncio.sleep(0)
    assert [(line["request_id"], line["time_ns"]) for line in lines] == [("a", 7), ("b", 8), ("c", 9)]


async def test_a_flush_writes_every_line_once(lines: list[dict[str, object]]):
    """What a worker that ends would otherwise lose is written, and the timer finds nothing any more."""
    log = RequestLog(delay_s=0.0)
    finish(log, "a")
    log.flush()
    log.flush()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [line["request_id"] for line in lines] == ["a"]


@pytest.mark.parametrize(("attributed", "told"), [(None, True), ("echo", None)])
def test_a_line_says_whether_its_request_counts_under_no_model(
    lines: list[dict[str, object]], attributed: str | None, told: bool | None
):
    """The row "(no model)" of the tables is of those requests; a model that was asked for stands in the line."""
    with Lease(Ledger(), clock=lambda: 0, method="POST", path="/", request_id="a") as lease:
        lease.model = "echo"
        if attributed is not None:
            lease.attribute(attributed)
        lease.settle(Outcome.VALIDATION)
    assert [(line["model"], line["unattributed"]) for line in lines] == [("echo", told)]
