"""Requests from each protocol to each other: what is said there, what is refused, what is left out."""

import json
from typing import Any

import pytest

from gateway.protocol.errors import MalformedRequest
from gateway.protocol.limits import REFUSED_FIELDS, REFUSED_SETTINGS
from tests.support.requests import CLAUDE_CODE, CODEX, OPENCODE
from tests.support.translating import ASKS, request, translation

FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
TOOL = [{"name": "f", "input_schema": {"type": "object"}}]
PDF_BY_URL = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}, "title": "a.pdf"}
OTHER = {"type": "function", "function": {"name": "g"}}
USER = {"role": "user", "content": "hi"}


def refused(client: str, provider: str, **members: Any) -> MalformedRequest:
    with pytest.raises(MalformedRequest) as caught:
        request(client, provider, **members)
    return caught.value


def test_claude_code_reaches_a_chat_provider():
    """All system text in front, calls with content, results before the rest of the turn, pictures behind them."""
    sent = request("messages", "chat", "gpt-5", **CLAUDE_CODE)
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assistant, first, second, user = sent["messages"][2:]
    assert assistant["content"] == "Reading."
    assert [call["function"] for call in assistant["tool_calls"]] == [
        {"name": "Read", "arguments": '{"file_path":"/a"}'},
        {"name": "Bash", "arguments": '{"command":"ls"}'},
    ]
    assert (first["tool_call_id"], first["content"]) == ("toolu_1", "picture:")
    assert (second["tool_call_id"], second["content"]) == ("toolu_2", "no such file")
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text", "file", "image_url"]
    assert sent["max_completion_tokens"] == 32000
    assert sent["reasoning_effort"] == "high"
    assert sent["stream_options"] == {"include_usage": True}
    assert len(sent["user"]) == 64
    assert "context_management" not in sent
    assert "reasoning_content" not in assistant


def test_claude_code_reaches_a_responses_provider():
    """Leading system text as instructions, the later one in its place, results with their pictures."""
    sent = request("messages", "responses", "gpt-5", **CLAUDE_CODE)
    assert sent["instructions"] == "You are Claude Code.\n\nRules."
    kinds = [item["type"] for item in sent["input"]]
    assert kinds == ["message"] * 3 + ["function_call"] * 2 + ["function_call_output"] * 2 + ["message"]
    assert sent["input"][1]["role"] == "developer"
    assert [part["type"] for part in sent["input"][5]["output"]] == ["input_text", "input_image"]
    assert sent["include"] == ["reasoning.encrypted_content"]
    assert sent["store"] is False
    assert sent["max_output_tokens"] == 32000


def test_codex_reaches_an_anthropic_provider():
    """Developer text hoisted, custom and namespaced calls by their flat names, web search left out."""
    sent = request("responses", "messages", "claude-opus-4-7", **CODEX)
    assert [block["text"] for block in sent["system"]] == ["You are Codex.", "sandbox rules"]
    assert [tool["name"] for tool in sent["tools"]] == ["shell", "apply_patch", "mcp__docs__search"]
    assert sent["tools"][1]["input_schema"]["required"] == ["input"]
    assert "start: patch" in sent["tools"][1]["description"]
    calls = [block for message in sent["messages"] for block in message["content"] if block["type"] == "tool_use"]
    assert [(call["name"], call["input"]) for call in calls] == [
        ("shell", {"command": ["ls"]}),
        ("mcp__docs__search", {"q": "x"}),
        ("apply_patch", {"input": "*** Begin Patch\n"}),
    ]
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant"] * 3 + ["user"]
    assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert sent["output_config"] == {"effort": "medium"}
    assert sent["max_tokens"] == 32000


def test_codex_reaches_a_chat_provider_without_hints_that_it_may_refuse():
    """An unknown model gets neither effort, verbosity nor cache key: strict servers refuse what they do not know."""
    sent = request("responses", "chat", "llama-3.3-70b", **CODEX)
    assert set(sent) == {"model", "messages", "stream", "stream_options", "tools", "tool_choice"}
    known = request("responses", "chat", "gpt-5-codex", **CODEX)
    assert (known["reasoning_effort"], known["verbosity"], known["prompt_cache_key"]) == ("medium", "low", "0190")


