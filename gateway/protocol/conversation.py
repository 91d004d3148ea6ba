"""The request model: what every protocol's request is decoded into, and what it is encoded from.

A conversation holds what a request says, not how its protocol says it:

* **Turns** in order, each of one role. `system` stands for system and developer text alike, wherever it came. Tool
  results are parts of a user turn; before the turn is sent they go first (Anthropic wants them there, and in chat they
  are messages of their own in front of the user's).
* **Tools** are functions with a JSON schema. Two kinds of Responses tools become such functions and keep a mark, so
  that the answer can be told as the client expects it: a `custom` tool takes one string, `input`; a `namespace` is a
  prefix of the function's name.
* **Settings**, with None for "not said". No default of any protocol is filled in by a decoder.

Two adjacent turns of one role say the same as one turn with the parts of both (`merged`): that is the only freedom
that an encoder has with turns. `refused` is the one door for what a target protocol cannot say although it changes
the answer: the error names the field as the client wrote it, because a decoder notes in `fields` under which name it
found a setting.
"""

import enum
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from gateway.protocol.errors import MalformedRequest


class Origin(enum.StrEnum):
    """The protocol whose provider made a signature; to every other provider it means nothing."""

    CHAT = "chat"
    MESSAGES = "messages"
    RESPONSES = "responses"


class Signature(msgspec.Struct, frozen=True):
    """An opaque proof of reasoning, to be handed back to its maker unchanged.

    `redacted` tells that the value is the reasoning itself, encrypted, and not only the proof of a readable text.
    """

    origin: Origin
    value: str
    redacted: bool = False


class CacheMark(msgspec.Struct, frozen=True):
    """`cache_control` of Anthropic: cache the prompt up to here, for `ttl` ("5m" or "1h")."""

    ttl: str | None = None


class Text(msgspec.Struct, frozen=True):
    """A piece of text; never empty in an encoded request."""

    text: str
    cache: CacheMark | None = None


class Image(msgspec.Struct, frozen=True):
    """A picture: base64 `data` of `media_type`, or a `url`; `detail` is OpenAI's low, high or auto."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str | None = None
    cache: CacheMark | None = None


class Document(msgspec.Struct, frozen=True):
    """A file, in practice a PDF: base64 `data` of `media_type`, or a `url`."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    name: str | None = None
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True):
    """What an assistant said when it declined."""

    text: str


class Reasoning(msgspec.Struct, frozen=True):
    """What an assistant thought before it spoke; the text may be empty when there is a signature."""

    text: str = ""
    signature: Signature | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """An assistant's call; `arguments` is the text of a JSON object."""

    id: str
    name: str
    arguments: str


ResultPart: TypeAlias = Text | Image | Document


class ToolResult(msgspec.Struct, frozen=True):
    """What a call returned."""

    call_id: str
    parts: tuple[ResultPart, ...] = ()
    is_error: bool = False
    cache: CacheMark | None = None


Part: TypeAlias = Text | Image | Document | Refusal | Reasoning | ToolCall | ToolResult
Role: TypeAlias = Literal["system", "user", "assistant"]


class Turn(msgspec.Struct, frozen=True):
    """What one side said."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; `schema` is the JSON text of its parameters' schema.

    `name` is what a provider sees. `custom` marks a Responses tool whose input is one string, `namespace` and
    `short_name` what a Responses client calls it.
    """

    name: str
    schema: bytes
    description: str | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    custom: bool = False
    namespace: str | None = None
    short_name: str | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """`required` asks for some call, `named` for a call of `name`; `allowed` narrows the tools without removing any."""

    mode: Literal["auto", "required", "none", "named"]
    name: str = ""
    allowed: tuple[str, ...] | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """The form of the answer's text; `schema` is JSON text and belongs to `json_schema`."""

    kind: Literal["json_object", "json_schema"]
    schema: bytes = b""
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Thinking(msgspec.Struct, frozen=True):
    """How much to reason: an effort, a budget in tokens, both or neither.

    `enabled` is what Anthropic's `thinking.type` says, None when only an effort is known; `summary` tells that a
    readable account of the reasoning is wanted.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    summary: bool | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Sampling values have OpenAI's ranges (temperature 0 to 2); None is "not said"."""

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: bytes | None = None
    logprobs: bool = False
    n: int = 1
    response_format: ResponseFormat | None = None
    thinking: Thinking | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    user: str | None = None
    cache_key: str | None = None
    fields: dict[str, str] = {}
    """The client's own name of a setting where it differs from the attribute's."""

    def refused(self, setting: str, target: str) -> MalformedRequest:
        """Return the error for a setting that `target`, a protocol in words, cannot say."""
        field = self.fields.get(setting, setting)
        return MalformedRequest(f"`{field}` cannot be told to a provider of the {target} protocol.", field)

    def tool_named(self, name: str) -> Tool | None:
        """Return the tool that a provider knows by `name`."""
        return next((tool for tool in self.tools if tool.name == name), None)


def merged(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Return the same conversation without two adjacent turns of one role and without empty turns."""
    runs: list[tuple[Role, list[Part]]] = []
    for turn in turns:
        if not turn.parts:
            continue
        if runs and runs[-1][0] == turn.role:
            runs[-1][1].extend(turn.parts)
        else:
            runs.append((turn.role, list(turn.parts)))
    return tuple(Turn(role, tuple(parts)) for role, parts in runs)


def results_first(parts: Iterable[Part]) -> tuple[list[ToolResult], list[Part]]:
    """Return the tool results of a user turn and the rest of it, each in order."""
    results: list[ToolResult] = []
    rest: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            results.append(part)
        else:
            rest.append(part)
    return results, rest
