"""OpenAI responses: errors, usage and the end of a stream.

Protocol facts, as the official Python SDK shows them (`types/responses/response_stream_event.py`,
`types/responses/response_usage.py`): events are numbered and named; the last one is `response.completed`,
`response.incomplete` or `response.failed`, and it alone carries the usage; an error body is that of chat completions.
"""

from typing import ClassVar

import msgspec

from gateway.protocol.conversation import Origin
from gateway.protocol.dialect import EventTap, StreamTap
from gateway.protocol.foreign import without_foreign_reasoning
from gateway.protocol.openai_chat import OpenAIChat
from gateway.protocol.sse import MAX_WHOLE_ANSWER_BYTES, encode_event, parse_event
from gateway.protocol.usage import Usage


class _ResponseUsage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None

    def normalised(self) -> Usage:
        return Usage(self.input_tokens or 0, self.output_tokens or 0)


class _Response(msgspec.Struct):
    id: str | None = None
    usage: _ResponseUsage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int = -1
    response: _Response | None = None


_event_decoder = msgspec.json.Decoder(_Event)
_response_decoder = msgspec.json.Decoder(_Response)


class ResponsesTap(EventTap):
    """A stream is complete after its terminal event; it knows what a failure in its midst must repeat."""

    __slots__ = ("_last_number", "_response_id")

    def __init__(self) -> None:
        super().__init__(MAX_WHOLE_ANSWER_BYTES)
        self._last_number = -1
        self._response_id = ""

    def observe(self, raw: bytes) -> bool:
        """Note usage, end and error; nothing is ever withheld."""
        data = parse_event(raw).data
        if not data:
            return True
        try:
            event = _event_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return True
        self._last_number = max(self._last_number, event.sequence_number)
        if event.response is not None:
            self._response_id = event.response.id or self._response_id
            if event.response.usage is not None:
                self.usage = event.response.usage.normalised()
        if event.type in ("response.completed", "response.incomplete"):
            self.complete = self.ended = True
        elif event.type in ("response.failed", "response.cancelled", "error"):
            self.failed = True
        return True

    def break_off(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return `response.failed` with the next number, which is what clients wait for."""
        return _failed(self._last_number + 1, self._response_id, status, message, code)


def _failed(number: int, response_id: str, status: int, message: str, code: str | None) -> bytes:
    """Return the failure as the event `number`; in front of the first event it has to create the response that fails.

    OpenAI's SDK raises an error of its own about a stream that does not begin with `response.created`.
    """
    kind = "rate_limit_exceeded" if status == 429 else "invalid_prompt" if status < 500 else "server_error"
    response: dict[str, object] = {
        "id": response_id,
        "object": "response",
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": "",
        "output": [],
        "usage": None,
    }
    failed = response | {"status": "failed", "error": {"code": code or kind, "message": message}}
    begun = [("response.created", response), ("response.in_progress", response)] if number == 0 else []
    events = []
    for index, (name, about) in enumerate([*begun, ("response.failed", failed)], number):
        event = {"type": name, "sequence_number": index, "response": about}
        events.append(encode_event(msgspec.json.encode(event), name))
    return b"".join(events)


class OpenAIResponses(OpenAIChat):
    """`POST /v1/responses`; its error bodies and headers are those of chat completions."""

    name: ClassVar[str] = "responses"
    upstream_path: ClassVar[str] = "/responses"

    def passed_on(self, body: bytes) -> bytes:
        """Return `body` without the reasoning that the gateway tells of providers of other protocols."""
        return without_foreign_reasoning(body, Origin.RESPONSES)

    def error_event(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return `response.failed` of a stream of which nothing is known; a tap's `break_off` knows more."""
        return _failed(0, "", status, message, code)

    def tap(self, *, withhold_usage: bool) -> StreamTap:
        """Return a ResponsesTap; the usage is part of the last event, so there is nothing to withhold."""
        return ResponsesTap()

    def usage_of(self, body: bytes) -> Usage | None:
        """Return input and output tokens."""
        try:
            response = _response_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return response.usage.normalised() if response.usage is not None else None


RESPONSES = OpenAIResponses()
