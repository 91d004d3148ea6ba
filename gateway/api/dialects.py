"""Which protocol a client speaks, told from its request alone; for answers outside the two counted routes."""

from litestar.types import Scope

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.dialect import Dialect
from gateway.protocol.openai_chat import CHAT


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the path or the `anthropic-version` header, which every Anthropic client sends, says so."""
    return scope["path"].startswith("/v1/messages") or any(name == b"anthropic-version" for name, _ in scope["headers"])


def dialect_of(scope: Scope) -> Dialect:
    """Return the dialect for an error answer."""
    return MESSAGES if speaks_anthropic(scope) else CHAT
