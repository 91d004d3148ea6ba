"""The process of the synthetic traffic: provider and clients in one event loop, which ends when its parent does."""

import asyncio
import multiprocessing
import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from gateway.demo.client import send, until_ready
from gateway.demo.provider import answer
from gateway.demo.traffic import MOST_AT_ONCE, asks, gap_s
from gateway.errors import ServeError
from gateway.serving.processes import die_with_parent, leave_terminal, terminal_unheard

# Below the dashboard, which is below the gateway.
_NICENESS: Final = 5
_SEED: Final = 1
_STOP_S: Final = 5.0


class SyntheticTraffic:
    """A provider that listens on loopback at `provider_port` from the constructor on, and the clients that ask it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.provider_port: int = self._listener.getsockname()[1]

    @contextmanager
    def sent_to(self, address: str) -> Iterator[None]:
        """Keep the traffic going for as long as the context is open, from a child process, through a gateway.

        Requests come as soon as the gateway at that URL is ready. Raises ServeError in the end if the traffic has ended
        before. To be entered once.
        """
        process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(self._listener, address), name="gateway-demo-traffic", daemon=True
        )
        with terminal_unheard():
            process.start()
        # From here on the provider is there for as long as the child is.
        self._listener.close()
        try:
            yield
        finally:
            has_failed = not process.is_alive()
            process.terminate()
            process.join(_STOP_S)
            if process.is_alive():
                process.kill()
                process.join()
        if has_failed:
            raise ServeError(f"The synthetic traffic ended by itself, with code {process.exitcode}.")


def _run(listener: socket.socket, address: str) -> None:
    # Its Ctrl-C is for the parent, which then ends this process.
    leave_terminal()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    os.nice(_NICENESS)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    url = urlsplit(address)
    assert url.hostname is not None, "a gateway has an address"
    assert url.port is not None, "and a port"
    asyncio.run(_generate(listener, url.hostname, url.port, random.Random(_SEED)))


async def _generate(listener: socket.socket, host: str, port: int, dice: random.Random) -> None:
    """Serve the provider, and send one request after another for ever."""
    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(answer, sock=listener), asyncio.TaskGroup() as clients:
        await until_ready(host, port)
        began = loop.time()
        running: set[asyncio.Task[None]] = set()
        for ask in asks(dice):
            await asyncio.sleep(gap_s(loop.time() - began, dice))
            if len(running) < MOST_AT_ONCE:
                task = clients.create_task(send(ask, host, port))
                running.add(task)
                task.add_done_callback(running.discard)