def test_opencode_reaches_an_anthropic_provider():
    """Consecutive tool messages become one turn, before the user's text; refusals become text; temperature stays."""
    sent = request("chat", "messages", "claude-next", **OPENCODE)
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    results = sent["messages"][2]["content"]
    assert [part["type"] for part in results] == ["tool_result", "tool_result", "text", "image", "image", "document"]
    assert sent["messages"][3]["content"] == [{"type": "text", "text": "No."}]
    assert sent["tools"][0]["strict"] is True
    assert sent["tool_choice"] == {"type": "tool", "name": "read", "disable_parallel_tool_use": True}
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert sent["metadata"] == {"user_id": "u1"}
    assert "thinking" not in sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_each_tool_choice_has_its_word_on_both_sides(choice: Any, sent: dict[str, Any]):
    """Chat to Anthropic and back, chat to Responses and back."""
    assert request("chat", "messages", tools=[FUNCTION], tool_choice=choice)["tool_choice"] == sent
    tool = {"name": "f", "input_schema": {"type": "object"}}
    assert request("messages", "chat", tools=[tool], tool_choice=sent)["tool_choice"] == choice
    named = {"type": "function", "name": "f"} if isinstance(choice, dict) else choice
    assert request("chat", "responses", tools=[FUNCTION], tool_choice=choice)["tool_choice"] == named
    flat = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    assert request("responses", "chat", tools=[flat], tool_choice=named)["tool_choice"] == choice


def test_parallel_calls_are_switched_off_in_every_protocol():
    """`disable_parallel_tool_use` and `parallel_tool_calls: false` are the same; what is the default is not said."""
    assert request("chat", "messages", tools=[FUNCTION], parallel_tool_calls=False)["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": True,
    }
    tool = {"name": "f", "input_schema": {"type": "object"}}
    choice = {"type": "any", "disable_parallel_tool_use": True}
    sent = request("messages", "chat", tools=[tool], tool_choice=choice)
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == ("required", False)
    assert request("messages", "responses", tools=[tool], tool_choice=choice)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in request("responses", "chat", parallel_tool_calls=True)


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-opus-4-7", {"type": "adaptive"}, {"effort": "high"}),
        ("claude-sonnet-4-5-20250929", {"type": "enabled", "budget_tokens": 16_000}, None),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", {"type": "enabled", "budget_tokens": 4096}, None),
    ],
)
def test_an_effort_is_told_as_each_generation_of_models_knows_it(model: str, thinking: Any, effort: Any):
    """Adaptive with an effort for new models, a budget that leaves half of max_tokens for old ones."""
    sent = request("chat", "messages", model, reasoning_effort="high")
    assert (sent["thinking"], sent.get("output_config")) == (thinking, effort)


@pytest.mark.parametrize(("budget", "effort"), [(1024, "low"), (8000, "medium"), (31_999, "high")])
def test_a_budget_is_told_as_an_effort(budget: int, effort: str):
    """OpenAI knows no budgets; models that are not known to reason are told nothing."""
    thinking = {"type": "enabled", "budget_tokens": budget}
    assert request("messages", "chat", "o3", thinking=thinking)["reasoning_effort"] == effort
    sent = request("messages", "responses", "o3", thinking=thinking)
    assert sent["reasoning"] == {"effort": effort, "summary": "auto"}
    assert "reasoning_effort" not in request("messages", "chat", "gpt-4o", thinking=thinking)


