r"""What the log shows: a least level and a text, as one types it.

    claude          lines that contain the text
    ~5\d\d|timeout  lines in which the regular expression is found (syntax and bounds: regex.py)
    !echo  !~ok$    the other lines
    Claude          an upper-case letter anywhere makes upper and lower case differ (smart case), else they are the same

A text that begins with `~` or `!` can be looked for as a regular expression. Nothing behind `!` or `~` is no filter
yet. The text of a line is what its row shows, its time and figures apart, whether or not the row has room for it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from gateway.dashboard.regex import PatternError, Regex
from gateway.dashboard.text import clean
from gateway.logs.ring import LEVELS

LEAST_LEVEL: Final = "info"

# More than a ring's record holds by default. What is behind it in a longer line, no regular expression looks at.
MAX_SEARCHED: Final = 1000

_RANKS: Final = {level: rank for rank, level in enumerate(LEVELS)}
_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
_ESCAPED_OR_NOT: Final = re.compile(r"\\.|[^\\]+|\\$", re.DOTALL)

Spans = list[tuple[int, int]]


class FilterError(ValueError):
    """The typed filter is wrong: what, and at which of its characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message}, at character {position + 1}")
        self.message = message
        self.position = position


class Line(Protocol):
    """What a filter looks at."""

    @property
    def level(self) -> str:
        """The level by its name."""

    @property
    def text(self) -> str:
        """The cleaned text."""


_AnyLine = TypeVar("_AnyLine", bound=Line)


# Compared and hashed by identity: there is one for each time that it is set.
@dataclass(frozen=True, eq=False)
class LogFilter:
    """A filter in force: `text` is what was typed; `find` gives the matches in a text, `found` whether there is one."""

    text: str
    level: str
    inverted: bool
    found: Callable[[str], bool] | None
    find: Callable[[str], Spans] | None

    def matches(self, line: Line) -> bool:
        """Whether the line is shown."""
        if _RANKS.get(line.level, _INFO) < _RANKS[self.level]:
            return False
        return self.found is None or self.found(line.text) != self.inverted

    def select(self, lines: Iterable[_AnyLine]) -> list[_AnyLine]:
        """The lines that are shown."""
        return [line for line in lines if self.matches(line)]

    def spans(self, text: str) -> Spans:
        """What to highlight in the text of a shown line: every match as (start, stop), left to right, none empty."""
        return [] if self.find is None or self.inverted else self.find(text)


_INFO: Final = _RANKS["info"]


def parse(text: str, level: str = LEAST_LEVEL) -> LogFilter:
    """The filter of a typed text and a least level of `LEVELS`; raises FilterError if its expression is wrong."""
    typed = clean(text)
    rest = typed.removeprefix("!")
    inverted = rest != typed
    pattern = rest.removeprefix("~")
    if not pattern:
        return LogFilter(text, level, False, None, None)
    if pattern == rest:
        return LogFilter(text, level, inverted, *_plain(pattern))
    try:
        return LogFilter(text, level, inverted, *_regular(pattern))
    except PatternError as error:
        raise FilterError(error.message, error.position + len(typed) - len(pattern)) from error


def fold(text: str) -> str:
    """The text without the difference of upper and lower case, character for character."""
    folded = text.casefold()
    # Folding works on single characters, and makes some of them longer but none shorter; those stay as they are.
    if len(folded) == len(text):
        return folded
    return "".join(single if len(single := char.casefold()) == 1 else char for char in text)


def _plain(needle: str) -> tuple[Callable[[str], bool], Callable[[str], Spans]]:
    prepared = _smart_case(needle)
    if prepared is fold:
        needle = fold(needle)

    def find(text: str) -> Spans:
        text = prepared(text)
        spans, start = [], text.find(needle)
        while start >= 0:
            spans.append((start, start + len(needle)))
            start = text.find(needle, start + len(needle))
        return spans

    return lambda text: needle in prepared(text), find


def _regular(pattern: str) -> tuple[Callable[[str], bool], Callable[[str], Spans]]:
    prepared = _smart_case(_ESCAPED.sub("", pattern))
    if prepared is fold:
        parts = _ESCAPED_OR_NOT.findall(pattern)
        pattern = "".join(part if part.startswith("\\") else fold(part) for part in parts)
    regex = Regex(pattern)
    return (
        lambda text: regex.found(prepared(text[:MAX_SEARCHED])),
        lambda text: regex.spans(prepared(text[:MAX_SEARCHED])),
    )


def _smart_case(pattern: str) -> Callable[[str], str]:
    """What a text has to pass before the pattern is looked for in it."""
    return _as_it_is if any(char.isupper() for char in pattern) else fold


def _as_it_is(text: str) -> str:
    return text
