"""Errors and usage of the two dialects."""

import msgspec
import pytest

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_responses import RESPONSES
from gateway.protocol.sse import parse_event
from gateway.protocol.usage import Usage
from tests.support.grammar import check


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (404, "invalid_request_error", "model_not_found"),
        (429, "rate_limit_error", None),
        (502, "server_error", None),
        (504, "server_error", "upstream_timeout"),
    ],
)
def test_an_openai_error_has_message_type_param_and_code(status: int, kind: str, code: str | None):
    """The envelope has exactly the four members of the SDK's ErrorObject."""
    body = msgspec.json.decode(CHAT.error_body(status, "why", param="model", request_id="req_1"))
    assert body == {"error": {"message": "why", "type": kind, "param": "model", "code": code}}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_an_anthropic_error_has_type_message_and_request_id(status: int, kind: str):
    """The envelope is that of the SDK's ErrorResponse."""
    body = msgspec.json.decode(MESSAGES.error_body(status, "why", request_id="req_1"))
    assert body == {"type": "error", "error": {"type": kind, "message": "why"}, "request_id": "req_1"}


def test_an_in_band_error_is_what_the_sdk_raises_on():
    """OpenAI: a data object with `error`; Anthropic: an event named error of type error."""
    for dialect in (CHAT, MESSAGES, RESPONSES):
        assert check(dialect.name, dialect.error_event(502, "broken")).error is not None
    chat = parse_event(CHAT.error_event(502, "broken"))
    assert (chat.name, msgspec.json.decode(chat.data)["error"]["message"]) == ("", "broken")
    message = parse_event(MESSAGES.error_event(502, "broken"))
    assert (message.name, msgspec.json.decode(message.data)["type"]) == ("error", "error")


def test_usage_of_a_plain_answer_is_read_from_its_body():
    """Anthropic's input excludes the cache, so the parts are added up; OpenAI's includes it already."""
    chat = (
        b'{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}'
    )
    assert CHAT.usage_of(chat) == Usage(9, 2)
    message = (
        b'{"type":"message","usage":{"input_tokens":3,"cache_creation_input_tokens":4,'
        b'"cache_read_input_tokens":null,"output_tokens":5}}'
    )
    assert MESSAGES.usage_of(message) == Usage(7, 5)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"usage": null}', b'{"usage": "no"}'])
def test_an_answer_without_usage_gives_none(body: bytes):
    """What cannot be read is unknown, not zero."""
    assert CHAT.usage_of(body) is None
    assert MESSAGES.usage_of(body) is None


def test_a_cumulative_delta_replaces_the_first_report():
    """The usage of message_delta is cumulative: it is not added to that of message_start."""
    tap = MESSAGES.tap(withhold_usage=False)
    tap.feed(b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":0}}}\n\n')
    tap.feed(b'event: message_delta\ndata: {"type":"message_delta","usage":{"input_tokens":4,"output_tokens":9}}\n\n')
    tap.feed(b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":15}}\n\n')
    assert tap.usage == Usage(4, 15)


def test_an_error_inside_a_stream_is_seen():
    """A provider's in-band error makes the stream a failed one, in both dialects."""
    chat = CHAT.tap(withhold_usage=True)
    chat.feed(b'data: {"error":{"code":500,"message":"no"}}\n\n')
    messages = MESSAGES.tap(withhold_usage=False)
    messages.feed(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n')
    assert (chat.failed, messages.failed) == (True, True)


def test_a_first_chunk_without_choices_is_not_withheld():
    """Azure sends its prompt filter results in a chunk with no choices and no usage."""
    tap = CHAT.tap(withhold_usage=True)
    wire = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
    assert tap.feed(wire) == wire
