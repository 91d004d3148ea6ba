"""Reading a request body, bounded."""

from litestar.types import Receive

from gateway.errors import BodyTooLarge


class ClientLeft(Exception):
    """The client went away before its request was complete; there is nobody to answer."""


async def read_body(receive: Receive, declared_length: int, limit: int, *, ends_by_length: bool) -> bytes:
    """Return the whole body.

    `declared_length` is the content-length in bytes, 0 if there is none: a body that says it is too long is refused
    before it is read. With `ends_by_length` a body that is there is not asked for its end, because each question wakes
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
        if not message["more_body"] or (ends_by_length and size == declared_length):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is longer than {limit:,} bytes, the limit of server.max_body_mb.")
