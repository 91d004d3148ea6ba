"""The routes of the Anthropic protocol."""

from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from gateway.api.exchange import InjectedExchange, answer
from gateway.api.openapi import described
from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.anthropic_tokens import COUNT_TOKENS


@post(
    "/v1/messages",
    status_code=200,
    operation_class=described("Message", "AnthropicError", request="MessagesRequest", streamed=True),
)
async def messages(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Create a message, plain or streamed."""
    return await answer(request, exchange, MESSAGES)


@post(
    "/v1/messages/count_tokens",
    status_code=200,
    operation_class=described("TokenCount", "AnthropicError", request="CountTokensRequest"),
)
async def count_tokens(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Count the tokens of a message's input, or estimate them where the provider does not count."""
    return await answer(request, exchange, COUNT_TOKENS)
