"""The scripted provider behind everybody: answers in either protocol with prepared bytes, as cheaply as Python can.

What to answer stands in the model's name: `*-plain`, or `*-stream-KIND-NUMBER`, where `burst` is NUMBER events written
three at a time, each burst in a turn of the event loop of its own, as a busy provider does; `paced` is NUMBER events,
5 ms apart, each with the time at which it was written; `held` is an event now and one every 5 s for at most 3 minutes.

usage: python -m benchmarks.peers.upstream PORT
"""

import asyncio
import json
import re
import sys
import time
from functools import cache
from typing import Any

import httptools
import uvloop

from benchmarks.peers.cases import MESSAGES, TEXT

BURST = 3
PACE_S, HOLD_S, HOLD_TIMES = 0.005, 5.0, 36
KIND = re.compile(rb"-stream-([a-z]+)-(\d+)")
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
USAGE = {"prompt_tokens": 200, "completion_tokens": 100, "total_tokens": 300}


def chat_event(**members: Any) -> bytes:
    """A chunk of a streamed chat completion."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench", **members}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chat_word(text: str) -> bytes:
    """A chunk with a piece of text."""
    return chat_event(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}], usage=None)


def messages_event(kind: str, **members: Any) -> bytes:
    """An event of a streamed message."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def messages_word(text: str) -> bytes:
    """An event with a piece of text."""
    return messages_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def message(content: list[dict[str, str]], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
    """A message as Anthropic's API has it."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "bench",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 200, "output_tokens": output_tokens},
    }


@cache
def plain_answer(path: str) -> bytes:
    """A whole response that is not a stream."""
    if path == MESSAGES:
        members = message([{"type": "text", "text": TEXT}], "end_turn", 100)
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        members = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "bench",
            "choices": [choice],
            "usage": USAGE,
        }
    body = json.dumps(members).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body


@cache
def beginning(path: str) -> list[bytes]:
    """The events before the text."""
    if path == MESSAGES:
        return [
            messages_event("message_start", message=message([], None, 1)),
            messages_event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        ]
    delta = {"role": "assistant", "content": ""}
    return [chat_event(choices=[{"index": 0, "delta": delta, "finish_reason": None}], usage=None)]


@cache
def ending(path: str) -> list[bytes]:
    """The events after the text."""
    if path == MESSAGES:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            messages_event("content_block_stop", index=0),
            messages_event("message_delta", delta=delta, usage={"output_tokens": 100}),
            messages_event("message_stop"),
        ]
    return [
        chat_event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None),
        chat_event(choices=[], usage=USAGE),
        b"data: [DONE]\n\n",
    ]


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@cache
def bursts(path: str, events: int) -> list[bytes]:
    """The chunks of a stream of that many events."""
    word = messages_word if path == MESSAGES else chat_word
    before, after = beginning(path), ending(path)
    words = [word(f" word{number}") for number in range(events - len(before) - len(after))]
    whole = [*before, *words, *after]
    chunks = [chunk(b"".join(whole[start : start + BURST])) for start in range(0, len(whole), BURST)]
    return [STREAM_HEAD + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n"]


class Upstream(asyncio.Protocol):
    """A connection of the provider."""

    def connection_made(self, transport: Any) -> None:
        """Start a parser for the connection."""
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.loop = asyncio.get_running_loop()
        self.body: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Note the path without its query."""
        self.path = url.partition(b"?")[0].decode()

    def on_body(self, data: bytes) -> None:
        """Collect the body."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """Answer."""
        body = b"".join(self.body)
        self.body.clear()
        at = body.find(b"-stream-")
        if at < 0:
            self.transport.write(plain_answer(self.path))
            return
        found = KIND.match(body, at)
        assert found, "the model's name does not tell what to answer"
        kind, number = found[1], int(found[2])
        if kind == b"burst":
            self.write_burst(iter(bursts(self.path, number)))
            return
        self.transport.write(STREAM_HEAD + b"".join(map(chunk, beginning(self.path))))
        pause, times = (PACE_S, number) if kind == b"paced" else (HOLD_S, HOLD_TIMES)
        self.loop.call_later(pause, self.write_timed, pause, times)
        if kind == b"held":
            self.write_word()

    def write_burst(self, left: Any) -> None:
        """Write a burst of events as one chunk, and the next one in the next turn."""
        data = next(left, None)
        if data is not None and not self.transport.is_closing():
            self.transport.write(data)
            self.loop.call_soon(self.write_burst, left)

    def write_word(self) -> None:
        """Write an event whose text is the present time in nanoseconds."""
        word = messages_word if self.path == MESSAGES else chat_word
        self.transport.write(chunk(word(f"t{time.monotonic_ns()} word1")))

    def write_timed(self, pause: float, left: int) -> None:
        """Write an event after each pause, and the end."""
        if self.transport.is_closing():
            return
        self.write_word()
        if left > 1:
            self.loop.call_later(pause, self.write_timed, pause, left - 1)
        else:
            self.transport.write(b"".join(map(chunk, ending(self.path))) + b"0\r\n\r\n")


async def serve(port: int) -> None:
    """Be the upstream until ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
