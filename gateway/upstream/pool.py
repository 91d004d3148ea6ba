"""The connections to one origin.

Theory of operation. The pool has `limit` places. A place in use is in exactly one of four conditions:

    connecting   a task is opening a connection in it
    leased       its connection serves a request
    idle         its connection waits, newest last; the newest is taken first, so that the others can expire
    granted      it was handed to a waiting task that has not run yet, with a connection or empty

A task waits only while every place is in use and none is idle; waiting tasks are served in the order of their arrival.
A place that falls free is granted to the first of them or given up. Each task that holds a place (connecting or
granted) gives it up when it fails or is cancelled; a leased connection is given back exactly once, by `release`.
An idle connection that ends reports itself by `forget`, so no dead connection is idle. One timer, set for the oldest
idle connection, ends those that nobody wanted for `expiry` seconds.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import httpx


class Poolable(Protocol):
    """What the pool needs to know of a connection."""

    @property
    def usable(self) -> bool:
        """Whether it can take a request."""

    def close(self) -> None:
        """Ends it at once; harmless if it has ended."""


C = TypeVar("C", bound=Poolable)


class Pool(Generic[C]):
    """The places for connections to one origin; belongs to one event loop.

    `connect` opens a connection within a time limit in seconds (None: no limit). `clock` returns seconds.
    """

    def __init__(
        self,
        connect: Callable[[float | None], Awaitable[C]],
        *,
        limit: int,
        expiry: float,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._connect = connect
        self._limit = limit
        self._expiry = expiry
        self._clock = clock
        self._loop = loop
        self._open = 0
        self._connecting = 0
        self._granted = 0
        self._leased: set[C] = set()
        self._idle: dict[C, float] = {}  # in order of release, with the time at which each expires
        self._waiters: OrderedDict[asyncio.Future[C | None], None] = OrderedDict()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def in_use(self) -> int:
        """The number of places in use, idle connections included."""
        return self._open

    async def acquire(self, *, pool_timeout: float | None, connect_timeout: float | None, fresh: bool = False) -> C:
        """Leases a connection, which must be given back by `release`; `fresh` asks for one that never served.

        Raises httpx.PoolTimeout after `pool_timeout` seconds without a place, httpx.ConnectError when the pool is
        closed, and what `connect` raises.
        """
        if self._closed:
            raise httpx.ConnectError("The transport is closed.")
        connection = self._take_idle()
        if connection is None:
            if self._open < self._limit:
                self._open += 1
            else:
                connection = await self._wait(pool_timeout)
        if connection is not None:
            if connection.usable and not fresh:
                self._leased.add(connection)
                return connection
            connection.close()
        self._connecting += 1
        try:
            connection = await self._connect(connect_timeout)
        except BaseException:
            self._vacate()
            raise
        finally:
            self._connecting -= 1
        self._leased.add(connection)
        if self._closed:
            self.release(connection)
            raise httpx.ConnectError("The transport is closed.")
        return connection

    def release(self, connection: C) -> None:
        """Takes a leased connection back, for others if it is still usable."""
        self._leased.remove(connection)
        if self._closed or not connection.usable:
            connection.close()
            self._vacate()
        elif not self._grant(connection):
            self._idle[connection] = self._clock() + self._expiry
            if self._sweeper is None:
                self._sweeper = self._loop.call_later(self._expiry, self.sweep)

    def forget(self, connection: C) -> None:
        """A connection that was not serving has ended by itself."""
        if self._idle.pop(connection, None) is not None:
            self._open -= 1

    def sweep(self) -> None:
        """Ends the idle connections whose time is over and sets the timer for the next."""
        self._sweeper = None
        now = self._clock()
        for connection, expires in list(self._idle.items()):
            if expires > now:
                self._sweeper = self._loop.call_later(expires - now, self.sweep)
                return
            self._drop_idle(connection)

    def close(self) -> None:
        """Ends every connection; running requests fail, waiting tasks get httpx.ConnectError."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(httpx.ConnectError("The transport is closed."))
        self._waiters.clear()
        for connection in list(self._idle):
            self._drop_idle(connection)
        for connection in list(self._leased):
            connection.close()

    def check_valid(self) -> None:
        """Asserts the theory of operation."""
        in_use = self._connecting + len(self._leased) + len(self._idle) + self._granted
        assert self._open == in_use, f"{self._open} places are counted, {in_use} are in use"
        assert 0 <= self._open <= self._limit
        assert self._connecting >= 0
        assert self._granted >= 0
        assert not self._leased & self._idle.keys()
        assert all(connection.usable for connection in self._idle)
        assert list(self._idle.values()) == sorted(self._idle.values())
        waiting = [waiter for waiter in self._waiters if not waiter.done()]
        assert not waiting or (self._open == self._limit and not self._idle), "a task waits beside a free place"
        assert not self._closed or not (self._idle or waiting or self._sweeper)
        assert self._closed or not self._idle or self._sweeper is not None

    def _take_idle(self) -> C | None:
        while self._idle:
            connection, expires = self._idle.popitem()
            if connection.usable and expires > self._clock():
                return connection
            connection.close()
            self._open -= 1
        return None

    def _drop_idle(self, connection: C) -> None:
        del self._idle[connection]
        self._open -= 1
        connection.close()

    async def _wait(self, timeout: float | None) -> C | None:
        """Waits for a place, which comes with a connection or empty (None)."""
        waiter: asyncio.Future[C | None] = self._loop.create_future()
        self._waiters[waiter] = None
        try:
            async with asyncio.timeout(timeout):
                place = await waiter
        except BaseException as error:
            self._waiters.pop(waiter, None)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._granted -= 1
                self._give_back(waiter.result())
            if isinstance(error, TimeoutError):
                raise httpx.PoolTimeout(f"No connection became free within {timeout:g} s.") from error
            raise
        self._granted -= 1
        if self._closed:
            self._give_back(place)
            raise httpx.ConnectError("The transport is closed.")
        return place

    def _give_back(self, place: C | None) -> None:
        if place is None:
            self._vacate()
        else:
            self._leased.add(place)
            self.release(place)

    def _vacate(self) -> None:
        if not self._grant(None):
            self._open -= 1

    def _grant(self, place: C | None) -> bool:
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(place)
                self._granted += 1
                return True
        return False
