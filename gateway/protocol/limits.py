"""What a translation cannot carry: refused where it changes the answer, dropped where it does not. All of it is here.

Two kinds of refusals: a **field** of the client's protocol that no other protocol knows (`REFUSED_FIELDS`, by client),
and a **setting** of the model that the provider's protocol cannot say (`REFUSED_SETTINGS`, by provider). What is
dropped (`DROPPED`) is dropped knowingly, each for its reason. Fields that are in none of the tables and that no decoder
reads are unknown to the gateway; they are dropped as well, since a client sends new hints long before anybody can map
them.
"""

from typing import Any

from gateway.protocol.conversation import Conversation, Origin
from gateway.protocol.errors import MalformedRequest
from gateway.protocol.wire import said

CHAT, MESSAGES, RESPONSES = Origin.CHAT, Origin.MESSAGES, Origin.RESPONSES
NAMES = {CHAT: "chat completions", MESSAGES: "Anthropic messages", RESPONSES: "OpenAI responses"}

REFUSED_FIELDS: dict[Origin, dict[str, str]] = {
    CHAT: {
        "functions": "it is the old form of `tools`, which is translated",
        "function_call": "it is the old form of `tool_choice`, which is translated",
        "audio": "only chat providers speak",
        "web_search_options": "the search would run at an OpenAI provider",
    },
    MESSAGES: {
        "container": "it lives at the Anthropic provider",
        "mcp_servers": "the Anthropic provider would call them",
    },
    RESPONSES: {
        "previous_response_id": "the gateway keeps no conversations; send the whole `input`",
        "conversation": "the gateway keeps no conversations; send the whole `input`",
        "prompt": "the template is stored at OpenAI",
    },
}

REFUSED_SETTINGS: dict[Origin, tuple[str, ...]] = {
    CHAT: ("top_k", "n", "logprobs"),
    MESSAGES: ("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "n"),
    RESPONSES: ("top_k", "stop", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "n"),
}

DROPPED: tuple[tuple[str, str, str], ...] = (
    # (from, field, why the answer does not depend on it)
    ("chat", "seed (to messages, responses)", "a best effort at most; no promise is broken"),
    ("chat", "service_tier, store, metadata, moderation", "accounting and delivery, not content"),
    ("chat", "prediction", "it only makes the same answer faster"),
    ("chat", "prompt_cache_key, prompt_cache_options, prompt_cache_retention (to messages)", "caching only"),
    ("chat", "verbosity (to messages)", "a hint at style that Anthropic has no word for"),
    ("chat", "stream_options.include_obfuscation", "padding"),
    ("chat", "messages[].name", "no other protocol names a speaker"),
    ("chat", "temperature above 1 (to messages)", "capped to 1, the most that Anthropic knows"),
    ("chat", "stop sequences of white space only (to messages)", "Anthropic refuses them"),
    ("messages", "cache_control (to chat, responses)", "caching only; OpenAI providers cache by themselves"),
    ("messages", "context_management", "it thins out old tool results at the provider, to save tokens"),
    ("messages", "service_tier, inference_geo, speed, diagnostics", "accounting and delivery, not content"),
    ("messages", "system text `x-anthropic-billing-header: ...`", "accounting; it differs each time and spoils caches"),
    ("messages", "thinking.display", "a chat provider has no such choice"),
    ("any", "reasoning effort (to models of unknown names)", "those that cannot reason refuse it"),
    ("messages", "thinking disabled (to chat, responses)", "not all reasoning models can be told to do without"),
    ("messages", "tool_result.is_error (to chat, responses)", "the text of the result says it; an empty one gets one"),
    ("messages", "citations, document.title, document.context", "decoration of the same content"),
    ("messages", "eager_input_streaming, input_examples, allowed_callers, defer_loading of tools", "hints"),
    ("responses", "tools of type web_search, image_generation, tool_search", "always offered by Codex, never forced"),
    ("responses", "include, store, metadata, client_metadata, service_tier", "delivery, not content"),
    ("responses", "prompt_cache_key, prompt_cache_retention (to messages)", "caching only"),
    ("responses", "text.verbosity (to messages)", "a hint at style that Anthropic has no word for"),
    ("responses", "truncation", "it acts only when the context overflows, which is then an error"),
    ("responses", "max_tool_calls, stream_options", "about tools at OpenAI, and padding"),
    ("responses", "items of type web_search_call, image_generation_call, tool_search_call", "history of dropped tools"),
    ("any", "reasoning with a signature of another provider", "its maker alone can read it, others refuse it"),
    ("any", "reasoning effort where a tool is forced (to messages)", "Anthropic refuses the two together"),
    ("any", "a thinking budget behind a call whose reasoning is lost (to messages)", "Anthropic refuses it there"),
    (
        "any",
        "a thinking budget with a limit below 2,048 (to messages)",
        "half of the limit is for the answer; the least is 1,024",
    ),
    ("any", "temperature, top_p, top_k beside thinking (to messages)", "Anthropic refuses them together"),
    ("any", "temperature, top_p (to OpenAI's reasoning models)", "they refuse them, and sample in a way of their own"),
    ("any", "prompt_cache_key, verbosity (to models that are not OpenAI's)", "strict servers refuse unknown hints"),
)


def refuse_fields(request: Any, client: Origin) -> None:
    """Raise MalformedRequest for the first field of a decoded request that is refused whatever the provider."""
    for field, reason in REFUSED_FIELDS[client].items():
        if said(getattr(request, field)):
            raise MalformedRequest(f"`{field}` cannot be translated for this model's provider: {reason}.", field)


def refuse_settings(conversation: Conversation, target: Origin) -> None:
    """Raise MalformedRequest for the first setting that `target` cannot say and that is not at its neutral value."""
    for setting in REFUSED_SETTINGS[target]:
        value = getattr(conversation, setting)
        neutral = 1 if setting == "n" else 0
        if value and value != neutral:
            raise conversation.refused(setting, NAMES[target])
