"""When another try is made, and after which wait."""

import pytest

from gateway.errors import GatewayFault, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.retry import (
    asked_wait_s,
    backoff_s,
    is_retryable_fault,
    is_retryable_status,
    is_worth_waiting,
    was_sent,
)


def test_only_statuses_that_invite_it_are_retried():
    """408, 409, 429 and every 5xx; no other 4xx, no success."""
    assert [status for status in range(100, 600) if is_retryable_status(status)] == [408, 409, 429, *range(500, 600)]


def test_every_fault_of_a_provider_may_go_to_another_and_none_of_ours():
    """A broken or late answer may stand for work that was done; only the unreachable provider certainly has nothing."""
    kinds = (UpstreamUnreachable, UpstreamBroken, UpstreamTimeout, GatewayFault)
    assert [kind for kind in kinds if is_retryable_fault(kind("x"))] == list(kinds[:3])
    assert [kind for kind in kinds[:3] if was_sent(kind("x"))] == [UpstreamBroken, UpstreamTimeout]


def test_the_backoff_doubles_up_to_a_bound_with_full_jitter():
    """The draw scales the whole wait."""
    assert [backoff_s(number, 1.0) for number in (1, 2, 3, 4, 5, 6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert backoff_s(3, 0.0) == 0.0


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


def test_a_long_wait_is_not_ours():
    """Eight seconds are waited here, more is the client's choice."""
    assert (is_worth_waiting(8.0), is_worth_waiting(8.1)) == (True, False)
