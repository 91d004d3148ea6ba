r"""Regular expressions that cannot hang: the common part of Python's syntax, matched in time linear in the text.

Why not `re`. It tries alternatives one after another, so `(a+)+$` against a line of forty a's takes longer than anyone
waits, and even `a+$` is quadratic. It cannot be given a limit, and a rule that rejects such patterns either lets some
through or rejects what people type. Log lines hold what clients wrote, so one of them would only have to be long.

Theory of operation. The pattern becomes a program (Thompson's construction): `_Char` consumes a character, `_Fork` goes
on in two places, `_Assert` looks at the characters on both sides, `_MATCH` is the end. All places in which the program
can be are followed at once: a state is the ordered tuple of them, best first, with what the character before was. For
each character a state has one successor, which is worked out once and kept in a table (a lazy deterministic automaton),
so reading a text of a known kind costs one look-up a character. The order makes matches the ones that Python finds:
once a place matches, those behind it are dropped (leftmost, then the first alternative, as much as possible unless a
`?` says otherwise).

Bounds. A program has at most MAX_PROGRAM instructions, so one step costs at most that many; each table keeps at most
MAX_STEPS steps, and is emptied when it is full. `found` reads each character once. `spans` starts at each character, so
it is quadratic at worst; it is for the few lines on the screen.

Syntax. `.`, `[a-z]`, `[^a-z]`, `\d \w \s` and their opposites, `\t \n \r \f \v`, `^ $ \A \Z \b \B`, `( )`, `(?: )` and
`|`, `* + ? {m} {m,} {,n} {m,n}`, each also with a `?` behind it. What needs a memory of the text (back-references,
look-around) is an error, as are all other escapes and groups. All of it means what it means in Python, except that `$`
and `.` know no line ends: lines here have none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_PROGRAM: Final = 200
MAX_STEPS: Final = 10_000
_MAX_DEPTH: Final = 30


class PatternError(ValueError):
    """The pattern is wrong: what, and at which character from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(frozen=True, slots=True)
class _Char:
    """One character: in one of the ranges or of one of the kinds, or, `negated`, in none of them."""

    ranges: tuple[tuple[str, str], ...] = ()
    kinds: str = ""
    negated: bool = False

    def takes(self, char: str) -> bool:
        is_in = any(low <= char <= high for low, high in self.ranges) or any(
            _is_kind(char, kind) for kind in self.kinds
        )
        return is_in != self.negated


@dataclass(frozen=True, slots=True)
class _Assert:
    kind: str


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple["_Node", ...]


