"""The routes of the OpenAI protocol."""

from typing import Any

from litestar import Request, post
from litestar.types import ASGIApp

from gateway.api.exchange import InjectedExchange, answer
from gateway.protocol.openai_chat import CHAT


@post("/v1/chat/completions", status_code=200)
async def chat_completions(request: Request[Any, Any, Any], exchange: InjectedExchange) -> ASGIApp:
    """Create a chat completion, plain or streamed."""
    return await answer(request, exchange, CHAT)
