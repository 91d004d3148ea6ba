"""The synthetic provider: chat completions whose text, pace and end the request itself scripts.

It makes no attempt to be quick or complete: one request a connection, and no more of HTTP than the gateway sends.
"""

import asyncio
import re
from typing import Any, Final

import msgspec

from gateway.demo.script import Script, read

_TEXT: Final = (
    "This is a synthetic answer. No model has written it and nothing in it is meant: "
    "it is here so that the charts have something to show."
)
_TEXT_WORDS: Final = _TEXT.split()
# Words a piece: fewer events for the same text. A token is a word, as for echo.
_WORDS: Final = 3
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEADS: Final = {
    "text/event-stream": b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n",
    "application/json": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
}
_REFUSALS: Final = {"failed": (500, "Internal Server Error"), "overloaded": (503, "Service Unavailable")}


class _Message(msgspec.Struct):
    content: Any = None

    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(str(part.get("text", "")) for part in self.content if isinstance(part, dict))
        return str(self.content or "")


class _Request(msgspec.Struct):
    model: str
    messages: list[_Message]
    stream: bool | None = None


_decoder = msgspec.json.Decoder(_Request)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the one request of a connection; a gateway that goes away ends it at any point."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"POST "):
            await _write_body(writer, b'{"object": "list", "data": []}')
            return
        request = _decoder.decode(body)
        talk = asyncio.create_task(_talk(writer, request, read([message.text() for message in request.messages])))
        # A silent answer writes nothing, so only the end of what is read tells that nobody waits any more.
        gone = asyncio.create_task(reader.read())
        gone.add_done_callback(lambda _: talk.cancel())
        await asyncio.wait((talk, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        await talk
    except (asyncio.IncompleteReadError, ConnectionError):
        # The gateway has gone in the middle of it.
        return
    finally:
        writer.close()


async def _talk(writer: asyncio.StreamWriter, request: _Request, script: Script) -> None:
    await asyncio.sleep(script.first_s)
    if script.ending == "silent":
        await asyncio.Event().wait()
    if script.ending in _REFUSALS:
        status, reason = _REFUSALS[script.ending]
        message = f"A synthetic failure: {reason.lower()}."
        body = msgspec.json.encode({"error": {"message": message, "type": "server_error", "code": None}})
        await _write_body(writer, body, f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n".encode())
    elif request.stream:
        await _write_stream(writer, request.model, script)
    else:
        await asyncio.sleep(script.pieces * script.pause_s)
        await _write_body(writer, _plain(request.model, script), broken=script.ending == "broken")


async def _write_body(
    writer: asyncio.StreamWriter, body: bytes, head: bytes = _HEADS["application/json"], *, broken: bool = False
) -> None:
    writer.write(b"%bcontent-length: %d\r\nconnection: close\r\n\r\n" % (head, len(body)))
    writer.write(body[: len(body) // 2] if broken else body)
    await writer.drain()


async def _write_stream(writer: asyncio.StreamWriter, model: str, script: Script) -> None:
    writer.write(_HEADS["text/event-stream"] + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n")
    last = script.pieces // 2 if script.ending == "broken" else script.pieces
    for number in range(last):
        delta = {"content": _piece(number)} if number else {"role": "assistant", "content": _piece(0)}
        _write_event(writer, _frame(model, "chat.completion.chunk", delta=delta, finish_reason=None))
        await writer.drain()
        await asyncio.sleep(script.pause_s)
    if script.ending == "broken":
        return
    _write_event(writer, _frame(model, "chat.completion.chunk", delta={}, finish_reason="stop"))
    _write_event(writer, _frame(model, "chat.completion.chunk", usage=_usage(script)))
    _write_event(writer, b"[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _write_event(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\ndata: %b\n\n\r\n" % (len(data) + 8, data))


def _plain(model: str, script: Script) -> bytes:
    text = "".join(_piece(number) for number in range(script.pieces))
    message = {"role": "assistant", "content": text}
    return _frame(model, "chat.completion", usage=_usage(script), message=message, finish_reason="stop")


def _frame(model: str, kind: str, *, usage: dict[str, int] | None = None, **choice: Any) -> bytes:
    choices = [{"index": 0, **choice}] if choice else []
    frame: dict[str, Any] = {"id": "chatcmpl-synthetic", "object": kind, "created": 0, "model": model}
    return msgspec.json.encode(frame | {"choices": choices} | ({"usage": usage} if usage else {}))


def _piece(number: int) -> str:
    words = (_TEXT_WORDS[(number * _WORDS + offset) % len(_TEXT_WORDS)] for offset in range(_WORDS))
    return " ".join(words) + " "


def _usage(script: Script) -> dict[str, int]:
    written = script.pieces * _WORDS
    return {
        "prompt_tokens": script.input_tokens,
        "completion_tokens": written,
        "total_tokens": script.input_tokens + written,
    }
