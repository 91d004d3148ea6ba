"""The stated rule of the estimate, part by part."""

import json
from typing import Any

import pytest

from gateway.protocol.messages.request_in import decode
from gateway.protocol.token_estimate import estimated_tokens


def estimate(content: Any, **members: Any) -> int:
    """The estimate for one user message."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **members}
    return estimated_tokens(decode(json.dumps(body).encode()))


PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA" * 1000}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "AAAA" * 1000}


@pytest.mark.parametrize(
    ("content", "members", "tokens"),
    [
        ("x" * 400, {}, 104),
        ("漢" * 4, {}, 7),
        ([{"type": "image", "source": PNG}], {}, 1604),
        ([{"type": "document", "source": PDF}], {}, 3004),
        ("x" * 4, {"system": "y" * 40}, 19),
        ("x" * 4, {"tools": [{"name": "n" * 4, "description": "d" * 8, "input_schema": {"a": 10}}]}, 14),
        ([{"type": "tool_result", "tool_use_id": "t", "content": "r" * 40}], {}, 14),
    ],
)
def test_the_estimate_follows_its_rule(content: Any, members: dict[str, Any], tokens: int):
    """4 bytes a token, 4 tokens a message and a tool, fixed sums for pictures and documents, whatever their size."""
    assert estimate(content, **members) == tokens


def test_the_estimate_is_never_zero():
    """A conversation of nothing at all still takes a token."""
    assert estimated_tokens(decode(b'{"model":"m","messages":[]}')) == 1
