"""A Responses request, decoded; of the stateless kind, as Codex sends it.

| item of `input`                                        | part of the model                                          |
|--------------------------------------------------------|------------------------------------------------------------|
| `message`, or one without a type but with a role       | a turn                                                     |
| `reasoning`                                            | `Reasoning`; `encrypted_content` is its signature          |
| `function_call`, `custom_tool_call`                    | `ToolCall`, by its flat name                               |
| `function_call_output`, `custom_tool_call_output`      | `ToolResult`                                               |
| `additional_tools`                                     | more tools                                                 |
| `web_search_call`, `image_generation_call`, ...        | dropped with the tools that made them                      |
| anything else                                          | refused: it points to state or to tools at OpenAI          |
"""

from typing import Literal

import msgspec

from gateway.protocol.conversation import (
    Conversation,
    Document,
    Effort,
    Origin,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    ResultPart,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.identity import flat_name
from gateway.protocol.limits import refuse_fields
from gateway.protocol.media import document_in, image_at
from gateway.protocol.responses.tools import custom_arguments, decode_choice, decode_tools
from gateway.protocol.signature import unwrap
from gateway.protocol.wire import Count, Limit, Real, decode_at, decode_request, object_text, said

_NOT_SAID = msgspec.Raw()


class _Reasoning(msgspec.Struct):
    effort: Effort | None = None
    summary: str | None = None


class _Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class _TextConfig(msgspec.Struct):
    format: _Format | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class _Request(msgspec.Struct):
    model: str
    input: str | list[msgspec.Raw] | None = None
    instructions: str | None = None
    stream: bool | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = _NOT_SAID
    parallel_tool_calls: bool | None = None
    max_output_tokens: Limit | None = None
    temperature: Real | None = None
    top_p: Real | None = None
    top_logprobs: Count | None = None
    reasoning: _Reasoning | None = None
    text: _TextConfig | None = None
    include: list[str] | None = None
    background: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    previous_response_id: msgspec.Raw = _NOT_SAID
    conversation: msgspec.Raw = _NOT_SAID
    prompt: msgspec.Raw = _NOT_SAID


class _Text(msgspec.Struct):
    text: str = ""


class _Item(msgspec.Struct):
    type: str = "message"
    role: str | None = None
    content: str | list[msgspec.Raw] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[msgspec.Raw] | None = None
    summary: list[_Text] | None = None
    encrypted_content: str | None = None
    tools: list[msgspec.Raw] | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


_request = msgspec.json.Decoder(_Request)
_item = msgspec.json.Decoder(_Item)
_part = msgspec.json.Decoder(_Part)
_reasoning_part = msgspec.json.Decoder(_Text)

_DROPPED_ITEMS = frozenset({"web_search_call", "image_generation_call", "tool_search_call", "tool_search_output"})
_LOGPROBS = "message.output_text.logprobs"
_GIVEN = ("input_text", "output_text", "input_image", "input_file")
_RETURNED = ("input_text", "output_text", "input_image", "input_file")
_SPOKEN = ("output_text", "input_text", "refusal")


def decode(body: bytes) -> Conversation:
    """Decode a request. Raises MalformedRequest, which names the field."""
    request = decode_request(_request, body)
    refuse_fields(request, Origin.RESPONSES)
    if request.background:
        raise MalformedRequest("`background` cannot be translated: the gateway keeps no answers.", "background")
    if request.input is None:
        raise MalformedRequest("`input` is missing.", "input")
    tools = decode_tools(request.tools, "tools")
    turns = [Turn("system", (Text(request.instructions),))] if request.instructions else []
    if isinstance(request.input, str):
        turns.append(Turn("user", (Text(request.input),)))
    else:
        for index, raw in enumerate(request.input):
            path = f"input[{index}]"
            item = decode_at(_item, raw, path)
            if item.type == "additional_tools":
                tools += decode_tools(item.tools, f"{path}.tools")
            elif item.type not in _DROPPED_ITEMS:
                turns.append(_turn(item, path))
    text = request.text or _TextConfig()
    return Conversation(
        model=request.model,
        turns=tuple(turns),
        stream=bool(request.stream),
        include_usage=True,
        tools=tuple(tools),
        tool_choice=decode_choice(request.tool_choice) if said(request.tool_choice) else None,
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        logprobs=bool(request.top_logprobs or _LOGPROBS in (request.include or ())),
        response_format=_format(text.format) if text.format else None,
        thinking=_thinking(request.reasoning),
        verbosity=text.verbosity,
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        fields={
            "turns": "input",
            "max_tokens": "max_output_tokens",
            "response_format": "text.format",
            "logprobs": "top_logprobs" if request.top_logprobs else "include",
        },
    )


def _turn(item: _Item, path: str) -> Turn:
    match item:
        case _Item(type="message"):
            return _message(item, path)
        case _Item(type="reasoning"):
            return Turn("assistant", _reasoning(item, path))
        case _Item(type="function_call", call_id=str(call_id), name=str(name)):
            arguments = object_text(item.arguments or "")
            if arguments is None:
                field = f"{path}.arguments"
                raise MalformedRequest(f"`{field}` is not the text of a JSON object.", field)
            return Turn("assistant", (ToolCall(call_id, _flat(item.namespace, name), arguments),))
        case _Item(type="custom_tool_call", call_id=str(call_id), name=str(name)):
            arguments = custom_arguments(item.input or "")
            return Turn("assistant", (ToolCall(call_id, _flat(item.namespace, name), arguments),))
        case _Item(type="function_call_output" | "custom_tool_call_output", call_id=str(call_id)):
            parts = _parts(item.output, f"{path}.output", _RETURNED)
            return Turn("user", (ToolResult(call_id, tuple(part for part in parts if isinstance(part, ResultPart))),))
        case _Item(type="function_call" | "custom_tool_call" | "function_call_output" | "custom_tool_call_output"):
            raise MalformedRequest(f"`{path}` lacks its `call_id` or `name`.", path)
    raise MalformedRequest(f"`{path}.type` cannot be translated: {item.type!r:.60}.", f"{path}.type")


def _flat(namespace: str | None, name: str) -> str:
    return flat_name(namespace, name) if namespace else name


def _message(item: _Item, path: str) -> Turn:
    place = f"{path}.content"
    match item.role:
        case "system" | "developer":
            return Turn("system", tuple(_parts(item.content, place, ("input_text", "output_text"))))
        case "user":
            return Turn("user", tuple(_parts(item.content, place, _GIVEN)))
        case "assistant":
            return Turn("assistant", tuple(_parts(item.content, place, _SPOKEN)))
    raise MalformedRequest(f"`{path}.role` is not a role that can be translated.", f"{path}.role")


def _reasoning(item: _Item, path: str) -> tuple[Part, ...]:
    texts = [part.text for part in item.summary or ()]
    if isinstance(item.content, list):
        contents = (decode_at(_reasoning_part, raw, f"{path}.content[{n}]") for n, raw in enumerate(item.content))
        texts += [part.text for part in contents]
    text = "\n\n".join(part for part in texts if part)
    signature = None
    if item.encrypted_content:
        signature = unwrap(item.encrypted_content, Origin.RESPONSES, redacted=not text)
    return (Reasoning(text, signature),) if text or signature else ()


def _parts(content: str | list[msgspec.Raw] | None, path: str, allowed: tuple[str, ...]) -> list[Part]:
    if content is None or isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for index, raw in enumerate(content):
        place = f"{path}[{index}]"
        part = decode_at(_part, raw, place)
        if part.type not in allowed:
            raise MalformedRequest(f"`{place}.type` cannot be translated here: {part.type!r:.60}.", f"{place}.type")
        parts += _content(part, place)
    return parts


def _content(part: _Part, place: str) -> list[Part]:
    match part:
        case _Part(type="input_text" | "output_text", text=str(text)):
            return [Text(text)] if text else []
        case _Part(type="refusal", refusal=str(text)):
            return [Refusal(text)] if text else []
        case _Part(type="input_image", image_url=str(url)):
            return [image_at(url, part.detail, f"{place}.image_url")]
        case _Part(type="input_file", file_data=str(data)):
            return [document_in(data, part.filename, f"{place}.file_data")]
        case _Part(type="input_file", file_url=str(url)):
            return [Document(url=url, name=part.filename)]
    raise MalformedRequest(f"`{place}` has no content that can be translated; the gateway stores no files.", place)


def _format(form: _Format) -> ResponseFormat | None:
    match form:
        case _Format(type="text"):
            return None
        case _Format(type="json_object"):
            return ResponseFormat("json_object")
        case _Format(type="json_schema", schema=dict(schema)):
            return ResponseFormat("json_schema", msgspec.json.encode(schema), form.name, form.description, form.strict)
    raise MalformedRequest("`text.format` is unknown, or lacks its `schema`.", "text.format")


def _thinking(reasoning: _Reasoning | None) -> Thinking | None:
    if reasoning is None or (reasoning.effort is None and reasoning.summary is None):
        return None
    summary = None if reasoning.summary is None else reasoning.summary != "none"
    return Thinking(effort=reasoning.effort, summary=summary)
