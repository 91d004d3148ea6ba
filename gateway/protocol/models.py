"""What the name of a model tells about what its provider accepts.

The two OpenAI parameters and the one Anthropic parameter below changed their meaning between generations of models,
and a provider refuses the wrong one. A name that is not known here gets what servers of all kinds accept.
"""

import re

# The part of "openai/gpt-4.1" or "anthropic.claude-3-5-sonnet" that names the model.
_CANNOT_REASON = re.compile(r"(?:^|[/.])(?:chatgpt-4|gpt-[34])")
_WANTS_COMPLETION_TOKENS = re.compile(r"(?:^|[/.])(?:o\d|gpt-[5-9])")
_KNOWS_BUDGETS_ONLY = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8}|@|$|-v\d|-latest))")
_CLAUDE_3 = re.compile(r"claude-3-(?:opus|sonnet|haiku)")
_CLAUDE_3_5 = re.compile(r"claude-3-[57]")


def accepts_effort(model: str) -> bool:
    """Whether `reasoning_effort` may be sent: GPT-3 and GPT-4 refuse the request, all other servers take or skip it."""
    return _CANNOT_REASON.search(model) is None


def limit_field(model: str) -> str:
    """OpenAI's reasoning models refuse `max_tokens`; many other servers know nothing else."""
    return "max_completion_tokens" if _WANTS_COMPLETION_TOKENS.search(model) else "max_tokens"


def thinks_by_budget(model: str) -> bool:
    """Whether an Anthropic model (up to 4.5) knows `thinking.budget_tokens` only, and not `adaptive`."""
    return _KNOWS_BUDGETS_ONLY.search(model) is not None


def default_max_tokens(model: str) -> int:
    """Anthropic's `max_tokens` is required: as much as every model of the generation can write."""
    if _CLAUDE_3.search(model):
        return 4096
    if _CLAUDE_3_5.search(model):
        return 8192
    return 32_000


def reasons_by_default(model: str) -> bool:
    """Whether it is one of OpenAI's reasoning models; the others refuse to give encrypted reasoning."""
    return _WANTS_COMPLETION_TOKENS.search(model) is not None