def test_thinking_by_budget_stops_where_anthropic_would_refuse_it():
    """With a forced tool, with no room below max_tokens, and behind a call whose reasoning is lost."""
    model = "claude-sonnet-4-5"
    assert "thinking" not in request("chat", "messages", model, reasoning_effort="high", max_tokens=1000)
    forced = {"tools": [FUNCTION], "tool_choice": "required"}
    assert "thinking" not in request("chat", "messages", model, reasoning_effort="high", **forced)
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]
    lost = request("chat", "messages", model, reasoning_effort="high", messages=history, tools=[FUNCTION])
    assert "thinking" not in lost
    kept = {"type": "reasoning.text", "text": "Hm", "signature": "SIG", "format": "anthropic-claude-v1"}
    history[1] = {**history[1], "reasoning_details": [kept]}
    sent = request("chat", "messages", model, reasoning_effort="high", messages=history, tools=[FUNCTION])
    assert sent["thinking"]["type"] == "enabled"


def test_no_effort_means_no_thinking():
    """`none` switches Anthropic's thinking off; a disabled thinking is not told to OpenAI, not all models know it."""
    assert request("chat", "messages", reasoning_effort="none")["thinking"] == {"type": "disabled"}
    assert "reasoning_effort" not in request("messages", "chat", "gpt-5", thinking={"type": "disabled"})


def test_a_chat_provider_gets_its_own_reasoning_back():
    """Unsigned reasoning came from a chat provider (DeepSeek asks for it); what Anthropic signed did not."""
    unsigned = {"type": "thinking", "thinking": "Hm", "signature": ""}
    signed = {"type": "thinking", "thinking": "Hm", "signature": "SIG"}
    for block, sent in ((unsigned, "Hm"), (signed, None)):
        answer = {"role": "assistant", "content": [block, {"type": "text", "text": "a"}]}
        messages = request("messages", "chat", messages=[USER, answer, USER])["messages"]
        assert messages[1].get("reasoning_content") == sent


