"""The Litestar application: routes, the one dependency, and error answers in the client's protocol."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog
from litestar import Litestar, Request, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from gateway.api.anthropic import count_tokens, messages
from gateway.api.context import Services, exchanges
from gateway.api.dialects import dialect_of
from gateway.api.health import alive, greet, ready
from gateway.api.models import list_models, show_model
from gateway.api.openai import chat_completions, embeddings, responses
from gateway.api.openapi import openapi_config
from gateway.api.responses import error_answer
from gateway.errors import GatewayFault, RequestError

log = structlog.get_logger("gateway.app")


Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


def create_app(services: Services, lifespan: Sequence[Lifespan] = ()) -> Litestar:
    """Return the application over the services of one worker.

    Its shutdown closes the connections to the providers first, and then leaves `lifespan` in reverse.
    """

    @asynccontextmanager
    async def close_upstreams(_: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await services.catalog.aclose()
            await services.upstreams.aclose()

    def add_request_id(response: Response[Any]) -> Response[Any]:
        response.headers.setdefault("x-request-id", services.new_id())
        return response

    # The counted routes send their own ids; this hook would be a detour on the request path.
    uncounted = Router("/", route_handlers=[list_models, show_model, alive, ready, greet], after_request=add_request_id)
    return Litestar(
        route_handlers=[chat_completions, responses, embeddings, messages, count_tokens, uncounted],
        dependencies={"exchange": Provide(exchanges(services), sync_to_thread=False)},
        exception_handlers={RequestError: _answer_error, HTTPException: _answer_http_error, Exception: _answer_bug},
        lifespan=[*lifespan, close_upstreams],
        state=State({"services": services}),
        # The bodies are read by our own bounded reader, and the log chain is ours too.
        request_max_body_size=None,
        logging_config=None,
        openapi_config=openapi_config(),
    )


def _response(request: Request[Any, Any, Any], error: RequestError) -> Response[bytes]:
    services: Services = request.app.state.services
    status, headers, body = error_answer(dialect_of(request.scope), error, services.new_id())
    return Response(body, status_code=status, headers={name.decode(): value.decode() for name, value in headers})


def _answer_error(request: Request[Any, Any, Any], error: RequestError) -> Response[bytes]:
    return _response(request, error)


class _RouteError(RequestError):
    """Litestar's own 404 and 405, and its 400 for a host that is none, which are no fault of a counted request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, code="no_such_route" if status in (404, 405) else None)
        self.status = status


def _answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    messages_of_status = {
        404: f"There is no route {request.method} {request.url.path}.",
        405: f"The route {request.url.path} does not take {request.method}.",
    }
    message = messages_of_status.get(error.status_code, error.detail)
    response = _response(request, _RouteError(error.status_code, message))
    for name, value in (error.headers or {}).items():
        response.headers.setdefault(name, value)
    return response


def _answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("unhandled exception", path=request.url.path, exc_info=error)
    return _response(request, GatewayFault("The gateway failed; its log has the details."))
