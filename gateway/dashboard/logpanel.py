"""The panel of the log: one line a record, in columns that one reads down; and one record in full.

What gives way as the width shrinks: of a request first what has no column, then the request id, the tokens, the end
of the longest route ("responses"), the milliseconds of the time, a part of the model's name, the status, the
provider; below that there are no columns, and the parts follow each other. Names are cut in the middle.

A row is put together from pieces that know where in the text of the line they come from, so what the filter finds in
that text, across columns too, is highlighted where it is on the screen.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from gateway.dashboard.layout import Rect
from gateway.dashboard.logfilter import LEAST_LEVEL, LogFilter, Spans
from gateway.dashboard.logview import LogLine, LogView, value_text
from gateway.dashboard.text import (
    ELLIPSIS,
    NO_DATA,
    Row,
    cells,
    clean,
    count,
    cut,
    duration,
    ends,
    fit,
    is_narrow,
    left,
    right,
    row_cells,
)
from gateway.dashboard.view import View, box, panel
from gateway.logs.render import LEVEL_WORDS, visible

_LEVEL_ROLES = {"warning": "warning", "error": "error", "critical": "error"}
_OUTCOME_ROLES = {"ok": "text", "cancelled": "warning"}

# Columns with the space behind them: what they take in all, and what each of the others adds, in the order in which
# they come as the width grows. A column never stays when a more important one has gone.
_COLUMNS_FROM = 9 + 6 + 9 + 15 + 10 + 7
_MORE_COLUMNS = (
    *(("provider", 12), ("status", 4), ("more of the model", 4)),
    *(("milliseconds", 4), ("more of the route", 1), ("tokens", 18), ("request id", 14)),
)
# Less than a word of a message says nothing, and a narrower column of wrapped text is no text.
_LEAST_MESSAGE, _LEAST_WRAPPED = 10, 16
_LEAST_MODEL = 8
# A request id is 20 characters long; the first 12 of them are enough to tell two apart.
_ID_CELLS, _ID_REST = 12, 8
_TITLE_TEXT = 32
# A screen of lines, each selected or not, at two widths.
_CACHED_LINES = 512


# A part of a row: role, what is shown, `at` and `kept`; its first `kept` characters are those of the line's text from
# `at`. No class, because a busy log makes hundreds a second.
_Piece = tuple[str, str, int, int]


def _segments(piece: _Piece, spans: Spans, role: str) -> Iterator[tuple[str, str]]:
    """The piece in that role, and what lies in one of the spans in the role `match`."""
    _, shown, at, kept = piece
    done = 0
    for start, stop in spans:
        first, last = max(start - at, done), min(stop - at, kept)
        if first < last:
            if done < first:
                yield role, shown[done:first]
            yield "match", shown[first:last]
            done = last
    if done < len(shown):
        yield role, shown[done:]


@lru_cache(maxsize=64)
def _columns(width: int) -> tuple[frozenset[str], int, int]:
    """The columns that fit beside those that are always there, and how wide the model and the request id are."""
    room = width - _COLUMNS_FROM
    shown = set()
    for name, taken in _MORE_COLUMNS:
        if taken > room:
            break
        shown.add(name)
        room -= taken
    more_model = min(6, room // 5)
    id_rest = _ID_REST if room - more_model >= 5 * _ID_REST else 0
    model = 14 + more_model + (4 if "more of the model" in shown else 0)
    return frozenset(shown), model, _ID_CELLS + id_rest


class _Pieces:
    """Puts the pieces of one line together, with their places in its text; `width` are the cells of the row so far."""

    def __init__(self, line: LogLine) -> None:
        words = line.words
        self.row: list[_Piece] = []
        self.width = 0
        self._places: dict[str, tuple[str, int]] = {}
        at = 0
        for name, part in (
            ("level", clean(line.level)),
            ("route", words.route),
            ("model", words.model),
            ("provider", words.provider),
            ("status", words.status),
            ("outcome", words.outcome),
            ("request id", words.request_id),
            ("message", words.message),
        ):
            self._places[name] = (part, at)
            at += len(part) + 1 if part else 0

    def begin(self, indent: int) -> None:
        """Begin another row, with that many cells of nothing."""
        self.row, self.width = [], 0
        self.plain("text", " " * indent)

    def plain(self, role: str, text: str) -> None:
        """Append what is not in the text of the line."""
        self.row.append((role, text, 0, 0))
        self.width += cells(text)

    def part(self, name: str, role: str, start: int = 0, stop: int | None = None) -> None:
        """Append a part, or from `start` to `stop` of it."""
        whole, at = self._places[name]
        shown = whole[start:stop]
        self.row.append((role, shown, at + start, len(shown)))
        self.width += cells(shown)

    def column(self, name: str, role: str, width: int, gap: int = 0) -> None:
        """Append a part, cut or padded to `width` cells, and a gap."""
        text, at = self._places[name]
        if text.isascii() and len(text) <= width:
            shown, kept = text.ljust(width + gap), len(text)
        else:
            shown = cut(text, width)
            kept = len(text) if shown == text else max(0, len(shown) - 1)
            shown += " " * (width + gap - cells(shown))
        self.row.append((role, shown, at, kept))
        self.width += width + gap

    def name(self, name: str, width: int, gap: int = 0) -> None:
        """Append a part that is a name, cut in the middle or padded to `width` cells, and a gap."""
        text, at = self._places[name]
        stop, start = ends(text, width)
        if stop == len(text):
            self.column(name, "text", width, gap)
            return
        head = text[:stop] + ELLIPSIS
        tail = left(text[start:], width - cells(head)) + " " * gap
        self.row.append(("text", head, at, stop))
        self.row.append(("text", tail, at + start, len(text) - start))
        self.width += width + gap


def _put_together(line: LogLine, width: int, wrap: bool, selected: bool) -> list[list[_Piece]]:
    """The rows of a line; without `wrap` it is one, and its message goes on beyond the width."""
    pieces = _Pieces(line)
    words = line.words
    more, model, id_cells = _columns(width)
    pieces.plain("dim", line.time if "milliseconds" in more else line.time[:8])
    pieces.plain("key" if selected else "dim", "→" if selected else " ")
    level = LEVEL_WORDS.get(line.level, line.level)
    pieces.part("level", _LEVEL_ROLES.get(line.level, "info"), 0, len(level))
    pieces.plain("dim", " " * max(1, 6 - cells(clean(level))))
    head = pieces.width
    if words.is_request and width < _COLUMNS_FROM:
        _follow_each_other(pieces, line, width)
    elif words.is_request:
        _in_columns(pieces, line, more, model, id_cells)
        if wrap or width - pieces.width >= _LEAST_MESSAGE:
            pieces.plain("text", "  ")
        else:
            return [pieces.row]
    if not wrap:
        pieces.column("message", "text", max(0, width - pieces.width))
        return [pieces.row]
    return _with_message(pieces, words.message, width, head)


def _follow_each_other(pieces: _Pieces, line: LogLine, width: int) -> None:
    words = line.words
    took = f" {duration(words.latency_ms)} "
    # How it went matters more than the middle of a long name.
    room = max(_LEAST_MODEL, width - pieces.width - 1 - cells(words.outcome) - len(took))
    pieces.name("model", min(room, cells(words.model)))
    pieces.plain("text", " ")
    pieces.part("outcome", _OUTCOME_ROLES.get(words.outcome, "errors"))
    pieces.plain("text", took)


def _in_columns(pieces: _Pieces, line: LogLine, more: frozenset[str], model: int, id_cells: int) -> None:
    words = line.words
    pieces.column("route", "label", 9 if "more of the route" in more else 8, 1)
    if "provider" in more:
        pieces.name("model", model)
        pieces.plain("dim", " → ")
        pieces.name("provider", 9, 1)
    else:
        pieces.name("model", model, 1)
    if "status" in more:
        pieces.column("status", "dim", 4)
    pieces.column("outcome", _OUTCOME_ROLES.get(words.outcome, "errors"), 10)
    pieces.plain("text", right(duration(words.latency_ms), 7))
    if "tokens" in more:
        pieces.plain("tokens.in", right(_arrow(words.input_tokens, "↑"), 9))
        pieces.plain("tokens.out", right(_arrow(words.output_tokens, "↓"), 9))
    if "request id" in more:
        pieces.plain("text", "  ")
        pieces.column("request id", "dim", id_cells)


def _arrow(tokens: int | None, sign: str) -> str:
    return NO_DATA if tokens is None else f"{tokens:,}{sign}"


def _with_message(pieces: _Pieces, message: str, width: int, head: int) -> list[list[_Piece]]:
    """The row, and the message behind it or below it, one piece a row, all from the same column."""
    rows = [pieces.row]
    indent = pieces.width
    fits = width - indent >= _LEAST_WRAPPED
    if not fits:
        indent = head if width - head >= _LEAST_WRAPPED else min(2, width - 1)
    for index, (start, stop) in enumerate(_wrapped(message, width - indent)):
        if index or not fits:
            pieces.begin(indent)
            rows.append(pieces.row)
        pieces.part("message", "text", start, stop)
    return rows


def _wrapped(text: str, width: int) -> list[tuple[int, int]]:
    """Where the rows of a text begin and end, broken at the last space that fits, in a word only if there is none."""
    rows = []
    start = 0
    while start < len(text):
        stop = following = _fitting(text, start, width)
        if stop < len(text):
            space = text.rfind(" ", start + 1, stop + 1)
            if space >= 0:
                stop, following = space, space + 1
        rows.append((start, stop))
        start = following
    return rows


def _fitting(text: str, start: int, width: int) -> int:
    """Where the row that begins at `start` has to end; it holds at least one character."""
    if is_narrow(text):
        return min(len(text), start + max(1, width))
    used, stop = cells(text[start]), start + 1
    while stop < len(text) and (used := used + cells(text[stop])) <= width:
        stop += 1
    return stop


@lru_cache(maxsize=_CACHED_LINES)
def _rows(line: LogLine, width: int, wrap: bool, log_filter: LogFilter, selected: bool) -> Sequence[Row]:
    """The rows of a line, each exactly as wide; of the selected one every cell is marked."""
    spans = log_filter.spans(line.text)
    rows = []
    for pieces in _put_together(line, width, wrap, selected):
        segments: Row = []
        for piece in pieces:
            role, shown = "selected" if selected else piece[0], piece[1]
            if spans:
                segments += _segments(piece, spans, role)
            elif shown:
                segments.append((role, shown))
        if selected:
            segments.append(("selected", " " * max(0, width - row_cells(segments))))
        rows.append(fit(segments, width))
    return rows


def _body(view: View, width: int, rows: int) -> list[Row]:
    """What the log shows in that many rows."""
    log, wrap = view.log, view.ui.wrap
    height = (lambda line: len(_rows(line, width, True, log.filter, False))) if wrap else None
    lines = log.visible(rows, height)
    selected = log.selected
    drawn = [row for line in lines for row in _rows(line, width, wrap, log.filter, line is selected)]
    return drawn[log.skipped : log.skipped + max(0, rows)] or [[("dim", _nothing(log))]]


def _nothing(log: LogView) -> str:
    """Why there is no line, and what to do."""
    if not log.kept:
        return "no records yet; send a request, and its line stands here"
    if log.filter.selects:
        return f"none of {count(log.kept)} lines matches; / changes the filter, Esc drops it"
    return f"none of {count(log.kept)} lines is of level {log.filter.level} or above"


def _figures(view: View) -> list[Row]:
    """The state of the log for its title, what matters most first."""
    log, wanted = view.log, view.log.filter
    if log.below:
        new = f", {count(log.unseen)} new" if log.unseen else ""
        state: Row = [("halt", f"{count(log.below)} below{new}")]
    elif log.following and not view.ui.frozen:
        state = [("live", "following")]
    else:
        state = [("halt", "held")]
    parts = [state]
    if log.filter_error is not None:
        parts.append([("wrong", cut(f"wrong: {log.filter_error}", 2 * _TITLE_TEXT))])
    if wanted.selects:
        parts.append([("label", "/ "), ("match", cut(clean(wanted.text), _TITLE_TEXT))])
    is_restricted = wanted.selects or wanted.level != LEAST_LEVEL
    if is_restricted:
        parts.append([("halt", f"{count(log.matching)} of {count(log.kept)}")])
    level = LEVEL_WORDS.get(wanted.level, wanted.level)
    parts.append([("label" if wanted.level == LEAST_LEVEL else "halt", f"{level}+")])
    lost = log.lost + view.snapshot.log.dropped
    parts.append([("warning" if lost else "label", f"{count(lost)} lost")])
    return [*parts, [("label", f"{count(log.total + log.passed_over)} records")]]


def log(rect: Rect, view: View) -> list[Row]:
    """The log, newest at the bottom, and whether it follows."""
    body = _body(view, max(1, rect.inner_width), rect.inner_height)
    return panel("log", rect, view, _figures(view), body)


def log_lines(rect: Rect, view: View) -> list[Row]:
    """The log without a border, for a small terminal."""
    rows = _body(view, rect.width, rect.height)[: rect.height]
    rows += [[]] * (rect.height - len(rows))
    return [fit(row, rect.width) for row in rows]


def details(rect: Rect, view: View, offset: int = 0) -> list[Row]:
    """Every field of the selected record, or of the newest: a box, scrolled by `offset` rows as far as it goes."""
    body = _fields(view, max(1, rect.inner_width))
    room = rect.inner_height
    offset = max(0, min(offset, len(body) - room))
    left_over = len(body) - offset - room
    figures: list[Row] = [[("halt", f"{count(left_over)} more rows")]] if left_over > 0 else []
    figures.append([("label", "Esc closes")])
    return box(rect, [("title.focus", "record")], figures, body[offset:], focused=True)


def details_height(width: int, view: View) -> int:
    """How many rows a box of details of that width takes if it is to show all."""
    return len(_fields(view, max(1, width - 4))) + 2


def _fields(view: View, width: int) -> list[Row]:
    line = view.log.selected or view.log.newest
    if line is None:
        return [[("dim", _nothing(view.log))]]
    values = {name: clean(visible(value)) for name, value in _values(line).items()}
    names = [clean(visible(name)) for name in values]
    # A name that is longer than all of ours does not push its value off the box.
    name_width = min(max(map(cells, names)), max(1, width // 3))
    room = max(1, width - name_width - 2)
    body: list[Row] = []
    for name, value in zip(names, values.values(), strict=True):
        label: tuple[str, str] = ("label", f"{left(name, name_width)}  ")
        for start, stop in _wrapped(value, room) or [(0, 0)]:
            body.append([label, ("text", value[start:stop])])
            label = ("label", " " * (name_width + 2))
    return body


def _values(line: LogLine) -> Mapping[str, str]:
    """What a record holds, by name, as text; a field never hides one of our own names."""
    record = line.record
    ours = {
        "time": line.moment.isoformat(sep=" ", timespec="milliseconds"),
        "level": record.level,
        "source": record.source,
        "event": record.event,
    }
    theirs = {f"{name} (field)" if name in ours else name: value_text(value) for name, value in record.fields.items()}
    return ours | theirs
