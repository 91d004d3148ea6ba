"""The least that Python behind Granian can do: read the body, answer with prepared bytes."""

from functools import cache
from typing import Any

from benchmarks.peers.upstream import KIND, bursts, plain_answer


@cache
def body_of(path: str) -> bytes:
    """The body of a plain answer."""
    return plain_answer(path).partition(b"\r\n\r\n")[2]


@cache
def parts_of(path: str, events: int) -> list[bytes]:
    """The bursts of a stream, without the framing of HTTP."""
    whole = b"".join(bursts(path, events)).partition(b"\r\n\r\n")[2]
    parts = []
    while whole:
        size, _, rest = whole.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        whole = rest[int(size, 16) + 2 :]
    return parts[:-1]


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] != "http":
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    at = body.find(b"-stream-")
    if at < 0:
        content = body_of(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})
        return
    found = KIND.match(body, at)
    assert found
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for part in parts_of(scope["path"], int(found[2])):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
