"""Routes for probes and for people: alive, ready, and a greeting."""

from typing import Any

from litestar import HttpMethod, MediaType, Request, Response, route

from gateway import __version__
from gateway.api.context import Services


@route("/health", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def alive() -> dict[str, str]:
    """Answer as long as the process can answer."""
    return {"status": "ok"}


@route("/health/ready", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """Answer 200 while new requests are welcome, and 503 while the worker drains."""
    services: Services = request.app.state.services
    if services.draining:
        return Response({"status": "draining"}, status_code=503)
    return Response({"status": "ready"})


@route("/", http_method=[HttpMethod.GET, HttpMethod.HEAD], media_type=MediaType.TEXT)
async def greet() -> str:
    """Say what this is; coding agents probe it with HEAD."""
    return f"gateway {__version__}: POST /v1/chat/completions, /v1/responses and /v1/messages, GET /v1/models\n"
