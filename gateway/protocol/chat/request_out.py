"""A conversation, encoded as a chat completions request for a provider."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.protocol.chat.reasoning import detail_of
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
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.identity import plain_name, user_id
from gateway.protocol.limits import refuse_settings
from gateway.protocol.media import url_of
from gateway.protocol.models import limit_field, reasons_by_default, takes_cache_key, takes_effort
from gateway.protocol.tools import check_choice, effort_of, usable_tools
from gateway.protocol.wire import encode as to_json

Json = dict[str, Any]


def encode(conversation: Conversation, model: str, *, ask_for_usage: bool = True) -> bytes:
    """Encode for the provider's `model`. Raises MalformedRequest for what chat cannot say.

    All system text goes into one message at the beginning: many servers' templates refuse it anywhere else.
    """
    refuse_settings(conversation, Origin.CHAT)
    check_choice(conversation)
    if conversation.stop and reasons_by_default(model):
        field = conversation.fields.get("stop", "stop")
        raise MalformedRequest(f"`{field}` cannot be told to a reasoning model of OpenAI.", field)
    turns = merged(conversation.turns)
    if any(isinstance(part, Document) and part.url for turn in turns for part in _media(turn)):
        field = conversation.fields.get("turns", "messages")
        raise MalformedRequest(f"`{field}` has a document by its URL; chat completions take it as data alone.", field)
    messages: list[Json] = []
    system = [part.text for turn in turns if turn.role == "system" for part in turn.parts if isinstance(part, Text)]
    if system:
        messages.append({"role": "system", "content": "\n\n".join(system)})
    for turn in merged(turn for turn in turns if turn.role != "system"):
        messages += _user(turn) if turn.role == "user" else _assistant(turn)
    request: Json = {"model": model, "messages": messages}
    if conversation.stream:
        request["stream"] = True
        if ask_for_usage:
            request["stream_options"] = {"include_usage": True}
    request |= _tools(conversation) | _sampling(conversation, model)
    return to_json(request)


def _sampling(conversation: Conversation, model: str) -> Json:
    effort = effort_of(conversation.thinking)
    settings: Json = {
        limit_field(model): conversation.max_tokens,
        "temperature": None if reasons_by_default(model) else conversation.temperature,
        "top_p": None if reasons_by_default(model) else conversation.top_p,
        "stop": list(conversation.stop) or None,
        "presence_penalty": conversation.presence_penalty,
        "frequency_penalty": conversation.frequency_penalty,
        "seed": conversation.seed,
        "logit_bias": msgspec.Raw(conversation.logit_bias) if conversation.logit_bias else None,
        "reasoning_effort": effort if takes_effort(model) else None,
        "verbosity": conversation.verbosity if reasons_by_default(model) else None,
        "response_format": _format(conversation),
        "user": user_id(conversation.user),
        "prompt_cache_key": conversation.cache_key if takes_cache_key(model) else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _format(conversation: Conversation) -> Json | None:
    form = conversation.response_format
    if form is None:
        return None
    if form.kind == "json_object":
        return {"type": "json_object"}
    schema: Json = {"name": form.name or "answer", "schema": msgspec.Raw(form.schema)}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}


def _tools(conversation: Conversation) -> Json:
    tools = []
    for tool in usable_tools(conversation):
        function: Json = {"name": plain_name(tool.name), "parameters": msgspec.Raw(tool.schema)}
        if tool.description is not None:
            function["description"] = tool.description
        if tool.strict:
            function["strict"] = True
        tools.append({"type": "function", "function": function})
    if not tools:
        return {}
    said: Json = {"tools": tools}
    choice = conversation.tool_choice
    if choice is not None and choice.mode == "named":
        said["tool_choice"] = {"type": "function", "function": {"name": plain_name(choice.name)}}
    elif choice is not None:
        said["tool_choice"] = choice.mode
    if conversation.parallel_tool_calls is False:
        # True is what happens anyway, and reasoning models refuse to be told.
        said["parallel_tool_calls"] = False
    return said


def _user(turn: Turn) -> list[Json]:
    """One message for each result, since a tool's message is text alone; then the rest, their pictures first."""
    results, rest = results_first(turn.parts)
    messages: list[Json] = []
    content: list[Part] = []
    for result in results:
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if not isinstance(part, Text)]
        if media:
            note = f"What the tool call {result.call_id} returned:"
            content += [Text(note), *media]
        text = "\n".join(texts) or ("The tool failed." if result.is_error else "")
        messages.append({"role": "tool", "tool_call_id": result.call_id, "content": text})
    content += rest
    if content:
        messages.append({"role": "user", "content": _content(content)})
    return messages


def _content(parts: list[Part]) -> str | list[Json]:
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [said for part in parts if (said := _said_by_user(part))]


def _media(turn: Turn) -> Iterable[Part]:
    """All parts of a turn, those inside its results as well."""
    for part in turn.parts:
        yield from part.parts if isinstance(part, ToolResult) else (part,)


def _said_by_user(part: Part) -> Json | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case Image(detail=detail):
            image: Json = {"url": url_of(part)}
            if detail is not None:
                image["detail"] = detail
            return {"type": "image_url", "image_url": image}
        case Document(name=name):
            return {"type": "file", "file": {"filename": name or "document.pdf", "file_data": url_of(part)}}
    return None


def _assistant(turn: Turn) -> list[Json]:
    texts, refusals, calls = [], [], []
    for part in turn.parts:
        match part:
            case Text(text=text):
                texts.append(text)
            case Refusal(text=text):
                refusals.append(text)
            case ToolCall(id=identity, name=name, arguments=arguments):
                function = {"name": plain_name(name), "arguments": arguments}
                calls.append({"id": identity, "type": "function", "function": function})
    message: Json = {"role": "assistant", "content": "".join(texts) or None}
    if refusals:
        message["refusal"] = "".join(refusals)
    message |= _reasoning(part for part in turn.parts if isinstance(part, Reasoning))
    if calls:
        message["tool_calls"] = calls
    return [message] if len(message) > 2 or message["content"] else []


def _reasoning(parts: Iterable[Reasoning]) -> Json:
    """What a chat provider has thought goes back to it; that of others means nothing to it."""
    texts: list[str] = []
    details: list[Json] = []
    for part in parts:
        if part.signature is None:
            texts.append(part.text)
        elif part.signature.origin is Origin.CHAT:
            texts.append(part.text)
            details.append(detail_of(part.text, part.signature, len(details)))
    said: Json = {"reasoning_content": "".join(texts)} if any(texts) else {}
    return said | ({"reasoning_details": details} if details else {})
