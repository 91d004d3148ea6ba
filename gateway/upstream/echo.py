"""The built-in provider: it streams the last user message back, word by word, in chat completions or in messages.

It stands behind the same transport seam as every other provider, so a request to it takes the whole road of a real
one. A token is a word: the input counts the words of all messages, the output the words that come back, which are no
more than the limit of the request.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import msgspec

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.anthropic_tokens import COUNT_TOKENS
from gateway.protocol.dialect import Dialect
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.sse import encode_event
from gateway.protocol.wire import Limit

_JSON_HEADERS = [(b"content-type", b"application/json")]
_SSE_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


_SPOKEN: tuple[Dialect, ...] = (CHAT, MESSAGES, COUNT_TOKENS)


class _Message(msgspec.Struct):
    role: str = "user"
    content: str | list[dict[str, Any]] | None = None

    def text(self) -> str:
        if isinstance(self.content, list):
            texts = (part.get("text") for part in self.content)
            return " ".join(text for text in texts if isinstance(text, str))
        return self.content or ""


class _Request(msgspec.Struct):
    model: str
    messages: list[_Message]
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None

    def words(self) -> tuple[list[str], bool]:
        """The last user message, cut into words that keep the space before them; and whether the limit has cut it."""
        spoken = [message.text() for message in self.messages if message.role == "user"]
        words = (spoken[-1] if spoken else "").split()
        told = words[: self.max_completion_tokens or self.max_tokens]
        return [word if index == 0 else f" {word}" for index, word in enumerate(told)], len(told) < len(words)

    def input_tokens(self) -> int:
        system = _Message(content=self.system)
        return sum(len(message.text().split()) for message in [system, *self.messages])


_request_decoder = msgspec.json.Decoder(_Request)


class EchoTransport(httpx.AsyncBaseTransport):
    """Answers chat completions, messages and counts of tokens by itself.

    `clock` gives Unix seconds for the `created` member; `word_delay_s` slows a stream down to the pace of a model.
    """

    def __init__(self, *, clock: Callable[[], float], word_delay_s: float = 0.0) -> None:
        self._clock = clock
        self._word_delay_s = word_delay_s
        self._numbers = itertools.count(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the echo, or a 400 in the protocol of the path."""
        dialect = next(spoken for spoken in _SPOKEN if request.url.path.endswith(spoken.upstream_path))
        try:
            asked = _request_decoder.decode(await request.aread())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            number = f"req_echo_{next(self._numbers)}"
            body = dialect.error_body(400, f"The echo provider cannot read the request: {error}.", request_id=number)
            headers = [*_JSON_HEADERS, *dialect.request_id_headers(number)]
            return httpx.Response(400, headers=headers, stream=httpx.ByteStream(body))
        if dialect is COUNT_TOKENS:
            counted = msgspec.json.encode({"input_tokens": asked.input_tokens()})
            return httpx.Response(200, headers=_JSON_HEADERS, stream=httpx.ByteStream(counted))
        speak = _speak_messages if dialect is MESSAGES else _speak_chat
        answer = speak(asked, f"echo-{next(self._numbers)}", int(self._clock()))
        if asked.stream:
            return httpx.Response(200, headers=_SSE_HEADERS, stream=_Paced(answer.events(), self._word_delay_s))
        return httpx.Response(200, headers=_JSON_HEADERS, stream=httpx.ByteStream(answer.body()))


class _Paced(httpx.AsyncByteStream):
    """Events one at a time; the loop is given back after each, so that one echo never holds up other requests."""

    def __init__(self, events: Iterator[bytes], delay_s: float) -> None:
        self._events = events
        self._delay_s = delay_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            yield event
            await asyncio.sleep(self._delay_s)


class _Answer(msgspec.Struct):
    """A whole answer and its events, in one protocol."""

    body: Callable[[], bytes]
    events: Callable[[], Iterator[bytes]]


def _speak_chat(asked: _Request, answer_id: str, created: int) -> _Answer:
    words, is_cut = asked.words()
    finish_reason = "length" if is_cut else "stop"
    inputs = asked.input_tokens()
    usage = {"prompt_tokens": inputs, "completion_tokens": len(words), "total_tokens": inputs + len(words)}
    wants_usage = bool((asked.stream_options or {}).get("include_usage"))

    def frame(kind: str, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return msgspec.json.encode(
            {"id": f"chatcmpl-{answer_id}", "object": kind, "created": created, "model": asked.model}
            | {"choices": choices}
            | more
        )

    def body() -> bytes:
        message = {"role": "assistant", "content": "".join(words), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        return frame("chat.completion", [choice], usage=usage)

    def events() -> Iterator[bytes]:
        unknown: dict[str, Any] = {"usage": None} if wants_usage else {}

        def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            return encode_event(frame("chat.completion.chunk", [choice], **unknown))

        yield chunk({"role": "assistant", "content": ""})
        for word in words:
            yield chunk({"content": word})
        yield chunk({}, finish_reason)
        if wants_usage:
            yield encode_event(frame("chat.completion.chunk", [], usage=usage))
        yield encode_event(b"[DONE]")

    return _Answer(body, events)


def _speak_messages(asked: _Request, answer_id: str, created: int) -> _Answer:
    words, is_cut = asked.words()
    stop_reason = "max_tokens" if is_cut else "end_turn"
    inputs = asked.input_tokens()

    def message(content: list[dict[str, Any]], stop_reason: str | None, output_tokens: int) -> dict[str, Any]:
        return {
            "id": f"msg_{answer_id}",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": {"input_tokens": inputs, "output_tokens": output_tokens},
        }

    def body() -> bytes:
        content = [{"type": "text", "text": "".join(words)}] if words else []
        return msgspec.json.encode(message(content, stop_reason, len(words)))

    def events() -> Iterator[bytes]:
        def event(name: str, **members: Any) -> bytes:
            return encode_event(msgspec.json.encode({"type": name} | members), name)

        yield event("message_start", message=message([], None, 0))
        if words:
            yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
            for word in words:
                yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
            yield event("content_block_stop", index=0)
        delta = {"stop_reason": stop_reason, "stop_sequence": None}
        yield event("message_delta", delta=delta, usage={"output_tokens": len(words)})
        yield event("message_stop")

    return _Answer(body, events)
