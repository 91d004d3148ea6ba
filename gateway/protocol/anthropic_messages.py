"""Anthropic messages: errors, usage and the end of a stream.

Protocol facts, as the official Python SDK shows them (`anthropic/_streaming.py`, `types/message_delta_usage.py`,
`types/usage.py`, `types/shared/error_type.py`): the SDK dispatches on the `event:` line; `message_start` carries a
first usage, `message_delta` a cumulative one whose members replace those of the first; `input_tokens` excludes what
was read from or written to the cache; `message_stop` ends the stream, `event: error` breaks it.
"""

from typing import ClassVar, Literal

import msgspec

from gateway.protocol.conversation import Origin
from gateway.protocol.dialect import Dialect, EventTap, StreamTap
from gateway.protocol.failure import OVERLOADED
from gateway.protocol.foreign import without_foreign_reasoning
from gateway.protocol.sse import encode_event, parse_event
from gateway.protocol.usage import Usage
from gateway.protocol.wire import decode_answer


class _MessageUsage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None

    def merged_into(self, earlier: "_MessageUsage") -> "_MessageUsage":
        """Members that are present replace those of an earlier report; nothing is summed."""
        return _MessageUsage(
            *(
                later if later is not None else before
                for later, before in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(earlier), strict=True)
            )
        )

    def normalised(self) -> Usage:
        cached = (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)
        return Usage((self.input_tokens or 0) + cached, self.output_tokens or 0)


class _Message(msgspec.Struct):
    usage: _MessageUsage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    usage: _MessageUsage | None = None


class _Error(msgspec.Struct):
    type: str
    message: str


class _ErrorBody(msgspec.Struct):
    type: Literal["error"]
    error: _Error


_error_decoder = msgspec.json.Decoder(_ErrorBody)
_event_decoder = msgspec.json.Decoder(_Event)
_message_decoder = msgspec.json.Decoder(_Message)


class MessagesTap(EventTap):
    """A stream is complete after `message_stop`."""

    __slots__ = ("_reported",)

    def __init__(self) -> None:
        super().__init__()
        self._reported = _MessageUsage()

    def observe(self, raw: bytes) -> bool:
        """Note usage, end and error; nothing is ever withheld."""
        # Most events of a stream are deltas of a content block; they carry nothing that counts. Those of two lines,
        # which is all that the provider sends, need no parsing.
        if raw.startswith(b"event: content_block") and raw.count(b"\n") == 3 and b"\r" not in raw:
            return True
        event = parse_event(raw)
        if event.name.startswith("content_block") or not event.data:
            return True
        try:
            decoded = _event_decoder.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return True
        if decoded.type == "message_stop":
            self.complete = self.ended = True
        elif decoded.type == "error":
            self.failed = True
        usage = decoded.message.usage if decoded.message is not None else decoded.usage
        if usage is not None:
            self._reported = usage.merged_into(self._reported)
            self.usage = self._reported.normalised()
        return True

    def break_off(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return an `error` event."""
        return MESSAGES.error_event(status, message, code=code)


# https://docs.anthropic.com/en/api/errors; 5xx statuses that are missing here are `api_error`.
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _error(status: int, message: str, code: str | None, request_id: str) -> bytes:
    if code == OVERLOADED:
        status = 529  # Anthropic's word for it, whatever the response has
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    body: dict[str, object] = {"type": "error", "error": {"type": kind, "message": message}}
    if request_id:
        body["request_id"] = request_id
    return msgspec.json.encode(body)


class AnthropicMessages(Dialect):
    """`POST /v1/messages`."""

    name: ClassVar[str] = "messages"
    upstream_path: ClassVar[str] = "/messages"
    # Its clients know this event; it comes in native streams as well.
    keep_alive: ClassVar[bytes] = b'event: ping\ndata: {"type":"ping"}\n\n'
    request_id_header: ClassVar[bytes] = b"request-id"

    def passed_on(self, body: bytes) -> bytes:
        """Return `body` without the reasoning that the gateway tells of providers of other protocols."""
        return without_foreign_reasoning(body, Origin.MESSAGES)

    def error_body(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, request_id: str = ""
    ) -> bytes:
        """Return `{"type": "error", "error": {"type", "message"}, "request_id"}`; the message names the field."""
        return _error(status, message, code, request_id)

    def is_error_body(self, body: bytes) -> bool:
        """Whether it is an `error` with a type and a message, by which clients tell errors apart."""
        return decode_answer(_error_decoder, body) is not None

    def error_event(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return an `error` event, on which the SDK raises."""
        return encode_event(_error(status, message, code, ""), "error")

    def tap(self, *, withhold_usage: bool) -> StreamTap:
        """Return a MessagesTap; Anthropic streams always carry their usage, so there is nothing to withhold."""
        return MessagesTap()

    def usage_of(self, body: bytes) -> Usage | None:
        """Return input tokens, the cached ones included, and output tokens."""
        try:
            message = _message_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return message.usage.normalised() if message.usage is not None else None

    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return `request-id`, which the SDK reads, and `x-request-id`, which everything else reads."""
        return [(b"request-id", request_id.encode()), (b"x-request-id", request_id.encode())]


MESSAGES = AnthropicMessages()
