"""Where the work on a body is done."""

import asyncio
import threading
import time

import pytest

from gateway.upstream.big_bodies import BIG_BYTES, worked_on


@pytest.mark.parametrize(("size", "is_here"), [(0, True), (BIG_BYTES - 1, True), (BIG_BYTES, False)])
async def test_only_a_big_body_is_worth_a_thread(size: int, is_here: bool):
    """The loop goes on meanwhile; what the work returns comes back either way."""
    here = threading.get_ident()
    assert (await worked_on(size, lambda number: (number, threading.get_ident() == here), 7)) == (7, is_here)


@pytest.mark.parametrize("size", [0, BIG_BYTES])
async def test_an_error_of_the_work_is_the_caller_s(size: int):
    """Wherever it was raised."""
    with pytest.raises(ZeroDivisionError):
        await worked_on(size, divmod, 1, 0)


async def test_big_bodies_are_worked_on_one_after_the_other():
    """Each of several threads at once would hold up the loop for a step of its own."""
    at_work: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        at_work.append(number)
        time.sleep(0.01)
        seen.append(len(at_work))
        at_work.remove(number)

    await asyncio.gather(*[worked_on(BIG_BYTES, work, number) for number in range(4)])
    assert seen == [1, 1, 1, 1]
