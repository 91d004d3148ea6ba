"""The model lists, in the protocol of the client that asks."""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from gateway.api.context import Services
from gateway.api.dialects import speaks_anthropic
from gateway.api.openapi import described
from gateway.errors import ModelNotFound
from gateway.upstream.catalog import CatalogEntry

# Neither protocol lets a list leave the time out, and a provider's answer for one model is not worth a request.
_UNKNOWN_TIME = 0
_UNKNOWN_TIME_TEXT = "1970-01-01T00:00:00Z"


@get("/v1/models", operation_class=described("ModelList", "OpenAIError", "AnthropicError"))
async def list_models(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """List the models that a client may ask for."""
    services = _authenticated(request)
    entries = await services.catalog.entries()
    if not speaks_anthropic(request.scope):
        return Response({"object": "list", "data": [_openai_model(entry) for entry in entries]})
    models = [_anthropic_model(entry) for entry in entries]
    first, last = (models[0]["id"], models[-1]["id"]) if models else (None, None)
    return Response({"data": models, "has_more": False, "first_id": first, "last_id": last})


@get("/v1/models/{model_id:path}", operation_class=described("Model", "OpenAIError", "AnthropicError"))
async def show_model(request: Request[Any, Any, Any], model_id: FromPath[str]) -> Response[dict[str, Any]]:
    """Show one model; its name may contain slashes."""
    services = _authenticated(request)
    name = model_id.removeprefix("/")
    entry = services.catalog.find(name)
    if entry is None:
        raise ModelNotFound(f"The model `{name}` is not configured here.", param="model")
    return Response(_anthropic_model(entry) if speaks_anthropic(request.scope) else _openai_model(entry))


def _authenticated(request: Request[Any, Any, Any]) -> Services:
    services: Services = request.app.state.services
    services.authenticator.authenticate(request.scope["headers"], request.scope["client"])
    return services


def _openai_model(entry: CatalogEntry) -> dict[str, Any]:
    return {"id": entry.id, "object": "model", "created": _UNKNOWN_TIME, "owned_by": entry.provider}


def _anthropic_model(entry: CatalogEntry) -> dict[str, Any]:
    return {"type": "model", "id": entry.id, "display_name": entry.id, "created_at": _UNKNOWN_TIME_TEXT}
