"""The real server in the caller's event loop, where its tasks and its open files can be counted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from granian.constants import Interfaces
from granian.server.embed import Server

from gateway.api.context import Services
from gateway.api.lease import Lease
from gateway.app import create_app
from gateway.upstream.client import Upstreams
from gateway.upstream.transports import transport_for
from tests.support.asgi import Ledger, settings_from
from tests.support.process import PATIENCE_S
from tests.support.upstream import unused_port


class Embedded:
    """A gateway in this event loop; `lines` are the requests that have ended, `sleep` is its wait between two tries."""

    def __init__(self, config: str, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        settings = settings_from(config)
        self.ledger = Ledger()
        self.lines: list[Lease] = []
        upstreams = Upstreams(settings, transport_for, sleep=sleep)
        self.services = Services(settings, self.ledger, upstreams, log_line=lambda lease, _: self.lines.append(lease))
        self.port = unused_port()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Embedded"]:
        """Serve for as long as the context is open."""
        app = create_app(self.services)
        server = Server(
            app, port=self.port, interface=Interfaces.ASGI, websockets=False, backlog=1024, log_enabled=False
        )
        serving = asyncio.create_task(server.serve())
        await until(self._accepts, "the server's listening")
        try:
            yield self
        finally:
            server.stop()
            await serving

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Let the loop go on until the condition holds; fails when it does not for PATIENCE_S."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                holds = condition()
                if holds if isinstance(holds, bool) else await holds:
                    return
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen in {PATIENCE_S} s") from None
