"""What the official SDKs make of an answer, as plain data, and what of it matters to their users."""

import json
from typing import Any

import anthropic
import openai

TOOLS = ("get_weather", "get_time", "run")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
ASKS: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in TOOLS],
        "stream_options": {"include_usage": True},
    },
    "messages": {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": name, "input_schema": SCHEMA} for name in TOOLS],
    },
    "responses": {
        "model": "m",
        "input": "hi",
        "tools": [{"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in TOOLS],
    },
}


def accumulated_stream(sdk: "openai.OpenAI | anthropic.Anthropic", client: str, model: str = "m") -> Any:
    """What the SDK makes of the stream of an answer, asked for in the protocol `client`."""
    ask = {**_bare(client), "model": model}
    if isinstance(sdk, anthropic.Anthropic):
        with sdk.messages.stream(**ask) as stream:
            return stream.get_final_message().model_dump()
    if client == "responses":
        with sdk.responses.stream(**ask) as answer:
            *_, last = answer
            return last.response.model_dump()
    with sdk.chat.completions.stream(**ask, stream_options={"include_usage": True}) as completion:
        for _ in completion:
            pass
        return completion.current_completion_snapshot.model_dump()


def accumulated_body(sdk: "openai.OpenAI | anthropic.Anthropic", client: str, model: str = "m") -> Any:
    """What the SDK makes of an answer in one piece."""
    ask = {**_bare(client), "model": model}
    if isinstance(sdk, anthropic.Anthropic):
        return sdk.messages.create(**ask).model_dump()
    if client == "responses":
        return sdk.responses.create(**ask).model_dump()
    return sdk.chat.completions.create(**ask).model_dump()


def _bare(client: str) -> dict[str, Any]:
    return {name: value for name, value in ASKS[client].items() if name not in ("stream_options", "tools")}


def essence(client: str, answer: Any) -> Any:
    """Text, tools, reasoning, stop reason and usage of an accumulated answer, in the client's own words."""
    if client == "messages":
        kept = ("type", "text", "thinking", "id", "name", "input")
        blocks = [{name: block[name] for name in kept if name in block} for block in answer["content"]]
        counts = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        usage = {name: answer["usage"][name] for name in counts}
        return blocks, answer["stop_reason"], answer["stop_sequence"], usage, answer["usage"]["output_tokens_details"]
    if client == "chat":
        (choice,) = answer["choices"]
        message = choice["message"]
        calls = [
            (call["id"], call["type"], call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message["tool_calls"] or ()
        ]
        spoken = (message["role"], message["content"], message["refusal"], message.get("reasoning_content"))
        usage = answer["usage"]
        details = usage["prompt_tokens_details"]
        return (
            *spoken,
            calls,
            choice["finish_reason"],
            [usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")],
            [details[name] for name in ("cached_tokens", "cache_write_tokens")],
            usage["completion_tokens_details"]["reasoning_tokens"],
        )
    items = []
    for item in answer["output"]:
        match item["type"]:
            case "message":
                items.append(("message", [part["text"] for part in item["content"]]))
            case "reasoning":
                items.append(("reasoning", [part["text"] for part in item["summary"]]))
            case _:
                items.append((item["call_id"], item["name"], json.loads(item["arguments"])))
    return items, answer["status"], answer["incomplete_details"], answer["usage"]
