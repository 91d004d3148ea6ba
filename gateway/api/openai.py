"""The routes of the OpenAI protocol."""

from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from gateway.api.exchange import InjectedExchange, answer
from gateway.api.openapi import described
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_embeddings import EMBEDDINGS
from gateway.protocol.openai_responses import RESPONSES


@post(
    "/v1/chat/completions",
    status_code=200,
    operation_class=described("ChatCompletion", "OpenAIError", request="ChatRequest", streamed=True),
)
async def chat_completions(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Create a chat completion, plain or streamed."""
    return await answer(request, exchange, CHAT)


@post(
    "/v1/responses",
    status_code=200,
    operation_class=described("Response", "OpenAIError", request="ResponsesRequest", streamed=True),
)
async def responses(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Create a response, plain or streamed; the gateway keeps none of it."""
    return await answer(request, exchange, RESPONSES)


@post(
    "/v1/embeddings",
    status_code=200,
    operation_class=described("Embeddings", "OpenAIError", request="EmbeddingsRequest"),
)
async def embeddings(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Create embeddings."""
    return await answer(request, exchange, EMBEDDINGS)
