"""What a typed filter lets through, what it highlights, and what it says when it is wrong."""

from dataclasses import dataclass

import pytest

from gateway.dashboard.logfilter import MAX_SEARCHED, FilterError, fold, parse


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
    ("typed", "message", "position"),
    [
        ("~a(b", "a ( without its )", 2),
        ("!~a)", "a ) without its (", 3),
        ("~[a", "a [ without its ]", 1),
        ("~*a", "nothing to repeat", 1),
        ("~a**", "a repeat of a repeat; put the first into (?: )", 3),
        ("~a{3,2}", "the least repeat is above the most", 2),
        ("~(?=a)", "only ( ) and (?: ) are groups", 1),
        (r"~(a)\1", r"\1 is not supported", 4),
        ("~a\\", "nothing behind the last \\", 2),
        ("~[z-a]", "a wrong range of characters", 2),
        ("~a{999}", "the pattern is too large", 1),
    ],
)
def test_error_says_what_and_where(typed: str, message: str, position: int) -> None:
    """A wrong expression is an error with a sentence and the place in what was typed."""
    with pytest.raises(FilterError) as caught:
        parse(typed)
    assert (caught.value.message, caught.value.position) == (message, position)
    assert str(caught.value) == f"{message}, at character {position + 1}"


def test_folding_keeps_places() -> None:
    """Whatever the case of a text, each of its characters stays where it is."""
    assert fold("İSTANBUL straße ﬁ ΣΑΣ") == "İstanbul straße ﬁ σασ"
    assert parse("sta").spans("İSTA") == [(1, 4)]


def test_regular_expressions_look_at_a_bounded_part() -> None:
    """Beyond MAX_SEARCHED characters only plain text is found, so no line is too long for an expression."""
    text = "a" * MAX_SEARCHED + "!"
    assert parse("!").matches(Line(text))
    assert parse("~(a+)+$").matches(Line(text))
    assert not parse("~!").matches(Line(text))
    assert not parse("~(a+)+$").matches(Line(text[2:]))
    assert parse("a!").matches(Line(text))
