"""The lease: one counted request from its arrival to its only finish.

Theory of operation. A lease is a context manager on the request's exit stack, and the stack is always owned by exactly
one `with`: first by the dependency that opened it, then, after `pop_all()`, by the response. So `__exit__` runs
on every path: return, exception, cancellation, a client that left. It runs the finish once; a second call does nothing.

    opened --settle(outcome)--> settled --__exit__--> finished
    opened ------------------------------__exit__--> finished, outcome taken from the exception

The first `settle` wins: what went wrong first is why the request failed. A lease that nobody settled and that no
exception ends is a bug in the gateway and is counted as `internal`, never as `ok`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol

import structlog

from gateway.errors import RequestError
from gateway.metrics.entries import UNATTRIBUTED
from gateway.metrics.outcome import Outcome
from gateway.protocol.usage import Usage

log = structlog.get_logger("gateway.request")

# Long enough for a batch at a few hundred requests a second, and too short for the dashboard, which looks every 250 ms.
_LOG_DELAY_S: Final = 0.02


class Counts(Protocol):
    """What a lease needs of the collector."""

    def started(self) -> None:
        """Count a request that has arrived."""

    def knows(self, model: str) -> bool:
        """Whether the model has an entry of its own."""

    def attribute(self, model: str) -> int:
        """Return the entry of a model, and count the request as active there."""

    def finished(self, entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
        """Count a request that has ended."""


class Lease:
    """Everything that is known of one request for the metrics and for its log line."""

    __slots__ = (
        "_clock",
        "_counts",
        "_entry",
        "_finished",
        "_log_line",
        "_opened_ns",
        "attempts",
        "detail",
        "method",
        "model",
        "outcome",
        "path",
        "provider",
        "request_id",
        "status",
        "usage",
    )

    def __init__(
        self,
        counts: Counts,
        *,
        clock: Callable[[], int],
        method: str,
        path: str,
        request_id: str,
        log_line: Callable[["Lease", int], None] | None = None,
    ) -> None:
        self._counts = counts
        self._clock = clock
        self._log_line = log_line or write_log_line
        self._entry = UNATTRIBUTED
        self._finished = False
        self._opened_ns = 0
        self.method = method
        self.path = path
        self.request_id = request_id
        self.model: str | None = None
        self.provider: str | None = None
        self.attempts = 0
        self.status: int | None = None
        self.outcome: Outcome | None = None
        self.detail: str | None = None
        self.usage: Usage | None = None

    def __enter__(self) -> "Lease":
        self._opened_ns = self._clock()
        self._counts.started()
        return self

    def attribute(self, model: str) -> None:
        """Count the request under a model; only the first call counts."""
        if self._entry == UNATTRIBUTED:
            self.model = model
            self._entry = self._counts.attribute(model)

    @property
    def unattributed(self) -> bool:
        """Whether it is counted under no model: none was named, or one that no provider is known to have."""
        return self._entry == UNATTRIBUTED

    def settle(self, outcome: Outcome, detail: str | None = None) -> None:
        """Tell how the request ends; only the first call counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.detail = detail

    def fail(self, error: RequestError) -> None:
        """Settle as the outcome of an error; its cause goes into the log line."""
        cause = error.__cause__
        self.settle(error.outcome, f"{error.message} ({_described(cause)})" if cause is not None else error.message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._finished:
            return
        self._finished = True
        if isinstance(error, RequestError):
            self.fail(error)
        elif isinstance(error, asyncio.CancelledError):
            self.settle(Outcome.INTERNAL, "The gateway ended the request.")
        elif error is not None:
            self.settle(Outcome.INTERNAL, _described(error))
        else:
            self.settle(Outcome.INTERNAL, "The request ended without an outcome.")
        latency_ns = self._clock() - self._opened_ns
        usage = self.usage
        outcome = self.outcome
        assert outcome is not None, "settle() above has set it"
        self._counts.finished(
            self._entry,
            outcome,
            latency_ns,
            usage.input_tokens if usage is not None else 0,
            usage.output_tokens if usage is not None else 0,
        )
        self._log_line(self, latency_ns)


_LEVELS = {Outcome.UPSTREAM: "warning", Outcome.TIMEOUT: "warning", Outcome.INTERNAL: "error"}


class RequestLog:
    """Writes the lines of finished requests a moment later, many at a time; each keeps the time at which it ended.

    Code that runs over and over stays in the caches: a line among others costs less than half of one in the middle of a
    request (docs/performance.md).
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns, delay_s: float = _LOG_DELAY_S) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._finished: deque[tuple[Lease, int, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, lease: Lease, latency_ns: int) -> None:
        """Take a finished lease; its line will be written within the delay, or by `flush`."""
        self._finished.append((lease, latency_ns, self._clock()))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._delay_s, self.flush)

    def flush(self) -> None:
        """Write every line that is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._finished:
            write_log_line(*self._finished.popleft())


def write_log_line(lease: Lease, latency_ns: int, time_ns: int | None = None) -> None:
    """Write the one line of a request; figures that are not known are left out.

    `time_ns` is when it ended, in nanoseconds since the Unix epoch; None: now.
    """
    assert lease.outcome is not None, "a finished lease has an outcome"
    usage = lease.usage
    write = getattr(log, _LEVELS.get(lease.outcome, "info"))
    # The log chain leaves out what is None.
    write(
        "request",
        method=lease.method,
        path=lease.path,
        model=lease.model,
        provider=lease.provider,
        status=lease.status,
        outcome=lease.outcome.label,
        ms=round(latency_ns / 1e6, 3),
        input_tokens=usage.input_tokens if usage is not None else None,
        output_tokens=usage.output_tokens if usage is not None else None,
        attempts=lease.attempts or None,
        request_id=lease.request_id,
        error=lease.detail,
        unattributed=True if lease.unattributed else None,
        time_ns=time_ns,
    )


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
