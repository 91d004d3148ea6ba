"""A scripted provider on a real socket, in a thread of its own; the model's name chooses what it does."""

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.support.native import ANSWERS, BODIES, STREAMS

CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]}\n\n'
WORD = CHUNK % b'{"index":0,"delta":{"content":"word "},"finish_reason":null}'
STOP = CHUNK % b'{"index":0,"delta":{},"finish_reason":"stop"}'
DONE = b"data: [DONE]\n\n"


class Upstream:
    """Knows `silent`, `half`, `endless`, `slow`, `refuse`, and answers every other model at once.

    `slow` streams until `finish` is set. It remembers when each connection was closed.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.heads: list[bytes] = []
        self.bodies: list[dict[str, Any]] = []
        self.closed_at: list[float] = []
        self.streaming = threading.Event()
        self.finish = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """The base URL for an OpenAI provider."""
        return f"http://127.0.0.1:{self.port}/v1"

    def wait_for_close(self, timeout: float) -> float:
        """Return when the first connection was closed by the gateway; fails after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.closed_at:
            assert time.monotonic() < deadline, "the gateway never closed its connection"
            time.sleep(0.002)
        return self.closed_at[0]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(fields[b"content-length"])))
                self.heads.append(head)
                self.bodies.append(body)
                await self.answer(path, body["model"], bool(body.get("stream")), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed_at.append(time.monotonic())
            writer.close()

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        if model == "silent":
            await reader.readexactly(1)
        if model == "refuse":
            answer = b'{"error":{"message":"overloaded","type":"server_error","param":null,"code":null}}'
            writer.write(head_of(503, b"application/json", len(answer)) + answer)
        elif stream:
            writer.write(head_of(200, b"text/event-stream", None) + piece_of(WORD))
            self.streaming.set()
            if model == "half":
                await writer.drain()
                writer.transport.abort()
                raise ConnectionResetError
            if model in ("endless", "slow"):
                leaving = asyncio.create_task(reader.read(1))
                while not leaving.done() and not (model == "slow" and self.finish.is_set()):
                    writer.write(piece_of(WORD))
                    await asyncio.wait([leaving], timeout=0.01)
                if leaving.done():
                    raise ConnectionResetError
                leaving.cancel()
                # Until it has ended, nobody else may read.
                await asyncio.wait([leaving])
            usage = b'"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}'
            asked = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],%s}\n\n'
            writer.write(piece_of(STOP) + piece_of(asked % usage) + piece_of(DONE) + b"0\r\n\r\n")
        else:
            answer = json.dumps(
                {
                    "id": "c",
                    "object": "chat.completion",
                    "created": 1,
                    "model": model,
                    "choices": [
                        {"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}
                    ],
                    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
                }
            ).encode()
            writer.write(head_of(200, b"application/json", len(answer)) + answer)
        await writer.drain()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._listening.wait(10)

    def stop(self) -> None:
        """Stop listening and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


def head_of(status: int, kind: bytes, length: int | None) -> bytes:
    """The head of a response; one without a length comes in pieces."""
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    return b"HTTP/1.1 %d X\r\ncontent-type: %s\r\n%s\r\n\r\n" % (status, kind, framing)


def piece_of(data: bytes) -> bytes:
    """One piece of a response without a length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Speaker(Upstream):
    """A provider of all protocols; behind its last slash, the model's name is that of an answer of `native.ANSWERS`.

    Before it, `cut` breaks the stream off in its middle and closes the connection, and `overloaded` refuses.
    """

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer as the service of that path would."""
        how, _, name = model.rpartition("/")
        protocol = {"/v1/chat/completions": "chat", "/v1/messages": "messages", "/v1/responses": "responses"}[path]
        if how.endswith("overloaded"):
            status, kind = (529, "overloaded_error") if protocol == "messages" else (503, "server_error")
            answer = json.dumps({"type": "error", "error": {"type": kind, "message": "overloaded"}}).encode()
            writer.write(head_of(status, b"application/json", len(answer)) + answer)
        elif stream:
            wire = STREAMS[protocol](ANSWERS[name])
            writer.write(head_of(200, b"text/event-stream", None))
            size = len(wire) * 3 // 5 if how.endswith("cut") else len(wire)
            for start in range(0, size, 97):
                writer.write(piece_of(wire[start : min(start + 97, size)]))
                await writer.drain()
            if size < len(wire):
                raise ConnectionResetError
            writer.write(b"0\r\n\r\n")
        else:
            answer = BODIES[protocol](ANSWERS[name])
            writer.write(head_of(200, b"application/json", len(answer)) + answer)
        await writer.drain()


U = TypeVar("U", bound=Upstream)


@contextmanager
def running_upstream(kind: Callable[[], U] = Upstream) -> Iterator[U]:  # type: ignore[assignment]
    """A provider for as long as the context is open."""
    upstream = kind()
    upstream.start()
    try:
        yield upstream
    finally:
        upstream.stop()


def unused_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
