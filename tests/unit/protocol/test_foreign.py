"""What is taken out of a request that is passed on: reasoning that another maker signed."""

import json
from typing import Any

import pytest

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.anthropic_tokens import COUNT_TOKENS
from gateway.protocol.dialect import Dialect
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.openai_responses import RESPONSES
from gateway.protocol.signature import WRAPPED
from gateway.protocol.translation import Translation
from tests.support.native import ANSWERS, BODIES
from tests.support.translating import ASKS

NATIVE = {"type": "thinking", "thinking": "Hm", "signature": "EqQB"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.50}}
ASKED = {"role": "user", "content": "hi"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}
FOREIGN = [
    {"type": "thinking", "thinking": "Hm", "signature": f"{WRAPPED}chat.xai S"},
    {"type": "thinking", "thinking": "Hm", "signature": ""},
    {"type": "redacted_thinking", "data": f"{WRAPPED}responses+redacted.gAAA"},
]


def passed(dialect: Dialect, **members: Any) -> Any:
    """The body that a provider of the dialect gets, decoded."""
    return json.loads(dialect.passed_on(json.dumps(members).encode()))


@pytest.mark.parametrize("block", FOREIGN)
@pytest.mark.parametrize("dialect", [MESSAGES, COUNT_TOKENS])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_complaint_17_anthropic_gets_no_thinking_that_it_has_not_signed(
    dialect: Dialect, block: dict[str, Any], separators: tuple[str, str]
):
    """The block is dropped, and nothing else, however the JSON is spaced."""
    body = {"model": "m", "messages": [ASKED, {"role": "assistant", "content": [block, NATIVE, CALL]}, RESULT]}
    sent = json.loads(dialect.passed_on(json.dumps(body, separators=separators).encode()))
    assert sent == {"model": "m", "messages": [ASKED, {"role": "assistant", "content": [NATIVE, CALL]}, RESULT]}


def test_a_turn_of_foreign_thinking_alone_is_dropped_whole():
    """Anthropic refuses a message without content."""
    sent = passed(MESSAGES, messages=[ASKED, {"role": "assistant", "content": FOREIGN}, ASKED])
    assert sent["messages"] == [ASKED, ASKED]


def test_a_thinking_budget_goes_with_the_thinking_before_an_answered_call():
    """By budget, Anthropic wants such a turn to begin with thinking; adaptive thinking does not ask for it."""
    history = [ASKED, {"role": "assistant", "content": [FOREIGN[0], CALL]}, RESULT]
    edits = {"edits": [{"type": "clear_thinking_20251015"}]}
    budget = {"type": "enabled", "budget_tokens": 2000}
    sent = passed(MESSAGES, messages=history, thinking=budget, context_management=edits)
    assert set(sent) == {"messages"}
    assert passed(MESSAGES, messages=history, thinking={"type": "adaptive"})["thinking"] == {"type": "adaptive"}
    assert passed(MESSAGES, messages=[*history, ASKED], thinking=budget)["thinking"] == budget


@pytest.mark.parametrize(
    "item",
    [
        {"type": "reasoning", "id": "rs_1_0", "summary": [], "encrypted_content": f"{WRAPPED}messages.SIG1=="},
        {"type": "reasoning", "summary": [], "encrypted_content": f"{WRAPPED}chat+redacted.xai D"},
        {"type": "reasoning", "id": "rs_chatcmpl-1_0", "summary": [{"type": "summary_text", "text": "Hm"}]},
    ],
)
def test_complaint_17_openai_gets_no_reasoning_item_of_another_maker(item: dict[str, Any]):
    """Nor one without a signature that the gateway wrote: OpenAI would look for it in its store."""
    own = {"type": "reasoning", "id": "rs_68af", "summary": [], "encrypted_content": "gAAA"}
    stored = {"type": "reasoning", "id": "rs_68b0", "summary": []}
    sent = passed(RESPONSES, model="m", input=[own, item, stored, {"role": "user", "content": "hi"}])
    assert sent == {"model": "m", "input": [own, stored, {"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("provider", ["messages", "responses"])
def test_complaint_17_a_chat_provider_gets_no_details_of_another_maker(provider: str):
    """What the gateway told as `reasoning_details` for another provider is dropped, a chat provider's own stays."""
    ask = json.dumps(ASKS["chat"]).encode()
    translation = Translation("chat", provider, ask, answer_id="r", created=0)
    told = translation.body(BODIES[provider](ANSWERS["reasoning"]))
    assert isinstance(told, tuple)
    message = json.loads(told[0])["choices"][0]["message"]
    assert message["reasoning_details"]
    own = {"type": "reasoning.text", "text": "Hm", "signature": "S", "format": "anthropic-claude-v1", "id": None}
    mixed = {**message, "reasoning_details": [*message["reasoning_details"], own]}
    sent = passed(CHAT, messages=[ASKED, message, ASKED, mixed])
    del message["reasoning_details"]
    assert sent["messages"] == [ASKED, message, ASKED, {**mixed, "reasoning_details": [own]}]


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (MESSAGES, {"messages": [{"role": "assistant", "content": [NATIVE, CALL]}, RESULT]}),
        (MESSAGES, {"messages": [{"role": "user", "content": f'"signature":"" and "{WRAPPED}chat.x"'}]}),
        (MESSAGES, {"messages": [{"role": "assistant", "content": [{**CALL, "input": {"signature": ""}}]}]}),
        (MESSAGES, {"messages": [{"role": "user", "content": f"{WRAPPED}chat.x"}]}),
        (MESSAGES, {"messages": f"{WRAPPED}chat.x"}),
        (MESSAGES, {"model": f"{WRAPPED}chat.x"}),
        (RESPONSES, {"input": f"{WRAPPED}chat.x"}),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "rs_1_0"}]}),
        (CHAT, {"messages": [{"role": "user", "content": f"{WRAPPED}chat.x"}]}),
        (CHAT, {"input": f"{WRAPPED}chat.x"}),
    ],
)
def test_a_body_without_foreign_reasoning_keeps_its_bytes(dialect: Dialect, body: dict[str, Any]):
    """Spaces and all, also where a text looks like a mark, and where the provider will find a fault."""
    raw = json.dumps(body, indent=1, ensure_ascii=False).encode()
    assert dialect.passed_on(raw) == raw
    assert dialect.passed_on(json.dumps(body).encode()) == json.dumps(body).encode()
