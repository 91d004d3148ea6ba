"""A chat completions request, decoded."""

from typing import Annotated, Literal

import msgspec

from gateway.protocol.chat.reasoning import ORIGINS, Detail, reasoning_of
from gateway.protocol.conversation import (
    CacheMark,
    Conversation,
    Effort,
    Origin,
    Part,
    Refusal,
    ResponseFormat,
    ResultPart,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.limits import refuse_fields
from gateway.protocol.media import document_in, image_at
from gateway.protocol.wire import Count, Limit, Real, Seed, decode_at, decode_request, object_text, said

_NOT_SAID = msgspec.Raw()
_ANY_OBJECT = b'{"type":"object","properties":{}}'


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    model: str
    messages: list[msgspec.Raw]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = _NOT_SAID
    parallel_tool_calls: bool | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    temperature: Real | None = None
    top_p: Real | None = None
    top_k: Count | None = None
    stop: str | list[str] | None = None
    presence_penalty: Real | None = None
    frequency_penalty: Real | None = None
    seed: Seed | None = None
    logit_bias: dict[str, Real] | None = None
    logprobs: bool | None = None
    top_logprobs: Count | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    response_format: msgspec.Raw = _NOT_SAID
    reasoning_effort: Effort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    modalities: list[str] | None = None
    functions: msgspec.Raw = _NOT_SAID
    function_call: msgspec.Raw = _NOT_SAID
    audio: msgspec.Raw = _NOT_SAID
    web_search_options: msgspec.Raw = _NOT_SAID


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class _Call(msgspec.Struct):
    id: str
    function: _Function
    type: Literal["function"] = "function"


class _Message(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    function_call: msgspec.Raw = _NOT_SAID


class _ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class _File(msgspec.Struct):
    file_data: str | None = None
    filename: str | None = None


class _CacheControl(msgspec.Struct):
    ttl: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: _ImageUrl | None = None
    file: _File | None = None
    cache_control: _CacheControl | None = None


class _FunctionTool(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    function: _FunctionTool | None = None
    cache_control: _CacheControl | None = None


class _Named(msgspec.Struct):
    name: str


class _AllowedTool(msgspec.Struct):
    function: _Named
    type: Literal["function"] = "function"


class _Allowed(msgspec.Struct):
    mode: Literal["auto", "required"]
    tools: list[_AllowedTool]


class _Choice(msgspec.Struct):
    type: str
    function: _Named | None = None
    allowed_tools: _Allowed | None = None


class _JsonSchema(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


_request = msgspec.json.Decoder(_Request)
_message = msgspec.json.Decoder(_Message)
_part = msgspec.json.Decoder(_Part)
_tool = msgspec.json.Decoder(_Tool)
_choice = msgspec.json.Decoder(str | _Choice)
_format = msgspec.json.Decoder(_Format)


def decode(body: bytes) -> Conversation:
    """Decode a request. Raises MalformedRequest, which names the field."""
    request = decode_request(_request, body)
    refuse_fields(request, Origin.CHAT)
    if request.modalities and "audio" in request.modalities:
        raise MalformedRequest("`modalities` cannot be translated: only chat providers speak.", "modalities")
    stop = request.stop
    limit = request.max_completion_tokens
    return Conversation(
        model=request.model,
        turns=tuple(_turn(raw, f"messages[{index}]") for index, raw in enumerate(request.messages)),
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        tools=tuple(_decode_tool(raw, f"tools[{index}]") for index, raw in enumerate(request.tools or ())),
        tool_choice=_decode_choice(request.tool_choice) if said(request.tool_choice) else None,
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=limit if limit is not None else request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        seed=request.seed,
        logit_bias=msgspec.json.encode(request.logit_bias) if request.logit_bias else None,
        logprobs=bool(request.logprobs or request.top_logprobs),
        n=request.n if request.n is not None else 1,
        response_format=_decode_format(request.response_format) if said(request.response_format) else None,
        thinking=Thinking(effort=request.reasoning_effort) if request.reasoning_effort else None,
        verbosity=request.verbosity,
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        fields={
            "max_tokens": "max_tokens" if limit is None else "max_completion_tokens",
            "thinking": "reasoning_effort",
        },
    )


def _turn(raw: msgspec.Raw, path: str) -> Turn:
    message = decode_at(_message, raw, path)
    if said(message.function_call):
        raise MalformedRequest(f"`{path}.function_call` is the old form of `tool_calls`.", f"{path}.function_call")
    match message.role:
        case "system" | "developer":
            return Turn("system", tuple(_parts(message, path, "text")))
        case "user":
            return Turn("user", tuple(_parts(message, path, "text", "image_url", "file")))
        case "assistant":
            return Turn(
                "assistant",
                (
                    *reasoning_of(message.reasoning_details, message.reasoning_content or message.reasoning, ORIGINS),
                    *_said_by_assistant(message, path),
                ),
            )
        case "tool":
            if not message.tool_call_id:
                raise MalformedRequest(f"`{path}.tool_call_id` is missing.", f"{path}.tool_call_id")
            parts = (part for part in _parts(message, path, "text", "image_url") if isinstance(part, ResultPart))
            return Turn("user", (ToolResult(message.tool_call_id, tuple(parts)),))
    raise MalformedRequest(f"`{path}.role` is not a role that can be translated: {message.role!r:.60}.", f"{path}.role")


def _said_by_assistant(message: _Message, path: str) -> list[Part]:
    parts = _parts(message, path, "text", "refusal")
    if message.refusal:
        parts.append(Refusal(message.refusal))
    for index, call in enumerate(message.tool_calls or ()):
        arguments = object_text(call.function.arguments)
        if arguments is None:
            field = f"{path}.tool_calls[{index}].function.arguments"
            raise MalformedRequest(f"`{field}` is not the text of a JSON object.", field)
        parts.append(ToolCall(call.id, call.function.name, arguments))
    return parts


def _parts(message: _Message, path: str, *allowed: str) -> list[Part]:
    content = message.content
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for index, raw in enumerate(content):
        place = f"{path}.content[{index}]"
        part = decode_at(_part, raw, place)
        if part.type not in allowed:
            raise MalformedRequest(f"`{place}.type` cannot be translated here: {part.type!r:.60}.", f"{place}.type")
        parts += _content(part, place)
    return parts


def _content(part: _Part, place: str) -> list[Part]:
    cache = CacheMark(part.cache_control.ttl) if part.cache_control else None
    if part.type == "text" and part.text is not None:
        return [Text(part.text, cache)] if part.text else []
    if part.type == "refusal" and part.refusal is not None:
        return [Refusal(part.refusal)] if part.refusal else []
    if part.type == "image_url" and part.image_url is not None:
        return [image_at(part.image_url.url, part.image_url.detail, f"{place}.image_url.url", cache)]
    if part.type == "file" and part.file is not None:
        field = f"{place}.file.file_data"
        return [document_in(part.file.file_data or "", part.file.filename, field, cache)]
    field = f"{place}.{part.type}"
    raise MalformedRequest(f"`{field}` is missing.", field)


def _decode_tool(raw: msgspec.Raw, path: str) -> Tool:
    tool = decode_at(_tool, raw, path)
    if tool.type != "function":
        raise MalformedRequest(f"`{path}.type` cannot be translated: {tool.type!r:.60}.", f"{path}.type")
    if tool.function is None:
        raise MalformedRequest(f"`{path}.function` is missing.", f"{path}.function")
    function = tool.function
    return Tool(
        name=function.name,
        schema=msgspec.json.encode(function.parameters) if function.parameters else _ANY_OBJECT,
        description=function.description,
        strict=function.strict,
        cache=CacheMark(tool.cache_control.ttl) if tool.cache_control else None,
    )


def _decode_choice(raw: msgspec.Raw) -> ToolChoice:
    choice = decode_at(_choice, raw, "tool_choice")
    if isinstance(choice, str):
        if choice in ("auto", "required", "none"):
            return ToolChoice(choice)  # type: ignore[arg-type]
    elif choice.type == "function" and choice.function is not None:
        return ToolChoice("named", choice.function.name)
    elif choice.type == "allowed_tools" and choice.allowed_tools is not None:
        allowed = choice.allowed_tools
        return ToolChoice(allowed.mode, allowed=tuple(tool.function.name for tool in allowed.tools))
    raise MalformedRequest("`tool_choice` is not one that can be translated.", "tool_choice")


def _decode_format(raw: msgspec.Raw) -> ResponseFormat | None:
    form = decode_at(_format, raw, "response_format")
    match form.type:
        case "text":
            return None
        case "json_object":
            return ResponseFormat("json_object")
        case "json_schema" if form.json_schema is not None and form.json_schema.schema is not None:
            schema = form.json_schema
            return ResponseFormat(
                "json_schema", msgspec.json.encode(schema.schema), schema.name, schema.description, schema.strict
            )
        case "json_schema":
            field = "response_format.json_schema.schema"
            raise MalformedRequest(f"`{field}` is missing.", field)
    raise MalformedRequest("`response_format.type` is unknown.", "response_format.type")
