"""Reading a request body, bounded."""

from litestar.types import Receive

from gateway.errors import BodyTooLarge


class ClientLeft(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


async def read_body(receive: Receive, declared_length: int, limit: int) -> bytes:
    """Return the whole body.

    `declared_length` is the content-length in bytes, or 0 if that does not tell where the body ends. A body that says
    it is too long is refused before it is read, and one that is there is not asked for its end: each question wakes
    threads of the server. Raises BodyTooLarge above `limit` bytes, and ClientLeft.
    """
    if declared_length > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientLeft
        part = message["body"]
        if part:
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _too_large(limit)
        if not message["more_body"] or size == declared_length > 0:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is longer than {limit:,} bytes, the limit of server.max_body_mb.")
