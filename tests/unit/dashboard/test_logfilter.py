"""What a typed filter lets through, what it highlights, and what it says when it is wrong."""

import re
from dataclasses import dataclass

import pytest

from gateway.dashboard.logfilter import FilterError, fold, parse


@dataclass
class Line:
    """A line as far as a filter looks at it."""

    text: str
    level: str = "info"


@pytest.mark.parametrize(
    ("typed", "text", "matches"),
    [
        ("", "anything", True),
        ("gpt", "a GPT-4.1", True),
        ("GPT", "a gpt-4.1", False),
        ("GPT", "a GPT-4.1", True),
        ("a.b", "a-b", False),
        ("straße", "STRAßE", True),
        ("ΣΑΣ", "ΣΑΣ", True),
        ("σας", "ΣΑΣ", True),
        ("!gpt", "gpt", False),
        ("!gpt", "echo", True),
        ("!", "anything", True),
        ("~", "anything", True),
        ("!~", "anything", True),
        (r"~5\d\d|timeout", "info 502", True),
        (r"~5\d\d|timeout", "a TIMEOUT", True),
        (r"~Timeout", "a timeout", False),
        (r"~\STIMEOUT", "xtimeout", False),
        (r"~\Stimeout", "XTIMEOUT", True),
        (r"!~5\d\d", "info 200", True),
        ("~~", "a~b", True),
        ("~^!", "!b", True),
    ],
)
def test_syntax(typed: str, text: str, matches: bool) -> None:
    """Plain text, regular expressions, their opposites, and smart case."""
    assert parse(typed).matches(Line(text)) is matches


@pytest.mark.parametrize(
    ("typed", "spans"),
    [("an", [(1, 3), (3, 5)]), ("~[an]+", [(1, 6)]), ("!x", []), ("", []), ("~x*", []), ("~^b|a$", [(0, 1), (5, 6)])],
)
def test_spans_are_the_matches(typed: str, spans: list[tuple[int, int]]) -> None:
    """Every match that is not empty is highlighted; of a filter that excludes there is nothing to highlight."""
    assert parse(typed).spans("banana") == spans


def test_level_comes_first() -> None:
    """A line below the level is hidden whatever it says, also by a filter that excludes."""
    for typed in ("", "a", "!b"):
        assert not parse(typed, "warning").matches(Line("a", "info"))
        assert parse(typed, "warning").matches(Line("a", "critical"))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("~a(b", "missing ): a(b"),
        ("!~a)", "unexpected ): a)"),
        ("~(a)\\1", "invalid escape sequence"),
        (r"~\pL{1000}", "too large"),
    ],
)
def test_error_says_what_is_wrong(typed: str, message: str) -> None:
    """A wrong expression, or one that is too large, is an error with a sentence."""
    with pytest.raises(FilterError, match=re.escape(message)):
        parse(typed)


def test_folding_keeps_places() -> None:
    """Whatever the case of a text, each of its characters stays where it is."""
    assert fold("İSTANBUL straße ﬁ ΣΑΣ") == "İstanbul straße ﬁ σασ"
    assert parse("sta").spans("İSTA") == [(1, 4)]


def test_hostile_expression_takes_no_longer_than_any_other() -> None:
    """What stands still for ever with backtracking is only a search; if this test does not end, it has failed."""
    assert not parse("~(a+)+$").matches(Line("a" * 5000 + "b"))
    assert parse("~(a+)+$").matches(Line("b" + "a" * 5000))
