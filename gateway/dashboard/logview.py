"""The log as the panel shows it: lines, a filter, a selected line, and a picture that stays where it is.

Theory of operation. Every line has a number that never changes, and every position is such a number, so lines that come
and lines that are forgotten move nothing.

    following   nothing is selected; the newest matching line ends the picture
    held        a line is selected; the picture begins with the line that it began with, and moves only as far as the
                selection would leave it, or as there is room below the newest line

Moving up while following selects the line above the last one of the picture and holds; moving down past the newest
line, or `end`, follows again. A number whose line does not match the filter stands for the nearest older line that
does, or for the oldest. A filter that is dropped leaves everything where it was, unless one has moved meanwhile.

`visible` draws the conclusions: it scrolls the selection into the picture, since only there it is known how many rows
there are and how many each line takes. Lines of a held picture are not forgotten as long as they are in it.
"""

import copy
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

from gateway.dashboard.logfilter import LEAST_LEVEL, FilterError, LogFilter, parse
from gateway.dashboard.text import clean
from gateway.logs.render import REQUEST_EVENT, ROUTE_WORDS, visible
from gateway.logs.ring import LogRecord
from gateway.metrics.entries import cut_name

KEPT_LINES = 10_000
"""Some minutes of a busy gateway."""

_SHOWN_APART = frozenset(
    (
        *("method", "path", "model", "provider", "status", "outcome", "ms"),
        *("input_tokens", "output_tokens", "request_id", "attempts", "error", "unattributed"),
    )
)


