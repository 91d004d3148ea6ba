"""One connection to an upstream: an asyncio protocol that carries one exchange after another.

Theory of operation. A connection is in one of three states:

    idle     no `_answer`. It waits in its pool. Anything that happens to it now (data, end, loss) closes it, and it
             tells its owner by `forget`.
    serving  `_answer` is the answer of the running exchange, until that is over:
               complete and everything sent, keep-alive, nothing left over  -> idle,   owner.release
               anything else: failed, timed out, cancelled, dropped, closed -> closed, owner.release
    closed   for good; the socket is aborted in the same step.

- An exchange ends exactly once, in `_end`, because only `_end` clears `_answer`; whoever comes later finds that
  `_answer` is no longer his and does nothing. So a reader that is late, closed or collected cannot harm the next
  exchange. What has arrived belongs to the Answer, which outlives the exchange: a connection is free for others as
  soon as the last byte has come, read or not.
- There is one waiting task at most: the sender waiting for room or the reader waiting for a head or a chunk. It waits
  on one future, which every event wakes, and looks for itself what has changed.
- There is one timer. Waiting sets a deadline; the timer is only set anew when it would fire too late, and when it
  fires too early it moves to the deadline. A stream of chunks costs no timer operations.
- Who may retry: nobody here. `stale` tells the caller that the upstream closed the connection while it was idle and
  has nothing of the request. That no byte of an answer came proves nothing: the upstream may have read the request and
  died of it. The kernel knows. The segment that closes a connection acknowledges everything that had arrived until
  then, read or not (RFC 9293, section 3.10.4). So an orderly close with every byte of the request unacknowledged was
  sent before any of them had arrived. A reset proves nothing, because its acknowledgement is not looked at. Only a
  stale connection, once, on a fresh one, and only with a body that can be sent again.
- Backpressure: above `max_buffer` bytes of untaken payload the socket is not read until the reader has taken them. A
  reader takes everything at once, so the level falls to zero.
"""

import asyncio
import fcntl
import struct
import termios
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, cast

import httpx

from gateway.upstream.http1 import Answer, OutgoingRequest

_SLICE: Final = 256 * 1024  # bytes per write of a long body, so that its progress is seen: a write timeout is per slice


class Owner(Protocol):
    """Who lends the connection out."""

    def release(self, connection: "Connection") -> None:
        """The exchange is over."""

    def forget(self, connection: "Connection") -> None:
        """The connection ended while it was idle."""


