"""Request heads and the rewriting of bodies."""

import msgspec
import pytest

from gateway.protocol.errors import MalformedRequest
from gateway.protocol.request import parse_head, rewrite


def test_only_what_routing_needs_is_read():
    """Unknown members and odd values elsewhere do not matter."""
    head = parse_head(b'{"messages": 7, "model": "gpt-4.1", "x": {"y": [1]}, "stream": true}')
    assert (head.model, head.stream, head.asks_for_usage) == ("gpt-4.1", True, False)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b'{"messages": []}', "model"),
        (b'{"model": 3}', "model"),
        (b'{"model": ""}', "model"),
        (b'{"model": "m", "stream": "yes"}', "stream"),
        (b"[]", None),
        (b'{"model": "m", "x": ' + b"[" * 100_000, None),
    ],
)
def test_a_body_that_cannot_be_routed_is_refused_and_the_field_is_named(body: bytes, param: str | None):
    """Malformed JSON, a missing or a wrong model: each a MalformedRequest with the field where there is one."""
    with pytest.raises(MalformedRequest) as caught:
        parse_head(body)
    assert caught.value.param == param


def test_renaming_the_model_keeps_every_other_value_byte_for_byte():
    """Number formats, escapes and the order of the members survive."""
    body = rb'{"a": 1.50e+3, "model": "old", "b": {"\u00e4" : [ 1,2 ]}, "c": 12345678901234567890123}'
    renamed = rewrite(body, model="new")
    assert renamed == rb'{"a":1.50e+3,"model":"new","b":{"\u00e4" : [ 1,2 ]},"c":12345678901234567890123}'


@pytest.mark.parametrize("options", ["", ', "stream_options": null', ', "stream_options": {"include_usage": false}'])
def test_usage_is_asked_for_whatever_the_client_said(options: str):
    """A missing, a null and a negative option all become a positive one."""
    body = f'{{"model": "m"{options}}}'.encode()
    assert msgspec.json.decode(rewrite(body, include_usage=True))["stream_options"] == {"include_usage": True}


def test_other_stream_options_survive():
    """Asking for usage leaves what else the client wants of the stream."""
    body = b'{"model":"m","stream_options":{"include_obfuscation":false}}'
    options = msgspec.json.decode(rewrite(body, include_usage=True))["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}
