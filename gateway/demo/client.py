"""The synthetic clients: each opens a connection, sends one request, reads what comes, and may go away before the end.

What the answer says is the gateway's business and its own counts tell of it, so nothing here looks at it.
"""

import asyncio
from typing import Any, Final

import msgspec

from gateway.demo.script import written
from gateway.demo.traffic import Ask

_PATHS: Final = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
_READ_BYTES: Final = 65_536
# Nothing that is asked for takes as long.
_PATIENCE_S: Final = 60.0
_READY_S: Final = 0.1


async def until_ready(host: str, port: int) -> None:
    """Wait until the gateway takes requests."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_READY_S)
            continue
        try:
            writer.write(b"GET /health/ready HTTP/1.1\r\nhost: demo\r\nconnection: close\r\n\r\n")
            answer = await reader.readline()
        except OSError:
            answer = b""
        finally:
            writer.transport.abort()
        if b" 200 " in answer:
            return
        await asyncio.sleep(_READY_S)


async def send(ask: Ask, host: str, port: int) -> None:
    """Send one request and read the answer to its end, or for as long as the client stays."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        # The gateway replaces its workers, or ends: this client goes without.
        return
    try:
        async with asyncio.timeout(ask.leaves_after_s or _PATIENCE_S):
            writer.write(_encoded(ask))
            while await reader.read(_READ_BYTES):
                pass
    except (TimeoutError, ConnectionError):
        # The client has gone, or the gateway has.
        return
    finally:
        writer.transport.abort()


def _encoded(ask: Ask) -> bytes:
    body = msgspec.json.encode(_body(ask))
    head = (
        f"POST {_PATHS[ask.protocol]} HTTP/1.1\r\nhost: demo\r\nuser-agent: gateway-demo (synthetic)\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def _body(ask: Ask) -> dict[str, Any]:
    body: dict[str, Any] = {"model": ask.model, "stream": ask.stream}
    if ask.protocol == "messages":
        body["max_tokens"] = 4096
    if ask.fault != "no messages":
        message = {"role": "user", "content": written(ask.script)}
        body["input" if ask.protocol == "responses" else "messages"] = [message]
    return body
