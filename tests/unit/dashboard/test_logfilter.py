"""What a typed filter lets through, what it highlights, and what it says when it is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from gateway.dashboard.logfilter import FieldTerm, FilterError, fold, parse


@dataclass
class Line:
    """A line as far as a filter looks at it."""

    text: str
    level: str = "info"
    fields: Mapping[str, str] = field(default_factory=dict)

    def field(self, name: str) -> str:
        """What a record holds."""
        return self.fields.get(name, "")


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
    ("typed", "matches"),
    [
        ("model=auth-x", True),
        ("model=auth", False),
        ("model=AUTH-X", False),
        ("!model=auth-x", False),
        ("!model=auth", True),
        ("model=auth-x status=504", True),
        ("model=auth-x status=200", False),
        ("model=auth-x  !status=200  words", True),
        ("model=auth-x other", False),
        ("model!=auth-x", False),
        ("model!=auth", True),
        ("!model!=auth-x", True),
        ("status>=500", True),
        ("status>504", False),
        ("status<504", False),
        ("status<=504", True),
        ("status=5xx", True),
        ("status=4XX", False),
        ("!status=4xx", True),
        ("status!=5xx", False),
        ('status="5xx"', False),
        ("model=5xx", False),
        ("status>4.5e2 status<1e3", True),
        ("!status>500", False),
        ("status> ", True),
        # What is no number is in no range.
        ("model>0", False),
        ("!model>0", True),
        ("nothing<=0", False),
        ("model=auth-x !other", True),
        ("model=auth-x !words", False),
        (r"status=504 ~w\wrds", True),
        (r'note="a \"b\" \\ c"', True),
        ('note="a', None),
        ('note="a\\', None),
        ('model="auth-x"', True),
        ('model="auth-x"y', False),
        ('none=""', True),
        ('model=""', False),
        ('!none=""', False),
        ("model=", True),
        ("status=200 !model=", False),
        ("words status=504", False),
        ("k=v=w", True),
        ("~status=504", False),
        ("a=b words", False),
        ("7=b", False),
    ],
)
def test_fields_are_compared_exactly(typed: str, matches: bool | None) -> None:
    """Every field that is named must have its value, and the text must be found; an open quote is no filter yet."""
    line = Line("some words", fields={"model": "auth-x", "status": "504", "note": 'a "b" \\ c', "k": "v=w"})
    if matches is None:
        with pytest.raises(FilterError, match="the quote after note= is not closed"):
            parse(typed)
    else:
        assert parse(typed).matches(line) is matches


@pytest.mark.parametrize("value", ["a", "", "a b", '"', '"a', 'a"', "\\", 'a \\" b', "a=b", "!", "~x", "漢 字"])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_field_can_be_written_and_read_back(value: str, inverted: bool) -> None:
    """Whatever the value, its term as text is that term, alone and among others."""
    term = FieldTerm("model", value, inverted)
    assert parse(str(term)).fields == (term,)
    assert parse(f"{term} {term} text").fields == (term, term)


@pytest.mark.parametrize(
    ("typed", "spans"),
    [
        ("an", [(1, 3), (3, 5)]),
        ("~[an]+", [(1, 6)]),
        ("!x", []),
        ("", []),
        ("~x*", []),
        ("a=b", []),
        ("a=b an", [(1, 3), (3, 5)]),
        ("~^b|a$", [(0, 1), (5, 6)]),
    ],
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
        ("ms>fast", "ms> needs a number, not fast"),
        ("model=a status<=5xx", "status<= needs a number, not 5xx"),
        ("ms<1_000", "ms< needs a number, not 1_000"),
        ("ms>nan", "ms> needs a number, not nan"),
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