def test_calls_in_a_history_without_tools_are_declared():
    """Anthropic refuses calls of undeclared tools; their names are declared, and no new call is allowed."""
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]
    sent = request("chat", "messages", messages=history)
    assert sent["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "none"}


def test_names_that_a_provider_would_refuse_are_replaced_alike_everywhere():
    """In the tools, in the choice and in the history; ids of calls as well (Kimi writes `functions.f:0`)."""
    name = "mcp__server__" + "x" * 70
    tool = {"name": name, "input_schema": {"type": "object"}}
    history = [
        USER,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": name, "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
    ]
    choice = {"type": "tool", "name": name}
    sent = request("messages", "chat", messages=history, tools=[tool], tool_choice=choice)
    (plain,) = {
        sent["tools"][0]["function"]["name"],
        sent["tool_choice"]["function"]["name"],
        sent["messages"][1]["tool_calls"][0]["function"]["name"],
    }
    assert len(plain) == 64
    assert request("messages", "chat", tools=[{**tool, "name": name + "x"}])["tools"][0]["function"]["name"] != plain
    called = {"id": "functions.f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    back = [USER, {"role": "assistant", "tool_calls": [called]}]
    back.append({"role": "tool", "tool_call_id": "functions.f:0", "content": "r"})
    messages = request("chat", "messages", messages=back)["messages"]
    assert messages[1]["content"][0]["id"] == messages[2]["content"][0]["tool_use_id"]
    assert messages[1]["content"][0]["id"].replace("_", "").isalnum()


def test_a_failed_tool_without_a_word_still_says_so():
    """Only Anthropic has an error flag; elsewhere an empty result would look like a success."""
    failed = {"type": "tool_result", "tool_use_id": "t", "is_error": True}
    history = [USER, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}]
    history.append({"role": "user", "content": [failed]})
    assert request("messages", "chat", messages=history)["messages"][2]["content"] == "The tool failed."
    assert request("messages", "responses", messages=history)["input"][2]["output"] == "The tool failed."


def test_a_schema_for_the_answer_is_told_in_each_protocol():
    """Chat's response_format, Responses' text.format and Anthropic's output_config.format carry one schema."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    chat = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, "strict": True}}
    flat = {"type": "json_schema", "name": "out", "schema": schema, "strict": True}
    assert request("chat", "messages", response_format=chat)["output_config"]["format"]["schema"] == schema
    assert request("chat", "responses", response_format=chat)["text"]["format"] == flat
    assert request("responses", "chat", text={"format": flat})["response_format"] == chat
    own = {"format": {"type": "json_schema", "schema": schema}}
    sent = request("messages", "chat", output_config=own)["response_format"]["json_schema"]
    assert (sent["schema"], sent["strict"]) == (schema, True)


def test_the_limit_has_the_name_that_the_model_knows():
    """OpenAI's reasoning models refuse max_tokens, other servers know nothing else."""
    assert request("messages", "chat", "gpt-5-mini")["max_completion_tokens"] == 100
    assert request("messages", "chat", "qwen3")["max_tokens"] == 100
    assert request("chat", "messages", "claude-3-haiku-20240307")["max_tokens"] == 4096
    assert request("chat", "messages", "claude-3-5-sonnet-latest")["max_tokens"] == 8192


def test_white_space_where_anthropic_refuses_it_is_left_out():
    """Stop sequences of white space alone, and white space behind the assistant's text that is to be continued."""
    sent = request("chat", "messages", stop=["\n", "END"], messages=[USER, {"role": "assistant", "content": "So: \n"}])
    assert sent["stop_sequences"] == ["END"]
    assert sent["messages"][-1]["content"] == [{"type": "text", "text": "So:"}]


def test_a_temperature_above_anthropic_s_is_capped():
    """OpenAI's scale goes to 2."""
    assert request("chat", "messages", temperature=1.5)["temperature"] == 1.0


SAID: dict[str, Any] = {
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "n": 2,
    "top_k": 40,
    "stop": ["END"],
}
NEUTRAL: dict[str, Any] = {
    "presence_penalty": 0,
    "frequency_penalty": None,
    "logit_bias": {},
    "logprobs": False,
    "n": 1,
    "top_k": None,
    "stop": [],
}


@pytest.mark.parametrize("setting", SAID)
@pytest.mark.parametrize("provider", ["messages", "responses"])
def test_a_setting_that_the_provider_cannot_say_is_refused_by_its_name(provider: str, setting: str):
    """Each of them would change the answer; at its neutral value it does not, and passes."""
    if setting in REFUSED_SETTINGS[provider]:  # type: ignore[index]
        assert refused("chat", provider, **{setting: SAID[setting]}).param == setting
    else:
        request("chat", provider, **{setting: SAID[setting]})
    request("chat", provider, **{setting: NEUTRAL[setting]})


@pytest.mark.parametrize(
    ("client", "provider", "members", "param"),
    [
        ("messages", "responses", {"stop_sequences": ["END"]}, "stop_sequences"),
        ("messages", "chat", {"top_k": 5}, "top_k"),
        ("responses", "messages", {"top_logprobs": 3}, "top_logprobs"),
        ("responses", "chat", {"include": ["message.output_text.logprobs"]}, "include"),
        ("chat", "messages", {"response_format": {"type": "json_object"}}, "response_format"),
        ("responses", "messages", {"text": {"format": {"type": "json_object"}}}, "text.format"),
        ("responses", "messages", {"background": True}, "background"),
        ("chat", "messages", {"modalities": ["text", "audio"]}, "modalities"),
        ("chat", "messages", {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ("messages", "chat", {"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0].type"),
        ("messages", "chat", {"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ("responses", "chat", {"tools": [{"type": "file_search"}]}, "tools[0].type"),
        (
            "responses",
            "chat",
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]},
            "tools[0].tools[0].type",
        ),
        ("responses", "chat", {"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice"),
        ("responses", "chat", {"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ("responses", "chat", {"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ("responses", "chat", {"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        (
            "responses",
            "chat",
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
        ),
        ("responses", "chat", {"input": None}, "input"),
        ("responses", "messages", {"input": []}, "input"),
        ("chat", "messages", {"messages": [{"role": "function", "name": "f", "content": "r"}]}, "messages[0].role"),
        ("chat", "messages", {"messages": [{"role": "tool", "content": "r"}]}, "messages[0].tool_call_id"),
        ("chat", "messages", {"messages": [{"role": "system", "content": "only"}]}, "messages"),
        (
            "chat",
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
        ),
        (
            "chat",
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///a"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            "messages",
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "server_tool_use", "id": "s", "name": "w"}]}]},
            "messages[0].content[0].type",
        ),
        (
            "messages",
            "chat",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            "messages[0].content[0].source",
        ),
        ("messages", "chat", {"thinking": {"type": "sometimes"}}, "thinking.type"),
        ("messages", "chat", {"max_tokens": 0}, "max_tokens"),
        ("chat", "messages", {"reasoning_effort": "extreme"}, "reasoning_effort"),
        ("chat", "messages", {"n": 0}, "n"),
        ("chat", "messages", {"messages": [{"role": "assistant", "function_call": {}}]}, "messages[0].function_call"),
        (
            "chat",
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        ("chat", "messages", {"tools": [{"type": "function"}]}, "tools[0].function"),
        ("chat", "messages", {"tool_choice": "sometimes"}, "tool_choice"),
        ("chat", "messages", {"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
        ("chat", "messages", {"response_format": {"type": "xml"}}, "response_format.type"),
        ("chat", "messages", {"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        (
            "chat",
            "messages",
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "["}}]}
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            "chat",
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "messages[0].content[0].file.file_data",
        ),
        ("messages", "chat", {"tools": TOOL, "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ("messages", "chat", {"output_config": {"format": {"type": "text"}}}, "output_config.format"),
        ("messages", "chat", {"messages": [{"role": "user", "content": [PDF_BY_URL]}]}, "messages"),
        (
            "messages",
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "file"}}]}]},
            "messages[0].content[0].source",
        ),
        ("messages", "chat", {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ("responses", "chat", {"tools": [{"type": "function"}]}, "tools[0].name"),
        ("responses", "chat", {"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ("responses", "chat", {"text": {"format": {"type": "xml"}}}, "text.format"),
        (
            "responses",
            "chat",
            {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "["}]},
            "input[0].arguments",
        ),
        (
            "responses",
            "chat",
            {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "input[0].content[0].type",
        ),
    ],
)
def test_what_cannot_be_translated_is_refused_and_the_field_is_named(
    client: str, provider: str, members: dict[str, Any], param: str
):
    """The client finds its own name of the field in `param` and in the text."""
    error = refused(client, provider, **members)
    assert error.param == param
    assert param.partition("[")[0] in error.message


def test_documents_go_where_they_can_be_told():
    """Data to every protocol, a URL to those that take one, plain text as text."""
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}}
    messages = [{"role": "user", "content": [PDF_BY_URL, text]}]
    sent = request("messages", "responses", messages=messages)["input"][0]["content"]
    assert sent == [
        {"type": "input_file", "file_url": "https://example.org/a.pdf", "filename": "a.pdf"},
        {"type": "input_text", "text": "plain"},
    ]
    content = [
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_file", "filename": "b.pdf", "file_data": "data:application/pdf;base64,JVBE"},
    ]
    blocks = request("responses", "messages", input=[{"role": "user", "content": content}])["messages"][0]["content"]
    assert blocks == [
        {"type": "document", "source": PDF_BY_URL["source"]},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "title": "b.pdf",
        },
    ]


