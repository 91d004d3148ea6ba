"""Charts as text: scales with 1-2-5 ticks, braille and block areas, lines, sparklines, bars and axes.

A chart of `width` cells takes two values a cell in braille and one in blocks (`resolution`), oldest first. None is a
gap and is drawn as one; a value above zero is never drawn as nothing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway.dashboard.text import Row, right
from gateway.dashboard.theme import Charset

Values = Sequence[float | None]

# Braille dots from the bottom of a cell to its top (Unicode: dot n is bit n - 1).
_LEFT = (0x40, 0x04, 0x02, 0x01)
_RIGHT = (0x80, 0x20, 0x10, 0x08)
# A cell without a dot is a space: some fonts draw the empty braille pattern as eight rings.
_BRAILLE = " " + "".join(chr(0x2800 + dots) for dots in range(1, 256))
_FILLED = tuple(tuple(_BRAILLE[sum(_LEFT[:low]) + sum(_RIGHT[:high])] for high in range(5)) for low in range(5))
_BLOCKS = " ▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARKS = ("·", "×", "●")


@dataclass(frozen=True)
class Scale:
    """An axis: the value at its upper end, the ticks as (share of the height, label), and whether it is logarithmic."""

    top: float
    ticks: Sequence[tuple[float, str]]
    bottom: float = 0.0

    def share(self, value: float) -> float:
        """How high a value stands, from 0 at the foot to 1 at the upper end."""
        if self.bottom <= 0:
            return min(1.0, max(0.0, value / self.top))
        if value <= self.bottom:
            return 0.0
        return min(1.0, math.log(value / self.bottom) / math.log(self.top / self.bottom))


def resolution(width: int, charset: Charset) -> int:
    """How many values a chart of that many cells can show."""
    return width * 2 if charset == "braille" else width


def _nice_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def linear_scale(highest: float, rows: int, label: Callable[[float], str], least: float) -> Scale:
    """An axis from 0 to just above `highest`, at least `least`; labels stand at least two rows apart."""
    highest = max(highest, least)
    # Two steps a row leave little of the height unused.
    step = _nice_step(highest / max(1, 2 * (rows - 1)))
    steps = max(1, math.ceil(highest / step - 1e-9))
    strides = [stride for stride in range(1, steps + 1) if steps % stride == 0 and stride * (rows - 1) >= 2 * steps]
    stride = min(strides, default=steps)
    return Scale(steps * step, [(index / steps, label(index * step)) for index in range(0, steps + 1, stride)])


def log_scale(lowest: float, highest: float, rows: int, label: Callable[[float], str]) -> Scale:
    """An axis of whole decades that holds both ends; every decade is a tick, or fewer where rows are few."""
    first = math.floor(math.log10(max(lowest, 1e-3)) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(max(highest, 1e-3)) - 1e-9))
    decades = last - first
    stride = max(1, math.ceil(decades / max(1, rows // 2)))
    ticks = [(index / decades, label(10.0 ** (first + index))) for index in range(0, decades + 1, stride)]
    return Scale(10.0**last, ticks, bottom=10.0**first)


def y_axis(scale: Scale, rows: int, width: int) -> list[str]:
    """The labels of the axis, top row first, each `width` cells; rows without a tick are blank."""
    labels = [" " * width] * rows
    for share, label in scale.ticks:
        labels[round((1 - share) * (rows - 1))] = right(label, width)
    return labels


def time_axis(width: int, window_s: int) -> str:
    """The labels under a chart of that width: the left edge, two thirds between, and now at the right edge."""
    line = [" "] * width
    unit, each = ("m", 60) if window_s >= 180 else ("s", 1)
    # The ends are labelled before what lies between them, and labels keep a cell apart.
    for position in (3, 0, 2, 1):
        label = "now" if position == 3 else f"-{window_s * (3 - position) // 3 // each}{unit}"
        start = width - 3 if position == 3 else width * position // 3
        place = slice(start, start + len(label))
        if 0 <= start <= width - len(label) and not "".join(line[max(0, start - 1) : place.stop + 1]).strip():
            line[place] = label
    return "".join(line)


def _levels(values: Values, scale: Scale, steps: int) -> list[int]:
    """Each value as a whole number of steps of the height; a gap is 0."""
    return [0 if not value else max(1, round(scale.share(value) * steps)) for value in values]


def area(values: Values, scale: Scale, rows: int, charset: Charset) -> list[str]:
    """A filled area, top row first; `values` has the `resolution` of the width."""
    if charset != "braille":
        levels = _levels(values, scale, rows * 8)
        return [
            "".join(_BLOCKS[min(8, max(0, level - row * 8))] for level in levels) for row in range(rows - 1, -1, -1)
        ]
    levels = _levels(values, scale, rows * 4)
    lefts, rights = levels[::2], levels[1::2]
    drawn = []
    for row in range(rows - 1, -1, -1):
        base = row * 4
        drawn.append(
            "".join(
                _FILLED[0 if low <= base else min(4, low - base)][0 if high <= base else min(4, high - base)]
                for low, high in zip(lefts, rights, strict=True)
            )
        )
    return drawn


def lines(series: Sequence[tuple[str, Values]], scale: Scale, rows: int, charset: Charset) -> list[Row]:
    """Lines as (role, values), top row first; where two meet in a cell, the later one gives the colour."""
    if charset != "braille":
        return _marks(series, scale, rows)
    width = len(series[0][1]) // 2
    bits = [[0] * width for _ in range(rows)]
    roles = [["text"] * width for _ in range(rows)]
    highest = rows * 4 - 1
    for role, values in series:
        previous: int | None = None
        for x, value in enumerate(values):
            if value is None:
                previous = None
                continue
            level = round(scale.share(value) * highest)
            # Joined to the point before it, so that a jump reads as one line.
            start, end = level, level
            if previous is not None and previous < level:
                start = previous + 1
            elif previous is not None and previous > level:
                end = previous - 1
            column, dots = x >> 1, _RIGHT if x & 1 else _LEFT
            for dot in range(start, end + 1):
                row = rows - 1 - (dot >> 2)
                bits[row][column] |= dots[dot & 3]
                roles[row][column] = role
            previous = level
    return [
        [
            (role, "".join(_BRAILLE[bit] for _, bit in run))
            for role, run in groupby(zip(row_roles, row_bits, strict=True), key=lambda cell: cell[0])
        ]
        for row_roles, row_bits in zip(roles, bits, strict=True)
    ]


def _marks(series: Sequence[tuple[str, Values]], scale: Scale, rows: int) -> list[Row]:
    """Lines without braille: one mark a cell, a different one for each series."""
    width = len(series[0][1])
    grid: list[list[tuple[str, str]]] = [[("text", " ")] * width for _ in range(rows)]
    for index, (role, values) in enumerate(series):
        for x, value in enumerate(values):
            if value is not None:
                grid[rows - 1 - round(scale.share(value) * (rows - 1))][x] = (role, _MARKS[index % len(_MARKS)])
    return [
        [(role, "".join(sign for _, sign in run)) for role, run in groupby(row, key=lambda cell: cell[0])]
        for row in grid
    ]


def sparkline(values: Values, top: float) -> str:
    """One row of blocks, one value a cell, up to `top`; never a full cell, so that rows below each other stay apart."""
    levels = _levels(values, Scale(top, ()), 7) if top > 0 else [0] * len(values)
    return "".join(_BLOCKS[level] for level in levels)


def bar(share: float, width: int) -> tuple[str, str]:
    """A horizontal bar as its filled and its empty part, `width` cells together, in eighths of a cell."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (_EIGHTHS[rest] if rest else "")
    return filled, "·" * (width - len(filled))