def unacknowledged_bytes(transport: asyncio.WriteTransport) -> int:
    """How many bytes that were written the other side's kernel has not confirmed yet; 0 where nobody can tell."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return 0
    try:
        (queued,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(queued) + transport.get_write_buffer_size()


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection; all methods belong to the thread of its event loop."""

    __slots__ = (
        "_answer",
        "_closed",
        "_deadline",
        "_loop",
        "_max_buffer",
        "_owner",
        "_reading_paused",
        "_sent",
        "_served",
        "_timer",
        "_transport",
        "_unacknowledged",
        "_waiter",
        "_writing_paused",
        "_written",
        "stale",
    )

    def __init__(
        self,
        owner: Owner,
        *,
        loop: asyncio.AbstractEventLoop,
        max_buffer: int,
        unacknowledged: Callable[[asyncio.WriteTransport], int] = unacknowledged_bytes,
    ) -> None:
        self._owner = owner
        self._loop = loop
        self._max_buffer = max_buffer
        self._transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made, before any use
        self._answer: Answer | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unacknowledged = unacknowledged
        self._served = 0
        self._written = 0  # of this request, if it went out in one write
        self._sent = False
        self._closed = False
        self._reading_paused = False
        self._writing_paused = False
        self.stale = False

    @property
    def usable(self) -> bool:
        """Whether it is idle and, as far as is known, alive."""
        return self._answer is None and not self._closed

    async def exchange(
        self, request: OutgoingRequest, *, write_timeout: float | None, first_byte_timeout: float | None
    ) -> Answer:
        """Sends the request and returns its answer once the head is complete.

        `write_timeout` limits, in seconds, each wait for the upstream to take more of the request;
        `first_byte_timeout` the wait for the whole head after that. Raises httpx.WriteTimeout, ReadTimeout, ReadError,
        RemoteProtocolError, and what the iteration of the body raises.
        """
        answer = self._answer = Answer(bodiless=request.bodiless)
        self._served += 1
        self._sent = False
        try:
            if len(request.wire) <= _SLICE:
                self._written = len(request.wire)
                self._transport.write(request.wire)
            else:
                self._written = 0
                await self._write_slices(request.wire, answer, write_timeout)
            if request.rest is not None:
                await self._write_rest(request.rest, answer, write_timeout)
            elif self._writing_paused:
                await self._drain(answer, write_timeout)
            self._sent = not (request.closes or self._enough(answer))
            deadline = self._deadline_in(first_byte_timeout)
            while not answer.status:
                if answer.failure is not None:
                    raise answer.failure[0](answer.failure[1])
                if not await self._wait(deadline):
                    what = "complete head" if answer.received else "first byte"
                    raise httpx.ReadTimeout(f"No {what} of an answer came within {first_byte_timeout:g} s.")
        except BaseException:
            self.abandon(answer)
            raise
        return answer

    async def more(self, answer: Answer, idle_timeout: float | None) -> None:
        """Waits until more of the answer has come or it is over.

        Raises httpx.ReadTimeout after `idle_timeout` seconds in which nothing came. Ends the exchange when it raises.
        """
        try:
            if not await self._wait(self._deadline_in(idle_timeout)):
                raise httpx.ReadTimeout(f"The upstream was silent for {idle_timeout:g} s within its answer.")
        except BaseException:
            self.abandon(answer)
            raise

    def take(self, answer: Answer) -> bytes:
        """All the payload that has arrived; there must be some."""
        data = answer.take()
        if self._reading_paused and self._answer is answer:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    def abandon(self, answer: Answer) -> None:
        """Ends the exchange of this answer, if it is still running, by closing the connection at once."""
        if self._answer is answer:
            # Its parser holds methods of it: in such a cycle the chunks that nobody took would stay for a long time.
            answer.fail(httpx.ReadError, "The answer was given up.")
            self._end(reusable=False)

    def abandon_from_any_thread(self, answer: Answer) -> None:
        """`abandon`, in the event loop's next turn; for finalisers, which may run anywhere."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.abandon, answer)

    def close(self) -> None:
        """Closes the socket at once; a running exchange fails."""
        if not self._closed:
            self._closed = True
            self._transport.abort()
            if self._timer is not None:
                self._timer.cancel()

    # What the event loop reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer, or bytes that nobody asked for."""
        answer = self._answer
        if answer is None:
            self._lost_while_idle()
            return
        answer.feed(data)
        if answer.over:
            self._end(reusable=answer.reusable and self._sent and not self._transport.get_write_buffer_size())
            return
        if answer.buffered > self._max_buffer and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        if answer.status:
            self._wake()

    def eof_received(self) -> None:
        """The upstream will send nothing more."""
        answer = self._answer
        if answer is None:
            self._lost_while_idle()
            return
        self.stale = (
            self._served > 1 and not answer.received and 0 < self._written <= self._unacknowledged(self._transport)
        )
        answer.eof()
        self._end(reusable=False)

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed, by whomever."""
        answer = self._answer
        if answer is None:
            self._lost_while_idle()
            return
        answer.fail(httpx.ReadError, f"The connection to the upstream was lost: {error or 'closed by the gateway'}.")
        self._end(reusable=False)

    def pause_writing(self) -> None:
        """The upstream takes the request more slowly than it is written."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """There is room for more of the request."""
        self._writing_paused = False
        self._wake()

    def _lost_while_idle(self) -> None:
        if not self._closed:
            self.close()
            self._owner.forget(self)

    def _end(self, *, reusable: bool) -> None:
        self._answer = None
        if not reusable:
            self.close()
        elif self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        self._wake()
        self._owner.release(self)

    # Sending

    def _enough(self, answer: Answer) -> bool:
        """Whether the rest of the request is not worth sending: the answer is over, or it is a refusal."""
        return answer.over or answer.status >= 400

    async def _write_slices(self, wire: bytes, answer: Answer, timeout: float | None) -> None:
        whole = memoryview(wire)
        for start in range(0, len(whole), _SLICE):
            await self._drain(answer, timeout)
            if self._enough(answer):
                return
            self._transport.write(whole[start : start + _SLICE])

    async def _write_rest(self, pieces: AsyncIterator[bytes], answer: Answer, timeout: float | None) -> None:
        async for piece in pieces:
            await self._drain(answer, timeout)
            if self._enough(answer):
                return
            self._transport.write(piece)
        await self._drain(answer, timeout)

    async def _drain(self, answer: Answer, timeout: float | None) -> None:
        deadline = self._deadline_in(timeout)
        while self._writing_paused and not self._enough(answer):
            if not await self._wait(deadline):
                raise httpx.WriteTimeout(f"The upstream took nothing of the request for {timeout:g} s.")

    # Waiting

    def _deadline_in(self, timeout: float | None) -> float | None:
        return None if timeout is None else self._loop.time() + timeout

    async def _wait(self, deadline: float | None) -> bool:
        """Waits for the next event; False if the deadline (in the loop's time, None: never) came first."""
        if self._waiter is not None:
            raise RuntimeError("two tasks read one response")
        self._deadline = deadline
        if deadline is not None and (self._timer is None or self._timer.when() > deadline):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._timer_fired)
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        try:
            return await waiter
        finally:
            if self._waiter is waiter:  # cancelled: nobody has woken it
                self._waiter = self._deadline = None

    def _wake(self, outcome: bool = True) -> None:
        """Clears the waiter itself: before its task runs, the connection may already serve the next exchange."""
        waiter, self._waiter, self._deadline = self._waiter, None, None
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def _timer_fired(self) -> None:
        self._timer = None
        if self._deadline is not None:
            if self._deadline <= self._loop.time():
                self._wake(False)
            else:
                self._timer = self._loop.call_at(self._deadline, self._timer_fired)
