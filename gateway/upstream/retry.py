"""When another try is made, at which target and after which wait: pure, so that every case is a test.

Only before the first byte of an answer: the statuses that the official SDKs retry too (`_base_client.py`: 408, 409, 429
and 5xx), and the failures of a provider that gave none. A request that was sent and not answered is never repeated at
the same target, which may be working on it; another target may have it.

The schedule of one request. Its targets are tried in rounds: each once in their order, those that rest
(gateway.upstream.cooldown) behind the others, then those that may be tried again, whoever asked for the shortest wait
first. A round after the first begins with a backoff. No try begins

- after as many as `attempts`,
- at a target that is out, because it may be working on the request or asked us to leave it alone,
- before a target's own `retry-after` is over,
- after the budget, nor is a wait begun that would end after it.

When none is left the last answer or error is the client's. A target's own wait of more than `max_wait_s` is not waited:
that target is out, and if its answer is the last, the client is told the wait and may be more patient.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.config import RetrySettings
from gateway.errors import RequestError, UpstreamError, UpstreamUnreachable

# The official SDKs start at 0.5 s.
_FIRST_WAIT_S: Final = 0.5


def first_target(targets: int, rests: Callable[[int], bool]) -> int:
    """Return the target of the first try, of so many, which are numbered in their order from 0."""
    return next((target for target in range(targets) if not rests(target)), 0) if targets > 1 else 0


class Schedule:
    """The tries of one request after its first, which nearly always is the last too; all times in seconds."""

    __slots__ = ("_again", "_deadline", "_left", "_max_wait_s", "_not_before", "_round", "_rounds")

    def __init__(self, targets: int, settings: RetrySettings, *, first: int, began: float) -> None:
        """The first try began at target `first`."""
        self._left = settings.attempts - 1
        self._max_wait_s = settings.max_wait_s
        self._deadline = began + settings.budget_s
        self._round = [target for target in range(targets) if target != first]
        self._again: list[int] = []
        self._not_before: dict[int, float] = {}
        self._rounds = 0

    def next(self, now: float, draw: Callable[[], float], rests: Callable[[int], bool]) -> tuple[int, float] | None:
        """Return the target of the next try and the wait before it, or None if there is none any more.

        `draw` gives a number in [0, 1), `rests` tells whether a target rests.
        """
        if not self._left or now > self._deadline:
            return None
        wait = 0.0
        if not self._round:
            if not self._again:
                return None
            self._rounds += 1
            self._round = sorted(self._again, key=lambda target: self._not_before.get(target, 0.0))
            self._again = []
            wait = backoff_s(self._rounds, draw(), self._max_wait_s)
        target = next((target for target in self._round if not rests(target)), self._round[0])
        if self._not_before:
            wait = max(wait, self._not_before.get(target, now) - now)
        if now + wait > self._deadline:
            return None
        self._round.remove(target)
        self._left -= 1
        return target, wait

    def again(self, target: int, asked_s: float | None, now: float) -> None:
        """Let a target that was just tried be tried again, unless it asks for a longer wait than we are willing to."""
        if asked_s is None or asked_s <= self._max_wait_s:
            self._again.append(target)
            if asked_s:
                self._not_before[target] = now + asked_s


def is_retryable_status(status: int) -> bool:
    """Whether a provider's status invites another try."""
    return status in (408, 409, 429) or status >= 500


def is_retryable_fault(error: RequestError) -> bool:
    """Whether a failure is the provider's, so that another target may do better."""
    return isinstance(error, UpstreamError)


def was_sent(error: RequestError) -> bool:
    """Whether the provider may have the request although it gave no answer."""
    return not isinstance(error, UpstreamUnreachable)


def backoff_s(round_number: int, draw: float, longest_s: float) -> float:
    """Seconds to wait before round 1, 2, ...: exponential with full jitter; `draw` is in [0, 1)."""
    return draw * min(longest_s, _FIRST_WAIT_S * 2.0 ** min(round_number - 1, 30))


def asked_wait_s(headers: dict[bytes, bytes], now: float) -> float | None:
    """Return the seconds that `retry-after-ms` or `retry-after` (seconds or an HTTP date) ask for, or None.

    `headers` has lower-case names; `now` is in Unix seconds.
    """
    milliseconds = _number(headers.get(b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value.decode("latin-1")).timestamp() - now)
    except ValueError:
        return None


def invites_no_retry(headers: dict[bytes, bytes]) -> bool:
    """Whether the provider says, as the official SDKs read it, that a repetition is of no use; names in lower case."""
    return headers.get(b"x-should-retry") == b"false"


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
