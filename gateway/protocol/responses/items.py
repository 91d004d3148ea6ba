"""Output items and the response around them, as a client of the Responses protocol sees them."""

from typing import Any

import msgspec

from gateway.protocol.answer import Block
from gateway.protocol.codec import Context
from gateway.protocol.conversation import Conversation, Origin, ResponseFormat
from gateway.protocol.events import Failure, Stop, StopReason, UsageReport
from gateway.protocol.responses.tools import custom_input
from gateway.protocol.signature import wrap

Json = dict[str, Any]

_PREFIXES = {"text": "msg", "refusal": "msg", "reasoning": "rs", "call": "fc"}
_REASONS = {
    StopReason.MAX_TOKENS: "max_output_tokens",
    StopReason.CONTEXT_FULL: "max_output_tokens",
    StopReason.REFUSAL: "content_filter",
}


def status_of(block: Block, *, is_last: bool, stop: Stop) -> str:
    """Return the status of a finished block's item: a call is incomplete if it was cut, a text if it was the last."""
    if block.kind == "call":
        return "incomplete" if block.cut else "completed"
    return "incomplete" if is_last and stop.reason in _REASONS else "completed"


def item_of(block: Block, index: int, response_id: str, status: str, conversation: Conversation) -> Json:
    """Return the output item of a block; a block without text gives the item as it is when it begins.

    The input of a custom tool that was cut is empty: half the JSON around it is none.
    """
    identity = f"{_PREFIXES[block.kind]}_{response_id.removeprefix('resp_')}_{index}"
    match block.kind:
        case "text" | "refusal":
            content = [part_of(block)] if block.text else []
            return {"id": identity, "type": "message", "status": status, "role": "assistant", "content": content}
        case "reasoning":
            return _reasoning(block, identity)
    tool = conversation.tool_named(block.name)
    call: Json = {"id": identity, "call_id": block.id, "name": block.name, "status": status}
    if tool is not None and tool.namespace:
        call |= {"name": tool.short_name, "namespace": tool.namespace}
    if tool is not None and tool.custom:
        given = custom_input(block.text) if block.text and not block.cut else ""
        return {**call, "id": f"ctc{identity[2:]}", "type": "custom_tool_call", "input": given}
    return {**call, "type": "function_call", "arguments": block.text}


def _reasoning(block: Block, identity: str) -> Json:
    summary = [{"type": "summary_text", "text": block.text}] if block.text else []
    item: Json = {"id": identity, "type": "reasoning", "summary": summary}
    if block.signature is not None:
        item["encrypted_content"] = wrap(block.signature, Origin.RESPONSES)
    return item


def part_of(block: Block) -> Json:
    """Return the content part of a message."""
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": block.text}
    return {"type": "output_text", "text": block.text, "annotations": [], "logprobs": []}


def response_of(
    context: Context,
    identity: str,
    output: list[Json],
    *,
    stop: Stop | None = None,
    usage: UsageReport | None = None,
    failure: Failure | None = None,
) -> Json:
    """Return the response object: in progress without `stop` and `failure`, else as they say.

    The tools of the request are not repeated in it; no client reads them there.
    """
    conversation = context.conversation
    reason = _REASONS.get(stop.reason) if stop is not None else None
    status = "incomplete" if reason else "completed" if stop is not None else "in_progress"
    thinking = conversation.thinking
    return {
        "id": identity,
        "object": "response",
        "created_at": context.created,
        "status": "failed" if failure is not None else status,
        "background": False,
        "error": None if failure is None else {"code": error_code(failure), "message": failure.message},
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "max_output_tokens": conversation.max_tokens,
        "model": conversation.model,
        "output": output,
        "parallel_tool_calls": conversation.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": thinking.effort if thinking else None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": conversation.temperature,
        "text": {"format": _format(conversation.response_format)},
        "tool_choice": "auto",
        "tools": [],
        "top_p": conversation.top_p,
        "truncation": "disabled",
        "usage": None if usage is None else usage_of(usage),
        "user": conversation.user,
        "metadata": {},
    }


def _format(form: ResponseFormat | None) -> Json:
    if form is None or form.kind == "json_object":
        return {"type": "text" if form is None else "json_object"}
    return {
        "type": "json_schema",
        "name": form.name or "answer",
        "schema": msgspec.Raw(form.schema),
        "strict": form.strict,
    }


def usage_of(usage: UsageReport) -> Json:
    """Return the `usage` of a response. The protocol has no word for unknown: reasoning that nobody told is 0."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input + usage.output,
    }


def error_code(failure: Failure) -> str:
    """Return the code by which clients tell failures apart; the provider's own where it gave one."""
    if failure.code:
        return failure.code
    if failure.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if 400 <= failure.status < 500 else "server_error"
