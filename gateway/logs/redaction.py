"""Hide secrets in log records, and turn every value into one that JSON can hold.

What is hidden: each configured secret wherever it stands in a string, bearer tokens and API keys by their shape, and
the values of fields with names such as `authorization`. A configured secret shorter than MIN_SECRET is hidden by name
and shape only: local servers are given keys such as "ollama", and hiding that word would hide the provider too.

The marker can never bring a secret back: its ends are not ASCII and secrets are, so that no secret reaches across it,
and the word between them is shorter than MIN_SECRET.
"""

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

HIDDEN: Final = "‹hidden›"
MIN_SECRET: Final = 8

# A record is for reading: deeper or longer values are cut. Both bounds also end values that contain themselves.
MAX_DEPTH: Final = 6
MAX_NODES: Final = 1000

# Endings, so that `access_token`, `accessToken` and `x-api-key` are among them and `input_tokens` is not.
_CREDENTIAL: Final = (
    "(?:authorization|api[-_]?key|(?:access|private|secret)[-_]?key|token|secret|password|passwd|cookie)"
)
_SENSITIVE_NAME: Final = re.compile(f"{_CREDENTIAL}$", re.IGNORECASE)
# Keys of OpenAI and Anthropic begin with sk-; a bearer token is of the characters of RFC 6750, section 2.1. The word
# boundaries stand behind the first letters, because `re` skips ahead only if every branch begins with a literal: eight
# times faster on long texts.
_EARER: Final = r"[Ee][Aa][Rr][Ee][Rr]\s+[\w.~+/=-]{4,}"
_SHAPES: Final = rf"b(?<!\wb){_EARER}|B(?<!\wB){_EARER}|s(?<![a-z]s)k-[\w-]{{8,}}"
# `api_key=…` in a query or a shell line, and `'x-api-key': '…'` in the text form of headers.
_ASSIGNED: Final = re.compile(
    rf"""({_CREDENTIAL}(?:=|["']\s*[:,]\s*b?["']))[^\s"'&;,]+(?:\s[^"'&;,]+(?=["']))?""", re.IGNORECASE
)

# What msgspec writes as a number; a longer integer is written as text.
_INT_LIMIT: Final = 2**63

# Methods, paths, models, providers and outcomes come again in every request line, and are looked at once. What comes
# only once, as request ids do, cannot push them out: what is full stays as it is.
_MOST_SEEN: Final = 512
_LONGEST_SEEN: Final = 64

# A rendered record has these of its own.
_RESERVED: Final = frozenset({"event", "time", "level", "source"})


@functools.lru_cache(maxsize=1024)
def is_sensitive_name(name: str) -> bool:
    """Whether a field or header of this name holds a credential: `x-api-key` yes, `input_tokens` no."""
    return _SENSITIVE_NAME.search(name) is not None


class Redactor:
    """Hides the given secrets, and what looks like one, in texts and records."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= MIN_SECRET for form in _written_forms(secret)}
        # The longest first: one secret may begin with another.
        known = [re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
        self._pattern = re.compile("|".join([*known, _SHAPES]))
        self._search = self._pattern.search
        self._seen: dict[str, str] = {}
        self._harmless_names: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without secrets, and without surrogates that UTF-8 cannot hold."""
        seen = self._seen.get(text)
        if seen is not None:
            return seen
        clean = self._cleaned(text)
        if len(self._seen) < _MOST_SEEN and len(text) <= _LONGEST_SEEN:
            self._seen[text] = clean
        return clean

    def _cleaned(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "backslashreplace").decode()
        if self._search(text) is not None:
            text = self._pattern.sub(HIDDEN, text)
        if "=" in text or "'" in text or '"' in text:
            text = _ASSIGNED.sub(rf"\1{HIDDEN}", text)
        return text

    def record(self, event: object, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A record for JSON: `event` first, then the fields in their order, without those that are None."""
        seen = self._seen.get
        shown_name = self._harmless_names.get
        clean: dict[str, Any] = {"event": self.text(event if type(event) is str else _show(event))}
        for name, value in fields.items():
            if value is None:
                continue
            shown = shown_name(name)
            if shown is None:
                shown = f"{name}_" if name in _RESERVED else name
                if is_sensitive_name(name):
                    clean[shown] = HIDDEN
                    continue
                if len(self._harmless_names) < _MOST_SEEN:
                    self._harmless_names[name] = shown
            kind = type(value)
            if kind is str:
                value = seen(value) or self.text(value)
            elif not (
                (kind is int and -_INT_LIMIT < value < _INT_LIMIT)
                or kind is bool
                or (kind is float and value - value == 0)
            ):
                value = self._plain(value, MAX_DEPTH, _Budget(MAX_NODES))
            clean[shown] = value
        return clean

    def _plain(self, value: Any, depth: int, budget: "_Budget") -> Any:
        budget.nodes -= 1
        if depth == 0 or budget.nodes < 0:
            return "…"
        if value is None or isinstance(value, bool):
            return value
        if type(value) is int and -_INT_LIMIT < value < _INT_LIMIT:
            return value
        if type(value) is float and value - value == 0:
            return value
        if isinstance(value, str):
            return self.text(_show(value))
        if isinstance(value, Mapping):
            return {
                self.text(_show(name)): HIDDEN
                if entry is not None and is_sensitive_name(_show(name))
                else self._plain(entry, depth - 1, budget)
                for name, entry in _first(value.items(), budget)
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._plain(entry, depth - 1, budget) for entry in _first(value, budget)]
        return self.text(_show(value))


class _Budget:
    """How many more values a record may hold."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes


def _first(values: Iterable[Any], budget: _Budget) -> Iterable[Any]:
    for value in values:
        if budget.nodes < 0:
            return
        yield value


def _show(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    try:
        return str(value) if isinstance(value, (int, float, BaseException)) else repr(value)
    except Exception as error:  # noqa: BLE001 - the text form of a foreign object may raise anything
        return f"<{type(value).__name__} without a text form: {type(error).__name__}>"


def _written_forms(secret: str) -> set[str]:
    """The secret as it stands in plain text, in a Python or JSON string, and in a URL."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}
