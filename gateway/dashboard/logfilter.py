r"""What the log shows: a least level, fields and a text, as one types it.

    claude          lines that contain the text
    ~5\d\d|timeout  lines in which the regular expression is found
    !echo  !~ok$    the other lines
    Claude          an upper-case letter anywhere makes upper and lower case differ (smart case), else they are the same
    model=auth-x    lines whose field is exactly that; any number of fields, all of which must fit, before the text
    !status=200     the other lines
    model="a b"     a value with spaces in quotes, in which \" and \\ are a quote and a backslash; "" is no value
    model!=auth-x   the same as !model=auth-x
    ms>1000         lines whose field is a number above that; also <, >= and <=
    status=5xx      lines whose status is one of that hundred

Fields have the names that the details of a record show; `worker=2` is short for `source=worker-2`. A value is compared
as the details show it, and a model as the tables name it.

A text that begins with `~` or `!` or looks like a field can be looked for as a regular expression. Nothing behind `!`,
`~`, `=`, `<` or `>` is no filter yet. The text of a line is what its row shows, its time and figures apart, whether or
not the row has room for it.

Regular expressions are those of RE2, because it needs time in proportion to the text whatever the expression is: log
lines hold what clients wrote, and with the module `re` a pattern such as (a+)+$ would stand still for ever on some.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from gateway.dashboard.text import clean
from gateway.logs.ring import LEVELS

LEAST_LEVEL: Final = "info"

# RE2 refuses a pattern whose program needs more; ten times what the longest pattern takes that one would type.
_MAX_PATTERN_BYTES: Final = 1 << 20

_RANKS: Final = {level: rank for rank, level in enumerate(LEVELS)}
_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
# `!`, a name as log lines have them, and a value: quoted, where its end may still be missing, or up to the next space.
_FIELD: Final = re.compile(r'(!?)([A-Za-z_][\w.-]*)(!?)=(?:"((?:[^"\\]|\\.)*)("|\\?$)|((?!")[^ ]*))(?: +|$)')
_COMPARISON: Final = re.compile(r"(!?)([A-Za-z_](?:[\w.-]*\w)?)([<>]=?)([^ ]*)(?: +|$)")
_PLAIN_VALUE: Final = re.compile(r'[^ "][^ ]*')
_HUNDRED: Final = re.compile(r"([1-9])xx", re.IGNORECASE)
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?", re.ASCII)

Spans = list[tuple[int, int]]


class FilterError(ValueError):
    """The typed filter is wrong; the text says what."""


class Line(Protocol):
    """What a filter looks at."""

    @property
    def level(self) -> str:
        """The level by its name."""

    @property
    def text(self) -> str:
        """The cleaned text."""

    def field(self, name: str) -> str:
        """The cleaned value of a field, empty if there is none."""


_AnyLine = TypeVar("_AnyLine", bound=Line)


@dataclass(frozen=True)
class FieldTerm:
    """A field that must have that value, or must not."""

    name: str
    value: str
    inverted: bool = False

    def matches(self, line: Line) -> bool:
        """Whether the field of the line is as wanted."""
        return (line.field(self.name) == self.value) != self.inverted

    def __str__(self) -> str:
        """The term as one types it."""
        value = clean(self.value)
        if not _PLAIN_VALUE.fullmatch(value) or (self.name == "status" and _HUNDRED.fullmatch(value)):
            value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{'!' * self.inverted}{self.name}={value}"


@dataclass(frozen=True)
class RangeTerm:
    """A field that must be a number from the first to the last, both included, or must be anything else."""

    name: str
    first: float
    last: float
    inverted: bool = False

    def matches(self, line: Line) -> bool:
        """Whether the field of the line is as wanted."""
        number = _number(line.field(self.name))
        return (number is not None and self.first <= number <= self.last) != self.inverted


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


# Compared and hashed by identity: there is one for each time that it is set.
@dataclass(frozen=True, eq=False)
class LogFilter:
    """A filter in force: `text` is what was typed; `find` gives the matches in a text, `found` whether there is one.

    `inverted` concerns what follows the fields: the lines shown have no match.
    """

    text: str
    level: str
    fields: tuple[FieldTerm | RangeTerm, ...] = ()
    inverted: bool = False
    found: Callable[[str], bool] | None = None
    find: Callable[[str], Spans] | None = None

    @property
    def selects(self) -> bool:
        """Whether it lets only some lines of its level through."""
        return self.found is not None or bool(self.fields)

    def matches(self, line: Line) -> bool:
        """Whether the line is shown."""
        if _RANKS.get(line.level, _INFO) < _RANKS[self.level]:
            return False
        if not all(field.matches(line) for field in self.fields):
            return False
        return self.found is None or self.found(line.text) != self.inverted

    def select(self, lines: Iterable[_AnyLine]) -> list[_AnyLine]:
        """The lines that are shown."""
        if not self.selects:
            # A busy log passes here as a whole, and mostly there is nothing to look for.
            least = _RANKS[self.level]
            return [line for line in lines if _RANKS.get(line.level, _INFO) >= least]
        return [line for line in lines if self.matches(line)]

    def spans(self, text: str) -> Spans:
        """What to highlight in the text of a shown line: every match as (start, stop), left to right, none empty."""
        return [] if self.find is None or self.inverted else self.find(text)


_INFO: Final = _RANKS["info"]


def parse(text: str, level: str = LEAST_LEVEL) -> LogFilter:
    """The filter of a typed text and a least level of `LEVELS`; raises FilterError if it is wrong."""
    fields, typed = _fields(clean(text))
    rest = typed.removeprefix("!")
    inverted = rest != typed
    pattern = rest.removeprefix("~")
    if not pattern:
        return LogFilter(text, level, fields)
    if pattern == rest:
        return LogFilter(text, level, fields, inverted, *_plain(pattern))
    return LogFilter(text, level, fields, inverted, *_regular(pattern))


def _fields(typed: str) -> tuple[tuple[FieldTerm | RangeTerm, ...], str]:
    """The fields that a typed filter begins with, and what follows them; raises FilterError."""
    terms: list[FieldTerm | RangeTerm] = []
    while True:
        if (match := _FIELD.match(typed)) is not None:
            term = _equal(*match.groups())
        elif (match := _COMPARISON.match(typed)) is not None:
            term = _compared(*match.groups())
        else:
            return tuple(terms), typed
        if term is not None:
            terms.append(term)
        typed = typed[match.end() :]


def _equal(
    sign: str, name: str, unequal: str, quoted: str | None, quote: str | None, bare: str | None
) -> FieldTerm | RangeTerm | None:
    """The term of the parts of `_FIELD`, None while there is no value yet; raises FilterError."""
    if quote is not None and quote != '"':
        raise FilterError(f"the quote after {name}= is not closed")
    if bare == "":
        return None
    inverted = (sign != "") != (unequal != "")
    if bare is None:
        return FieldTerm(name, _ESCAPED.sub(lambda escaped: escaped[0][1], quoted or ""), inverted)
    if name == "status" and (hundred := _HUNDRED.fullmatch(bare)) is not None:
        first = 100.0 * int(hundred[1])
        return RangeTerm(name, first, first + 99, inverted)
    return FieldTerm(name, bare, inverted)


def _compared(sign: str, name: str, operator: str, typed: str) -> RangeTerm | None:
    """The term of the parts of `_COMPARISON`, None while there is no number yet; raises FilterError."""
    if not typed:
        return None
    bound = _number(typed)
    if bound is None:
        raise FilterError(f"{name}{operator} needs a number, not {typed}")
    first, last = -math.inf, math.inf
    if operator[0] == ">":
        first = bound if operator == ">=" else math.nextafter(bound, math.inf)
    else:
        last = bound if operator == "<=" else math.nextafter(bound, -math.inf)
    return RangeTerm(name, first, last, sign != "")


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
    # A fiftieth of a second that nobody should wait for before the first picture.
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_PATTERN_BYTES
    options.case_sensitive = _smart_case(_ESCAPED.sub("", pattern)) is not fold
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        raise FilterError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None

    def find(text: str) -> Spans:
        return [match.span() for match in compiled.finditer(text) if match.end() > match.start()]

    return lambda text: compiled.search(text) is not None, find


def _smart_case(pattern: str) -> Callable[[str], str]:
    """What a text has to pass before the pattern is looked for in it."""
    return _as_it_is if any(char.isupper() for char in pattern) else fold


def _as_it_is(text: str) -> str:
    return text
