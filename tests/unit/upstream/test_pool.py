"""The pool's rules on a fake connection; its state machine is under tests/properties."""

import asyncio

import httpx
import pytest

from gateway.upstream.pool import Pool


class Fake:
    def __init__(self) -> None:
        self.usable = True

    def close(self) -> None:
        self.usable = False


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def connect(timeout: float | None) -> Fake:
    return Fake()


def pool_of(limit: int = 2, now: Now | None = None) -> Pool[Fake]:
    return Pool(connect, limit=limit, expiry=30.0, clock=now or Now(), loop=asyncio.get_running_loop())


async def lease(pool: Pool[Fake], *, fresh: bool = False) -> Fake:
    return await pool.acquire(pool_timeout=None, connect_timeout=None, fresh=fresh)


async def test_the_newest_idle_connection_is_taken_first() -> None:
    """Reuse is last in, first out."""
    pool = pool_of()
    first, second = await lease(pool), await lease(pool)
    pool.release(first)
    pool.release(second)
    assert await lease(pool) is second
    assert await lease(pool) is first


@pytest.mark.parametrize(("age", "kept"), [(29.9, True), (30.0, False)])
async def test_idle_connections_expire(age: float, kept: bool) -> None:
    """A connection that is idle for the expiry or longer is not used again."""
    now = Now()
    pool = pool_of(now=now)
    first = await lease(pool)
    pool.release(first)
    now.seconds = age
    assert (await lease(pool) is first) is kept
    assert first.usable is kept
    pool.check_valid()


async def test_sweep_closes_expired_connections_without_a_request() -> None:
    """Idle sockets do not stay open because nobody comes."""
    now = Now()
    pool = pool_of(now=now)
    first, second = await lease(pool), await lease(pool)
    pool.release(first)
    now.seconds = 10.0
    pool.release(second)
    now.seconds = 30.0
    pool.sweep()
    assert not first.usable
    assert second.usable
    pool.check_valid()


async def test_a_fresh_connection_takes_the_place_of_an_idle_one() -> None:
    """With every place taken by idle connections a fresh one is still opened, at once."""
    pool = pool_of(limit=1)
    first = await lease(pool)
    pool.release(first)
    second = await lease(pool, fresh=True)
    assert second is not first
    assert not first.usable
    pool.check_valid()


async def test_no_free_connection_is_a_pool_timeout() -> None:
    """The wait for a place has its own limit and its own exception, and leaves nothing behind."""
    pool = pool_of(limit=1)
    held = await lease(pool)
    with pytest.raises(httpx.PoolTimeout):
        await pool.acquire(pool_timeout=0, connect_timeout=None)
    pool.release(held)
    pool.check_valid()
    assert await lease(pool) is held


@pytest.mark.parametrize("usable", [True, False])
async def test_task_cancelled_right_after_its_grant_hands_the_place_on(usable: bool) -> None:
    """A place, with a connection or empty, is not lost with the task that was about to take it."""
    pool = pool_of(limit=1)
    held = await lease(pool)
    first, second = (asyncio.ensure_future(lease(pool)) for _ in range(2))
    await asyncio.sleep(0)
    held.usable = usable
    pool.release(held)
    first.cancel()
    assert (await second is held) is usable
    assert first.cancelled()
    pool.check_valid()


async def test_closing_the_pool_ends_everything() -> None:
    """Leased connections are closed, waiting tasks fail as if nothing could be reached, nothing can be leased."""
    pool = pool_of(limit=1)
    held = await lease(pool)
    waiting = asyncio.ensure_future(lease(pool))
    await asyncio.sleep(0)
    pool.close()
    with pytest.raises(httpx.ConnectError):
        await waiting
    assert not held.usable
    pool.release(held)
    with pytest.raises(httpx.ConnectError):
        await lease(pool)
    pool.check_valid()


async def test_closing_the_pool_between_grant_and_wake_up_is_seen() -> None:
    """A task that was handed a connection just before the pool closed does not get to use it."""
    pool = pool_of(limit=1)
    held = await lease(pool)
    waiting = asyncio.ensure_future(lease(pool))
    await asyncio.sleep(0)
    pool.release(held)
    pool.close()
    with pytest.raises(httpx.ConnectError):
        await waiting
    assert not held.usable
    pool.check_valid()