@dataclass(frozen=True, slots=True)
class _Either:
    branches: tuple["_Node", ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    node: "_Node"
    least: int
    most: int | None
    greedy: bool


_Node = _Char | _Assert | _Sequence | _Either | _Repeat


@dataclass(frozen=True, slots=True)
class _Fork:
    """Go on in both places, `first` the better one."""

    first: int
    second: int


_MATCH: Final = None
_Instruction = _Char | _Assert | _Fork | None

_ANY: Final = _Char(negated=True)
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_QUANTIFIERS: Final = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def _is_kind(char: str, kind: str) -> bool:
    is_opposite = kind.isupper()
    match kind.lower():
        case "d":
            return char.isdecimal() != is_opposite
        case "s":
            return char.isspace() != is_opposite
        case _:
            return _is_word(char) != is_opposite


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


def _bound(digits: str) -> int:
    """The number; one that is too large for any program needs no exact value."""
    return int(digits) if len(digits) <= 6 else MAX_PROGRAM + 1


class _Parser:
    """Recursive descent: alternatives of sequences of repeated atoms."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> _Node:
        node = self._alternatives(0)
        if self._next() == ")":
            raise PatternError("a ) without its (", self._at)
        return node

    def _next(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._next()
        self._at += len(char)
        return char

    def _skip(self, text: str) -> bool:
        if not self._pattern.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _alternatives(self, depth: int) -> _Node:
        branches = [self._sequence(depth)]
        while self._skip("|"):
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _sequence(self, depth: int) -> _Node:
        parts: list[_Node] = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated(depth))
        return _Sequence(tuple(parts))

    def _repeated(self, depth: int) -> _Node:
        begin = self._at
        if self._quantifier() is not None:
            raise PatternError("nothing to repeat", begin)
        node = self._atom(depth)
        at = self._at
        bounds = self._quantifier()
        if bounds is None:
            return node
        if isinstance(node, _Assert):
            raise PatternError("nothing to repeat", at)
        greedy = not self._skip("?")
        at = self._at
        if self._quantifier() is not None:
            raise PatternError("a repeat of a repeat; put the first into (?: )", at)
        return _Repeat(node, *bounds, greedy)

    def _quantifier(self) -> tuple[int, int | None] | None:
        """The bounds of the quantifier that stands here, if one does; as in Python, any other `{` is a character."""
        if self._next() in _QUANTIFIERS:
            return _QUANTIFIERS[self._take()]
        begin, end = self._at, self._pattern.find("}", self._at)
        if self._next() != "{" or end < 0:
            return None
        low, comma, high = self._pattern[begin + 1 : end].partition(",")
        is_number = [text == "" or (text.isascii() and text.isdecimal()) for text in (low, high)]
        if not all(is_number) or (not low and not comma):
            return None
        self._at = end + 1
        least = _bound(low) if low else 0
        most = _bound(high) if high else None if comma else least
        if most is not None and most < least:
            raise PatternError("the least repeat is above the most", begin)
        return least, most

    def _atom(self, depth: int) -> _Node:
        begin, char = self._at, self._take()
        match char:
            case "(":
                return self._group(begin, depth)
            case "[":
                return self._set(begin)
            case ".":
                return _ANY
            case "^":
                return _Assert("A")
            case "$":
                return _Assert("Z")
            case "\\":
                if self._next() and self._next() in "AZbB":
                    return _Assert(self._take())
                return self._escape(begin)
            case _:
                return _Char(((char, char),))

    def _group(self, begin: int, depth: int) -> _Node:
        if depth == _MAX_DEPTH:
            raise PatternError("groups are nested too deep", begin)
        if not self._skip("?:") and self._next() == "?":
            raise PatternError("only ( ) and (?: ) are groups", begin)
        node = self._alternatives(depth + 1)
        if not self._skip(")"):
            raise PatternError("a ( without its )", begin)
        return node

    def _escape(self, begin: int) -> _Char:
        """The character or kind of characters behind a backslash."""
        char = self._take()
        if not char:
            raise PatternError("nothing behind the last \\", begin)
        if char in "dDwWsS":
            return _Char(kinds=char)
        if char in _CONTROLS:
            return _Char(((_CONTROLS[char], _CONTROLS[char]),))
        if char.isascii() and char.isalnum():
            raise PatternError(f"\\{char} is not supported", begin)
        return _Char(((char, char),))

    def _set(self, begin: int) -> _Char:
        negated = self._skip("^")
        ranges: list[tuple[str, str]] = []
        kinds = ""
        is_first = True
        while is_first or self._next() != "]":
            is_first = False
            at = self._at
            low = self._set_item(begin)
            if self._pattern[self._at : self._at + 1] == "-" and self._pattern[self._at + 1 : self._at + 2] not in (
                "]",
                "",
            ):
                self._at += 1
                high = self._set_item(begin)
                if low.kinds or high.kinds or high.ranges[0][0] < low.ranges[0][0]:
                    raise PatternError("a wrong range of characters", at)
                ranges.append((low.ranges[0][0], high.ranges[0][0]))
            else:
                ranges += low.ranges
                kinds += low.kinds
        self._at += 1
        return _Char(tuple(ranges), kinds, negated)

    def _set_item(self, begin: int) -> _Char:
        at, char = self._at, self._take()
        if not char:
            raise PatternError("a [ without its ]", begin)
        return self._escape(at) if char == "\\" else _Char(((char, char),))


class _Compiler:
    """Writes the program of a tree; each node goes on behind its last instruction."""

    def __init__(self) -> None:
        self.program: list[_Instruction] = []
        self._nodes = 0

    def emit(self, node: _Node) -> None:
        # Nodes are counted as well, because an empty group may be repeated without writing anything.
        self._nodes += 1
        if max(self._nodes, len(self.program)) > MAX_PROGRAM:
            raise PatternError("the pattern is too large", 0)
        match node:
            case _Sequence(parts):
                for part in parts:
                    self.emit(part)
            case _Either(branches):
                self._either(branches)
            case _Repeat():
                self._repeat(node)
            case _:
                self.program.append(node)

    def _either(self, branches: Sequence[_Node]) -> None:
        ends = []
        for branch in branches[:-1]:
            fork = self._hole()
            self.emit(branch)
            ends.append(self._hole())
            self.program[fork] = _Fork(fork + 1, len(self.program))
        self.emit(branches[-1])
        for end in ends:
            self.program[end] = _Fork(len(self.program), len(self.program))

    def _repeat(self, repeat: _Repeat) -> None:
        for _ in range(repeat.least):
            self.emit(repeat.node)
        forks = []
        for _ in range(1 if repeat.most is None else repeat.most - repeat.least):
            forks.append(self._hole())
            self.emit(repeat.node)
        if repeat.most is None:
            self.program.append(_Fork(forks[0], forks[0]))
        for fork in forks:
            inside, behind = fork + 1, len(self.program)
            self.program[fork] = _Fork(inside, behind) if repeat.greedy else _Fork(behind, inside)

    def _hole(self) -> int:
        """A place for a fork whose ends are not known yet."""
        self.program.append(_MATCH)
        return len(self.program) - 1


class _State(dict[str, "_State"]):
    """The places in which the program can be, best first, with its successors by character; "" is the end.

    `before` is the character before as far as it matters: "" for none, "w" for one of a word, " " for another.
    `accepts` says whether a match ended before the last character that was read.
    """

    __slots__ = ("_automaton", "accepts", "before", "places")

    def __init__(self, automaton: "_Automaton", places: tuple[int, ...], before: str, accepts: bool) -> None:
        super().__init__()
        self._automaton = automaton
        self.places = places
        self.before = before
        self.accepts = accepts

    def __missing__(self, char: str) -> "_State":
        return self._automaton.step(self, char)


class _Automaton:
    """The states of a program that were met so far; with `anywhere` it may begin at each character."""

    def __init__(self, program: Sequence[_Instruction], *, anywhere: bool) -> None:
        self._program = program
        self._anywhere = anywhere
        self._states: dict[tuple[tuple[int, ...], str, bool], _State] = {}
        self.steps = 0

    def start(self, char_before: str) -> _State:
        return self._state((0,), _as_before(char_before), False)

    def step(self, state: _State, char: str) -> _State:
        """Work out the successor of a state, and remember it."""
        if self.steps >= MAX_STEPS:
            for known in self._states.values():
                known.clear()
            self._states.clear()
            self.steps = 0
        reached, accepts = self._reached(state, char)
        places: dict[int, None] = {}
        for place in reached:
            instruction = self._program[place]
            if char and isinstance(instruction, _Char) and instruction.takes(char):
                places[place + 1] = None
        if self._anywhere and not accepts:
            places[0] = None
        following = self._state(tuple(places), _as_before(char), accepts)
        state[char] = following
        self.steps += 1
        return following

    def _state(self, places: tuple[int, ...], before: str, accepts: bool) -> _State:
        key = (places, before, accepts)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(self, places, before, accepts)
        return state

    def _reached(self, state: _State, char: str) -> tuple[list[int], bool]:
        """The places, best first, that wait for a character once all forks and assertions are passed; the match, too.

        What is behind a match is worse than it, and is left out.
        """
        waiting: list[int] = []
        seen: set[int] = set()
        todo = list(reversed(state.places))
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            instruction = self._program[place]
            match instruction:
                case None:
                    return waiting, True
                case _Fork(first, second):
                    todo += (second, first)
                case _Assert(kind):
                    if _holds(kind, state.before, _as_before(char)):
                        todo.append(place + 1)
                case _Char():
                    waiting.append(place)
        return waiting, False


def _as_before(char: str) -> str:
    if not char:
        return ""
    return "w" if _is_word(char) else " "


def _holds(kind: str, before: str, after: str) -> bool:
    match kind:
        case "A":
            return not before
        case "Z":
            return not after
        case "b":
            return (before == "w") != (after == "w")
        case _:
            return (before == "w") == (after == "w")


class Regex:
    """A pattern that is ready to be looked for; raises PatternError if it is wrong."""

    def __init__(self, pattern: str) -> None:
        compiler = _Compiler()
        compiler.emit(_Parser(pattern).parse())
        program = [*compiler.program, _MATCH]
        self._anywhere = _Automaton(program, anywhere=True)
        self._here = _Automaton(program, anywhere=False)

    @property
    def steps(self) -> int:
        """How many steps both tables hold: what was worked out and not only looked up."""
        return self._anywhere.steps + self._here.steps

    def found(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text."""
        state = self._anywhere.start("")
        for char in text:
            state = state[char]
            if state.accepts:
                return True
        return state[""].accepts

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The matches that are not empty, left to right, as (start, stop); none overlaps another."""
        spans = []
        start = 0
        while start < len(text):
            stop = self._stop(text, start)
            if stop > start:
                spans.append((start, stop))
            start = max(stop, start + 1)
        return spans

    def check_valid(self) -> None:
        """Assert that the tables are within their bounds."""
        for automaton in (self._anywhere, self._here):
            assert 0 <= automaton.steps <= MAX_STEPS

    def _stop(self, text: str, start: int) -> int:
        """Where the match that begins at `start` ends; `start` if there is none, or an empty one."""
        stop = start
        state = self._here.start(text[start - 1] if start else "")
        for position in range(start, len(text) + 1):
            state = state[text[position : position + 1]]
            if state.accepts:
                stop = position
            if not state.places:
                break
        return stop
