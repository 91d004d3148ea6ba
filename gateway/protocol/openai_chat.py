"""OpenAI chat completions: errors, usage and the end of a stream.

Protocol facts, as the official Python SDK shows them (`openai/_streaming.py`, `types/completion_usage.py`,
`types/shared/error_object.py`): a stream is `data:` lines that end with `data: [DONE]`; a chunk that has an `error`
member makes the SDK raise; the usage comes in a last chunk with no choices, and only if it was asked for.
"""

from typing import Any, ClassVar

import msgspec

from gateway.protocol.conversation import Origin
from gateway.protocol.dialect import Dialect, EventTap, StreamTap
from gateway.protocol.foreign import without_foreign_reasoning
from gateway.protocol.sse import encode_event, parse_event
from gateway.protocol.usage import Usage
from gateway.protocol.wire import decode_answer


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _CompletionUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def normalised(self) -> Usage:
        return Usage(self.prompt_tokens or 0, self.completion_tokens or 0)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _CompletionUsage | None = None
    error: Any = None
    object: Any = None


class _Error(msgspec.Struct):
    message: str


class _ErrorBody(msgspec.Struct):
    error: _Error


_error_decoder = msgspec.json.Decoder(_ErrorBody)
_chunk_decoder = msgspec.json.Decoder(_Chunk)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _decode(data: bytes) -> _Chunk | None:
    """Decode a chunk or a body; None for what the gateway cannot read, which is the client's to judge."""
    try:
        return _chunk_decoder.decode(data)
    except _UNREADABLE:
        return None


class ChatTap(EventTap):
    """A stream is complete after `[DONE]`, or, with servers that leave it out, after a finish reason."""

    __slots__ = ("_withhold_usage",)

    def __init__(self, *, withhold_usage: bool) -> None:
        super().__init__()
        self._withhold_usage = withhold_usage

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that `chunk` completes, less any that are withheld."""
        lines = self._splitter.lines(chunk)
        if lines is None:
            return super().feed(chunk)
        kept = [line for line in lines if self._note(line[6:] if line[:6] == b"data: " else parse_event(line).data)]
        return chunk if len(kept) == len(lines) else b"".join([line + b"\n\n" for line in kept])

    def observe(self, raw: bytes) -> bool:
        """Note usage, end and error; withhold the usage chunk if only the gateway asked for it."""
        return self._note(parse_event(raw).data)

    def _note(self, data: bytes) -> bool:
        try:
            chunk = _chunk_decoder.decode(data)
        except _UNREADABLE:
            # What begins like this is no JSON, so that it costs the events before it nothing.
            if data.startswith(b"[DONE]"):
                self.complete = self.ended = True
            return True
        if chunk.error or chunk.object == "error":
            self.failed = True
        for choice in chunk.choices or ():
            if choice.finish_reason:
                self.complete = True
        if chunk.usage is None:
            return True
        self.usage = chunk.usage.normalised()
        return not (self._withhold_usage and chunk.choices == [])

    def break_off(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return a chunk with an `error` member."""
        return CHAT.error_event(status, message, code=code, param=param)


# A status that is missing here has no type of its own: 4xx is the request's fault, 5xx the server's.
_TYPES = {429: "rate_limit_error", 403: "permission_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 413: "request_too_large", 504: "upstream_timeout"}


def _error(status: int, message: str, param: str | None, code: str | None) -> bytes:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": param, "code": code or _CODES.get(status)}}
    )


class OpenAIChat(Dialect):
    """`POST /v1/chat/completions`."""

    name: ClassVar[str] = "chat"
    upstream_path: ClassVar[str] = "/chat/completions"
    request_id_header: ClassVar[bytes] = b"x-request-id"

    def passed_on(self, body: bytes) -> bytes:
        """Return `body` without the reasoning that the gateway tells of providers of other protocols."""
        return without_foreign_reasoning(body, Origin.CHAT)

    def error_body(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, request_id: str = ""
    ) -> bytes:
        """Return `{"error": {"message", "type", "param", "code"}}`; the request id has its header only."""
        return _error(status, message, param, code)

    def is_error_body(self, body: bytes) -> bool:
        """Whether it has an `error` with a `message`, all else of which the SDK does without."""
        return decode_answer(_error_decoder, body) is not None

    def error_event(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return a chunk with an `error` member, on which the SDK raises."""
        return encode_event(_error(status, message, param, code))

    def tap(self, *, withhold_usage: bool) -> StreamTap:
        """Return a ChatTap."""
        return ChatTap(withhold_usage=withhold_usage)

    def usage_of(self, body: bytes) -> Usage | None:
        """Return prompt and completion tokens."""
        chunk = _decode(body)
        return chunk.usage.normalised() if chunk is not None and chunk.usage is not None else None

    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return `x-request-id`."""
        return [(b"x-request-id", request_id.encode())]


CHAT = OpenAIChat()
