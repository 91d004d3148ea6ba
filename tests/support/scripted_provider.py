"""A provider of both protocols on a real socket, in the caller's event loop; each request brings its own script."""

import asyncio
import contextlib
import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Literal, Self

Protocol = Literal["chat", "messages"]
PATHS: dict[Protocol, str] = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and that nobody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


async def read_head(reader: asyncio.StreamReader) -> tuple[bytes, dict[bytes, bytes]]:
    """The start line and the headers of a message."""
    start, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    return start, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}


async def read_body(reader: asyncio.StreamReader, headers: Mapping[bytes, bytes]) -> bytes:
    """The body of a message, whose end must come."""
    if b"content-length" in headers:
        return await reader.readexactly(int(headers[b"content-length"]))
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(chunks)


class SocketProvider(ABC):
    """Takes connections on a free port of this machine, and cuts those that are left at the end."""

    def __init__(self) -> None:
        self.port = 0
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Serve for as long as the context is open."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._connections.values():
                writer.transport.abort()
            if self._connections:
                await asyncio.wait(self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, and close it."""


class ScriptedProvider(SocketProvider):
    """A provider of both protocols; each request brings the script of its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._arrivals: dict[int, asyncio.Future[None]] = {}
        self._refused: set[int] = set()

    def arrival(self, number: int) -> "asyncio.Future[None]":
        """Done when the request has arrived and will never be answered."""
        return self._arrivals.setdefault(number, asyncio.get_running_loop().create_future())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The gateway closes idle connections, and those of answers that it does not want to the end.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            keep = True
            while keep:
                start, headers = await read_head(reader)
                body = json.loads(await read_body(reader, headers))
                answer = _Answer(PATHS["messages"].encode() in start, body, reader, writer)
                keep = await self._run(answer)
        writer.close()

    async def _run(self, answer: "_Answer") -> bool:
        name = answer.name
        if name in ("silent", "leaves waiting"):
            # A second time where the gateway may ask another target.
            if not self.arrival(answer.number).done():
                self.arrival(answer.number).set_result(None)
            await answer.reader.read(1)
            return False
        await asyncio.sleep(answer.delay_s)
        if name == "busy" or (name == "retried" and answer.number not in self._refused):
            self._refused.add(answer.number)
            answer.send_plain(503, b'{"error":{"message":"overloaded","type":"server_error"}}')
        elif answer.stream:
            return await answer.send_stream()
        elif name == "reset":
            answer.reset()
            return False
        else:
            answer.send_plain(200, answer.whole())
        return True


class _Answer:
    """One answer of the scripted provider, in the protocol of its request."""

    def __init__(
        self, messages: bool, body: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        script = body["metadata"]
        self.reader = reader
        self.name: str = script["name"]
        self.number: int = script["number"]
        self.delay_s: float = script["delay_s"]
        self.stream: bool = body["stream"]
        self._messages = messages
        self._asked = bool((body.get("stream_options") or {}).get("include_usage"))
        self._input: list[int] = script["input"]
        self._output: int = script["output"]
        self._writer = writer

    def whole(self) -> bytes:
        """The body of a plain answer."""
        if self._messages:
            return json.dumps({"type": "message", "content": [], "usage": self._usage(self._output)}).encode()
        return json.dumps({"object": "chat.completion", "choices": [], "usage": self._usage(self._output)}).encode()

    def send_plain(self, status: int, body: bytes) -> None:
        """The answer in one piece."""
        self._writer.write(self._head(status, b"application/json", b"content-length: %d" % len(body)) + body)

    def reset(self) -> None:
        """Half the answer, then a reset."""
        body = self.whole()
        head = self._head(200, b"application/json", b"content-length: %d" % len(body))
        self._writer.write(head + body[: len(body) // 2])
        connection: socket.socket = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def send_stream(self) -> bool:
        """The events that the script wants and what comes behind them; False if the connection is of no more use."""
        events = self._messages_events() if self._messages else self._chat_events()
        parts = {
            "cut": ("opening", "torn"),
            "error": ("opening", "error"),
            "unended": ("opening", "usage"),
            "stalled": ("opening",),
            "leaves streaming": ("opening",),
        }.get(self.name, ("opening", "finish", "usage", "end"))
        data = b"".join(events[part] for part in parts)
        # Cut at a place that has nothing to do with the events.
        middle = self.number % len(data)
        self._writer.write(self._head(200, b"text/event-stream", b"transfer-encoding: chunked"))
        self._writer.write(_chunk(data[:middle]))
        await asyncio.sleep(self.delay_s / 4)
        self._writer.write(_chunk(data[middle:]))
        match self.name:
            case "cut":
                return False
            case "stalled":
                await self.reader.read(1)
                return False
            case "leaves streaming":
                while not (self.reader.at_eof() or self.reader.exception()):
                    self._writer.write(_chunk(events["word"]))
                    await asyncio.sleep(0.02)
                return False
        self._writer.write(b"0\r\n\r\n")
        return True

    def _head(self, status: int, kind: bytes, framing: bytes) -> bytes:
        # Some providers send a request id, which the gateway then makes its own, and some do not.
        name = b"request-id" if self._messages else b"x-request-id"
        request_id = b"%b: up_%d\r\n" % (name, self.number) if self.number % 2 else b""
        return b"HTTP/1.1 %d X\r\ncontent-type: %b\r\n%b%b\r\n\r\n" % (status, kind, request_id, framing)

    def _usage(self, output: int) -> dict[str, int]:
        uncached, written, read = self._input
        if not self._messages:
            return {"prompt_tokens": uncached + written + read, "completion_tokens": output}
        return {
            "input_tokens": uncached,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "output_tokens": output,
        }

    def _chat_events(self) -> dict[str, bytes]:
        word = _event({"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]})
        return {
            "opening": word,
            "word": word,
            "finish": _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
            "usage": _event({"choices": [], "usage": self._usage(self._output)}) if self._asked else b"",
            "end": b"data: [DONE]\n\n",
            "error": _event({"error": {"message": "overloaded", "type": "server_error"}}),
            "torn": word[: len(word) // 2],
        }

    def _messages_events(self) -> dict[str, bytes]:
        word = _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}})
        return {
            "opening": _event({"type": "message_start", "message": {"usage": self._usage(1)}}) + word,
            "word": word,
            "finish": _event({"type": "content_block_stop", "index": 0}),
            "usage": _event(
                {"type": "message_delta", "delta": {"stop_reason": "end"}, "usage": {"output_tokens": self._output}}
            ),
            "end": _event({"type": "message_stop"}),
            "error": _event({"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}),
            "torn": word[: len(word) // 2],
        }


def _event(data: Mapping[str, Any]) -> bytes:
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
