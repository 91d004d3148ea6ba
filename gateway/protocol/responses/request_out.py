"""A conversation, encoded as a Responses request for a provider. Nothing is stored there."""

from typing import Any

import msgspec

from gateway.protocol.conversation import (
    Conversation,
    Document,
    Image,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    merged,
    results_first,
)
from gateway.protocol.identity import plain_name, user_id
from gateway.protocol.limits import refuse_settings
from gateway.protocol.media import url_of
from gateway.protocol.models import reasons_by_default, takes_cache_key, takes_effort
from gateway.protocol.tools import check_choice, effort_of, usable_tools
from gateway.protocol.wire import encode as to_json

Json = dict[str, Any]


def encode(conversation: Conversation, model: str) -> bytes:
    """Encode for the provider's `model`. Raises MalformedRequest for what the Responses protocol cannot say.

    System text at the beginning is `instructions`; where it comes later, it is a developer's message in its place.
    """
    refuse_settings(conversation, Origin.RESPONSES)
    check_choice(conversation)
    turns = list(merged(conversation.turns))
    request: Json = {"model": model, "store": False}
    if turns and turns[0].role == "system":
        request["instructions"] = "\n\n".join(part.text for part in turns.pop(0).parts if isinstance(part, Text))
    request["input"] = [item for turn in turns for item in _items(turn)]
    if conversation.stream:
        request["stream"] = True
    if reasons_by_default(model):
        request["include"] = ["reasoning.encrypted_content"]
    request |= _tools(conversation) | _settings(conversation, model)
    return to_json(request)


def _settings(conversation: Conversation, model: str) -> Json:
    text: Json = {}
    form = conversation.response_format
    if form is not None and form.kind == "json_object":
        text["format"] = {"type": "json_object"}
    elif form is not None:
        text["format"] = {
            "type": "json_schema",
            "name": form.name or "answer",
            "schema": msgspec.Raw(form.schema),
            "strict": bool(form.strict),
        }
        if form.description is not None:
            text["format"]["description"] = form.description
    if conversation.verbosity is not None and reasons_by_default(model):
        text["verbosity"] = conversation.verbosity
    settings: Json = {
        "max_output_tokens": conversation.max_tokens,
        "temperature": None if reasons_by_default(model) else conversation.temperature,
        "top_p": None if reasons_by_default(model) else conversation.top_p,
        "reasoning": _reasoning_settings(conversation) or None if takes_effort(model) else None,
        "text": text or None,
        "user": user_id(conversation.user),
        "prompt_cache_key": conversation.cache_key if takes_cache_key(model) else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _reasoning_settings(conversation: Conversation) -> Json:
    thinking = conversation.thinking
    said: Json = {}
    if effort := effort_of(thinking):
        said["effort"] = effort
    if thinking is not None and (thinking.summary or (thinking.enabled and thinking.summary is None)):
        said["summary"] = "auto"
    return said


def _tools(conversation: Conversation) -> Json:
    tools = [
        {
            "type": "function",
            "name": plain_name(tool.name),
            "description": tool.description,
            "parameters": msgspec.Raw(tool.schema),
            # Without this word the protocol takes a schema as strict, which most are not fit for.
            "strict": bool(tool.strict),
        }
        for tool in usable_tools(conversation)
    ]
    if not tools:
        return {}
    said: Json = {"tools": tools}
    choice = conversation.tool_choice
    if choice is not None:
        named = {"type": "function", "name": plain_name(choice.name)}
        said["tool_choice"] = named if choice.mode == "named" else choice.mode
    if conversation.parallel_tool_calls is False:
        said["parallel_tool_calls"] = False
    return said


def _items(turn: Turn) -> list[Json]:
    if turn.role == "system":
        texts = [{"type": "input_text", "text": part.text} for part in turn.parts if isinstance(part, Text)]
        return [{"type": "message", "role": "developer", "content": texts}]
    if turn.role == "assistant":
        return [item for part in turn.parts if (item := _spoken(part))]
    results, rest = results_first(turn.parts)
    items = [_result(result) for result in results]
    if content := [given for part in rest if (given := _given(part))]:
        items.append({"type": "message", "role": "user", "content": content})
    return items


def _result(result: ToolResult) -> Json:
    output: str | list[Json | None]
    if all(isinstance(part, Text) for part in result.parts):
        output = "\n".join(part.text for part in result.parts if isinstance(part, Text))
        if result.is_error and not output:
            output = "The tool failed."
    else:
        output = [_given(part) for part in result.parts]
    return {"type": "function_call_output", "call_id": result.call_id, "output": output}


def _given(part: Part) -> Json | None:
    match part:
        case Text(text=text):
            return {"type": "input_text", "text": text}
        case Image(detail=detail):
            return {"type": "input_image", "image_url": url_of(part), "detail": detail or "auto"}
        case Document(url=url, name=name) if url:
            return {"type": "input_file", "file_url": url} | ({"filename": name} if name else {})
        case Document(name=name):
            return {"type": "input_file", "filename": name or "document.pdf", "file_data": url_of(part)}
    return None


def _spoken(part: Part) -> Json | None:
    match part:
        case Text(text=text):
            return _said([{"type": "output_text", "text": text}])
        case Refusal(text=text):
            return _said([{"type": "refusal", "refusal": text}])
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return {"type": "function_call", "call_id": call_id, "name": plain_name(name), "arguments": arguments}
        case Reasoning(text=text, signature=signature):
            if signature is None or signature.origin is not Origin.RESPONSES:
                return None
            summary = [{"type": "summary_text", "text": text}] if text else []
            return {"type": "reasoning", "summary": summary, "encrypted_content": signature.value}
    return None


def _said(content: list[Json]) -> Json:
    return {"type": "message", "role": "assistant", "content": content}
