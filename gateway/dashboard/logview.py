"""The log as the panel shows it: lines ready to draw, a filter, and a scroll position that stays on its line.

Theory of operation. Every line has a number that never changes. Following means that the last matching line is at the
bottom. Scrolling up pins the line at the bottom by its number (the anchor), so new lines and forgotten ones do not move
the picture; they are counted. Scrolling down to the last line, or `end`, follows again.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from gateway.dashboard.text import clean
from gateway.logs.render import REQUEST_EVENT, ROUTE_WORDS
from gateway.logs.ring import LogRecord

_SHOWN_APART = frozenset(
    (
        *("method", "path", "model", "provider", "status", "outcome", "ms"),
        *("input_tokens", "output_tokens", "request_id", "attempts", "error"),
    )
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record with everything cleaned; `message` is the text of a record that is not a request line."""

    number: int
    time: str
    level: str
    is_request: bool
    message: str
    route: str = ""
    model: str = ""
    provider: str = ""
    status: str = ""
    outcome: str = ""
    latency_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    request_id: str = ""

    def contains(self, needle: str) -> bool:
        """Whether the case-folded text occurs in any part that the panel can show."""
        parts = (self.level, self.route, self.model, self.provider, self.status, self.outcome, self.request_id)
        return needle in " ".join((*parts, self.message)).casefold()


def make_line(number: int, record: LogRecord, zone: tzinfo | None) -> LogLine:
    """The line of a record; times are shown in `zone`, None for the local one."""
    fields = record.fields
    when = datetime.fromtimestamp(record.time_ns / 1e9, zone).strftime("%H:%M:%S.%f")[:-3]
    level = clean(str(record.level).lower())
    if record.event != REQUEST_EVENT:
        message = " ".join([record.event, *(f"{name}={value}" for name, value in fields.items())])
        return LogLine(number, when, level, False, clean(message))
    path = str(fields.get("path", "")).partition("?")[0]
    attempts = fields.get("attempts")
    error = fields.get("error")
    notes = [str(error)] if error else []
    notes += [f"{attempts} attempts"] if isinstance(attempts, int) and attempts > 1 else []
    notes += [f"{name}={value}" for name, value in fields.items() if name not in _SHOWN_APART]
    return LogLine(
        number,
        when,
        level,
        True,
        clean(", ".join(notes)),
        route=ROUTE_WORDS.get(path) or clean(path.rpartition("/")[2]),
        model=clean(str(fields.get("model") or "")),
        provider=clean(str(fields.get("provider") or "")),
        status=clean(str(fields.get("status") or "")),
        outcome=clean(str(fields.get("outcome") or "")),
        latency_ms=_number(fields.get("ms")),
        input_tokens=_whole(fields.get("input_tokens")),
        output_tokens=_whole(fields.get("output_tokens")),
        request_id=clean(str(fields.get("request_id") or "")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


class LogView:
    """The newest `keep` lines, the filter and the scroll position."""

    def __init__(self, keep: int = 10_000, zone: tzinfo | None = None) -> None:
        self._keep = keep
        self._zone = zone
        self._lines: list[LogLine] = []
        self._matching: list[LogLine] = []
        self._needle = ""
        self._anchor: int | None = None
        self._rows = 1
        self.total = 0
        self.lost = 0

    @property
    def filter(self) -> str:
        """The text that shown lines contain, case-folded."""
        return self._needle

    @property
    def following(self) -> bool:
        """Whether the newest line is at the bottom and stays there."""
        return self._anchor is None

    @property
    def below(self) -> int:
        """How many matching lines are newer than the one at the bottom."""
        return len(self._matching) - self._bottom()

    @property
    def kept(self) -> int:
        """How many lines are kept."""
        return len(self._lines)

    @property
    def matching(self) -> int:
        """How many kept lines match the filter."""
        return len(self._matching)

    def add(self, records: Iterable[LogRecord]) -> None:
        """Take in new records, oldest first."""
        for record in records:
            line = make_line(self.total, record, self._zone)
            self.total += 1
            self._lines.append(line)
            if line.contains(self._needle):
                self._matching.append(line)
        # In bulk, because taking from the front of a list moves the rest of it.
        if len(self._lines) > self._keep + self._keep // 8:
            del self._lines[: len(self._lines) - self._keep]
            oldest = self._lines[0].number
            del self._matching[: bisect_right(self._matching, oldest - 1, key=_number_of)]

    def set_filter(self, text: str) -> None:
        """Show only lines that contain `text`, whatever the case; an empty text shows all."""
        self._needle = text.casefold()
        self._matching = [line for line in self._lines if line.contains(self._needle)]

    def hold(self) -> None:
        """Stay on the line that is at the bottom now."""
        if self._anchor is None:
            self._anchor = self._matching[-1].number if self._matching else self.total - 1

    def end(self) -> None:
        """Show the newest line and follow."""
        self._anchor = None

    def scroll(self, lines: int) -> None:
        """Move by that many lines, down if positive; at the last line it follows again."""
        position = self._bottom() + lines
        if not self._matching or position >= len(self._matching):
            self.end()
        else:
            self._anchor = self._matching[max(position, min(self._rows, len(self._matching))) - 1].number
            if self._anchor == self._matching[-1].number:
                self.end()

    def page(self, pages: int) -> None:
        """Move by that many pages less a line of overlap each, down if positive."""
        self.scroll(pages * max(1, self._rows - 1))

    def top(self) -> None:
        """Show the oldest line."""
        self.scroll(-len(self._matching))

    def visible(self, rows: int) -> Sequence[LogLine]:
        """The lines of a panel of that many rows, oldest first."""
        self._rows = max(1, rows)
        bottom = max(self._bottom(), min(rows, len(self._matching)))
        return self._matching[max(0, bottom - rows) : bottom]

    def check_valid(self) -> None:
        """Assert what must always hold."""
        numbers = [line.number for line in self._lines]
        assert numbers == list(range(self.total - len(numbers), self.total))
        assert [line for line in self._lines if line.contains(self._needle)] == self._matching
        assert 0 <= self.below <= len(self._matching)
        assert not self.following or self.below == 0

    def _bottom(self) -> int:
        """How many matching lines are at or above the bottom of the panel."""
        if self._anchor is None:
            return len(self._matching)
        return bisect_right(self._matching, self._anchor, key=_number_of)


def _number_of(line: LogLine) -> int:
    return line.number
