"""Text as terminal cells: cleaning what others wrote, measuring and cutting it, and the formats of figures."""

import re
from collections.abc import Iterable

from wcwidth import wcwidth

NO_DATA = "–"
ELLIPSIS = "…"

Segment = tuple[str, str]
"""A role of the theme and the text drawn in it."""
Row = list[Segment]

# CSI, then the string sequences (OSC, DCS, SOS, PM, APC) up to their terminator, then any two-byte escape (ECMA-48).
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]"
)
# Control characters, zero-width characters and joiners, bidirectional controls, variation selectors, flags, tags and
# lone surrogates: terminals disagree on what they occupy, so each becomes one visible dot.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff"
    "\U000e0000-\U000e0fff]"
)
# Printable ASCII and the signs that the dashboard draws itself, all one cell wide: the common case, without a lookup.
_NARROW = re.compile(r"[\x20-\x7e·–…→←↑↓±µ▴▾●■◌‖×─│╭╮╰╯┤┼▁-█▉-▏░-▓⠀-⣿]*")


def clean(text: str) -> str:
    """Make foreign text safe to draw: escape sequences go, tabs become a space, other control characters a dot."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub("·", _ESCAPES.sub("", text).replace("\t", " "))


def is_narrow(text: str) -> bool:
    """Whether each character is one that every terminal draws in one cell."""
    return _NARROW.fullmatch(text) is not None


def cells(text: str) -> int:
    """The width of cleaned text in terminal cells; a combining mark has none."""
    if is_narrow(text):
        return len(text)
    return sum(max(0, wcwidth(char)) for char in text)


def cut(text: str, width: int) -> str:
    """The longest beginning of cleaned text that fits into `width` cells; an ellipsis marks a cut."""
    if len(text) <= width and is_narrow(text):
        return text
    if cells(text) <= width:
        return text
    if width <= 0:
        return ""
    taken, used = [], 0
    for char in text:
        used += max(0, wcwidth(char))
        if used > width - 1:
            break
        taken.append(char)
    return "".join(taken) + ELLIPSIS


def left(text: str, width: int) -> str:
    """Cleaned text cut or padded to exactly `width` cells, against the left edge."""
    shown = cut(text, width)
    return shown + " " * (width - cells(shown))


def right(text: str, width: int) -> str:
    """Cleaned text cut or padded to exactly `width` cells, against the right edge."""
    shown = cut(text, width)
    return " " * (width - cells(shown)) + shown


def fit(row: Iterable[Segment], width: int) -> Row:
    """The row cut or padded to exactly `width` cells; the padding has the plain role."""
    fitted: Row = []
    room = width
    for role, text in row:
        size = cells(text)
        if size > room:
            shown = cut(text, room)
            fitted.append((role, shown))
            room -= cells(shown)
            break
        fitted.append((role, text))
        room -= size
    if room > 0:
        fitted.append(("text", " " * room))
    return fitted


def row_cells(row: Iterable[Segment]) -> int:
    """The width of a row in cells."""
    return sum(cells(text) for _, text in row)


def _scaled(value: float, steps: tuple[str, ...], base: float, whole_from: float) -> str:
    """Two or three digits and a unit sign; a decimal below `whole_from` of a unit."""
    step = 0
    while value >= base - 0.5 and step < len(steps) - 1:
        value /= base
        step += 1
    digits = f"{value:.0f}" if step == 0 or value >= whole_from else f"{value:.1f}".removesuffix(".0")
    return digits + steps[step]


def count(value: int | None) -> str:
    """A number of things in full: 12,074."""
    return NO_DATA if value is None else f"{value:,}"


def short(value: float | None) -> str:
    """A number of things in few cells: 812k, 2.1M, 15.2M, or a dash."""
    return NO_DATA if value is None else _scaled(value, ("", "k", "M", "G", "T"), 1000, 99.5)


def size(value: float | None) -> str:
    """Bytes in few cells, in powers of 1,024: 412M, 1.2G, or a dash."""
    return NO_DATA if value is None else _scaled(value, ("B", "K", "M", "G", "T"), 1024, 9.95)


def rate(value: float | None) -> str:
    """Events a second: 0/s, 0.04/s, 45.4/s, 381/s, 5.1k/s, or a dash."""
    if value is None:
        return NO_DATA
    if value >= 99.5:
        return short(value) + "/s"
    if value == 0 or value >= 9.95:
        return f"{value:.0f}/s" if value == 0 else f"{value:.1f}/s"
    return f"{value:.2f}/s" if value < 0.095 else f"{value:.1f}/s"


def percent(value: float | None) -> str:
    """A share in percent: 0.3%, 39%, or a dash."""
    if value is None:
        return NO_DATA
    return f"{value:.1f}%" if value < 9.95 else f"{value:.0f}%"


def duration(milliseconds: float | None) -> str:
    """A latency: 0.4ms, 640ms, 3.1s, 41s, 2m05s, or a dash."""
    if milliseconds is None:
        return NO_DATA
    if milliseconds < 9.95:
        return f"{milliseconds:.1f}ms" if milliseconds else "0ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1000
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 119.5:
        return f"{seconds:.0f}s"
    return uptime(seconds)


def uptime(seconds: float) -> str:
    """A span of time in its two largest units: 42s, 14m05s, 2h14m, 3d04h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"
