"""How long a request body may take."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.api.body import BodyLimits, Patience, read_body
from gateway.errors import BodyTooSlow
from tests.support.asgi import Gateway, response

SOON = 0.005


class Loop:
    """The part of an event loop that a patience uses, with the time in the hands of the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> "Loop":
        self.timers.append((at, call))
        return self

    def advance(self, seconds: float) -> None:
        """Let time pass, firing the timers that fall due."""
        end = self.now + seconds
        while self.timers and self.timers[0][0] <= end:
            self.now, call = self.timers.pop(0)
            call()
        self.now = end


async def patience_of(idle: float, total: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Loop, Patience, list[str]]:
    """A patience over a loop of the test, and what it did to its task."""
    loop, done = Loop(), list[str]()

    class Task:
        def cancel(self) -> None:
            done.append("cancelled")

    monkeypatch.setattr(asyncio, "current_task", lambda _: Task())
    return loop, Patience(BodyLimits(100, idle, total), loop), done  # type: ignore[arg-type]


async def test_a_silence_that_is_too_long_ends_the_wait(monkeypatch: pytest.MonkeyPatch):
    """Each piece starts it anew, and one timer does for all."""
    loop, patience, done = await patience_of(30.0, 300.0, monkeypatch)
    for _ in range(3):
        loop.advance(29.0)
        patience.renew()
    assert len(loop.timers) == 1
    loop.advance(29.9)
    assert not done
    loop.advance(0.1)
    assert (done, patience.is_over) == (["cancelled"], True)
    assert "request_idle" in patience.complaint()


async def test_a_body_that_keeps_coming_ends_with_the_total(monkeypatch: pytest.MonkeyPatch):
    """However small the silences are."""
    loop, patience, done = await patience_of(30.0, 100.0, monkeypatch)
    for _ in range(9):
        loop.advance(11.0)
        patience.renew()
    assert not done
    loop.advance(1.0)
    assert done == ["cancelled"]
    assert "request_body" in patience.complaint()


async def silent() -> Any:
    """A client that sends nothing."""
    await asyncio.Event().wait()


async def test_a_body_that_does_not_come_is_an_error_and_no_cancellation():
    """The task goes on."""
    with pytest.raises(BodyTooSlow):
        await read_body(silent, 9, BodyLimits(100, SOON, 1.0), ends_by_length=True)
    await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_passes():
    """It is not taken for a body that is too slow."""
    reading = asyncio.create_task(read_body(silent, 9, BodyLimits(100, 60.0, 60.0), ends_by_length=True))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_a_slow_body_is_a_408_that_may_be_tried_again(path: str, version: str):
    """In HTTP/1.1 its connection is closed, since the rest may still come; in HTTP/2 others share it."""
    gateway = Gateway(lambda _: response(b"{}"))
    gateway.services.body_limits.idle = SOON
    answer = await gateway.request(
        "POST", path, b"{", headers={"content-length": "9"}, parts=1, http_version=version, end_missing=True
    )
    assert answer.status == 408
    assert answer.headers.get("connection") == ("close" if version == "1.1" else None)
    assert "x-should-retry" not in answer.headers
    assert gateway.ledger.outcome.label == "validation"
    assert gateway.transport.requests == []
