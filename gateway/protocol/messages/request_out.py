"""A conversation, encoded as an Anthropic messages request for a provider."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.protocol.conversation import (
    CacheMark,
    Conversation,
    Document,
    Image,
    Origin,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    merged,
    results_first,
)
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.identity import plain_name
from gateway.protocol.limits import NAMES, refuse_settings
from gateway.protocol.models import default_max_tokens, thinks_by_budget
from gateway.protocol.tools import budget_of, check_choice, usable_tools
from gateway.protocol.wire import encode as to_json

Json = dict[str, Any]
_ANY_INPUT = msgspec.Raw(b'{"type":"object"}')


def encode(conversation: Conversation, model: str) -> bytes:
    """Encode for the provider's `model`. Raises MalformedRequest for what Anthropic cannot say.

    System text is hoisted into `system` from wherever it stands, as Anthropic's own OpenAI layer does.
    """
    refuse_settings(conversation, Origin.MESSAGES)
    check_choice(conversation)
    messages = _messages(turn for turn in conversation.turns if turn.role != "system")
    if not messages:
        field = conversation.fields.get("turns", "messages")
        raise MalformedRequest(f"`{field}` has nothing of a user or an assistant, which Anthropic asks for.", field)
    max_tokens = conversation.max_tokens or default_max_tokens(model)
    request: Json = {"model": model, "max_tokens": max_tokens, "messages": messages}
    system = [part for turn in conversation.turns if turn.role == "system" for part in turn.parts]
    if texts := [block for part in system if (block := _block(part))]:
        request["system"] = texts
    if conversation.stream:
        request["stream"] = True
    thinking = _thinking(conversation, model, max_tokens)
    thinks = thinking.get("thinking", {}).get("type", "disabled") != "disabled"
    request |= _tools(conversation) | thinking | _sampling(conversation, thinks=thinks)
    return to_json(request)


def _sampling(conversation: Conversation, *, thinks: bool) -> Json:
    temperature = conversation.temperature
    settings: Json = {
        "temperature": None if temperature is None or thinks else min(temperature, 1.0),
        "top_p": None if thinks else conversation.top_p,
        "top_k": None if thinks else conversation.top_k,
        "stop_sequences": [stop for stop in conversation.stop if stop.strip()] or None,
        "metadata": {"user_id": conversation.user} if conversation.user else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _thinking(conversation: Conversation, model: str, max_tokens: int) -> Json:
    """`thinking` and `output_config`: by budget for the models that know nothing else, else adaptive, by effort."""
    config: Json = {}
    said: Json = {}
    form = conversation.response_format
    if form is not None and form.kind == "json_object":
        raise conversation.refused("response_format", NAMES[Origin.MESSAGES])
    if form is not None:
        config["format"] = {"type": "json_schema", "schema": msgspec.Raw(form.schema)}
    thinking, choice = conversation.thinking, conversation.tool_choice
    is_forced = choice is not None and choice.mode in ("required", "named")
    if thinking is None or is_forced:
        pass
    elif thinking.enabled is False or thinking.effort == "none":
        said["thinking"] = {"type": "disabled"}
    elif thinks_by_budget(model) or thinking.budget is not None:
        budget = budget_of(thinking, max_tokens)
        if budget and not _goes_on_without_thinking(conversation):
            said["thinking"] = {"type": "enabled", "budget_tokens": budget}
    else:
        said["thinking"] = {"type": "adaptive"}
        if thinking.summary is not None:
            said["thinking"]["display"] = "summarized" if thinking.summary else "omitted"
        if thinking.effort is not None:
            config["effort"] = "low" if thinking.effort == "minimal" else thinking.effort
    if config:
        said["output_config"] = config
    return said


def _goes_on_without_thinking(conversation: Conversation) -> bool:
    """Whether results answer a turn whose reasoning is lost: by budget, Anthropic wants it to begin with thinking."""
    turns = merged(turn for turn in conversation.turns if turn.role != "system")
    if len(turns) < 2 or not any(isinstance(part, ToolResult) for part in turns[-1].parts):
        return False
    first = next((block for part in turns[-2].parts if (block := _block(part))), {})
    return first.get("type") not in ("thinking", "redacted_thinking")


def _tools(conversation: Conversation) -> Json:
    tools = usable_tools(conversation)
    choice = conversation.tool_choice
    if not tools:
        # Anthropic refuses calls in the history without any tool: it is told their names, and to make no more.
        names = {part.name for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)}
        if not names:
            return {}
        declared = [{"name": plain_name(name), "input_schema": _ANY_INPUT} for name in sorted(names)]
        return {"tools": declared, "tool_choice": {"type": "none"}}
    said: Json = {"tools": [_tool(tool) for tool in tools]}
    one_at_a_time = conversation.parallel_tool_calls is False
    if choice is None and not one_at_a_time:
        return said
    mode = choice.mode if choice is not None else "auto"
    chosen: Json = {"type": {"auto": "auto", "required": "any", "none": "none", "named": "tool"}[mode]}
    if choice is not None and mode == "named":
        chosen["name"] = plain_name(choice.name)
    if one_at_a_time and mode != "none":
        chosen["disable_parallel_tool_use"] = True
    said["tool_choice"] = chosen
    return said


def _tool(tool: Tool) -> Json:
    said: Json = {"name": plain_name(tool.name), "input_schema": msgspec.Raw(tool.schema)}
    if tool.description:
        said["description"] = tool.description
    if tool.strict:
        said["strict"] = True
    return said | _cache(tool.cache)


def _messages(turns: Iterable[Turn]) -> list[Json]:
    messages: list[Json] = []
    for turn in merged(turns):
        results, rest = results_first(turn.parts)
        blocks = [block for part in (*results, *rest) if (block := _block(part))]
        if blocks and messages and messages[-1]["role"] == turn.role:
            messages[-1]["content"] += blocks
        elif blocks:
            messages.append({"role": turn.role, "content": blocks})
    if messages and messages[-1]["role"] == "assistant" and messages[-1]["content"][-1]["type"] == "text":
        # The answer goes on from there; Anthropic refuses white space at that place.
        last = messages[-1]["content"][-1]
        last["text"] = last["text"].rstrip()
    return messages


def _block(part: Part) -> Json | None:
    match part:
        case Text(text=text, cache=cache):
            return {"type": "text", "text": text, **_cache(cache)} if text.strip() else None
        case Refusal(text=text):
            return {"type": "text", "text": text} if text.strip() else None
        case Image(cache=cache) | Document(cache=cache):
            return {**_media(part), **_cache(cache)}
        case ToolCall(id=identity, name=name, arguments=arguments):
            inputs = msgspec.Raw(arguments.encode())
            return {"type": "tool_use", "id": plain_name(identity), "name": plain_name(name), "input": inputs}
        case ToolResult(call_id=call_id, parts=parts, is_error=is_error, cache=cache):
            said: Json = {"type": "tool_result", "tool_use_id": plain_name(call_id)}
            if content := [block for inner in parts if (block := _block(inner))]:
                said["content"] = content
            if is_error:
                said["is_error"] = True
            return said | _cache(cache)
        case Reasoning(text=text, signature=signature):
            if signature is None or signature.origin is not Origin.MESSAGES:
                return None
            if signature.redacted:
                return {"type": "redacted_thinking", "data": signature.value}
            return {"type": "thinking", "thinking": text, "signature": signature.value}


def _media(media: Image | Document) -> Json:
    kind = "image" if isinstance(media, Image) else "document"
    if media.url:
        return {"type": kind, "source": {"type": "url", "url": media.url}}
    said: Json = {"type": kind, "source": {"type": "base64", "media_type": media.media_type, "data": media.data}}
    if isinstance(media, Document) and media.name:
        said["title"] = media.name
    return said


def _cache(mark: CacheMark | None) -> Json:
    if mark is None:
        return {}
    return {"cache_control": {"type": "ephemeral"} | ({"ttl": mark.ttl} if mark.ttl else {})}
