"""Laws of translated requests: errors are typed and name a field, and what both sides can say survives."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.conversation import Conversation, Origin, Text, ToolResult, Turn, merged, results_first
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.translation import CODECS, Translation
from tests.support.answers import PROTOCOLS
from tests.support.conversations import conversations
from tests.support.requests import REAL, damaged

PROTOCOL = st.sampled_from(PROTOCOLS)


def outcome(client: str, provider: str, body: bytes) -> Any:
    """The provider's request, decoded, or the refusal; any other exception passes through."""
    try:
        return json.loads(Translation(client, provider, body, answer_id="r", created=0).request("up"))
    except MalformedRequest as refusal:
        return refusal


def attempt(client: str, body: bytes) -> None:
    """Translate a body for every other provider: a request, or a sentence that is fit for the client."""
    for provider in PROTOCOLS:
        sent = outcome(client, provider, body)
        if isinstance(sent, MalformedRequest):
            assert sent.message.endswith(".")
            assert sent.param is None or (sent.param and sent.param.strip(".") == sent.param)
        else:
            assert sent["model"] == "up"


@given(st.data(), PROTOCOL)
def test_a_damaged_request_is_refused_or_translated_but_never_breaks(data: st.DataObject, client: str) -> None:
    """Wrong types, missing members, huge numbers, half surrogates and deep nesting: MalformedRequest or a request."""
    attempt(client, data.draw(damaged(client)))


@given(PROTOCOL, st.binary(max_size=200))
@example("chat", b"\xff\xfe")
@example("messages", b'{"model":"m","messages":' + b"[" * 100_000)
@example("responses", b'{"model":"m","input":"\\ud83d"}')
@example("chat", b'{"model":"m","messages":[{"role":"user","content":"\xed\xa0\x80"}]}')
def test_garbage_is_refused(client: str, garbage: bytes) -> None:
    """No bytes at all make a decoder raise anything but MalformedRequest."""
    attempt(client, garbage)


def canonical(conversation: Conversation, *, parts: Any) -> list[tuple[str, list[Any]]]:
    """The turns in one form: merged, results first, parts reduced to what a protocol can tell by `parts`."""
    said = []
    for turn in merged(conversation.turns):
        results, rest = results_first(turn.parts)
        kept = [reduced for part in (*results, *rest) if (reduced := parts(part)) is not None]
        if kept:
            said.append((turn.role, kept))
    return said


def there_and_back(conversation: Conversation, protocol: str) -> Conversation:
    codec = CODECS[Origin(protocol)]
    return codec.decode_request(codec.encode_request(conversation, conversation.model))


def plain(part: Any) -> Any:
    """A part without what only one protocol knows: cache marks, the detail of images, error flags, reasoning."""
    match part:
        case Text(text=text):
            return ("text", text)
        case ToolResult(call_id=call_id, parts=parts):
            return ("result", call_id, "\n".join(inner.text for inner in parts if isinstance(inner, Text)))
    kind = type(part).__name__
    if kind == "ToolCall":
        return ("call", part.id, part.name, json.loads(part.arguments))
    if kind in ("Image", "Document"):
        return (kind, part.media_type, part.data, part.url)
    return None


def system_of(conversation: Conversation) -> str:
    return "\n\n".join(
        part.text
        for turn in conversation.turns
        if turn.role == "system"
        for part in turn.parts
        if isinstance(part, Text)
    )


def spoken_turns(conversation: Conversation) -> list[Any]:
    """The turns of user and assistant; what an assistant says in several texts is one text in chat."""
    turns = tuple(turn for turn in conversation.turns if turn.role != "system")
    said: list[Any] = []
    for role, parts in canonical(Conversation(model="m", turns=turns), parts=plain):
        if role == "assistant":
            text = "".join(part[1] for part in parts if part[0] == "text")
            parts = [("text", text), *(part for part in parts if part[0] == "call")]
        said.append((role, parts))
    return said


SETTINGS = ("stream", "max_tokens", "temperature", "top_p", "user", "tool_choice")


@given(st.lists(PROTOCOL, min_size=1, max_size=3), conversations())
def test_what_all_protocols_can_say_survives_every_chain_of_them(path: list[str], conversation: Conversation) -> None:
    """Turns, tools, choice and common settings are the same behind any number of translations."""
    after = conversation
    for protocol in path:
        after = there_and_back(after, protocol)
    assert after.model == conversation.model
    assert system_of(after) == system_of(conversation)
    assert spoken_turns(after) == spoken_turns(conversation)
    for setting in SETTINGS:
        assert getattr(after, setting) == getattr(conversation, setting), setting
    assert (after.parallel_tool_calls is False) == (conversation.parallel_tool_calls is False)
    assert [(tool.name, tool.description, json.loads(tool.schema)) for tool in after.tools] == [
        (tool.name, tool.description, json.loads(tool.schema)) for tool in conversation.tools
    ]


@given(conversations(rich=True))
def test_anthropic_s_own_survives_its_own_protocol(conversation: Conversation) -> None:
    """Cache marks, error flags, signatures and redacted reasoning are kept by the protocol that has them."""
    after = there_and_back(conversation, "messages")
    assert canonical(after, parts=lambda part: part) == canonical(conversation, parts=lambda part: part)


def test_real_requests_reach_every_provider() -> None:
    """What Claude Code, Codex and opencode send is translated for both other protocols."""
    for client, body in REAL.items():
        for provider in PROTOCOLS:
            sent = Translation(client, provider, json.dumps(body).encode(), answer_id="r", created=0).request("up")
            assert json.loads(sent)["stream"] is True


def test_turns_of_nobody_are_left_out() -> None:
    """An empty turn says nothing and splits nothing."""
    turns = (Turn("user", (Text("a"),)), Turn("assistant", ()), Turn("user", (Text("b"),)))
    assert merged(turns) == (Turn("user", (Text("a"), Text("b"))),)
