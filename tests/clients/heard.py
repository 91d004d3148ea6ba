"""What a provider hears in a request, whichever protocol it is asked in: read here without any code of the gateway."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Protocol = Literal["chat", "messages", "responses"]
PATHS: dict[str, Protocol] = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "messages",
    "/v1/responses": "responses",
}


@dataclass
class Heard:
    """A conversation and its tools."""

    system: list[str] = field(default_factory=list)
    user: list[str] = field(default_factory=list)
    assistant: list[str] = field(default_factory=list)
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name and schema; the schema of a custom tool, which takes a plain text, is empty."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """Id, name and arguments: a table, or the text that a custom tool was given."""
    results: list[tuple[str, str]] = field(default_factory=list)
    """Id of the call, and what came of it."""
    signatures: list[str] = field(default_factory=list)
    """What the provider wrote below its reasoning, brought back."""


def heard(protocol: Protocol, body: dict[str, Any]) -> Heard:
    """Read a request."""
    return {"chat": _chat, "messages": _messages, "responses": _responses}[protocol](body)


def _texts(content: Any) -> list[str]:
    """The texts of a content that is a string or a list of parts."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if "text" in part]


def _chat(body: dict[str, Any]) -> Heard:
    told = Heard()
    for tool in body.get("tools") or ():
        told.tools[tool["function"]["name"]] = tool["function"]["parameters"]
    for message in body["messages"]:
        texts = _texts(message.get("content"))
        match message["role"]:
            case "system" | "developer":
                told.system += texts
            case "user":
                told.user += texts
            case "tool":
                told.results.append((message["tool_call_id"], "\n".join(texts)))
            case "assistant":
                told.assistant += texts
                for call in message.get("tool_calls") or ():
                    function = call["function"]
                    told.calls.append((call["id"], function["name"], json.loads(function["arguments"])))
    return told


def _messages(body: dict[str, Any]) -> Heard:
    told = Heard(system=_texts(body.get("system")))
    for tool in body.get("tools") or ():
        told.tools[tool["name"]] = tool["input_schema"]
    for message in body["messages"]:
        texts = _texts(message["content"])
        {"system": told.system, "user": told.user, "assistant": told.assistant}[message["role"]].extend(texts)
        for block in message["content"] if isinstance(message["content"], list) else ():
            match block["type"]:
                case "tool_use":
                    told.calls.append((block["id"], block["name"], block["input"]))
                case "tool_result":
                    told.results.append((block["tool_use_id"], "\n".join(_texts(block.get("content")))))
                case "thinking":
                    told.signatures.append(block["signature"])
    return told


def _responses(body: dict[str, Any]) -> Heard:
    told = Heard(system=_texts(body.get("instructions")))
    told.tools = dict(_named_tools(body.get("tools") or []))
    given = body["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        match item.get("type", "message"):
            case "message":
                roles = {"user": told.user, "assistant": told.assistant}
                roles.get(item["role"], told.system).extend(_texts(item["content"]))
            case "function_call":
                told.calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
            case "custom_tool_call":
                told.calls.append((item["call_id"], item["name"], item["input"]))
            case "function_call_output" | "custom_tool_call_output":
                told.results.append((item["call_id"], "\n".join(_texts(item["output"]))))
            case "reasoning":
                told.signatures.append(item["encrypted_content"])
    return told


def _named_tools(tools: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tools of the Responses API that have names; those in a namespace have it before theirs."""
    for tool in tools:
        if tool["type"] == "namespace":
            for name, schema in _named_tools(tool["tools"]):
                yield f"{tool['name']}__{name}", schema
        elif "name" in tool:
            yield tool["name"], tool.get("parameters") or {}
