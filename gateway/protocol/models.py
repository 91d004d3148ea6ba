"""What the name of a model tells about what its provider accepts.

Some parameters changed between generations of models, and a provider refuses the wrong one; others are hints that only
some models take, while strict servers refuse what they do not know. A name that is not known here gets what servers of
all kinds accept.
"""

import re

# The part of "openai/gpt-4.1" or "anthropic.claude-3-5-sonnet" that names the model.
_OPENAI = re.compile(r"(?:^|[/.])(?:chatgpt|gpt-\d|o\d)")
_OPENAI_REASONING = re.compile(r"(?:^|[/.])(?:o\d|gpt-[5-9])")
_TAKES_EFFORT = re.compile(r"(?:^|[/.])(?:o\d|gpt-[5-9]|gpt-oss)")
_KNOWS_BUDGETS_ONLY = re.compile(r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8}|@|$|-v\d|-latest))")
_CLAUDE_3 = re.compile(r"claude-3-(?:opus|sonnet|haiku)")
_CLAUDE_3_5 = re.compile(r"claude-3-[57]")


def takes_effort(model: str) -> bool:
    """Whether an effort may be sent; coding agents always send one, and models that cannot reason refuse it."""
    return _TAKES_EFFORT.search(model) is not None


def takes_cache_key(model: str) -> bool:
    """Whether `prompt_cache_key` may be sent: OpenAI has it, strict servers of other makers refuse it."""
    return _OPENAI.search(model) is not None


def limit_field(model: str) -> str:
    """OpenAI's reasoning models refuse `max_tokens`; many other servers know nothing else."""
    return "max_completion_tokens" if _OPENAI_REASONING.search(model) else "max_tokens"


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
    """Whether it is one of OpenAI's reasoning models.

    They alone have `verbosity`, and give encrypted reasoning; they refuse a temperature, `top_p` and stop sequences.
    """
    return _OPENAI_REASONING.search(model) is not None
