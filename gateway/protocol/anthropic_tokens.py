"""Anthropic's count of the tokens of a request, and an estimate where the provider has no such count.

Protocol facts, as the official Python SDK shows them (`types/message_tokens_count.py`): the body is that of a message
without `max_tokens` and `stream`, the answer `{"input_tokens": n}`. Counting uses no tokens: there is no usage.
"""

from typing import ClassVar

import msgspec

from gateway.protocol.anthropic_messages import AnthropicMessages
from gateway.protocol.messages.request_in import decode
from gateway.protocol.token_estimate import estimated_tokens
from gateway.protocol.usage import Usage


class AnthropicTokenCount(AnthropicMessages):
    """`POST /v1/messages/count_tokens`."""

    name: ClassVar[str] = "count_tokens"
    is_conversation: ClassVar[bool] = False
    upstream_path: ClassVar[str] = "/messages/count_tokens"
    # Many servers that speak Anthropic's protocol know nothing but its messages.
    absent_statuses: ClassVar[frozenset[int]] = frozenset({404, 405, 501})

    def usage_of(self, body: bytes) -> Usage | None:
        """Return None: what is counted has not been used."""
        return None

    def answer_without_provider(self, body: bytes) -> bytes:
        """Return the estimate in place of a count. Raises MalformedRequest."""
        return msgspec.json.encode({"input_tokens": estimated_tokens(decode(body))})


COUNT_TOKENS = AnthropicTokenCount()
