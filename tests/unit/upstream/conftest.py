"""A scripted HTTP server on loopback, and the transport's tests on both event loops."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop

ON_BOTH_LOOPS = {"test_lean.py", "test_lean_cancellation.py", "test_lean_tls.py", "test_dial.py"}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Runs what touches sockets on asyncio and on uvloop, everything else on asyncio."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name in ON_BOTH_LOOPS:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


class Peer:
    """The server's side of one connection, for scripts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()  # the client's end of the connection has been seen

    async def request(self) -> bytes:
        """The next request, head and body; b"" when the client has closed."""
        request = await self._read()
        if request:
            self.requests.append(request)
        return request

    async def _read(self) -> bytes:
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.set()
            return b""
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if b"content-length" in fields:
            return head + await self.reader.readexactly(int(fields[b"content-length"]))
        if fields.get(b"transfer-encoding") == b"chunked":
            return head + await self.reader.readuntil(b"0\r\n\r\n")
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_closed(self) -> None:
        """Returns when the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.ended.set()

    def reset(self) -> None:
        """Ends the connection with a reset instead of an orderly close."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Runs a script for each connection."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.url = ""
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = Peer(reader, writer)
            self.peers.append(peer)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(peer)
            writer.close()

        self._server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/v1"

    async def all_ended(self) -> None:
        """Returns when the client's end of every connection has been seen."""
        async with asyncio.timeout(5):  # a limit for a hanging test, not a measurement
            for peer in self.peers:
                await peer.ended.wait()

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self.peers:
            # A transport of asyncio that has sent its last bytes after `close` has no loop any more, and fails.
            connection = peer.writer.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                peer.writer.transport.abort()


Serve = Callable[..., Awaitable[ScriptedServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A function that starts a scripted server: `await serve(script)`."""
    servers: list[ScriptedServer] = []

    async def start(script: Script, tls: ssl.SSLContext | None = None) -> ScriptedServer:
        server = ScriptedServer()
        servers.append(server)
        await server.start(script, tls)
        return server

    yield start
    for server in servers:
        server.stop()
    await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn
