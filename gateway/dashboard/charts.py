"""Charts as text: axes, areas, lines, stacks, heat maps, sparklines and bars.

Theory. A chart is a field of `rows` x `width` cells. A column of values is drawn on its own into a strip of signs, top
row first, and the strips side by side are the field; a strip depends only on the few small numbers that it is drawn
from, so it is kept, and a frame in which one column is new draws one strip. What a sign can resolve is a *dot*: one of
four in a cell of braille, one of eight in a cell of blocks. A cell has one colour only, and nothing is told by colour
alone. Decoding the signs gives the values back (tests/properties/dashboard/test_chart_laws.py):

- area: the dots from the foot are 1 + the value's share of all others, so within one dot. A gap is blank, zero is the
  single dot at the foot, anything above zero has two at least.
- lines: the value's dot is set, at its share of the height, and with it those between it and the value before, so that
  a jump reads as one line. Without braille each series has a mark of its own, one in a row of the field. Behind the
  field the names of the lines stand where they end, in the order of their heights, behind their marks.
- stack: the dots from the foot are those of an area over the sum. At each running sum below it the right dot of the
  row is left out, and the left one too where that part has another dot: so the parts can be told apart without colour.
  Without braille a part is made of letters, one in a row of the field, and is right within one row.
- heat: a cell's shade grows with its count; nothing is blank, and one is not.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from gateway.dashboard.text import Row, right
from gateway.dashboard.theme import Charset

Values = Sequence[float | None]
Strip = tuple[str, str]
"""The signs of one column of cells, top row first, and for each the index of its role as a character; 0 is blank."""

# Braille dots from the bottom of a cell to its top (Unicode: dot n is bit n - 1).
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
# A cell without a dot is a space: some fonts draw the empty braille pattern as eight rings.
_BRAILLE = " " + "".join(chr(0x2800 + dots) for dots in range(1, 256))
_FILLED = tuple(tuple(_BRAILLE[sum(_LEFT[:low]) + sum(_RIGHT[:high])] for high in range(5)) for low in range(5))
_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARKS = ("·", "×", "●")
_SHADES = "░░▒▒▓▓█"
HEATS = len(_SHADES)
"""Levels of a heat map that is not blank; their roles are heat.1 .. heat.7."""
CURSOR = "▴"
_CURSOR_LINE = "│"

# Strips in use: a chart of 120 cells beside another one. A strip takes about 300 bytes, so all of them 100 kB.
_STRIPS = 256
# Axes change seldom, and each takes longer to find than its chart to draw.
_SCALES = 16
_GAP = -1
# The ends of a linear axis, in tenths: each is at most 1.5 times the one before, and has ticks at 1-2-5 steps.
_TOPS = (10, 15, 20, 30, 40, 50, 60, 80, 100)
_STEPS = (1, 2, 5, 10, 20, 50)
# Intervals between the labels of a time axis, in seconds.
_INTERVALS = (1, 2, 5, 10, 20, 30, 60, 180, 300)


@dataclass(frozen=True)
class Scale:
    """An axis: the value at its upper end, the ticks as (share of the height, label), and whether it is logarithmic."""

    top: float
    ticks: tuple[tuple[float, str], ...]
    bottom: float = 0.0

    def share(self, value: float) -> float:
        """How high a value stands, from 0 at the foot to 1 at the upper end."""
        if self.bottom <= 0:
            return min(1.0, max(0.0, value / self.top))
        if value <= self.bottom:
            return 0.0
        return min(1.0, math.log(value / self.bottom) / math.log(self.top / self.bottom))


def resolution(width: int, charset: Charset) -> int:
    """How many values an area or lines of that many cells can show."""
    return width * 2 if charset == "braille" else width


def _tick_row(share: float, rows: int) -> int:
    """The row, from the foot, in which a value stands."""
    return min(rows - 1, int(share * rows + 1e-9))


def linear_scale(highest: float, rows: int, label: Callable[[float], str], least: float) -> Scale:
    """An axis from 0 to a round number that holds `highest`, at least `least`; as many labels as stand two rows apart.

    The end is at most 1.5 times as high as what it has to hold.
    """
    highest = max(highest, least)
    power = 10.0 ** math.floor(math.log10(highest))
    top = next(top for top in _TOPS if top * power >= highest * 10 * (1 - 1e-9))
    return _linear_scale(top, power / 10, rows, label)


@lru_cache(_SCALES)
def _linear_scale(top: int, unit: float, rows: int, label: Callable[[float], str]) -> Scale:
    """The axis from 0 to `top` units, which is one of `_TOPS`."""
    for step in _STEPS:
        parts, rest = divmod(top, step)
        if parts and not rest:
            places = [_tick_row(index / parts, rows) for index in range(parts + 1)]
            if all(above - below >= 2 for below, above in pairwise(places)):
                break
    else:
        parts = 1
    ticks = [(index / parts, label(float(f"{top * unit * index / parts:.6g}"))) for index in range(parts + 1)]
    return Scale(top * unit, tuple(ticks))


def _floor_125(value: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return max((nice * power for nice in (1, 2, 5) if nice * power <= value * (1 + 1e-9)), default=power)


def ceil_125(value: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is not below `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return min(nice * power for nice in (1, 2, 5, 10) if nice * power >= value * (1 - 1e-9))


def log_scale(lowest: float, highest: float, rows: int, label: Callable[[float], str]) -> Scale:
    """A logarithmic axis of at least a decade between round numbers that holds both ends, which are above 0.

    Where the rows do not have room for all labels, two rows apart, those between powers of ten give way first.
    """
    top = ceil_125(max(highest, 1e-3))
    return _log_scale(min(_floor_125(max(lowest, 1e-3)), top / 10), top, rows, label)


@lru_cache(_SCALES)
def _log_scale(bottom: float, top: float, rows: int, label: Callable[[float], str]) -> Scale:
    scale = Scale(top, (), bottom)
    decades = range(math.floor(math.log10(bottom)), math.ceil(math.log10(top)) + 1)
    ticks: dict[int, tuple[float, str]] = {}
    for value in (bottom, top, *(nice * 10.0**power for nice in (1, 5, 2) for power in decades)):
        row = _tick_row(scale.share(value), rows)
        inside = bottom * (1 - 1e-9) <= value <= top * (1 + 1e-9)
        if inside and not any(abs(row - taken) < 2 for taken in ticks):
            ticks[row] = (scale.share(value), label(float(f"{value:.6g}")))
    return Scale(top, tuple(ticks[row] for row in sorted(ticks)), bottom)


def y_axis(scale: Scale, rows: int, width: int) -> list[str]:
    """The labels of the axis, top row first, each `width` cells; one that has no room is left out."""
    labels = [" " * width] * rows
    for share, label in scale.ticks:
        if len(label) <= width:
            labels[rows - 1 - _tick_row(share, rows)] = right(label, width)
    return labels


def time_axis(width: int, window_s: int, cursor: tuple[int, str] | None = None) -> str:
    """The labels under a chart of that width, from its age at the left edge to now at the right one.

    They stand at equal intervals, the shortest round one that leaves two cells between them. `cursor` is a cell and
    what it stands for: it is marked, and what would touch that gives way.
    """
    line = [" "] * width
    if cursor is not None:
        _put_cursor(line, *cursor)
    _put(line, width - 3, "now")
    unit, each = ("m", 60) if window_s % 60 == 0 and window_s > 60 else ("s", 1)
    for interval in (*(i for i in _INTERVALS if window_s % i == 0 and i % each == 0 and i < window_s), window_s):
        parts = window_s // interval
        labels = [f"-{(parts - index) * interval // each}{unit}" for index in range(parts)]
        if width // parts >= max(len(labels[0]) + 2, len(labels[-1]) + 4):
            break
    for index, label in enumerate(labels):
        _put(line, width * index // parts, label)
    return "".join(line)


def _put(line: list[str], start: int, label: str) -> bool:
    """Write a label if all of it has room and a free cell on both sides."""
    end = start + len(label)
    free = start >= 0 and end <= len(line) and not "".join(line[max(0, start - 1) : end + 1]).strip()
    if free:
        line[start:end] = label
    return free


def _put_cursor(line: list[str], cell: int, label: str) -> None:
    marked = _put(line, cell, f"{CURSOR} {label}") or _put(line, cell - len(label) - 1, f"{label} {CURSOR}")
    if not marked:
        line[cell] = CURSOR


def _dots_from_foot(values: Values, scale: Scale, dots: int) -> list[int]:
    """Each value as a number of dots: 0 for a gap, 1 for zero, else at least 2."""
    steps = _steps(values, scale, dots - 1)
    return [
        0 if step is None else 1 if not value or value <= 0 else 1 + (step or 1)
        for step, value in zip(steps, values, strict=True)
    ]


def _steps(values: Values, scale: Scale, steps: int) -> list[int | None]:
    """The share of each value as a number of so many steps, None for a gap."""
    if scale.bottom > 0:
        return [None if value is None else round(scale.share(value) * steps) for value in values]
    # The same without a call for each value: a linear axis is the common case.
    unit = steps / scale.top
    return [None if value is None else min(steps, max(0, round(value * unit))) for value in values]


def area(values: Values, scale: Scale, rows: int, charset: Charset) -> list[str]:
    """A filled area, top row first; `values` has the `resolution` of the width."""
    if charset != "braille":
        levels = _dots_from_foot(values, scale, rows * 8)
        return _rows_of([_block_strip(level, rows) for level in levels])
    levels = _dots_from_foot(values, scale, rows * 4)
    return _rows_of([_area_strip(low, high, rows) for low, high in zip(levels[::2], levels[1::2], strict=True)])


def _rows_of(strips: Sequence[str]) -> list[str]:
    return ["".join(signs) for signs in zip(*strips, strict=True)]


@lru_cache(_STRIPS)
def _area_strip(low: int, high: int, rows: int) -> str:
    bases = range(4 * (rows - 1), -1, -4)
    return "".join(_FILLED[min(4, max(0, low - base))][min(4, max(0, high - base))] for base in bases)


@lru_cache(_STRIPS)
def _block_strip(level: int, rows: int) -> str:
    return "".join(_BLOCKS[min(8, max(0, level - base))] for base in range(8 * (rows - 1), -1, -8))


def lines(series: Sequence[tuple[str, Values]], scale: Scale, rows: int, charset: Charset) -> list[Row]:
    """Lines as (role, values), top row first; where two meet in a cell, the later one gives the colour."""
    braille = charset == "braille"
    highest = rows * 4 - 1 if braille else rows - 1
    cells: list[Sequence[int]] = []
    for _, values in series:
        levels = [_GAP if step is None else step for step in _steps(values, scale, highest)]
        cells += [[_GAP, *levels[1:-1:2]], levels[::2], levels[1::2]] if braille else [levels]
    strip = _line_strip if braille else _mark_strip
    return _coloured([strip(levels, rows) for levels in zip(*cells, strict=True)], [role for role, _ in series])


def names_width(roles: Sequence[str], charset: Charset) -> int:
    """The cells that the names of the lines in these roles take: the last words of them, and the mark of each line."""
    return (1 if charset == "braille" else 3) + max(len(_word(role)) for role in roles)


def line_names(series: Sequence[tuple[str, Values]], scale: Scale, rows: int, charset: Charset) -> list[Row]:
    """The names of the lines, top row first, each `names_width` wide: where its line ends, or as near as others allow.

    Of the lines that do not have a row each the first ones have no name, as has one that was never drawn.
    """
    braille = charset == "braille"
    width = names_width([role for role, _ in series], charset)
    ends: list[tuple[int, int]] = []
    for index, (_, values) in enumerate(series):
        newest = [value for value in values if value is not None][-1:]
        for level in _steps(newest, scale, rows * 4 - 1 if braille else rows - 1):
            # Of equal ones the later line is named below.
            ends.append((level or 0, -index))
    named = sorted(ends[-rows:])
    names: list[Row] = [[("text", " " * width)] for _ in range(rows)]
    free = 0
    for place, (level, index) in enumerate(named):
        # What stands above needs its rows, too.
        row = min(max(free, level >> 2 if braille else level), rows - len(named) + place)
        role = series[-index][0]
        mark = " " if braille else f" {_MARKS[-index % len(_MARKS)]} "
        names[rows - 1 - row] = [(role, (mark + _word(role)).ljust(width))]
        free = row + 1
    return names


def _word(role: str) -> str:
    return role.rpartition(".")[2]


@lru_cache(_STRIPS)
def _line_strip(levels: tuple[int, ...], rows: int) -> Strip:
    """From the levels before, left and right of each series in turn."""
    bits, inks = [0] * rows, [0] * rows
    for index in range(0, len(levels), 3):
        series = levels[index : index + 3]
        for before, level, dots in zip(series, series[1:], (_LEFT, _RIGHT), strict=False):
            if level == _GAP:
                continue
            start = end = level
            if before != _GAP:
                start, end = min(level, before + 1), max(level, before - 1)
            for dot in range(start, end + 1):
                row = rows - 1 - (dot >> 2)
                bits[row] |= dots[dot & 3]
                inks[row] = index // 3 + 1
    return "".join(_BRAILLE[bit] for bit in bits), "".join(map(chr, inks))


@lru_cache(_STRIPS)
def _mark_strip(levels: tuple[int, ...], rows: int) -> Strip:
    """Lines without braille: one mark a cell, a different one for each series."""
    signs, inks = [" "] * rows, ["\0"] * rows
    for index, level in enumerate(levels):
        if level != _GAP:
            signs[rows - 1 - level] = _MARKS[index % len(_MARKS)]
            inks[rows - 1 - level] = chr(index + 1)
    return "".join(signs), "".join(inks)


# Blanks have no colour of their own and go with what stands to the left of them.
_RUNS = re.compile("\0+|([^\0])(?:\\1|\0)*", re.DOTALL)


def _coloured(strips: Sequence[Strip], roles: Sequence[str]) -> list[Row]:
    """The strips as rows of segments; role n is that of ink n + 1."""
    names = ("text", *roles)
    return [
        [(names[ord(row_inks[run.start()])], row_signs[run.start() : run.end()]) for run in _RUNS.finditer(row_inks)]
        for row_signs, row_inks in zip(
            _rows_of([signs for signs, _ in strips]), _rows_of([inks for _, inks in strips]), strict=True
        )
    ]


def stack(
    columns: Sequence[Sequence[float] | None], roles: Sequence[str], scale: Scale, rows: int, charset: Charset
) -> list[Row]:
    """Parts on top of each other, the first at the foot, one column a cell; None is a gap. The scale is linear.

    Letters, where they stand for dots, are the first of the last word of each role.
    """
    braille = charset == "braille"
    dots = rows * 4 if braille else rows
    letters = "".join(role.rpartition(".")[2][0] for role in roles)
    strips = []
    for parts in columns:
        sums: list[int] = []
        total = 0.0
        for part in parts or ():
            total += part
            sums.append(_stack_level(total, scale, dots, braille))
        strips.append(_stack_strip(tuple(sums), rows) if braille else _letter_strip(tuple(sums), letters, rows))
    return _coloured(strips, (*roles, "dim"))


def _stack_level(total: float, scale: Scale, dots: int, braille: bool) -> int:
    if total <= 0:
        return 0
    share = min(1.0, total / scale.top)
    return max(2, 1 + round(share * (dots - 1))) if braille else max(1, round(share * dots))


@lru_cache(_STRIPS)
def _stack_strip(sums: tuple[int, ...], rows: int) -> Strip:
    """From the running sums in dots."""
    if not sums:
        return " " * rows, "\0" * rows
    bits, dotted = [0] * rows, [[0] * len(sums) for _ in range(rows)]
    below = 0
    for part, level in enumerate(sums):
        for dot in range(below, level):
            row = rows - 1 - (dot >> 2)
            dotted[row][part] += 1
            bits[row] |= _LEFT[dot & 3] | _RIGHT[dot & 3]
        if below < level < sums[-1]:
            row, dot = rows - 1 - (level - 1 >> 2), level - 1 & 3
            bits[row] &= ~(_RIGHT[dot] if level - below == 1 else _LEFT[dot] | _RIGHT[dot])
        below = level
    # A cell has the colour of the part with most dots in it.
    inks = [1 + counts.index(max(counts)) if any(counts) else 0 for counts in dotted]
    if not below:
        bits[-1], inks[-1] = _LEFT[0] | _RIGHT[0], 1 + len(sums)
    return "".join(_BRAILLE[bit] for bit in bits), "".join(map(chr, inks))


@lru_cache(_STRIPS)
def _letter_strip(sums: tuple[int, ...], letters: str, rows: int) -> Strip:
    if not sums:
        return " " * rows, "\0" * rows
    signs, inks = "", ""
    for part, level in enumerate(sums):
        signs += letters[part] * (level - len(signs))
        inks += chr(1 + part) * (level - len(inks))
    if not signs:
        signs, inks = "▁", chr(1 + len(sums))
    return signs.ljust(rows)[::-1], inks.ljust(rows, "\0")[::-1]


def shade(count: int, most: int) -> int:
    """The level of heat of a count, 1 .. HEATS by its logarithm, HEATS from `most` on; 0 only for none."""
    if count <= 0:
        return 0
    return min(HEATS, math.ceil(HEATS * math.log1p(count) / math.log1p(most) - 1e-9))


def heat(columns: Sequence[Sequence[int] | None], most: int, rows: int) -> list[Row]:
    """A heat map of counts by band, the lowest first and one a row, one column a cell; None is a gap."""
    strips = [_heat_strip(tuple(counts or ()), most, rows) for counts in columns]
    return _coloured(strips, [f"heat.{level}" for level in range(1, HEATS + 1)])


@lru_cache(_STRIPS)
def _heat_strip(counts: tuple[int, ...], most: int, rows: int) -> Strip:
    levels = [shade(count, most) for count in reversed(counts)] or [0] * rows
    return "".join((" " + _SHADES)[level] for level in levels), "".join(map(chr, levels))


def heat_legend(most: int) -> Row:
    """Each shade and the smallest count that it stands for; shades that no count has are left out."""
    legend: Row = []
    for first in range(1, HEATS + 1, 2):
        least = max(1, math.floor(math.expm1((first - 1) / HEATS * math.log1p(most))))
        while shade(least, most) < first:
            least += 1
        level = shade(least, most)
        if level <= first + 1:
            legend += [(f"heat.{level}", f"{_SHADES[level - 1]}"), ("label", f"{least} ")]
    return [*legend[:-1], (legend[-1][0], legend[-1][1].rstrip())]


def with_cursor(field: Sequence[Row], cell: int) -> list[Row]:
    """The field with one column of cells marked: a line where it is empty, the cursor's role over what is there."""
    return [_marked(row, cell) for row in field]


def _marked(row: Row, cell: int) -> Row:
    """The segments of a row of narrow signs, that cell in a segment of its own."""
    marked: Row = []
    at = 0
    for role, text in row:
        place = cell - at
        if 0 <= place < len(text):
            sign = text[place]
            parts = ((role, text[:place]), ("cursor", _CURSOR_LINE if sign == " " else sign), (role, text[place + 1 :]))
            marked += [part for part in parts if part[1]]
        else:
            marked.append((role, text))
        at += len(text)
    return marked


def sparkline(values: Values, top: float) -> str:
    """One row of blocks, one value a cell, up to `top`; never a full cell, so that rows below each other stay apart."""
    return "".join(_BLOCKS[level] for level in _dots_from_foot(values, Scale(top if top > 0 else 1.0, ()), 7))


def bar(share: float, width: int) -> tuple[str, str]:
    """A horizontal bar as its filled and its empty part, `width` cells together, in eighths of a cell."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (_EIGHTHS[rest] if rest else "")
    return filled, "·" * (width - len(filled))
