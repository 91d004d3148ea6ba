"""The lean transport: HTTP/1.1 behind httpx's transport seam, at a tenth of the cost of httpx's own.

It does what it is told and nothing else: no redirects, cookies, decompression, added headers, proxies or silent
retries; the one exception is a pooled connection that the upstream closed while it was idle, provably without a byte of
the request (see connection.py).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

import httpx

from gateway.upstream.connection import Connection
from gateway.upstream.dial import dial
from gateway.upstream.http1 import Answer, encode
from gateway.upstream.pool import Pool

_PORTS: Final = {"http": 80, "https": 443}
_NO_LIMITS: Final[Mapping[str, float | None]] = {}


class LeanTransport(httpx.AsyncBaseTransport):
    """An httpx transport over asyncio or uvloop; belongs to the event loop that first uses it.

    `max_connections` and `keepalive_expiry` (seconds) hold per origin; the number of origins is that of the configured
    providers. `max_buffer` is how many bytes of an answer may wait for a slow reader before the socket is no longer
    read; one read of the socket may come on top. `ssl_context` defaults to certifi's authorities (or SSL_CERT_FILE).

    Time limits in seconds come in `request.extensions["timeout"]`, each absent or None for no limit: `pool` for a free
    connection; `connect` for name resolution, TCP and TLS together; `write` for the upstream to take more of the
    request; `first_byte` for the head of the answer (without it, `read`); `read` for the silence between two chunks.

    Raises httpx exceptions with `request` set. ConnectError, ConnectTimeout and PoolTimeout mean that nothing was sent.
    """

    def __init__(
        self,
        *,
        max_connections: int = 1000,
        keepalive_expiry: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        max_buffer: int = 256 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_connections = max_connections
        self._keepalive_expiry = keepalive_expiry
        self._ssl_context = ssl_context
        self._max_buffer = max_buffer
        self._clock = clock
        self._pools: dict[tuple[str, bytes, int | None], Pool[Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request and returns the response when its head has arrived; its stream must be read or closed."""
        limits: Mapping[str, float | None] = request.extensions.get("timeout", _NO_LIMITS)
        idle = limits.get("read")
        try:
            outgoing = encode(request)
            pool = self._pool(request.url)
            fresh = False
            while True:
                connection = await pool.acquire(
                    pool_timeout=limits.get("pool"), connect_timeout=limits.get("connect"), fresh=fresh
                )
                try:
                    answer = await connection.exchange(
                        outgoing,
                        write_timeout=limits.get("write"),
                        first_byte_timeout=limits.get("first_byte", idle),
                    )
                    break
                except (httpx.ReadError, httpx.RemoteProtocolError):
                    if not connection.stale or outgoing.rest is not None:  # a fresh connection is never stale
                        raise
                    fresh = True
        except httpx.RequestError as error:
            error.request = request
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=AnswerStream(connection, answer, request, idle),
            extensions={"http_version": answer.version, "reason_phrase": answer.reason},
        )

    async def aclose(self) -> None:
        """Closes every connection at once; running requests fail with httpx.ReadError."""
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # the event loop closes aborted sockets in its next turn

    def check_valid(self) -> None:
        """Asserts the invariants of every pool."""
        for pool in self._pools.values():
            pool.check_valid()

    def _pool(self, url: httpx.URL) -> Pool[Connection]:
        origin = (url.scheme, url.raw_host, url.port)
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = self._new_pool(*origin)
        return pool

    def _new_pool(self, scheme: str, raw_host: bytes, port: int | None) -> Pool[Connection]:
        if scheme not in _PORTS or not raw_host:
            raise httpx.UnsupportedProtocol("The URL of an upstream starts with http:// or https:// and a host.")
        host = raw_host.decode("ascii")
        port = port or _PORTS[scheme]
        loop = asyncio.get_running_loop()

        async def connect(timeout: float | None) -> Connection:
            try:
                async with asyncio.timeout(timeout):
                    tls = await self._tls() if scheme == "https" else None
                    return await _open(host, port, tls)
            except TimeoutError as error:
                raise httpx.ConnectTimeout(f"No connection to {host}:{port} in time (limit: {timeout} s).") from error
            except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be encoded
                raise httpx.ConnectError(f"No connection to {host}:{port}: {error}.") from error

        async def _open(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
            connected = await dial(host, port)
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(pool, loop=loop, max_buffer=self._max_buffer),
                    sock=connected,
                    ssl=tls,
                    server_hostname=host if tls else None,
                )
            except BaseException:
                connected.close()
                raise
            return connection

        pool: Pool[Connection] = Pool(
            connect,
            limit=self._max_connections,
            expiry=self._keepalive_expiry,
            clock=self._clock,
            loop=loop,
        )
        return pool

    async def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:  # reading the authorities takes tens of milliseconds: not on the event loop
            self._ssl_context = await asyncio.to_thread(_default_ssl_context)
        return self._ssl_context


def _default_ssl_context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class AnswerStream(httpx.AsyncByteStream):
    """The body of a response: chunks as they arrive, joined when several have; read it once, from one task.

    Reading what has already arrived does not suspend. Dropped before its end, with or without `aclose`, it closes the
    connection.
    """

    def __init__(
        self, connection: Connection, answer: Answer, request: httpx.Request, idle_timeout: float | None
    ) -> None:
        self._connection = connection
        self._answer = answer
        self._request = request
        self._idle_timeout = idle_timeout

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        answer = self._answer
        while not answer.chunks:
            if answer.failure is not None:
                kind, message = answer.failure
                raise kind(message, request=self._request)
            if answer.over:
                raise StopAsyncIteration
            try:
                await self._connection.more(answer, self._idle_timeout)
            except httpx.RequestError as error:
                error.request = self._request
                raise
        return self._connection.take(answer)

    async def aclose(self) -> None:
        """Ends the exchange if it is still running; what was not read is lost."""
        self._connection.abandon(self._answer)

    def __del__(self) -> None:
        if not self._answer.over:
            self._connection.abandon_from_any_thread(self._answer)
