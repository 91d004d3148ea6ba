"""What the encoders of requests share about tools and reasoning settings."""

from gateway.protocol.conversation import Conversation, Effort, Thinking, Tool
from gateway.protocol.errors import MalformedRequest

# Where a budget of Anthropic's documentation becomes the next effort, in tokens.
_EFFORTS: tuple[tuple[int, Effort], ...] = ((4096, "low"), (16_384, "medium"), (2**31, "high"))
_BUDGETS: dict[Effort, int] = {
    "minimal": 1024,
    "low": 4096,
    "medium": 16_384,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 49_152,
}


def check_choice(conversation: Conversation) -> None:
    """Raise MalformedRequest when the choice of tools names one that is not there."""
    choice = conversation.tool_choice
    if choice is None:
        return
    names = {tool.name for tool in conversation.tools}
    wanted = {choice.name} if choice.mode == "named" else set(choice.allowed or ())
    if missing := sorted(wanted - names):
        raise MalformedRequest(
            f"`tool_choice` names the tool {missing[0]!r:.80}, which is not in `tools`.", "tool_choice"
        )
    if choice.mode == "required" and not names:
        raise MalformedRequest("`tool_choice` asks for a call, but there are no `tools`.", "tool_choice")


def effort_of(thinking: Thinking | None) -> Effort | None:
    """Return the effort that OpenAI's protocols are told; None leaves it to the provider."""
    if thinking is None or thinking.enabled is False:
        return None
    if thinking.effort is None and thinking.budget is not None:
        return next(effort for most, effort in _EFFORTS if thinking.budget <= most)
    return thinking.effort


def budget_of(thinking: Thinking, max_tokens: int) -> int | None:
    """Return a thinking budget in tokens: at most half of `max_tokens`, since the answer needs room in it as well.

    None if half of it is less than the 1,024 that Anthropic asks for.
    """
    budget = thinking.budget or _BUDGETS.get(thinking.effort or "medium", 0)
    budget = min(budget, max_tokens // 2)
    return budget if budget >= 1024 else None


def usable_tools(conversation: Conversation) -> tuple[Tool, ...]:
    """Return the tools that the choice allows, for protocols that cannot narrow them otherwise."""
    choice = conversation.tool_choice
    if choice is None or choice.allowed is None:
        return conversation.tools
    return tuple(tool for tool in conversation.tools if tool.name in choice.allowed)
