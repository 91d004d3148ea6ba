"""When another try is made, and after which wait: pure, so that every case is a test.

Only before the first byte of an answer: the statuses that the official SDKs retry too (`_base_client.py`: 408, 409, 429
and 5xx), and the failures of a provider that gave none. A request that was sent and not answered is never repeated at
the same target, which may be working on it; another target may have it.
"""

from email.utils import parsedate_to_datetime

from gateway.errors import RequestError, UpstreamError, UpstreamUnreachable

# The official SDKs start at 0.5 s and stop at 8 s.
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0


def is_retryable_status(status: int) -> bool:
    """Whether a provider's status invites another try."""
    return status in (408, 409, 429) or status >= 500


def is_retryable_fault(error: RequestError) -> bool:
    """Whether a failure is the provider's, so that another target may do better."""
    return isinstance(error, UpstreamError)


def was_sent(error: RequestError) -> bool:
    """Whether the provider may have the request although it gave no answer."""
    return not isinstance(error, UpstreamUnreachable)


def backoff_s(round_number: int, draw: float) -> float:
    """Seconds to wait before round 1, 2, ...: exponential with full jitter; `draw` is in [0, 1)."""
    return draw * min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (round_number - 1))


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


def is_worth_waiting(seconds: float) -> bool:
    """Whether a wait is short enough for us; a longer one is passed on to the client, who knows how patient it is."""
    return seconds <= _LONGEST_WAIT_S


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
