"""One connection on a fake transport and a fake clock."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from types import MethodType
from typing import Any

import httpx
import pytest

from gateway.upstream.connection import Connection
from gateway.upstream.http1 import Answer, OutgoingRequest

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Transport(asyncio.Transport):
    """Records what is done to it; ends when the connection is told so by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.unsent = 0
        self.aborted = False
        self.reading = True
        self.on_write: Callable[[], None] = lambda: None

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))
        self.on_write()

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Handle:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.cancelled = False

    def when(self) -> float:
        return self.at

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """The part of an event loop that a connection uses, with the time in the hands of the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Handle] = []
        self.timers_set = 0

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[bool]:
        return asyncio.get_running_loop().create_future()

    def call_at(self, at: float, call: Callable[[], None]) -> Handle:
        self.timers_set += 1
        self.timers.append(Handle(at, call))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        """Lets time pass, firing the timers that fall due, in order."""
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.at <= end and not timer.cancelled]:
            timer = min(due, key=Handle.when)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = end


class Rig:
    """A connection with its surroundings; it is the owner too."""

    def __init__(self, max_buffer: int = 1000) -> None:
        self.loop = Loop()
        self.transport = Transport()
        self.released = 0
        self.forgotten = 0
        self.unacknowledged = 0
        self.connection = Connection(
            self,
            loop=self.loop,  # type: ignore[arg-type]
            max_buffer=max_buffer,
            unacknowledged=lambda _: self.unacknowledged,
        )
        self.connection.connection_made(self.transport)

    def release(self, connection: Connection) -> None:
        self.released += 1

    def forget(self, connection: Connection) -> None:
        self.forgotten += 1

    def start(
        self, wire: bytes = b"REQUEST", rest: AsyncIterator[bytes] | None = None, *, closes: bool = False
    ) -> asyncio.Task[Answer]:
        request = OutgoingRequest(wire, rest, bodiless=False, closes=closes)
        return asyncio.ensure_future(self.connection.exchange(request, write_timeout=5.0, first_byte_timeout=120.0))

    async def exchange(self, data: bytes) -> Answer:
        task = self.start()
        await turns()
        self.connection.data_received(data)
        return await task

    async def more(self, answer: Answer) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self.connection.more(answer, 60.0))
        await turns()
        return task


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def failure(work: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> BaseException:
    with pytest.raises(httpx.TransportError) as caught:
        await work
    return caught.value


async def test_request_goes_out_in_one_write() -> None:
    """Head and body leave together."""
    rig = Rig()
    await rig.exchange(OK)
    assert rig.transport.writes == [b"REQUEST"]


async def test_connection_is_released_with_the_last_byte_and_serves_again() -> None:
    """A complete answer frees the connection before anybody has read the body."""
    rig = Rig()
    first = await rig.exchange(OK)
    assert rig.released == 1
    assert rig.connection.usable
    second = await rig.exchange(OK.replace(b"hello", b"other"))
    assert rig.connection.take(first) == b"hello"
    assert rig.connection.take(second) == b"other"


async def test_a_connection_whose_answer_is_not_valid_is_closed() -> None:
    """The rest of the garbage must not become the answer to somebody else's request."""
    rig = Rig()
    await rig.exchange(STREAM)
    rig.connection.data_received(b"zz\r\n")
    assert rig.transport.aborted
    assert not rig.connection.usable
    assert rig.released == 1


async def test_connection_may_serve_the_next_before_the_woken_task_runs() -> None:
    """The end of one exchange and the start of the next can fall into one turn of the loop."""
    rig = Rig()
    first = rig.start()
    await turns()
    rig.connection.data_received(OK)
    second = asyncio.ensure_future(rig.exchange(OK))
    assert (await first).over
    assert (await second).over
    assert rig.released == 2


async def test_old_answer_cannot_end_the_next_exchange() -> None:
    """Closing a response late does not touch the connection that now serves another."""
    rig = Rig()
    first = await rig.exchange(OK)
    second = await rig.exchange(STREAM)
    rig.connection.abandon(first)
    assert not rig.transport.aborted
    rig.connection.abandon(second)
    assert rig.transport.aborted
    assert rig.released == 2


