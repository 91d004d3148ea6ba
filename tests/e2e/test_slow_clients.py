"""Clients that are slow to say what they want, on purpose or not."""

import asyncio
import contextlib
import json
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.process import PATIENCE_S, running_gateway

ECHO = b'{"model":"echo","messages":[{"role":"user","content":"one two three"}]}'
POST = b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
CHAT, MESSAGES = b"/v1/chat/completions", b"/v1/messages"
HEALTH = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"

# What a client sends at once, and then again and again.
SLOW_HEADS = {
    "says nothing": (b"", b""),
    "begins a head": (b"POST /v1/cha", b""),
    "begins what could be HTTP/2": (b"PRI * HTT", b""),
    "drips a head": (b"GET /health HTTP/1.1\r\nhost: a\r\n", b"x-a: b\r\n"),
    "is idle after an answer": (HEALTH, b""),
    "drips a second head": (HEALTH + b"GET /health HTTP/1.1\r\nhost: a\r\n", b"x-a: b\r\n"),
}
SLOW_BODIES = {
    "sends no body": (POST % (CHAT, 100), b""),
    "stops in its body": (POST % (MESSAGES, 100) + b"{", b""),
    "drips its body": (POST % (CHAT, 100_000) + b"{", b"x"),
}


async def everything_from(port: int, first: bytes, drip: bytes = b"") -> bytes:
    """All that a client gets until the gateway closes its connection, which it must."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)

    async def go_on() -> None:
        with contextlib.suppress(ConnectionError):
            while drip:
                await asyncio.sleep(0.1)
                writer.write(drip)
                await writer.drain()

    dripping = asyncio.create_task(go_on())
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    finally:
        dripping.cancel()
        writer.close()


async def beside(port: int, slow: int) -> tuple[dict[str, bytes], bytes]:
    """What each slow client gets, and one that is not slow while `slow` others hold a connection each."""
    holders = [await asyncio.open_connection("127.0.0.1", port) for _ in range(slow)]
    for _, writer in holders:
        writer.write(b"P")
    answer = await everything_from(
        port, (POST % (CHAT, len(ECHO))).replace(b"host", b"connection: close\r\nhost") + ECHO
    )
    cases = SLOW_HEADS | SLOW_BODIES
    answers = await asyncio.gather(*(everything_from(port, *case) for case in cases.values()))
    async with asyncio.timeout(PATIENCE_S):
        for reader, _ in holders:
            assert await reader.read() == b""
    for _, writer in holders:
        writer.close()
    return dict(zip(cases, answers, strict=True)), answer


def test_slow_clients_are_let_go_and_disturb_nobody(tmp_path: Path):
    """A slow head is closed, a slow body gets a 408 in the client's envelope and is closed; others are served."""
    limits = "[timeouts]\nrequest_head = 1\nrequest_idle = 0.5\nrequest_body = 1.5\n"
    with running_gateway(tmp_path, limits) as gateway:
        port = urlsplit(gateway.address).port
        assert port is not None
        answers, answer = asyncio.run(beside(port, slow=300))
        settled = gateway.settled()
        lines = gateway.request_lines()
    assert b"one two three" in answer
    assert {name for name in SLOW_HEADS if answers[name]} == {"is idle after an answer", "drips a second head"}
    for name in SLOW_BODIES:
        head, _, body = answers[name].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in head
        assert "request body" in json.loads(body)["error"]["message"]
        assert ("type" in json.loads(body)) == (name == "stops in its body"), "the envelope is the client's"
    assert settled["lifetime"]["outcomes"]["validation"] == len(SLOW_BODIES)
    assert [line["status"] for line in lines if line["outcome"] == "validation"] == [408] * len(SLOW_BODIES)