def test_what_an_assistant_declined_goes_back_as_a_refusal():
    """In chat as a part or a member of its own, in Responses as a part, to Anthropic as text."""
    declined = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    sent = request("chat", "responses", messages=[USER, declined, USER])["input"][1]
    assert sent["content"] == [{"type": "refusal", "refusal": "No."}]
    back = request("responses", "chat", input=[USER, {"type": "message", **sent}, USER])["messages"][1]
    assert (back["content"], back["refusal"]) == (None, "No.")


def test_a_plain_json_answer_is_asked_for_where_it_can_be():
    """`json_object` between chat and Responses; Anthropic has no word for it."""
    assert request("chat", "responses", response_format={"type": "json_object"})["text"]["format"] == {
        "type": "json_object"
    }
    sent = request("responses", "chat", text={"format": {"type": "json_object"}})
    assert sent["response_format"] == {"type": "json_object"}
    assert "response_format" not in request("responses", "chat", text={"format": {"type": "text"}})
    assert "text" not in request("chat", "responses", response_format={"type": "text"})


def test_reasoning_that_openai_encrypted_goes_back_to_it():
    """An Anthropic client carries it in its signatures; the readable part in the summary."""
    blocks = [
        {"type": "thinking", "thinking": "Plan.", "signature": "SIGNED-BY-ANOTHER-PROVIDER.responses.ENC"},
        {"type": "redacted_thinking", "data": "SIGNED-BY-ANOTHER-PROVIDER.responses+redacted.RED"},
        {"type": "text", "text": "a"},
    ]
    history = [USER, {"role": "assistant", "content": blocks}, USER]
    assert request("messages", "responses", messages=history)["input"][1:3] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Plan."}], "encrypted_content": "ENC"},
        {"type": "reasoning", "summary": [], "encrypted_content": "RED"},
    ]