@pytest.mark.parametrize("event", ["data", "eof", "lost"])
async def test_idle_connection_that_hears_anything_is_forgotten_at_once(event: str) -> None:
    """Data, end or loss while idle closes the connection and tells the owner once."""
    rig = Rig()
    await rig.exchange(OK)
    events: dict[str, Callable[[], object]] = {
        "data": lambda: rig.connection.data_received(b"HTTP/1.1 408 Timeout\r\n\r\n"),
        "eof": rig.connection.eof_received,
        "lost": lambda: rig.connection.connection_lost(None),
    }
    events[event]()
    rig.connection.connection_lost(None)
    assert not rig.connection.usable
    assert rig.transport.aborted
    assert rig.forgotten == 1
    assert rig.released == 1


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")])
@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize("received", [False, True])
@pytest.mark.parametrize("acknowledged", [0, 1, 999])
async def test_only_a_reused_connection_that_closes_in_order_with_nothing_of_the_request_is_stale(
    served: bool, received: bool, acknowledged: int, error: Exception | None
) -> None:
    """Stale means: it had served before, no byte of this answer came, and no byte of the request was acknowledged."""
    rig = Rig()
    if served:
        await rig.exchange(OK)
    task = rig.start()
    await turns()
    rig.unacknowledged = max(0, len(rig.transport.writes[-1]) - acknowledged)
    if received:
        rig.connection.data_received(b"H")
    if error is None:
        rig.connection.eof_received()
    rig.connection.connection_lost(error)
    assert isinstance(await failure(task), httpx.RemoteProtocolError if error is None else httpx.ReadError)
    assert rig.connection.stale is (served and not received and not acknowledged and error is None)
    assert rig.released == 1 + served


async def test_no_first_byte_is_a_read_timeout_that_says_so() -> None:
    """The limit on the head ends a silent exchange and closes the connection."""
    rig = Rig()
    task = rig.start()
    await turns()
    rig.loop.advance(119.9)
    await turns()
    assert not task.done()
    rig.loop.advance(0.1)
    error = await failure(task)
    assert isinstance(error, httpx.ReadTimeout)
    assert "first byte" in str(error)
    assert rig.transport.aborted
    assert rig.released == 1
    assert not rig.connection.stale


async def test_trickled_head_does_not_extend_its_limit() -> None:
    """A head that comes byte by byte has as long as one that comes at once."""
    rig = Rig()
    task = rig.start()
    await turns()
    for byte in b"HTTP/1.1 ":
        rig.connection.data_received(bytes([byte]))
        rig.loop.advance(15.0)
        await turns()
    error = await failure(task)
    assert isinstance(error, httpx.ReadTimeout)
    assert "complete head" in str(error)


async def test_silence_within_the_body_is_a_read_timeout_that_says_so() -> None:
    """The idle limit counts from the last byte, and each byte starts it anew."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    for _ in range(3):
        task = await rig.more(answer)
        rig.loop.advance(59.0)
        rig.connection.data_received(b"1\r\nx\r\n")
        await task
        assert rig.connection.take(answer) == b"x"
    task = await rig.more(answer)
    rig.loop.advance(60.0)
    error = await failure(task)
    assert isinstance(error, httpx.ReadTimeout)
    assert "silent" in str(error)
    assert rig.transport.aborted


async def test_a_slow_reader_is_not_the_silence_of_the_upstream() -> None:
    """No limit runs while nobody waits for the upstream."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    rig.connection.data_received(b"1\r\nx\r\n")
    rig.loop.advance(1000.0)
    assert rig.connection.take(answer) == b"x"
    assert not rig.transport.aborted


async def test_a_stream_of_chunks_sets_no_timer_per_chunk() -> None:
    """One timer is pushed forward: 1,000 chunks within a minute cost two timer operations."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    for _ in range(1000):
        task = await rig.more(answer)
        rig.loop.advance(0.05)
        rig.connection.data_received(b"1\r\nx\r\n")
        await task
        rig.connection.take(answer)
    assert rig.loop.timers_set == 2
    rig.connection.abandon(answer)
    assert all(timer.cancelled for timer in rig.loop.timers)


async def test_unread_payload_pauses_the_socket_until_it_is_taken() -> None:
    """Above the buffer's size the socket is not read; taking the payload opens it again."""
    rig = Rig(max_buffer=1000)
    answer = await rig.exchange(STREAM)
    rig.connection.data_received(b"320\r\n" + b"x" * 800 + b"\r\n")
    assert rig.transport.reading
    rig.connection.data_received(b"320\r\n" + b"x" * 800 + b"\r\n")
    assert not rig.transport.reading
    assert rig.connection.take(answer) == b"x" * 1600
    assert rig.transport.reading


