"""HTTP/2 clients, which the port serves too if it is told to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.support.process import running_gateway

BODY = b'{"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}'


async def pieces() -> AsyncIterator[bytes]:
    """The body in two pieces, whose end comes apart from them."""
    for piece in (BODY[:20], BODY[20:]):
        yield piece
        await asyncio.sleep(0)


async def statuses(url: str) -> list[int]:
    """What many requests at a time over one connection are answered."""
    headers = {"content-type": "application/json", "content-length": str(len(BODY))}
    async with httpx.AsyncClient(http1=False, http2=True, timeout=30) as client:
        answers = await asyncio.gather(*(client.post(url, content=pieces(), headers=headers) for _ in range(100)))
    assert all("one two three" in answer.text for answer in answers)
    return [answer.status_code for answer in answers]


def test_no_stream_is_reset_though_its_end_comes_after_its_bytes(tmp_path: Path):
    """A body of a known length is complete before its stream ends; a client that is reset then gives up."""
    with running_gateway(tmp_path, "[server]\nhttp2 = true\n") as gateway:
        assert asyncio.run(statuses(f"{gateway.address}/v1/chat/completions")) == [200] * 100
