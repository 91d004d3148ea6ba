"""The pool under every order of requests, releases, failures, cancellations, losses and time."""

import asyncio
from typing import Any

import httpx
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.upstream.pool import Pool

LIMIT = 2
turns = st.sampled_from([0, 1, 8])


class Fake:
    def __init__(self) -> None:
        self.usable = True

    def close(self) -> None:
        self.usable = False


class PoolMachine(RuleBasedStateMachine):
    """Tasks acquire from a real pool on a real loop; connecting ends when the machine says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 0.0
        self.dialling: list[asyncio.Future[Fake]] = []
        self.made: list[Fake] = []
        self.asking: list[asyncio.Task[Fake]] = []
        self.leased: list[Fake] = []
        self.pool: Pool[Fake] = Pool(self.connect, limit=LIMIT, expiry=30.0, clock=lambda: self.now, loop=self.loop)

    async def connect(self, timeout: float | None) -> Fake:
        dial: asyncio.Future[Fake] = self.loop.create_future()
        self.dialling.append(dial)
        try:
            return await dial
        finally:
            self.dialling.remove(dial)

    def step(self, turns: int) -> None:
        """Runs the loop for some turns: none leaves races open, eight settle everything."""
        for _ in range(turns):
            self.loop.run_until_complete(asyncio.sleep(0))
        for task in [task for task in self.asking if task.done()]:
            self.asking.remove(task)
            if not task.cancelled() and task.exception() is None:
                self.leased.append(task.result())

    @initialize()
    def fill(self) -> None:
        """Starts with every place leased and one task waiting, where the races are."""
        for _ in range(LIMIT + 1):
            self.ask(fresh=False, turns=8)
        for dial in list(self.dialling):
            self.made.append(Fake())
            dial.set_result(self.made[-1])
        self.step(8)

    @rule(fresh=st.booleans(), turns=turns)
    def ask(self, fresh: bool, turns: int) -> None:
        acquire = self.pool.acquire(pool_timeout=None, connect_timeout=None, fresh=fresh)
        self.asking.append(self.loop.create_task(acquire))
        self.step(turns)

    @precondition(lambda self: self.dialling)
    @rule(data=st.data(), succeeds=st.sampled_from([True, True, False]), turns=turns)
    def dial_ends(self, data: Any, succeeds: bool, turns: int) -> None:
        dial = data.draw(st.sampled_from(self.dialling))
        if not dial.done():
            if succeeds:
                self.made.append(Fake())
                dial.set_result(self.made[-1])
            else:
                dial.set_exception(httpx.ConnectError("refused"))
        self.step(turns)

    @precondition(lambda self: self.asking)
    @rule(data=st.data(), turns=turns)
    def cancel(self, data: Any, turns: int) -> None:
        data.draw(st.sampled_from(self.asking)).cancel()
        self.step(turns)

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), usable=st.sampled_from([True, True, False]), turns=turns)
    def release(self, data: Any, usable: bool, turns: int) -> None:
        connection = data.draw(st.sampled_from(self.leased))
        self.leased.remove(connection)
        connection.usable = connection.usable and usable
        self.pool.release(connection)
        self.step(turns)

    @precondition(lambda self: any(connection.usable for connection in self.made))
    @rule(data=st.data(), turns=turns)
    def lose(self, data: Any, turns: int) -> None:
        connection = data.draw(st.sampled_from([connection for connection in self.made if connection.usable]))
        connection.usable = False
        self.pool.forget(connection)
        self.step(turns)

    @rule(seconds=st.sampled_from([1.0, 15.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pool.sweep()

    @invariant()
    def valid(self) -> None:
        self.pool.check_valid()
        assert len(self.leased) == len(set(self.leased)), "two requests share a connection"

    def teardown(self) -> None:
        """Whatever happened: with every task gone and every connection back, all places are free and work."""
        self.step(8)
        for task in self.asking:
            task.cancel()
        self.step(8)
        while self.leased:
            self.pool.release(self.leased.pop())
        self.valid()
        for _ in range(LIMIT):
            self.ask(fresh=True, turns=0)
        self.step(8)
        assert len(self.dialling) == LIMIT
        for dial in list(self.dialling):
            dial.set_result(Fake())
        self.step(8)
        assert len(self.leased) == LIMIT
        self.pool.close()
        while self.leased:
            self.pool.release(self.leased.pop())
        self.valid()
        self.loop.close()


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=40)