async def test_an_answer_that_is_given_up_is_gone_with_its_payload() -> None:
    """It waits for no collector of cycles, which may come very late."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    rig.connection.data_received(b"1\r\nx\r\n")
    rig.connection.abandon(answer)
    # The callbacks of its parser.
    assert not any(isinstance(holder, MethodType) for holder in gc.get_referrers(answer))


async def test_long_body_waits_for_room() -> None:
    """A long body goes out in slices, each only after the upstream has taken what came before."""
    rig = Rig()
    rig.transport.on_write = rig.connection.pause_writing
    wire = bytes(range(256)) * 4096
    task = rig.start(wire)
    for written in range(4):
        await turns()
        assert len(rig.transport.writes) == written + 1
        rig.connection.resume_writing()
    await turns()
    rig.connection.data_received(OK)
    await task
    assert b"".join(rig.transport.writes) == wire
    assert rig.connection.usable


async def test_an_upstream_that_takes_nothing_is_a_write_timeout() -> None:
    """The limit on writing has its own exception."""
    rig = Rig()
    rig.connection.pause_writing()
    task = rig.start()
    await turns()
    rig.loop.advance(5.0)
    assert isinstance(await failure(task), httpx.WriteTimeout)
    assert rig.transport.aborted


@pytest.mark.parametrize("answer", [OK, OK.replace(b"200 OK", b"413 Too Large"), OK[:-1].replace(b"200", b"413")])
async def test_answer_before_the_end_of_the_request_stops_sending(answer: bytes) -> None:
    """A complete answer or a refusal ends the upload, is delivered, and its connection is not used again."""
    rig = Rig()
    rig.connection.pause_writing()
    task = rig.start(b"x" * 1_000_000)
    await turns()
    rig.connection.data_received(answer)
    result = await task
    assert result.status in (200, 413)
    rig.connection.resume_writing()
    await turns()
    assert rig.transport.writes == []
    if not result.over:
        rig.connection.data_received(b"o")
    assert result.over
    assert result.failure is None
    assert rig.transport.aborted


async def test_early_success_does_not_stop_sending() -> None:
    """An upstream may begin a 200 while it still reads the request."""
    rig = Rig()

    async def rest() -> AsyncIterator[bytes]:
        rig.connection.data_received(STREAM)
        yield b"one"
        yield b"two"

    answer = await rig.start(rest=rest())
    assert rig.transport.writes == [b"REQUEST", b"one", b"two"]
    rig.connection.data_received(b"0\r\n\r\n")
    assert answer.over
    assert rig.connection.usable


async def test_unsent_bytes_at_the_end_of_the_answer_forbid_reuse() -> None:
    """An answer that is complete while the request still sits in our buffer does not free the connection."""
    rig = Rig()
    rig.transport.unsent = 1
    assert (await rig.exchange(OK)).over
    assert rig.transport.aborted


async def test_request_that_announces_the_end_forbids_reuse() -> None:
    """After `connection: close` in the request the connection serves nobody else."""
    rig = Rig()
    task = rig.start(closes=True)
    await turns()
    rig.connection.data_received(OK)
    await task
    assert rig.transport.aborted


async def test_error_of_the_body_iterator_comes_through_and_closes() -> None:
    """What the body raises is the caller's own, and a half-sent request leaves no connection behind."""
    rig = Rig()

    async def rest() -> AsyncIterator[bytes]:
        yield b"one"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await rig.start(rest=rest())
    assert rig.transport.aborted
    assert rig.released == 1


async def test_cancelled_reader_closes_at_once() -> None:
    """Cancellation ends the exchange in the step in which it arrives."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    task = await rig.more(answer)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rig.transport.aborted
    assert rig.released == 1


async def test_two_readers_are_a_bug_of_the_caller() -> None:
    """A second task that waits for the same response is refused."""
    rig = Rig()
    answer = await rig.exchange(STREAM)
    first = await rig.more(answer)
    with pytest.raises(RuntimeError):
        await rig.connection.more(answer, None)
    first.cancel()
