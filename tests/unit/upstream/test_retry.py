"""When another try is made, and after which wait."""

import pytest

from gateway.config import RetrySettings
from gateway.errors import ConnectionTooSlow, GatewayFault, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.retry import (
    Schedule,
    asked_wait_s,
    backoff_s,
    first_target,
    invites_no_retry,
    is_retryable_fault,
    is_retryable_status,
    was_sent,
)


def test_only_statuses_that_invite_it_are_retried():
    """408, 409, 429 and every 5xx; no other 4xx, no success."""
    assert [status for status in range(100, 600) if is_retryable_status(status)] == [408, 409, 429, *range(500, 600)]


def test_every_fault_of_a_provider_may_go_to_another_and_none_of_ours():
    """A broken or late answer may stand for work that was done; only the unreachable provider certainly has nothing."""
    kinds = (UpstreamUnreachable, ConnectionTooSlow, UpstreamBroken, UpstreamTimeout, GatewayFault)
    assert [kind for kind in kinds if is_retryable_fault(kind("x"))] == list(kinds[:4])
    assert [kind for kind in kinds[:4] if was_sent(kind("x"))] == [UpstreamBroken, UpstreamTimeout]


def test_the_backoff_doubles_up_to_a_bound_with_full_jitter():
    """The draw scales the whole wait."""
    assert [backoff_s(number, 1.0, 8.0) for number in (1, 2, 3, 4, 5, 6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert backoff_s(3, 0.0, 8.0) == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"2.5"}, 2.5),
        ({b"retry-after": b"7", b"retry-after-ms": b"250"}, 0.25),
        ({b"retry-after": b"Thu, 01 Jan 1970 00:16:50 GMT"}, 10.0),
        ({b"retry-after": b"Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"inf"}, None),
        ({b"retry-after": b"nan"}, None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_read_in_every_form(headers: dict[bytes, bytes], seconds: float | None):
    """Milliseconds win, then seconds, then a date; nonsense is no wish."""
    assert asked_wait_s(headers, 1000.0) == seconds


def test_a_provider_can_say_that_a_repetition_is_of_no_use():
    """As the official SDKs read it: false is obeyed, true changes nothing."""
    headers = [{}, {b"x-should-retry": b"true"}, {b"x-should-retry": b"false"}]
    assert [invites_no_retry(header) for header in headers] == [False, False, True]


class Tries:
    """A schedule whose waits pass at once."""

    def __init__(self, targets: int, *, attempts: int = 10, budget_s: float = 100.0) -> None:
        self.now = 0.0
        self.resting: set[int] = set()
        self._targets = targets
        self._settings = RetrySettings(attempts=attempts, budget_s=budget_s)
        self.schedule: Schedule | None = None

    def next(self) -> tuple[int, float] | None:
        """The next target, and when it is tried."""
        if self.schedule is None:
            first = first_target(self._targets, self.resting.__contains__)
            self.schedule = Schedule(self._targets, self._settings, first=first, began=self.now)
            return first, self.now
        step = self.schedule.next(self.now, lambda: 0.5, lambda target: target in self.resting)
        if step is None:
            return None
        self.now += step[1]
        return step[0], self.now

    def refuse(self, target: int, asked_s: float | None = None) -> None:
        """The target may be tried again."""
        assert self.schedule is not None
        self.schedule.again(target, asked_s, self.now)


def test_every_target_is_tried_once_before_any_is_tried_twice():
    """At once the first time round, after a backoff the second."""
    tries = Tries(2, attempts=4)
    seen = []
    while (step := tries.next()) is not None:
        seen.append(step)
        tries.refuse(step[0])
    assert seen == [(0, 0.0), (1, 0.0), (0, 0.25), (1, 0.25)]


def test_a_target_that_may_be_working_on_the_request_is_out():
    """Only the others come again."""
    tries = Tries(2, attempts=4)
    assert tries.next() == (0, 0.0)
    assert tries.next() == (1, 0.0)
    tries.refuse(1)
    assert tries.next() == (1, 0.25)
    assert tries.next() is None


def test_each_target_gets_the_wait_that_it_asked_for():
    """Whoever asked for less comes first, and nobody before his time."""
    tries = Tries(2)
    assert tries.next() == (0, 0.0)
    tries.refuse(0, 5.0)
    assert tries.next() == (1, 0.0)
    tries.refuse(1, 2.0)
    assert tries.next() == (1, 2.0)
    tries.refuse(1)
    assert tries.next() == (0, 5.0)


def test_a_wait_above_the_cap_is_not_waited():
    """A target that asks for nine seconds is out, and the other one alone goes on."""
    tries = Tries(2)
    assert tries.next() == (0, 0.0)
    tries.refuse(0, 9.0)
    assert tries.next() == (1, 0.0)
    tries.refuse(1, 8.0)
    assert tries.next() == (1, 8.0)
    assert tries.next() is None


def test_the_budget_ends_the_tries():
    """No try begins after it, and no wait that would end after it."""
    tries = Tries(1, budget_s=3.0)
    assert tries.next() == (0, 0.0)
    tries.refuse(0, 2.9)
    assert tries.next() == (0, 2.9)
    tries.refuse(0, 0.2)
    assert tries.next() is None
    late = Tries(2, budget_s=3.0)
    assert late.next() == (0, 0.0)
    late.now = 3.1
    assert late.next() is None


def test_a_target_that_rests_is_tried_behind_the_others():
    """And tried all the same when nothing else is left."""
    tries = Tries(3, attempts=3)
    tries.resting = {0, 2}
    assert [tries.next(), tries.next(), tries.next()] == [(1, 0.0), (0, 0.0), (2, 0.0)]
