"""Redaction: what is hidden, what is not, and what becomes of values that JSON cannot hold."""

import enum
import math
from typing import Any

import pytest

from gateway.logs.redaction import HIDDEN, MAX_NODES, Redactor, is_sensitive_name
from gateway.logs.render import json_payload

SECRET = "abcdefgh-12345678"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"key {SECRET} was refused", f"key {HIDDEN} was refused"),
        (f"{SECRET}{SECRET}", HIDDEN * 2),
        ("Authorization: Bearer abc.def-123", f"Authorization: {HIDDEN}"),
        ("bEARER abcdef", HIDDEN),
        ("the key sk-ant-api03-abcDEF_123456 is wrong", f"the key {HIDDEN} is wrong"),
        ("\x1b[1Jsk-proj-abcdef", f"\x1b[1J{HIDDEN}"),
        ("GET /x?api_key=a1b2&n=1", f"GET /x?api_key={HIDDEN}&n=1"),
        ("{'x-api-key': 'a1b2', 'n': '1'}", f"{{'x-api-key': '{HIDDEN}', 'n': '1'}}"),
        ("(b'authorization', b'Basic YTpi')", f"(b'authorization', b'{HIDDEN}')"),
        ('{"password": "a b"}', f'{{"password": "{HIDDEN}"}}'),
    ],
)
def test_secrets_in_texts(text: str, clean: str) -> None:
    """Configured secrets, bearer tokens, API keys and assigned credentials are hidden in any text."""
    assert Redactor([SECRET]).text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "task-management-service",
        "the bearer of news",
        "max_tokens=12, input_tokens=3",
        "api_key: must be a string",
        "disk-0123456789",
    ],
)
def test_harmless_texts_stay(text: str) -> None:
    """Words that only look a little like secrets are left alone."""
    assert Redactor(["ollama"]).text(text) == text
    assert Redactor(["ollama"]).text("→ ollama") == "→ ollama"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("Authorization", True),
        ("proxy-authorization", True),
        ("x-api-key", True),
        ("apiKey", True),
        ("access_token", True),
        ("client_secret", True),
        ("set-cookie", True),
        ("input_tokens", False),
        ("request_id", False),
        ("key", False),
    ],
)
def test_sensitive_names(name: str, answer: bool) -> None:
    """A field is sensitive by the end of its name."""
    assert is_sensitive_name(name) is answer


def test_a_record_keeps_its_order_and_leaves_unknowns_out() -> None:
    """The event comes first, the fields follow in their order, and None is left out at the top."""
    clean = Redactor().record("request", {"b": 1, "a": None, "c": "x"})
    assert list(clean.items()) == [("event", "request"), ("b", 1), ("c", "x")]


def test_nested_values_are_cleaned() -> None:
    """Secrets are hidden at any depth, in keys as in values."""
    fields = {"outer": [{"token": 1, SECRET: (SECRET, None)}], "api_key": SECRET}
    assert Redactor([SECRET]).record("e", fields) == {
        "event": "e",
        "outer": [{"token": HIDDEN, HIDDEN: [HIDDEN, None]}],
        "api_key": HIDDEN,
    }


def test_reserved_names_make_way() -> None:
    """A field called like a part of every record gets another name."""
    assert Redactor().record("e", {"time": 1, "level": 2, "source": 3}) == {
        "event": "e",
        "time_": 1,
        "level_": 2,
        "source_": 3,
    }


class Unprintable:
    """An object whose text form fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Colour(enum.StrEnum):
    """A string of a type of its own."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b"\xffab", "\\xffab"),
        (ValueError(SECRET), HIDDEN),
        (KeyError(SECRET), f"'{HIDDEN}'"),
        (Colour.RED, "red"),
        (2**70, str(2**70)),
        (math.nan, "nan"),
        (math.inf, "inf"),
        ("\udc80", "\\udc80"),
        (Unprintable(), "<Unprintable without a text form: RuntimeError>"),
        ({1: {2}}, {"1": [2]}),
    ],
)
def test_foreign_values_become_plain(value: Any, plain: Any) -> None:
    """Every value becomes something that JSON can hold, without its secrets."""
    clean = Redactor([SECRET]).record("e", {"value": value})
    assert clean["value"] == plain
    json_payload(clean)


def test_values_that_contain_themselves_end() -> None:
    """Depth and number of values are bounded, so that a cycle or a huge value ends."""
    cycle: list[Any] = []
    cycle.extend([cycle] * 50)
    payload = json_payload(Redactor().record("e", {"cycle": cycle, "long": list(range(100_000))}))
    assert len(payload) < 20 * MAX_NODES


def test_secrets_are_found_in_their_written_forms() -> None:
    """A secret with characters that are escaped in strings or URLs is found there too."""
    secret = "a\"b'c\\d+e/f&g"
    redactor = Redactor([secret])
    for text in (repr(secret), str([secret]), json_payload({"x": secret}).decode(), "/?q=a%22b%27c%5Cd%2Be%2Ff%26g"):
        assert HIDDEN in redactor.text(text)
