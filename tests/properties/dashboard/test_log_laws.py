"""Laws of the log: what is shown is what a plain list would show, and nothing moves what one has stopped to read."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from wcwidth import wcwidth

from gateway.dashboard import logpanel
from gateway.dashboard.layout import Rect
from gateway.dashboard.logfilter import FieldTerm, FilterError, parse
from gateway.dashboard.logview import LogLine, LogView
from gateway.dashboard.state import LEVELS, Ui
from gateway.dashboard.text import Row, clean
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData
from tests.support.dashboard_scene import NOW_NS, make_scene

SCENE = make_scene(chart=ChartData(NOW_NS, (), ()))
KEEP = 40
EVENTS = st.sampled_from(["alpha", "Beta", "alphabet", "b", "a" * 30, "gamma " * 9])
# Each filter, and what Python finds for it; None stands for a wrong one.
FILTERS: dict[str, tuple[str, bool] | None] = {
    "": ("", False),
    "ALPHA": ("ALPHA", False),
    "alpha": ("(?i)alpha", False),
    "Beta": ("Beta", False),
    "!alpha": ("(?i)alpha", True),
    "~al|be": ("(?i)al|be", False),
    "~^warning": ("(?i)^warning", False),
    "!~a$": ("(?i)a$", True),
    "~(a+)+$": ("(?i)aa*$", False),
    "~(": None,
    "~a**": None,
}

Known = tuple[int, str, str]
"""Number, level and text of a line in the model."""


class Log(RuleBasedStateMachine):
    """A log beside a plain list of what came, in a panel of changing size."""

    @initialize(rows=st.integers(1, 12))
    def open(self, rows: int) -> None:
        self.log = LogView(keep=KEEP)
        self.known: list[Known] = []
        self.came = 0
        self.rows, self.width, self.wrap = rows, 80, False
        self.filter: tuple[str, bool] = ("", False)
        self.level = LEVELS[0]
        self.selected: int | None = None
        self.frozen: list[tuple[LogView, tuple[Any, ...]]] = []
        self.shown: list[int] = []
        self.newest_seen = -1
        self.draw()

    def height(self, line: LogLine) -> int:
        """A height that only depends on text and width, as that of the panel."""
        return 1 + len(line.text) // self.width if self.wrap else 1

    def draw(self) -> None:
        """Show the picture."""
        self.shown = [line.number for line in self.log.visible(self.rows, self.height)]
        self.newest_seen = max([self.newest_seen, *self.shown])

    def matching(self) -> list[Known]:
        """The lines of the model that the filter lets through."""
        pattern, inverted = self.filter
        least = LEVELS.index(self.level)
        return [
            line
            for line in self.known
            if LEVELS.index(line[1]) >= least and (re.search(pattern, line[2]) is None) == inverted
        ]

    def cursor(self) -> int:
        """The index of the line from which moves start: nearest to the selection, or to the end of the picture."""
        numbers = [number for number, _, _ in self.matching()]
        wanted = self.selected
        if wanted is None:
            wanted = self.shown[-1] if self.shown else numbers[-1]
        return max(0, sum(number <= wanted for number in numbers) - 1)

    @rule(events=st.lists(st.tuples(EVENTS, st.sampled_from(LEVELS)), max_size=30))
    def add(self, events: list[tuple[str, str]]) -> None:
        """A held picture keeps its lines in their places, whatever comes and whatever is forgotten."""
        before, skipped = self.shown, self.log.skipped
        self.log.add(LogRecord(1, 0, level, event, "worker-0", {}) for event, level in events)
        for event, level in events:
            self.known.append((self.came, level, f"{level} {event}"))
            self.came += 1
        if len(self.known) > KEEP + KEEP // 8:
            held = set() if self.selected is None else set(self.shown)
            oldest = self.came - KEEP
            self.known = [line for line in self.known if line[0] >= oldest or line[0] in held]
        self.draw()
        if self.selected is not None:
            assert self.shown[: len(before)] == before
            assert self.log.skipped == skipped
            assert self.shown == before or self.taken(before) < self.rows + skipped

    def taken(self, numbers: list[int]) -> int:
        """How many rows these lines take."""
        return sum(self.height(line) for line in self.log._lines if line.number in numbers)

    @rule(lines=st.integers(-15, 15), pages=st.booleans())
    def move(self, lines: int, pages: bool) -> None:
        """The selection goes where it would in a list; past the end, the log follows."""
        if pages:
            self.log.page(lines)
            lines *= max(1, len(self.shown) - 1)
        else:
            self.log.move(lines)
        matching = self.matching()
        if matching:
            target = self.cursor() + lines
            if lines > 0 and (self.selected is None or target >= len(matching)):
                self.selected = None
            else:
                self.selected = matching[max(0, target)][0]
        self.draw()

    @rule()
    def top(self) -> None:
        """Home selects the oldest line."""
        self.log.top()
        matching = self.matching()
        self.selected = matching[0][0] if matching else self.selected
        self.draw()
        assert self.shown[:1] == [number for number, _, _ in matching[:1]]

    @rule()
    def end(self) -> None:
        """End follows."""
        self.log.end()
        self.selected = None
        self.draw()

    @rule(typed=st.sampled_from(sorted(FILTERS)), level=st.sampled_from(LEVELS))
    def set_filter(self, typed: str, level: str) -> None:
        """A wrong filter changes nothing and says so."""
        self.log.set_filter(typed, level)
        meaning = FILTERS[typed]
        assert (self.log.filter_error is None) == (meaning is not None)
        if meaning is not None:
            self.filter, self.level = meaning, level
        self.draw()

    @precondition(lambda self: self.selected is not None)
    @rule(typed=st.lists(st.sampled_from(sorted(FILTERS)), max_size=3), level=st.sampled_from(LEVELS))
    def look_through_filters(self, typed: list[str], level: str) -> None:
        """Filters that come and go without a move leave a held picture where it was."""
        self.log.clear_filter()
        self.filter, self.level = ("", False), LEVELS[0]
        self.draw()
        before = self.shown, self.log.skipped
        for text in typed:
            self.log.set_filter(text, level)
            self.draw()
        self.log.clear_filter()
        self.draw()
        assert (self.shown, self.log.skipped) == before

    @rule(rows=st.integers(1, 12), width=st.integers(8, 80), wrap=st.booleans())
    def resize(self, rows: int, width: int, wrap: bool) -> None:
        """Another size, or wrapping."""
        self.rows, self.width, self.wrap = rows, width, wrap
        self.draw()

    @precondition(lambda self: len(self.frozen) < 3)
    @rule()
    def copy(self) -> None:
        """A copy shows what the original shows, and goes on to do so."""
        twin = self.log.copy()
        assert [line.number for line in twin.visible(self.rows, self.height)] == self.shown
        self.frozen.append((twin, self.state_of(twin)))

    @rule()
    def use_a_copy(self) -> None:
        """What happens to a copy does not reach the original."""
        before = self.state_of(self.log)
        twin = self.log.copy()
        twin.add([LogRecord(1, 0, "info", "alpha", "worker-0", {})] * 60)
        twin.set_filter("beta")
        twin.top()
        twin.visible(3)
        twin.check_valid()
        assert self.state_of(self.log) == before

    def state_of(self, log: LogView) -> tuple[Any, ...]:
        """All that can be asked of a log without drawing it."""
        return (
            log.total,
            log.kept,
            log.matching,
            log.below,
            log.unseen,
            log.following,
            log.selected,
            log.filter,
            log.skipped,
        )

    @invariant()
    def shown_lines_are_those_of_the_list(self) -> None:
        """The picture is a part of the matching lines without a hole, filled, and it ends or holds what it must."""
        if not hasattr(self, "log"):
            return
        self.log.check_valid()
        numbers = [number for number, _, _ in self.matching()]
        assert self.log.matching == len(numbers)
        assert self.log.kept == len(self.known)
        assert self.log.total == self.came
        assert self.log.following == (self.selected is None)
        if not numbers:
            assert self.shown == []
            return
        first = numbers.index(self.shown[0])
        last = first + len(self.shown)
        assert self.shown == numbers[first:last]
        rows = self.taken(self.shown) - self.log.skipped
        assert rows >= self.rows or last == len(numbers)
        assert rows >= self.rows or first == 0 or len(self.shown) == 1
        if self.selected is None:
            assert last == len(numbers)
            assert self.log.below == 0
        else:
            assert self.log.below == len(numbers) - last
            assert self.log.unseen == sum(number > self.newest_seen for number in numbers)
            chosen = self.log.selected
            assert chosen is not None
            assert chosen.number == numbers[self.cursor()]
            assert chosen.number in self.shown
            above = self.taken([number for number in self.shown if number < chosen.number]) - self.log.skipped
            assert above >= 0
            assert above + self.height(chosen) <= max(self.rows, self.height(chosen))

    @invariant()
    def copies_stay_as_they_were(self) -> None:
        """Nothing that happens to the original changes a copy."""
        for twin, state in getattr(self, "frozen", []):
            assert self.state_of(twin) == state
            twin.check_valid()


TestLog = Log.TestCase

STRANGE = st.sampled_from(
    [
        *(
            "漢字" * 12,
            "e\u0301" * 9,
            "\x1b[2J\x1b]0;title\x07x",
            "👩\u200d💻🇩🇪✈\ufe0f",
            "a\tb\r\nc\x9b5m",
            "\u202eabc",
        ),
        *("\x1b[31mred\x1b[0m", "word " * 30, "漢" * 90, "\ud800", "\u0301\u0301", "İ" * 9, ""),
    ]
)
TEXTS = st.one_of(STRANGE, st.text(max_size=30))
TYPED = st.one_of(
    TEXTS,
    st.sampled_from(
        ["a", "~.", "~[^a]+", "漢", "~(", "!~x", "~\\b", "~e|d", "model=a", '!status=1 provider="" a', 'model="']
    ),
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("path", "model", "provider", "outcome", "request_id", "error"), TEXTS),
        **dict.fromkeys(("ms", "input_tokens", "output_tokens"), st.integers() | st.floats() | TEXTS | st.none()),
        "status": st.integers(-1, 10**9) | TEXTS,
        "attempts": st.integers(0, 9),
        "other": st.lists(TEXTS, max_size=2),
    },
)
RECORDS = st.builds(
    LogRecord,
    st.just(1),
    st.integers(0, 2**61),
    st.sampled_from(["info", "warning", "error", "critical"]),
    st.just("request") | TEXTS,
    st.just("worker-0"),
    FIELDS,
)


def cells(row: Row) -> int:
    """The width of a row, counted without the code under test."""
    return sum(max(0, wcwidth(char)) for _, text in row for char in text)


@given(
    records=st.lists(RECORDS, max_size=4),
    width=st.integers(1, 200),
    height=st.integers(0, 9),
    typed=TYPED,
    up=st.integers(0, 3),
    wrap=st.booleans(),
    offset=st.integers(-1, 50),
)
def test_every_row_has_its_width(
    records: list[LogRecord], width: int, height: int, typed: str, up: int, wrap: bool, offset: int
) -> None:
    """Whatever is logged and typed, at every width each row is exactly as wide, and can be printed."""
    log = LogView()
    log.add(records)
    log.set_filter(typed)
    view = replace(SCENE, log=log, ui=Ui(wrap=wrap))
    for _ in range(up):
        log.move(-1)
        bare = logpanel.log_lines(Rect(0, 0, width, height), view)
        assert [cells(row) for row in bare] == [width] * height
    framed = Rect(0, 0, width + 10, height + 2)
    for rows in (logpanel.log(framed, view), logpanel.details(framed, view, offset)):
        assert [cells(row) for row in rows] == [width + 10] * (height + 2)
        assert all(char.isprintable() or not char.isascii() for row in rows for _, text in row for char in text)


@given(record=RECORDS, name=st.sampled_from(["model", "provider", "outcome", "error", "status"]), other=TEXTS)
def test_a_field_of_a_record_selects_that_value_alone(record: LogRecord, name: str, other: str) -> None:
    """The term made of a value lets its own record through, and any other one if and only if the value is the same."""
    line = LogLine(0, record)
    assert parse(str(FieldTerm(name, line.field(name)))).matches(line)
    assert not parse(str(FieldTerm(name, line.field(name), inverted=True))).matches(line)
    assert parse(str(FieldTerm(name, other))).matches(line) == (clean(other) == line.field(name))


@given(records=st.lists(RECORDS, min_size=1, max_size=4), typed=TYPED, wrap=st.booleans())
def test_what_is_highlighted_is_what_matches(records: list[LogRecord], typed: str, wrap: bool) -> None:
    """Where the row has room for all of a line, the marked characters are those of the matches, spaces apart."""
    try:
        wanted = parse(typed)
    except FilterError:
        return
    for record in records:
        line = LogLine(0, record)
        rows = logpanel._rows(line, 2_000, wrap, wanted, False)
        spans = wanted.spans(line.text)
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        marked = "".join(text for row in rows for role, text in row if role == "match")
        matched = "".join(line.text[start:stop] for start, stop in spans)
        if _is_whole(line):
            assert marked.replace(" ", "") == matched.replace(" ", "")
        else:
            assert len(marked) <= len(matched)


def _is_whole(line: LogLine) -> bool:
    """Whether no column cuts its part, and the word of the level is the level."""
    words = line.words
    parts = {words.route: 8, words.model: 14, words.provider: 9, words.status: 4, words.outcome: 10}
    parts |= {words.request_id: 20}
    return line.level in ("info", "error") and all(cells([("", part)]) <= room for part, room in parts.items())
