"""Opens a TCP connection by Happy Eyeballs (RFC 8305), because uvloop's create_connection has none."""

import asyncio
import contextlib
import itertools
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

Address = tuple[socket.AddressFamily, int, int, Any]

STAGGER: Final = 0.25  # seconds between the starts of two attempts: the "Connection Attempt Delay" of RFC 8305, 5


async def dial(host: str, port: int) -> socket.socket:
    """Connects to the first address of `host` that answers and returns the non-blocking socket.

    Raises OSError when the name does not resolve or when no address accepts.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = interleave([(family, kind, proto, address) for family, kind, proto, _, address in found])
    return await (connect(addresses[0]) if len(addresses) == 1 else race(addresses, connect, STAGGER))


async def race(
    addresses: Sequence[Address], connect: Callable[[Address], Awaitable[socket.socket]], stagger: float
) -> socket.socket:
    """Tries the addresses in turn, the next when one fails or `stagger` seconds have passed; the first socket wins.

    Raises OSError when none wins. Whatever the end, cancellation included, no other socket stays open.
    """
    ahead = deque(addresses)
    errors: list[OSError] = []

    async def attempt(address: Address) -> socket.socket | None:
        try:
            return await connect(address)
        except OSError as error:
            errors.append(error)
            return None

    running: set[asyncio.Task[socket.socket | None]] = set()
    try:
        while ahead or running:
            if ahead:
                running.add(asyncio.create_task(attempt(ahead.popleft())))
            done, _ = await asyncio.wait(
                running, timeout=stagger if ahead else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                running.discard(task)
                winner = task.result()
                if winner is not None:
                    return winner
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_discard)
    raise OSError("; ".join(str(error) for error in errors) or "the name has no address")


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """The addresses with the families taking turns, the family that the resolver prefers first (RFC 8305, 4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    other = [address for address in addresses if address[0] != addresses[0][0]]
    pairs = itertools.zip_longest(first, other)
    return [address for pair in pairs for address in pair if address is not None]


async def connect(address: Address) -> socket.socket:
    """A non-blocking socket connected to one address, which sends small writes at once."""
    family, kind, proto, where = address
    connection = socket.socket(family, kind, proto)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, where)
    except BaseException:
        connection.close()
        raise
    return connection


def _discard(task: asyncio.Task[socket.socket | None]) -> None:
    """Closes the socket of an attempt that won too late."""
    with contextlib.suppress(asyncio.CancelledError):
        connection = task.result()
        if connection is not None:
            connection.close()