def test_every_field_of_the_table_is_refused():
    """The table of refused fields is what the decoders go by."""
    for client, fields in REFUSED_FIELDS.items():
        provider = "chat" if client != "chat" else "messages"
        for name, reason in fields.items():
            error = refused(client, provider, **{name: {"x": 1}})
            assert error.param == name
            assert reason in error.message
            request(client, provider, **{name: None})


def test_usage_is_asked_for_in_every_chat_stream_unless_the_provider_cannot():
    """The gateway counts tokens whether or not the client wants to see them."""
    assert request("messages", "chat")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in json.loads(translation("messages", "chat").request("m", ask_for_usage=False))
    assert "stream_options" not in request("messages", "chat", stream=False)


def test_the_smallest_requests_stay_small():
    """Nothing is said to a provider that the client did not say, but what the provider asks for."""
    assert ASKS["chat"]["messages"] == [USER]
    assert request("chat", "messages", "claude-next", stream=False) == {
        "model": "claude-next",
        "max_tokens": 32000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert request("messages", "chat", "llama", stream=False) == {
        "model": "llama",
        "messages": [USER],
        "max_tokens": 100,
    }
    assert request("chat", "responses", "gpt-4.1", stream=False) == {
        "model": "gpt-4.1",
        "store": False,
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    }


@pytest.mark.parametrize(
    ("client", "members", "param"),
    [
        ("chat", {"reasoning_effort": "S" * 1_000_000}, "reasoning_effort"),
        ("messages", {"output_config": {"effort": "S" * 1_000_000}}, "output_config.effort"),
        ("responses", {"reasoning": {"effort": "S - at `$.x`" * 100_000}}, "reasoning.effort"),
        ("messages", {"tool_choice": {"type": "S" * 1_000_000}}, "tool_choice.type"),
        ("chat", {"messages": [{"role": "S" * 1_000_000}]}, "messages[0].role"),
    ],
)
def test_a_refusal_quotes_only_a_short_piece_of_a_long_value(client: str, members: dict[str, Any], param: str):
    """The message still names the field, but is no longer than a sentence."""
    with pytest.raises(MalformedRequest) as refused:
        translation(client, "chat" if client != "chat" else "messages", **members)
    assert refused.value.param == param
    assert param in refused.value.message
    assert len(refused.value.message) <= 500


def test_whatever_is_refused_has_a_short_message():
    """Also where a message quotes a value whole."""
    refused = MalformedRequest("S" * 1_000_000, "p" * 1_000_000)
    assert len(refused.message) <= 500
    assert len(str(refused)) <= 500
    assert refused.param is not None
    assert len(refused.param) <= 500


@pytest.mark.parametrize(("limit", "budget"), [(1500, None), (2047, None), (2048, 1024), (10_000, 5000)])
def test_a_thinking_budget_leaves_half_of_the_limit_to_the_answer(limit: int, budget: int | None):
    """Where half of it is less than Anthropic's least budget, the model does not think; the limit stays."""
    sent = request("chat", "messages", "claude-opus-4-1", reasoning_effort="medium", max_tokens=limit)
    assert sent["max_tokens"] == limit
    assert sent.get("thinking", {}).get("budget_tokens") == budget


SAMPLING = {"temperature": 0.5, "top_p": 0.9}


@pytest.mark.parametrize("model", ["claude-opus-4-1", "claude-opus-4-7"])
def test_thinking_at_anthropic_goes_without_sampling_settings(model: str):
    """By budget or adaptive, Anthropic refuses the two together; without thinking the settings stay."""
    sent = request("chat", "messages", model, reasoning_effort="low", max_tokens=9000, top_k=5, **SAMPLING)
    assert sent["thinking"]["type"] != "disabled"
    assert not {"temperature", "top_p", "top_k"} & set(sent)
    for effort in ({}, {"reasoning_effort": "none"}):
        plain = request("chat", "messages", model, top_k=5, **SAMPLING, **effort)
        assert (plain["temperature"], plain["top_p"], plain["top_k"]) == (0.5, 0.9, 5)


@pytest.mark.parametrize("provider", ["chat", "responses"])
def test_reasoning_models_of_openai_get_no_sampling_settings(provider: str):
    """They refuse them; every other model gets them."""
    reasoning, plain = (request("messages", provider, model, **SAMPLING) for model in ("o3", "gpt-4o"))
    assert not set(SAMPLING) & set(reasoning)
    assert (plain["temperature"], plain["top_p"]) == (0.5, 0.9)


def test_stop_sequences_for_a_reasoning_model_of_openai_are_refused():
    """They change the answer, and the model takes none; every other model of chat gets them."""
    asked = translation("messages", "chat", stop_sequences=["END"])
    with pytest.raises(MalformedRequest) as refused:
        asked.request("gpt-5")
    assert refused.value.param == "stop_sequences"
    assert json.loads(asked.request("gpt-4o"))["stop"] == ["END"]


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "memory_20250818"])
def test_a_tool_that_the_client_runs_is_not_said_to_run_at_anthropic(kind: str):
    """The refusal names the type and says why: the tool is Anthropic's own."""
    with pytest.raises(MalformedRequest, match=f"'{kind}' is a tool of Anthropic's own making") as refused:
        translation("messages", "chat", tools=[{"type": kind, "name": "f"}])
    assert refused.value.param == "tools[0].type"
    with pytest.raises(MalformedRequest, match="runs at Anthropic"):
        translation("messages", "chat", tools=[{"type": "web_search_20250305", "name": "web_search"}])


def test_the_earlier_name_of_the_form_of_an_answer_is_read():
    """`output_format` says what `output_config.format` does, which goes before it, and is named when it is wrong."""
    form = {"type": "json_schema", "schema": {"type": "object"}}
    sent = request("messages", "chat", output_format=form)
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    later = {"format": {"type": "json_schema", "schema": {"type": "array"}}}
    both = request("messages", "chat", output_format=form, output_config=later)
    assert both["response_format"]["json_schema"]["schema"] == {"type": "array"}
    with pytest.raises(MalformedRequest) as refused:
        translation("messages", "chat", output_format={"type": "xml"})
    assert refused.value.param == "output_format"


def test_a_search_result_is_refused_by_its_type():
    """And not for its source, which is a string where other blocks have an object."""
    found = {"type": "search_result", "source": "http://a.invalid", "title": "t", "content": []}
    with pytest.raises(MalformedRequest, match="'search_result'") as refused:
        translation("messages", "chat", messages=[{"role": "user", "content": [found]}])
    assert refused.value.param == "messages[0].content[0].type"
