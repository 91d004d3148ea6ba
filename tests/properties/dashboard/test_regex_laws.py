"""Laws of the linear regular expressions: they find what Python's find, and nothing makes them slow."""

import random
import re
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.dashboard.regex import MAX_PROGRAM, MAX_STEPS, PatternError, Regex

TEXTS = st.text("aab_ 1-é漢", max_size=12)
ATOMS = st.sampled_from(
    [
        *("a", "b", "é", "1", " ", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\b", "^", "$", r"\B"),
        *("[ab]", "[^a]", "[a-c1]", r"[\d_]", r"[^\w]", "[]a]", "[a-]", "{", "}", "漢"),
    ]
)


def _groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quantifier = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{1,3}", "*?", "+?", "??", "{0,2}?"])
    grouped = st.builds("({})".format, inner) | st.builds("(?:{})".format, inner)
    return (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map("|".join)
        | st.builds("{}{}".format, grouped, quantifier)
        | grouped
    )


PATTERNS = st.recursive(ATOMS, _groups, max_leaves=6)
# In a repeat of what may be empty, engines differ in which of several matches from one place they take.
REPEATED_GROUP = re.compile(r"\)[*+{]")


def python(pattern: str) -> re.Pattern[str]:
    """The same pattern for Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern)


def taken(pattern: str) -> Regex | PatternError:
    """The pattern, or what is wrong with it."""
    try:
        return Regex(pattern)
    except PatternError as error:
        return error


@settings(max_examples=500)
@given(PATTERNS, TEXTS)
@example(r"(a|b)*?b", "aab")
@example(r"a||b", "b")
@example(r"(?:a|ab)(?:c|bcd)?", "abcd")
@example(r"\bab\b", "a ab")
@example(r"^$", "")
def test_finds_what_python_finds(pattern: str, text: str) -> None:
    """A text matches if it does in Python, and the matches that are not empty are the same."""
    regex = taken(pattern)
    if isinstance(regex, PatternError):
        with pytest.raises(re.error):
            python(pattern)
        return
    expected = python(pattern)
    if text or r"\B" not in pattern:  # Python before 3.14 finds no \B in an empty text.
        assert regex.found(text) == (expected.search(text) is not None)
    if not REPEATED_GROUP.search(pattern):
        assert regex.spans(text) == _spans(expected, text)
    regex.check_valid()


def _spans(expected: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    """Each match from the first place where one begins that is not empty."""
    spans, start = [], 0
    while start < len(text):
        match = expected.match(text, start)
        if match and match.end() > start:
            spans.append(match.span())
            start = match.end()
        else:
            start += 1
    return spans


@given(st.text(r"ab()[]{}|*+?\^$.,-1dwZ", max_size=14), TEXTS)
@example("((((((((((", "a")
@example("(" * 40 + ")" * 40, "a")
@example("[a-", "a")
@example("(?:(?:(?:){9999999}){9999999}){9999999}", "a")
@example("(?:(?:a{150}){150}){150}", "a")
@example("a{99999999999999999999}", "a")
@example("\\", "")
def test_any_pattern_is_taken_or_refused(pattern: str, text: str) -> None:
    """Whatever is typed is a pattern that Python takes too, or an error with a sentence and a place in the pattern."""
    result = taken(pattern)
    if isinstance(result, PatternError):
        assert result.message
        assert 0 <= result.position <= len(pattern)
    else:
        python(pattern)
        assert bool(result.spans(text)) <= result.found(text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "a*a*a*a*a*a*c", "(a|aa)+$", "(?:a?){30}a{30}b"])
def test_no_pattern_takes_more_than_a_step_for_a_character(pattern: str) -> None:
    """Looking for a pattern that makes Python's engine hang works out a few steps, however long the text."""
    regex = Regex(pattern)
    for length in (1_000, 20_000):
        assert not regex.found("a" * length + "!")
        assert regex.steps <= 4 * MAX_PROGRAM


def test_tables_stay_bounded() -> None:
    """A pattern with thousands of states empties its tables, and still finds what it looks for."""
    regex = Regex("(?:a|b)*a(?:a|b){12}c")
    text = "".join(random.Random(5).choices("ab", k=20_000))
    assert not regex.found(text)
    regex.check_valid()
    assert regex.steps <= MAX_STEPS
    assert regex.found(f"{text}a{'b' * 12}c")
