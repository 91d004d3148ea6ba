"""What a worker puts around its application."""

from typing import Any

import pytest

from gateway.serving.worker import Leaving


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application with a header of its own."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize(
    ("version", "is_leaving", "asks"),
    [("1.1", False, False), ("1.1", True, True), ("1.0", True, True), ("2", True, False)],
)
async def test_a_worker_that_leaves_asks_its_clients_for_another_connection(
    version: str, is_leaving: bool, asks: bool
) -> None:
    """In HTTP/1, once it leaves; its own headers stay as they are."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = Leaving(answer)
    app.is_leaving = is_leaving
    scope: Any = {"type": "http", "http_version": version}
    await app(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["headers"] == [(b"x-a", b"b"), *([(b"connection", b"close")] if asks else [])]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
