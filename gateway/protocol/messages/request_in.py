"""An Anthropic messages request, decoded. The body of `count_tokens` is one too: it only lacks `max_tokens`."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from gateway.protocol.conversation import (
    CacheMark,
    Conversation,
    Document,
    Effort,
    Image,
    Origin,
    Part,
    Reasoning,
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
from gateway.protocol.media import image_type
from gateway.protocol.signature import unwrap
from gateway.protocol.wire import Count, Limit, Real, decode_at, decode_request

_NOT_SAID = msgspec.Raw()
# Claude Code puts a line about billing before its system text. It differs from request to request.
_BILLING = "x-anthropic-billing-header:"


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: Count | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, msgspec.Raw] | None = None


class _OutputConfig(msgspec.Struct):
    effort: Effort | None = None
    format: _Format | None = None


class _Choice(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Request(msgspec.Struct):
    model: str
    messages: list[msgspec.Raw]
    system: str | list[msgspec.Raw] | None = None
    max_tokens: Limit | None = None
    stream: bool | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: _Choice | None = None
    temperature: Real | None = None
    top_p: Real | None = None
    top_k: Count | None = None
    stop_sequences: list[str] | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    """What an earlier beta called `output_config.format`."""
    metadata: _Metadata | None = None
    container: msgspec.Raw = _NOT_SAID
    mcp_servers: msgspec.Raw = _NOT_SAID


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[msgspec.Raw]


class _Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class _CacheControl(msgspec.Struct):
    ttl: str | None = None


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    # That of a `search_result` is a string; the block is refused by its type.
    source: _Source | str | None = None
    title: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, msgspec.Raw] | None = None
    tool_use_id: str | None = None
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    cache_control: _CacheControl | None = None


class _Tool(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None
    cache_control: _CacheControl | None = None


_request = msgspec.json.Decoder(_Request)
_message = msgspec.json.Decoder(_Message)
_block = msgspec.json.Decoder(_Block)
_tool = msgspec.json.Decoder(_Tool)

# The client runs them, but only Anthropic's models know what they take.
_RUN_BY_CLIENTS = ("bash_", "text_editor_", "memory_", "computer_")
_SYSTEM = ("text",)
_RESULT = ("text", "image", "document")
_USER = (*_RESULT, "tool_result")
_ASSISTANT = ("text", "thinking", "redacted_thinking", "tool_use")


def decode(body: bytes) -> Conversation:
    """Decode a request. Raises MalformedRequest, which names the field."""
    request = decode_request(_request, body)
    refuse_fields(request, Origin.MESSAGES)
    turns = [Turn("system", tuple(_system(request.system)))] if request.system else []
    turns += [_turn(raw, f"messages[{index}]") for index, raw in enumerate(request.messages)]
    choice = request.tool_choice
    parallel = (
        None if choice is None or choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    )
    return Conversation(
        model=request.model,
        turns=tuple(turns),
        stream=bool(request.stream),
        include_usage=True,
        tools=tuple(_decode_tool(raw, f"tools[{index}]") for index, raw in enumerate(request.tools or ())),
        tool_choice=_decode_choice(choice) if choice else None,
        parallel_tool_calls=parallel,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(request.stop_sequences or ()),
        response_format=_format(request),
        thinking=_thinking(request),
        user=request.metadata.user_id if request.metadata else None,
        fields={"stop": "stop_sequences", "response_format": _format_of(request)[0]},
    )


def _system(system: str | list[msgspec.Raw]) -> Iterable[Part]:
    parts = _blocks(system, "system", _SYSTEM)
    return (part for part in parts if not (isinstance(part, Text) and part.text.startswith(_BILLING)))


def _turn(raw: msgspec.Raw, path: str) -> Turn:
    message = decode_at(_message, raw, path)
    allowed = {"user": _USER, "assistant": _ASSISTANT, "system": _SYSTEM}[message.role]
    return Turn(message.role, tuple(_blocks(message.content, f"{path}.content", allowed)))


def _blocks(content: str | list[msgspec.Raw] | None, path: str, allowed: tuple[str, ...]) -> list[Part]:
    if content is None or isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for index, raw in enumerate(content):
        place = f"{path}[{index}]"
        block = decode_at(_block, raw, place)
        if block.type not in allowed:
            raise MalformedRequest(f"`{place}.type` cannot be translated here: {block.type!r:.60}.", f"{place}.type")
        part = _part(block, place)
        if part != _EMPTY:
            parts.append(part)
    return parts


_EMPTY = Text("")


def _part(block: _Block, place: str) -> Part:
    cache = CacheMark(block.cache_control.ttl) if block.cache_control else None
    match block:
        case _Block(type="text", text=str(text)):
            return Text(text, cache) if text else _EMPTY
        case _Block(type="image", source=_Source() as source):
            return _image(source, f"{place}.source", cache)
        case _Block(type="document", source=_Source() as source):
            return _document(source, block.title, f"{place}.source", cache)
        case _Block(type="tool_use", id=str(identity), name=str(name)):
            return ToolCall(identity, name, msgspec.json.encode(block.input or {}).decode())
        case _Block(type="tool_result", tool_use_id=str(call_id)):
            parts = _blocks(block.content, f"{place}.content", _RESULT)
            results = tuple(part for part in parts if isinstance(part, ResultPart))
            return ToolResult(call_id, results, bool(block.is_error), cache)
        case _Block(type="thinking", thinking=str(text)):
            signature = unwrap(block.signature, Origin.MESSAGES) if block.signature else None
            return Reasoning(text, signature) if text or signature else _EMPTY
        case _Block(type="redacted_thinking", data=str(data)):
            return Reasoning("", unwrap(data, Origin.MESSAGES, redacted=True))
    raise MalformedRequest(f"`{place}` is not a whole block of type {block.type}.", place)


def _image(source: _Source, place: str, cache: CacheMark | None) -> Image:
    match source:
        case _Source(type="base64", media_type=str(media_type), data=str(data)):
            return Image(image_type(media_type, f"{place}.media_type"), data, cache=cache)
        case _Source(type="url", url=str(url)):
            return Image(url=url, cache=cache)
    raise MalformedRequest(f"`{place}` must be base64 or a url; the gateway stores no files.", place)


def _document(source: _Source, title: str | None, place: str, cache: CacheMark | None) -> Document | Text:
    match source:
        case _Source(type="base64", media_type=str(media_type), data=str(data)):
            return Document(media_type, data, name=title, cache=cache)
        case _Source(type="url", url=str(url)):
            return Document(url=url, name=title, cache=cache)
        case _Source(type="text", data=str(data)):
            return Text(data, cache)
    raise MalformedRequest(f"`{place}` must be base64, text or a url; the gateway stores no files.", place)


def _decode_tool(raw: msgspec.Raw, path: str) -> Tool:
    tool = decode_at(_tool, raw, path)
    if tool.type not in (None, "custom"):
        field = f"{path}.type"
        why = "is a tool of Anthropic's own making" if tool.type.startswith(_RUN_BY_CLIENTS) else "runs at Anthropic"
        raise MalformedRequest(f"`{field}`: {tool.type!r:.60} {why} and cannot be translated.", field)
    if tool.input_schema is None:
        raise MalformedRequest(f"`{path}.input_schema` is missing.", f"{path}.input_schema")
    cache = CacheMark(tool.cache_control.ttl) if tool.cache_control else None
    return Tool(tool.name, msgspec.json.encode(tool.input_schema), tool.description, tool.strict, cache)


def _decode_choice(choice: _Choice) -> ToolChoice:
    if choice.type == "tool":
        if not choice.name:
            raise MalformedRequest("`tool_choice.name` is missing.", "tool_choice.name")
        return ToolChoice("named", choice.name)
    return ToolChoice("required" if choice.type == "any" else choice.type)


def _format_of(request: _Request) -> tuple[str, _Format | None]:
    """Return the form of the answer and the name of the field in which it stands."""
    config = request.output_config
    if request.output_format is not None and (config is None or config.format is None):
        return "output_format", request.output_format
    return "output_config.format", config.format if config is not None else None


def _format(request: _Request) -> ResponseFormat | None:
    field, form = _format_of(request)
    if form is None:
        return None
    if form.type != "json_schema" or form.schema is None:
        raise MalformedRequest(f"`{field}` must be a json_schema with its `schema`.", field)
    # Anthropic always holds the answer to the schema.
    return ResponseFormat("json_schema", msgspec.json.encode(form.schema), strict=True)


def _thinking(request: _Request) -> Thinking | None:
    effort = request.output_config.effort if request.output_config else None
    thinking = request.thinking
    if thinking is None:
        return Thinking(effort=effort) if effort else None
    if thinking.type not in ("enabled", "adaptive", "disabled", "between_tools"):
        raise MalformedRequest("`thinking.type` is unknown.", "thinking.type")
    summary = None if thinking.display is None else thinking.display == "summarized"
    return Thinking(thinking.type != "disabled", effort, thinking.budget_tokens, summary)
