"""Reading a request body, bounded in size and in time.

One timer for the whole body: it is set for the first deadline, and moves on when it fires too early. A body that is
there when it is asked for, as nearly all are, costs a timer that never fires.
"""

import asyncio

from litestar.types import Receive

from gateway.errors import BodyTooLarge, BodyTooSlow


class ClientLeft(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


class BodyLimits:
    """What a body may take: `size` in bytes; in seconds, `idle` between two pieces of it and `total` for all of it."""

    __slots__ = ("idle", "size", "total")

    def __init__(self, size: int, idle: float, total: float) -> None:
        self.size = size
        self.idle = idle
        self.total = total


async def read_body(receive: Receive, declared_length: int, limits: BodyLimits, *, ends_by_length: bool) -> bytes:
    """Return the whole body.

    `declared_length` is the content-length in bytes, 0 if there is none: a body that says it is too long is refused
    before it is read. With `ends_by_length` a body that is there is not asked for its end, because each question wakes
    threads of the server. Raises BodyTooLarge, BodyTooSlow and ClientLeft.
    """
    if declared_length > limits.size:
        raise _too_large(limits.size)
    parts: list[bytes] = []
    size = 0
    patience = Patience(limits, asyncio.get_running_loop())
    try:
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientLeft
            part = message["body"]
            if part:
                parts.append(part)
                size += len(part)
                if size > limits.size:
                    raise _too_large(limits.size)
            if not message["more_body"] or (ends_by_length and size == declared_length):
                return parts[0] if len(parts) == 1 else b"".join(parts)
            if part:
                patience.renew()
    except asyncio.CancelledError:
        if not patience.is_over or patience.task.uncancel():
            raise
        raise BodyTooSlow(patience.complaint()) from None
    finally:
        patience.end()


class Patience:
    """Cancels the current task when the next piece of a body, or the last, does not come in time."""

    __slots__ = ("_deadline", "_end", "_limits", "_loop", "_timer", "is_over", "task")

    def __init__(self, limits: BodyLimits, loop: asyncio.AbstractEventLoop) -> None:
        task = asyncio.current_task(loop)
        assert task is not None, "a request has a task"
        self.task = task
        self.is_over = False
        self._limits = limits
        self._loop = loop
        now = loop.time()
        self._end = now + limits.total
        self._deadline = min(now + limits.idle, self._end)
        self._timer = loop.call_at(self._deadline, self._fire)

    def renew(self) -> None:
        """A piece has come."""
        self._deadline = min(self._loop.time() + self._limits.idle, self._end)

    def end(self) -> None:
        """The body has come, or nobody waits for it any more."""
        self._timer.cancel()

    def complaint(self) -> str:
        """What the client is told."""
        if self._deadline < self._end:
            return f"Nothing of the request body came for {self._limits.idle:g} s, the limit of timeouts.request_idle."
        return f"The request body took more than {self._limits.total:g} s, the limit of timeouts.request_body."

    def _fire(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._fire)
        else:
            self.is_over = True
            self.task.cancel()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is longer than {limit:,} bytes, the limit of server.max_body_mb.")
