"""The tools of a Responses request.

| type                                    | what becomes of it |
|-----------------------------------------|----------------------------------------------------------------------------|
| `function`                              | a tool |
| `custom` (Codex: `apply_patch`)         | a tool with one string, `input`; its grammar goes into the description |
| `namespace` (Codex: MCP servers)        | its tools, under flat names |
| `web_search`, `image_generation`, ...   | dropped: Codex offers them with every request, and the model does without |
| anything else                           | refused: it runs at OpenAI |

A choice that forces a dropped tool is refused.
"""

from typing import Literal

import msgspec

from gateway.protocol.conversation import Tool, ToolChoice
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.identity import flat_name
from gateway.protocol.wire import decode_at
from gateway.protocol.wire import encode as to_json

_ANY_OBJECT = b'{"type":"object","properties":{}}'
_ONE_INPUT = (
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)

_DROPPED = ("web_search", "image_generation", "tool_search")


class _Grammar(msgspec.Struct):
    type: str = "text"
    syntax: str | None = None
    definition: str | None = None


class _Tool(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None
    format: _Grammar | None = None
    tools: list[msgspec.Raw] | None = None


class _Named(msgspec.Struct):
    name: str
    type: Literal["function", "custom"] = "function"
    namespace: str | None = None

    def flat(self) -> str:
        return flat_name(self.namespace, self.name) if self.namespace else self.name


class _Choice(msgspec.Struct):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[_Named] | None = None


class _Input(msgspec.Struct):
    input: str


_tool = msgspec.json.Decoder(_Tool)
_choice = msgspec.json.Decoder(str | _Choice)
_input = msgspec.json.Decoder(_Input)


def decode_tools(tools: list[msgspec.Raw] | None, path: str, namespace: str | None = None) -> list[Tool]:
    """Decode the list of tools at `path`. Raises MalformedRequest."""
    decoded: list[Tool] = []
    for index, raw in enumerate(tools or ()):
        place = f"{path}[{index}]"
        tool = decode_at(_tool, raw, place)
        if tool.type == "namespace" and namespace is None and tool.name:
            decoded += decode_tools(tool.tools, f"{place}.tools", tool.name)
        elif tool.type in ("function", "custom"):
            decoded.append(_function(tool, place, namespace))
        elif not tool.type.startswith(_DROPPED):
            raise MalformedRequest(f"`{place}.type` cannot be translated: {tool.type!r:.60}.", f"{place}.type")
    return decoded


def _function(tool: _Tool, place: str, namespace: str | None) -> Tool:
    if not tool.name:
        raise MalformedRequest(f"`{place}.name` is missing.", f"{place}.name")
    is_custom = tool.type == "custom"
    schema = _ONE_INPUT if is_custom else to_json(tool.parameters) if tool.parameters else _ANY_OBJECT
    description = tool.description
    if is_custom and tool.format is not None and tool.format.definition:
        grammar = f"`input` must follow this {tool.format.syntax or ''} grammar:\n{tool.format.definition}"
        description = f"{description}\n\n{grammar}" if description else grammar
    return Tool(
        name=flat_name(namespace, tool.name) if namespace else tool.name,
        schema=schema,
        description=description,
        strict=None if is_custom else tool.strict,
        custom=is_custom,
        namespace=namespace,
        short_name=tool.name if namespace else None,
    )


def decode_choice(raw: msgspec.Raw) -> ToolChoice:
    """Decode `tool_choice`. Raises MalformedRequest."""
    choice = decode_at(_choice, raw, "tool_choice")
    match choice:
        case "auto" | "required" | "none":
            return ToolChoice(choice)
        case _Choice(type="function" | "custom", name=str(name)):
            return ToolChoice("named", _Named(name, namespace=choice.namespace).flat())
        case _Choice(type="allowed_tools", tools=list(tools)):
            return ToolChoice(choice.mode, allowed=tuple(tool.flat() for tool in tools))
    raise MalformedRequest("`tool_choice` is not one that can be translated.", "tool_choice")


def custom_arguments(text: str) -> str:
    """Return the arguments that carry the input of a custom tool."""
    return to_json({"input": text}).decode()


def custom_input(arguments: str) -> str:
    """Return the input of a custom tool; what a model wrote otherwise is passed on, for the client to judge."""
    try:
        return _input.decode(arguments).input
    except (msgspec.DecodeError, RecursionError):
        return arguments
