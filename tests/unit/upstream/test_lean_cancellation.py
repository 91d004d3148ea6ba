"""Cancellation at every stage of a request leaves nothing behind."""

import asyncio
import os
from typing import Any

import httpx
import pytest

from gateway.upstream.lean import LeanTransport

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"


async def ask(transport: LeanTransport, url: str, progress: asyncio.Event | None = None) -> None:
    request = httpx.Request("POST", url, content=b"x" * 100)
    response = await transport.handle_async_request(request)
    async for _ in response.stream:  # type: ignore[union-attr]
        if progress is not None:
            progress.set()


async def stream_or_stay_silent(peer: Any) -> None:
    request = await peer.request()
    if b"/stream" in request:
        await peer.send(STREAM)
    await peer.until_closed()


async def test_request_that_waits_for_its_head_closes_its_socket(serve: Any) -> None:
    """The upstream sees the end although it never answered."""
    arrived = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    server = await serve(script)
    async with LeanTransport() as lean:
        task = asyncio.ensure_future(ask(lean, server.url))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_ended()
        lean.check_valid()


async def test_request_within_its_body_closes_its_socket(serve: Any) -> None:
    """The upstream sees the end in the middle of its stream."""
    server = await serve(stream_or_stay_silent)
    async with LeanTransport() as lean:
        progress = asyncio.Event()
        task = asyncio.ensure_future(ask(lean, f"{server.url}/stream", progress))
        await progress.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.all_ended()
        lean.check_valid()


async def test_request_that_cannot_write_closes_its_socket(serve: Any) -> None:
    """A long upload into a server that does not read can be cancelled."""
    connected = asyncio.Event()

    async def script(peer: Any) -> None:
        peer.writer.transport.pause_reading()
        connected.set()
        await released.wait()
        peer.writer.transport.resume_reading()
        await peer.until_closed()

    released = asyncio.Event()
    server = await serve(script)
    async with LeanTransport() as lean:
        request = httpx.Request("POST", server.url, content=bytes(32 * 1024 * 1024))
        task = asyncio.ensure_future(lean.handle_async_request(request))
        await connected.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        lean.check_valid()
        released.set()
        await server.all_ended()


@pytest.mark.parametrize("path", ["silent", "stream"])
async def test_hundreds_of_cancels_leave_no_socket_task_or_place(serve: Any, path: str) -> None:
    """Cancelled while waiting for a place, connecting, waiting for the head or within the body, nothing is left."""
    arrived = asyncio.Event()

    async def script(peer: Any) -> None:
        arrived.set()
        await stream_or_stay_silent(peer)

    server = await serve(script)
    tasks_before = len(asyncio.all_tasks())
    sockets_before = len(os.listdir("/proc/self/fd"))
    async with LeanTransport(max_connections=40) as lean:
        for batch in range(10):  # 2,000 cancels over the four cases
            arrived.clear()
            progress = asyncio.Event() if path == "stream" else arrived
            tasks = [asyncio.ensure_future(ask(lean, f"{server.url}/{path}", progress)) for _ in range(50)]
            if batch % 2:  # some requests have come far, while ten still wait for a place
                await progress.wait()
            for task in tasks:  # a few in each turn, so that every stage is met
                if tasks.index(task) % (1 + batch // 2) == 0:
                    await asyncio.sleep(0)
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results)
            lean.check_valid()
        assert all(pool.in_use == 0 for pool in lean._pools.values())
    async with asyncio.timeout(5):  # the server's sides of the sockets close when it has seen the ends
        while len(asyncio.all_tasks()) > tasks_before or len(os.listdir("/proc/self/fd")) > sockets_before:
            await asyncio.sleep(0)
