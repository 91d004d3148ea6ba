"""The gateway's OpenAPI document: what Litestar cannot see in handlers that read and write bytes.

A request's schema lists the members that the gateway itself reads, at least when it translates. None is forbidden,
since all others are passed on to a provider of the same protocol. It does not tell all that a provider may refuse.
"""

from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)

from gateway import __version__

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": ["boolean", "null"]}
_WORD: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1}
_LIMIT: Json = {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1}
_REAL: Json = {"type": ["number", "null"], "minimum": -1e6, "maximum": 1e6}
_EFFORT: Json = {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", None]}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


def _one_of(*schemas: Json) -> Json:
    return {"anyOf": list(schemas)}


def _object(required: tuple[str, ...] = (), /, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _kind(kind: str, required: tuple[str, ...] = (), /, **properties: Json) -> Json:
    """An object that its `type` tells from others."""
    return _object(("type", *required), type={"const": kind}, **properties)


def _nullable(schema: Json) -> Json:
    return _one_of(schema, {"type": "null"})


_MODEL: Json = {"type": "string", "minLength": 1, "maxLength": 256}
_SCHEMA: Json = {"type": "object"}

_CHAT_PART = _one_of(
    _kind("text", ("text",), text=_TEXT),
    _kind("image_url", ("image_url",), image_url=_object(("url",), url=_TEXT, detail=_WORD)),
    _kind("file", ("file",), file=_object(file_data=_TEXT, filename=_TEXT)),
    _kind("refusal", ("refusal",), refusal=_TEXT),
)
_CHAT_CALL = _kind("function", ("id", "function"), id=_TEXT, function=_object(("name",), name=_TEXT, arguments=_TEXT))
_CHAT_MESSAGE = _object(
    ("role",),
    role={"enum": ["system", "developer", "user", "assistant", "tool"]},
    content=_one_of(_WORD, _list(_CHAT_PART)),
    tool_calls=_list(_CHAT_CALL),
    tool_call_id=_TEXT,
)
_CHAT_NAMED = _kind("function", ("function",), function=_object(("name",), name=_TEXT))

_BLOCK = _one_of(
    _kind("text", ("text",), text=_TEXT),
    _kind("image", ("source",), source=_object(("type",), type={"enum": ["base64", "url"]}, media_type=_TEXT)),
    _kind("thinking", ("thinking", "signature"), thinking=_TEXT, signature=_TEXT),
    _kind("tool_use", ("id", "name", "input"), id=_TEXT, name=_TEXT, input=_SCHEMA),
    _kind("tool_result", ("tool_use_id",), tool_use_id=_TEXT, content=_one_of(_TEXT, _list(_SCHEMA)), is_error=_FLAG),
)
_MESSAGES_MESSAGE = _object(
    ("role", "content"), role={"enum": ["user", "assistant", "system"]}, content=_one_of(_TEXT, _list(_BLOCK))
)
_MESSAGES_COMMON: Json = {
    "model": _MODEL,
    "messages": _list(_MESSAGES_MESSAGE),
    "system": _one_of(_WORD, _list(_kind("text", ("text",), text=_TEXT))),
    "tools": _list(_object(("name", "input_schema"), name=_TEXT, description=_TEXT, input_schema=_SCHEMA)),
    "tool_choice": _nullable(_object(("type",), type={"enum": ["auto", "any", "tool", "none"]}, name=_TEXT)),
    "thinking": _nullable(_object(("type",), type={"enum": ["enabled", "adaptive", "disabled"]}, budget_tokens=_COUNT)),
    "output_config": _nullable(_object(effort=_EFFORT)),
}

_ITEM = _one_of(
    _object(
        ("role", "content"),
        role={"enum": ["user", "assistant", "system", "developer"]},
        content=_one_of(_TEXT, _list(_kind("input_text", ("text",), text=_TEXT))),
    ),
    _kind("function_call", ("call_id", "name", "arguments"), call_id=_TEXT, name=_TEXT, arguments=_TEXT),
    _kind("function_call_output", ("call_id", "output"), call_id=_TEXT, output=_TEXT),
    _kind("reasoning", ("summary",), summary=_list(_kind("summary_text", ("text",), text=_TEXT))),
)

_OPENAI_ERROR = _object(
    ("error",),
    error=_object(("message", "type", "param", "code"), message=_TEXT, type=_TEXT, param=_WORD, code=_WORD),
)

SCHEMAS: dict[str, Json] = {
    "ChatRequest": _object(
        ("model", "messages"),
        model=_MODEL,
        messages=_list(_CHAT_MESSAGE),
        stream=_FLAG,
        stream_options=_nullable(_object(include_usage=_FLAG)),
        tools=_nullable(
            _list(_kind("function", ("function",), function=_object(("name",), name=_TEXT, parameters=_SCHEMA)))
        ),
        tool_choice=_one_of({"enum": ["auto", "none", "required"]}, _CHAT_NAMED),
        parallel_tool_calls=_FLAG,
        max_tokens=_LIMIT,
        max_completion_tokens=_LIMIT,
        temperature=_REAL,
        top_p=_REAL,
        stop=_one_of(_WORD, _list(_TEXT)),
        presence_penalty=_REAL,
        frequency_penalty=_REAL,
        n={"type": ["integer", "null"], "minimum": 1, "maximum": 128},
        reasoning_effort=_EFFORT,
        response_format=_object(("type",), type={"enum": ["text", "json_object"]}),
        user=_WORD,
    ),
    "MessagesRequest": _object(
        ("model", "messages", "max_tokens"),
        max_tokens={**_LIMIT, "type": "integer"},
        stream=_FLAG,
        temperature=_REAL,
        top_p=_REAL,
        top_k=_COUNT,
        stop_sequences=_nullable(_list(_TEXT)),
        metadata=_nullable(_object(user_id=_WORD)),
        **_MESSAGES_COMMON,
    ),
    "CountTokensRequest": _object(("model", "messages"), **_MESSAGES_COMMON),
    "ResponsesRequest": _object(
        ("model", "input"),
        model=_MODEL,
        input=_one_of(_TEXT, _list(_ITEM)),
        instructions=_WORD,
        stream=_FLAG,
        tools=_nullable(_list(_kind("function", ("name",), name=_TEXT, parameters=_SCHEMA, strict=_FLAG))),
        tool_choice=_one_of({"enum": ["auto", "none", "required"]}, _kind("function", ("name",), name=_TEXT)),
        parallel_tool_calls=_FLAG,
        max_output_tokens=_LIMIT,
        temperature=_REAL,
        top_p=_REAL,
        reasoning=_nullable(_object(effort=_EFFORT, summary=_WORD)),
        user=_WORD,
    ),
    "EmbeddingsRequest": _object(("model", "input"), model=_MODEL, input=_one_of(_TEXT, _list(_TEXT))),
    "ChatCompletion": _object(("id", "choices"), id=_TEXT, model=_TEXT, choices=_list(_SCHEMA), usage=_SCHEMA),
    "Message": _object(
        ("id", "type", "role", "content", "stop_reason", "usage"),
        id=_TEXT,
        type={"const": "message"},
        role={"const": "assistant"},
        content=_list(_SCHEMA),
        stop_reason=_WORD,
        usage=_SCHEMA,
    ),
    "Response": _object(("id", "status", "output"), id=_TEXT, status=_TEXT, output=_list(_SCHEMA)),
    "Embeddings": _object(("data",), data=_list(_SCHEMA), usage=_SCHEMA),
    "TokenCount": _object(("input_tokens",), input_tokens={"type": "integer", "minimum": 0}),
    "Model": _object(("id",), id=_TEXT),
    "ModelList": _object(("data",), data=_list(_object(("id",), id=_TEXT))),
    "OpenAIError": _OPENAI_ERROR,
    "AnthropicError": _object(
        ("type", "error"),
        type={"const": "error"},
        error=_object(("type", "message"), type=_TEXT, message=_TEXT),
        request_id=_TEXT,
    ),
}


def _content(*names: str, streamed: bool = False) -> dict[str, OpenAPIMediaType]:
    references = [Reference(ref=f"#/components/schemas/{name}") for name in names]
    schema = references[0] if len(references) == 1 else Schema(any_of=references)
    content = {"application/json": OpenAPIMediaType(schema=schema)}
    if streamed:
        content["text/event-stream"] = OpenAPIMediaType(schema=Schema(description="Events of the protocol."))
    return content


def described(answer: str, *errors: str, request: str = "", streamed: bool = False) -> type[Operation]:
    """Return the class of an operation whose bodies are the named schemas of the document."""

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            if request:
                self.request_body = RequestBody(content=_content(request), required=True)
            self.responses = {
                "200": OpenAPIResponse("The answer.", content=_content(answer, streamed=streamed)),
                "default": OpenAPIResponse("An error, in the protocol of the client.", content=_content(*errors)),
            }
            self.security = [{"bearer": []}, {"x-api-key": []}, {}]

    return Described


class _WithSchemas(JsonRenderPlugin):
    """Litestar keeps only the schemas that it has made itself."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        """Return the document as JSON."""
        components = openapi_schema["components"]
        schemas = {**components["schemas"], **SCHEMAS}
        return super().render(request, {**openapi_schema, "components": {**components, "schemas": schemas}})


def openapi_config() -> OpenAPIConfig:
    """Return the configuration that serves the document at `/openapi.json`."""
    return OpenAPIConfig(
        title="gateway",
        version=__version__,
        path="/openapi.json",
        render_plugins=[_WithSchemas(path="/")],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer"),
                "x-api-key": SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header"),
            },
        ),
    )
