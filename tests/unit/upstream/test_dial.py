"""Happy Eyeballs against addresses that answer, refuse or stay silent."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.upstream.dial import Address, connect, dial, interleave, race

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
async def no_leak() -> AsyncIterator[None]:
    """Every socket and task of the test is gone at its end."""
    sockets, tasks = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == sockets
    assert len(asyncio.all_tasks()) == tasks


class Ways:
    """Addresses that `good`, `refuse` or `hang`, and what was tried."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.tried: list[str] = []

    async def connect(self, address: Address) -> socket.socket:
        way = address[3]
        self.tried.append(way)
        if way == "hang":
            await asyncio.Event().wait()
        if way == "refuse":
            raise ConnectionRefusedError("refused")
        return await connect((V4, socket.SOCK_STREAM, 0, self.listener.getsockname()))

    async def race(self, *ways: str, stagger: float) -> socket.socket:
        return await race([(V4, socket.SOCK_STREAM, 0, way) for way in ways], self.connect, stagger)


@pytest.fixture
def ways(listener: socket.socket) -> Ways:
    """Addresses that behave as their names say."""
    return Ways(listener)


async def test_socket_is_connected_and_sends_without_delay(listener: socket.socket) -> None:
    """The socket does not block and does not collect small writes."""
    with await dial("localhost", listener.getsockname()[1]) as connection:
        assert connection.getpeername() == listener.getsockname()
        assert not connection.getblocking()
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.usefixtures("no_leak")
@pytest.mark.parametrize("others", [("hang",), ("hang", "hang"), ("refuse",), ("refuse", "hang")])
async def test_one_good_address_is_enough(others: tuple[str, ...], ways: Ways) -> None:
    """Addresses that hang or refuse before it only cost the stagger."""
    (await ways.race(*others, "good", stagger=0.001)).close()
    assert ways.tried == [*others, "good"]


@pytest.mark.usefixtures("no_leak")
async def test_a_prompt_first_address_is_the_only_one_tried(ways: Ways) -> None:
    """Later addresses are not bothered while the first may still answer."""
    (await ways.race("good", "good", stagger=60)).close()
    assert ways.tried == ["good"]


@pytest.mark.usefixtures("no_leak")
async def test_winners_that_come_too_late_are_closed(ways: Ways) -> None:
    """With several connections at the same moment one is returned and the others are closed."""
    (await ways.race("good", "good", "good", stagger=0)).close()


@pytest.mark.usefixtures("no_leak")
async def test_all_addresses_failing_is_an_os_error(ways: Ways) -> None:
    """The error tells what happened at each address."""
    with pytest.raises(OSError, match="refused; refused"):
        await ways.race("refuse", "refuse", stagger=60)


@pytest.mark.usefixtures("no_leak")
@pytest.mark.parametrize("turns", range(8))
async def test_cancelled_race_leaves_nothing(turns: int, ways: Ways) -> None:
    """Cancelled in any turn of the loop, no socket and no task stays."""
    task = asyncio.ensure_future(ways.race("hang", "good", stagger=0))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await task).close()


def test_families_take_turns() -> None:
    """The family that the resolver prefers comes first, then the families alternate."""
    found = [(V6, 1, 6, "a"), (V6, 1, 6, "b"), (V6, 1, 6, "c"), (V4, 1, 6, "d")]
    assert [address[3] for address in interleave(found)] == ["a", "d", "b", "c"]
    assert interleave([]) == []
