"""Names of things that must fit where they go: users, tools, tool calls. The same name always gives the same name."""

import hashlib
import re

# https://platform.openai.com/docs/api-reference: `user` and `safety_identifier`.
_MAX_USER = 64
# All protocols: letters, digits, `_` and `-`; 64 characters is the least that any of them allows.
_MAX_NAME = 64
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_DIGEST = 8


def user_id(user: str | None) -> str | None:
    """Return an identifier of at most 64 characters: Claude Code's is a JSON text of more than a hundred."""
    if user is None or len(user) <= _MAX_USER:
        return user
    return hashlib.sha256(user.encode()).hexdigest()


def plain_name(name: str) -> str:
    """Return `name` if every provider takes it, else a name made of it, with a digest that keeps it apart."""
    clean = _FOREIGN.sub("_", name)
    if clean == name and 0 < len(name) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
    return f"{clean[: _MAX_NAME - _DIGEST - 1]}_{digest}"


def call_id(answer_id: str, call: int) -> str:
    """Return the id of a tool call whose provider gave none: unique in a conversation, as long as answers are."""
    return f"call_{hashlib.sha256(answer_id.encode()).hexdigest()[:16]}_{call}"


def flat_name(namespace: str, name: str) -> str:
    """Return the name of a function that a Responses client keeps in a namespace."""
    return plain_name(namespace + name if namespace.endswith("_") else f"{namespace}__{name}")