class Words(NamedTuple):
    """What a record says, cleaned; `message` is what has no column. `text` is all of it in the order of the columns."""

    text: str
    message: str
    is_request: bool = False
    route: str = ""
    model: str = ""
    provider: str = ""
    status: str = ""
    outcome: str = ""
    request_id: str = ""
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class LogLine:
    """One record with its number; what it says is worked out when somebody wants to know, and kept."""

    __slots__ = ("_words", "_zone", "number", "record")

    def __init__(self, number: int, record: LogRecord, zone: tzinfo | None = None) -> None:
        self.number = number
        self.record = record
        self._zone = zone
        self._words: Words | None = None

    @property
    def level(self) -> str:
        """The level by its name."""
        return self.record.level

    @property
    def time(self) -> str:
        """The time of day in milliseconds, 12 characters."""
        second, milliseconds = divmod(self.record.time_ns // 1_000_000, 1000)
        return f"{_time_of_day(second, self._zone)}.{milliseconds:03d}"

    @property
    def moment(self) -> datetime:
        """When the record was written, in the time zone of the log."""
        return datetime.fromtimestamp(self.record.time_ns / 1e9, self._zone)

    @property
    def words(self) -> Words:
        """What the record says."""
        if self._words is None:
            self._words = _words_of(self.record)
        return self._words

    @property
    def text(self) -> str:
        """What a filter looks at."""
        return self.words.text

    @property
    def message(self) -> str:
        """What has no column of its own."""
        return self.words.message

    def field(self, name: str) -> str:
        """The cleaned value of a field, empty if there is none; a model is cut as the tables cut it."""
        record = self.record
        if name == "worker":
            kind, _, slot = record.source.rpartition("-")
            return slot if kind == "worker" else ""
        if name in _OUR_FIELDS:
            return clean(visible(str(getattr(record, name))))
        value = record.fields.get(name)
        if name == "model" and isinstance(value, str):
            return clean(cut_name(value))
        return "" if value is None else clean(visible(value_text(value)))


# Log lines come in order, so that one remembered second is nearly always the right one.
@lru_cache(maxsize=8)
def _time_of_day(second: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(second, zone).strftime("%H:%M:%S")


_OUR_FIELDS = frozenset(("level", "source", "event"))


def value_text(value: object) -> str:
    """The value of a field as text; JSON for what is no text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _words_of(record: LogRecord) -> Words:
    fields = record.fields
    level = clean(record.level)
    if record.event != REQUEST_EVENT:
        message = clean(" ".join([record.event, *(f"{name}={value}" for name, value in fields.items())]))
        return Words(f"{level} {message}", message)
    path = str(fields.get("path", "")).partition("?")[0]
    attempts = fields.get("attempts")
    error = fields.get("error")
    notes = [str(error)] if error else []
    notes += [f"{attempts} attempts"] if isinstance(attempts, int) and attempts > 1 else []
    notes += [f"{name}={value}" for name, value in fields.items() if name not in _SHOWN_APART]
    route = ROUTE_WORDS.get(path) or clean(path.rpartition("/")[2])
    names = ("model", "provider", "status", "outcome", "request_id")
    model, provider, status, outcome, request_id = [clean(str(fields.get(name) or "")) for name in names]
    message = clean(", ".join(notes))
    columns = (level, route, model, provider, status, outcome, request_id, message)
    return Words(
        " ".join(filter(None, columns)),
        message,
        True,
        *(route, model, provider, status, outcome, request_id),
        _number(fields.get("ms")),
        _whole(fields.get("input_tokens")),
        _whole(fields.get("output_tokens")),
    )


# Figures of a request are far below; beyond, a number has no short form.
_LARGEST = 10**15


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= _LARGEST else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 <= value <= _LARGEST else None


class LogView:
    """The newest `keep` lines, the filter, the selected line and the position of the picture.

    `total` counts all lines that ever came; `lost` is set to the number of those that nobody could read, `passed_over`
    to that of those that nobody had to, since `keep` others followed. Times are shown in `zone`, None for the local
    one. `filter_error` says what is wrong with the filter that was set last.
    """

    def __init__(self, keep: int = KEPT_LINES, zone: tzinfo | None = None) -> None:
        self._keep = keep
        self._zone = zone
        self._lines: list[LogLine] = []
        self._matching: list[LogLine] = []
        self._selected: int | None = None
        # The lines of the last picture, and how many rows of the first one lie above it.
        self._picture: Sequence[LogLine] = ()
        self._skipped = 0
        self._first = 0
        # The newest line that any picture has shown.
        self._seen = -1
        # How many lines of a held picture were kept beyond the others when lines were forgotten last.
        self._held = 0
        # Where the picture began when the filter was changed, until somebody moves.
        self._before_filter: tuple[int, int] | None = None
        self.filter: LogFilter = parse("", LEAST_LEVEL)
        self.filter_error: str | None = None
        self.total = 0
        self.lost = 0
        self.passed_over = 0

    @property
    def following(self) -> bool:
        """Whether the newest line is at the bottom and stays there."""
        return self._selected is None

    @property
    def selected(self) -> LogLine | None:
        """The selected line, None while following or if no line matches."""
        if self._selected is None or not self._matching:
            return None
        return self._matching[self._nearest(self._selected)]

    @property
    def newest(self) -> LogLine | None:
        """The newest matching line."""
        return self._matching[-1] if self._matching else None

    @property
    def kept(self) -> int:
        """How many lines are kept."""
        return len(self._lines)

    @property
    def matching(self) -> int:
        """How many kept lines match the filter."""
        return len(self._matching)

    @property
    def below(self) -> int:
        """How many matching lines are newer than the last one of the picture; 0 while following."""
        if self._selected is None:
            return 0
        last = self._picture[-1].number if self._picture else self._selected
        return len(self._matching) - bisect_right(self._matching, last, key=_number_of)

    @property
    def unseen(self) -> int:
        """How many of those no picture has shown yet."""
        if self._selected is None:
            return 0
        return min(self.below, len(self._matching) - bisect_right(self._matching, self._seen, key=_number_of))

    @property
    def skipped(self) -> int:
        """How many rows of the first visible line lie above the picture."""
        return self._skipped

    def add(self, records: Iterable[LogRecord]) -> None:
        """Take in new records, oldest first."""
        zone = self._zone
        lines = [LogLine(number, record, zone) for number, record in enumerate(records, self.total)]
        self.total += len(lines)
        self._lines += lines
        self._matching += self.filter.select(lines)
        # In bulk, because taking from the front of a list moves the rest of it.
        if len(self._lines) > self._keep + self._keep // 8:
            self._forget(self.total - self._keep)

    def copy(self) -> "LogView":
        """The log as it is now; what happens to either of the two does not change the other."""
        twin = copy.copy(self)
        twin._lines = self._lines.copy()
        twin._matching = self._matching.copy()
        return twin

    def set_filter(self, text: str, level: str = LEAST_LEVEL) -> None:
        """Show only lines of at least that level that match the text (syntax: logfilter.py).

        If the text is wrong, the filter in force stays there with its text and level, and `filter_error` says why.
        """
        try:
            wanted = parse(text, level)
        except FilterError as error:
            self.filter_error = str(error)
            return
        self.filter_error = None
        self.filter = wanted
        if self._selected is not None:
            self._before_filter = self._before_filter or (self._first, self._skipped)
            self._first, self._skipped = self._before_filter
        self._matching = wanted.select(self._lines)

    def clear_filter(self) -> None:
        """Show all lines of every level."""
        self.set_filter("")

    def move(self, lines: int) -> None:
        """Move the selection by that many lines, down if positive; down past the newest line it follows again."""
        self._before_filter = None
        if not self._matching:
            return
        target = self._cursor() + lines
        if lines > 0 and (self._selected is None or target >= len(self._matching)):
            self.end()
        else:
            self._selected = self._matching[max(0, target)].number

    def page(self, pages: int) -> None:
        """Move selection and picture by that many pages less a line of overlap each, down if positive."""
        lines = pages * max(1, len(self._picture) - 1)
        first = bisect_left(self._matching, self._first, key=_number_of) + lines
        self.move(lines)
        if self._matching and not self.following:
            self._first = self._matching[min(max(0, first), len(self._matching) - 1)].number
            self._skipped = 0

    def top(self) -> None:
        """Select the oldest line."""
        self.move(-len(self._matching))

    def end(self) -> None:
        """Show the newest line and follow."""
        self._selected = None
        self._before_filter = None

    def visible(self, rows: int, height: Callable[[LogLine], int] | None = None) -> Sequence[LogLine]:
        """The lines of a picture of that many rows, oldest first, and from now on the picture to hold.

        `height` tells how many rows a line takes, at least one; without it, each takes one. Of the first line,
        `skipped` rows lie above the picture, and the last one may go on below it.
        """
        if rows <= 0:
            return ()
        heights = height or _one
        first, self._skipped = self._begin(rows, heights) if self._matching else (0, 0)
        room, last = rows + self._skipped, first
        while room > 0 and last < len(self._matching):
            room -= heights(self._matching[last])
            last += 1
        self._picture = self._matching[first:last]
        if self._picture:
            self._first = self._picture[0].number
            self._seen = max(self._seen, self._picture[-1].number)
        return self._picture

    def check_valid(self) -> None:
        """Assert what must always hold."""
        numbers = [line.number for line in self._lines]
        newest = min(self.total, self._keep)
        assert numbers[len(numbers) - newest :] == list(range(self.total - newest, self.total))
        assert numbers == sorted(set(numbers))
        assert len(numbers) <= self._keep + max(self._keep // 8, self._held)
        assert self.filter.select(self._lines) == self._matching
        assert 0 <= self.unseen <= self.below <= len(self._matching)
        assert not self.following or (self.below == 0 and self.selected is None)
        assert self.following or not self._matching or self.selected in self._matching

    def _forget(self, oldest: int) -> None:
        """Drop the lines before that number, apart from those of a held picture."""
        held = [] if self.following else [line for line in self._picture if line.number < oldest]
        self._held = len(held)
        self._lines = held + self._lines[bisect_left(self._lines, oldest, key=_number_of) :]
        self._matching = (
            self.filter.select(held) + self._matching[bisect_left(self._matching, oldest, key=_number_of) :]
        )

    def _nearest(self, number: int) -> int:
        """The index of the matching line that a number stands for."""
        return max(0, bisect_right(self._matching, number, key=_number_of) - 1)

    def _cursor(self) -> int:
        """The index of the selected line, while following of the last one of the picture."""
        if self._selected is not None:
            return self._nearest(self._selected)
        return self._nearest(self._picture[-1].number) if self._picture else len(self._matching) - 1

    def _begin(self, rows: int, height: Callable[[LogLine], int]) -> tuple[int, int]:
        """Where the picture begins: the index of a line, and how many rows of it lie above."""
        end = self._ending(len(self._matching) - 1, rows, height)
        if self._selected is None:
            return end
        first = min(bisect_left(self._matching, self._first, key=_number_of), len(self._matching) - 1)
        is_same = self._skipped and self._matching[first].number == self._first
        begin = (first, min(self._skipped, height(self._matching[first]) - 1) if is_same else 0)
        chosen = self._nearest(self._selected)
        # Down to where the selection ends the picture, up to where it begins it, and no further than the end.
        return min((chosen, 0), max(begin, self._ending(chosen, rows, height)), end)

    def _ending(self, last: int, rows: int, height: Callable[[LogLine], int]) -> tuple[int, int]:
        """Where a picture begins that this line ends; a line that is higher than the picture begins it."""
        index, room = last, rows - height(self._matching[last])
        while room > 0 and index > 0:
            index -= 1
            room -= height(self._matching[index])
        return (index, max(0, -room)) if index < last else (last, 0)


def _number_of(line: LogLine) -> int:
    return line.number


def _one(line: LogLine) -> int:
    return 1
