"""Text as terminal cells: cleaning what others wrote, measuring and cutting it, and the formats of figures.

Theory. What others wrote may hold anything, and a terminal obeys what it is sent. `clean` runs once, where text comes
in, and everything else here takes cleaned text. Each character then falls into one of three classes:

- narrow (`is_narrow`): every terminal draws it in one cell. Printable ASCII, Latin, Greek and Cyrillic letters, and the
  signs that the dashboard itself draws.
- measured: kept, but terminals may disagree. Wide characters (CJK, emoji) take two cells; a combining mark takes none
  and stays with its base; emoji newer than the terminal and spacing marks of Indic scripts are measured by wcwidth and
  may be drawn otherwise. Whoever writes such text places what follows by an absolute column, and a wrong width moves
  nothing beyond its own piece.
- uncertain: becomes one visible dot, so nothing is hidden. Control characters; characters without a shape (joiners,
  bidirectional controls, variation selectors, tags, fillers); lone surrogates, private use, unassigned; halves of a
  flag and skin tones, whose width depends on neighbours; vowels and endings of Korean that form no syllable; a
  combining mark without a base, because it would land on whatever stands to the left of the text.

Text is brought to the composed form first (Unicode NFC), so most accented letters are one narrow character, and a
search finds them whichever way they were written.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from wcwidth import wcwidth

NO_DATA = "–"
ELLIPSIS = "…"

Segment = tuple[str, str]
"""A role of the theme and the text drawn in it."""
Row = list[Segment]

# CSI, then the string sequences (OSC, DCS, SOS, PM, APC) with their terminator, then any two-byte escape (ECMA-48). A
# string ends at the latest before the next control character; one without its terminator stays, so that nobody hides
# text behind an opened string. No two alternatives can scan the same characters, so the time is linear in the text.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x00-\x08\x0e-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
)
_UNCERTAIN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# What the categories leave: the joiner of combining marks, fillers that look like nothing, vowels and endings of Korean
# outside a syllable, the inherent vowels of Khmer, variation selectors, halves of flags, skin tones.
_UNCERTAIN = re.compile(
    "[\u034f\u115f-\u11ff\u17b4\u17b5\u180b-\u180f\u3164\ud7b0-\ud7ff\ufe00-\ufe0f\uffa0"
    "\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0100-\U000e01ef]"
)
# Latin, Greek and Cyrillic without what they lack and what NFC replaces, punctuation and signs that are drawn
# everywhere, arrows, box lines, blocks, some shapes, braille. One cell each, without a lookup.
_NARROW = re.compile(
    "[ -~\xa0-\xac\xae-\u024f\u0370-\u0373\u0375-\u0377\u037a-\u037d\u037f\u0384-\u0386\u0388-\u038a\u038c"
    "\u038e-\u03a1\u03a3-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u203a\u20ac\u2190-\u2193\u2212"
    "\u2500-\u25a1▲△▴▵▶▷▸▹▼▽▾▿◀◁◂◃◆◇○◌●◦\u2800-\u28ff]*"
)


def clean(text: str) -> str:
    """Make foreign text safe to draw: tabs become a space, escape sequences and what is uncertain a dot."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("·", text).replace("\t", " ")
    if _NARROW.fullmatch(text):
        return text
    shown = "".join(map(_shown, unicodedata.normalize("NFC", text)))
    return f"·{shown[1:]}" if _cells_of(shown[0]) == 0 else shown


@lru_cache(4096)
def _shown(char: str) -> str:
    if unicodedata.category(char) in _UNCERTAIN_CATEGORIES or _UNCERTAIN.match(char):
        return "·"
    return char


def _cells_of(char: str) -> int:
    return max(0, wcwidth(char))


def is_narrow(text: str) -> bool:
    """Whether each character of cleaned text is one that every terminal draws in one cell."""
    return text.isascii() or _NARROW.fullmatch(text) is not None


def cells(text: str) -> int:
    """The width of cleaned text in terminal cells; a combining mark has none."""
    if text.isascii() or _NARROW.fullmatch(text) is not None:
        return len(text)
    return sum(map(_cells_of, text))


def widths(row: Sequence[Segment]) -> list[int]:
    """The width of each segment in cells. A picture is measured a thousand times, so a row is looked at as a whole."""
    texts = [text for _, text in row]
    return list(map(len if is_narrow("".join(texts)) else cells, texts))


def cut(text: str, width: int) -> str:
    """The longest beginning of cleaned text that fits into `width` cells; an ellipsis marks a cut."""
    if width <= 0:
        return ""
    if is_narrow(text):
        return text if len(text) <= width else text[: width - 1] + ELLIPSIS
    used = kept = 0
    for index, char in enumerate(text):
        used += _cells_of(char)
        if used > width:
            return text[:kept] + ELLIPSIS
        if used < width:
            kept = index + 1
    return text


def cut_start(text: str, width: int) -> str:
    """The longest end of cleaned text that fits into `width` cells; an ellipsis marks a cut."""
    if cells(text) <= width:
        return text
    start, room = len(text), width - 1
    for place in range(len(text) - 1, -1, -1):
        room -= _cells_of(text[place])
        if room < 0:
            break
        # A combining mark goes with its base, or not at all.
        start = place if _cells_of(text[place]) else start
    return ELLIPSIS + text[start:] if width > 0 else ""


def ends(text: str, width: int, tail: int | None = None) -> tuple[int, int]:
    """Up to where and from where on cleaned text stays if an ellipsis between both is to make it fit `width` cells.

    Twice its length if it fits as it is. `tail` are the cells for the end, from 0 to `width - 1`. Without it what
    remains at the end is at most one cell shorter than at the beginning, wide characters apart: the names of models
    differ at their ends, in a version or a date.
    """
    length = len(text)
    if width <= 0:
        return 0, length
    tail = (width - 1) // 2 if tail is None else tail
    head = width - 1 - tail
    if is_narrow(text):
        return (length, length) if length <= width else (head, length - tail)
    if cells(text) <= width:
        return length, length
    stop, start = 0, length
    while _cells_of(text[stop]) <= head:
        head -= _cells_of(text[stop])
        stop += 1
    # A combining mark goes with its base, or not at all.
    place = length
    while (tail := tail - _cells_of(text[place - 1])) >= 0:
        place -= 1
        start = place if _cells_of(text[place]) else start
    return stop, start


def cut_middle(text: str, width: int, tail: int | None = None) -> str:
    """Cleaned text in at most `width` cells, at most `tail` of its end; an ellipsis marks what is missing between."""
    stop, start = ends(text, width, tail)
    if stop == len(text):
        return text
    return f"{text[:stop]}{ELLIPSIS}{text[start:]}" if width > 0 else ""


def left(text: str, width: int) -> str:
    """Cleaned text cut or padded to exactly `width` cells, against the left edge."""
    if text.isascii() and len(text) <= width:
        return text.ljust(width)
    shown = cut(text, width)
    return shown + " " * (width - cells(shown))


def right(text: str, width: int) -> str:
    """Cleaned text cut or padded to exactly `width` cells, against the right edge."""
    if text.isascii() and len(text) <= width:
        return text.rjust(width)
    shown = cut(text, width)
    return " " * (width - cells(shown)) + shown


def fit(row: Iterable[Segment], width: int) -> Row:
    """The row cut or padded to exactly `width` cells; the padding has the plain role."""
    fitted = list(row)
    sizes = widths(fitted)
    room = width - sum(sizes)
    if room < 0:
        room, kept = width, 0
        while sizes[kept] <= room:
            room -= sizes[kept]
            kept += 1
        role, text = fitted[kept]
        shown = cut(text, room)
        fitted[kept:] = [(role, shown)]
        room -= cells(shown)
    if room > 0:
        fitted.append(("text", " " * room))
    return fitted


def slice_cells(row: Iterable[Segment], start: int, stop: int) -> Row:
    """The part of a row between two cell columns, from 0; of a wide character that an edge cuts, a space is left.

    The part has `stop - start` cells where the row is as long as that; a combining mark goes with its base.
    """
    part: Row = []
    at = 0
    for role, text in row:
        if at >= stop:
            break
        size = cells(text)
        if at >= start and at + size <= stop:
            part.append((role, text))
        elif at + size > start:
            part.append((role, _slice(text, start - at, stop - at)))
        at += size
    return [segment for segment in part if segment[1]]


def _slice(text: str, start: int, stop: int) -> str:
    if is_narrow(text):
        return text[max(0, start) : stop]
    taken: list[str] = []
    at = 0
    whole = False
    for char in text:
        size = _cells_of(char)
        if size:
            whole = start <= at and at + size <= stop
            taken.append(char if whole else " " * (min(at + size, stop) - max(at, start)))
            at += size
        elif whole:
            taken.append(char)
    return "".join(taken)


def row_cells(row: Iterable[Segment]) -> int:
    """The width of a row in cells."""
    return cells("".join([text for _, text in row]))


# The formats of figures and of ticks. Within one format a larger value never reads as a smaller one, and only zero
# reads as zero (`short` and `size` count whole things). All but `count` take eight cells at most, for values up to
# 10**18, and durations for 10**11 ms, which are three years.


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
    return NO_DATA if value is None else _scaled(value, ("", "k", "M", "G", "T", "P", "E"), 1000, 99.5)


def size(value: float | None) -> str:
    """Bytes in few cells, in powers of 1,024: 412M, 1.2G, or a dash."""
    return NO_DATA if value is None else _scaled(value, ("B", "K", "M", "G", "T", "P", "E"), 1024, 9.95)


def rate(value: float | None) -> str:
    """Events a second: 0/s, <0.01/s, 0.04/s, 45.4/s, 381/s, 5.1k/s, or a dash."""
    if value is None:
        return NO_DATA
    if value == 0:
        return "0/s"
    if value < 0.005:
        return "<0.01/s"
    if value < 0.095:
        return f"{value:.2f}/s"
    return f"{value:.1f}/s" if value < 99.5 else f"{short(value)}/s"


def percent(value: float | None) -> str:
    """A share in percent: 0.0%, <0.1%, 0.3%, 39%, or a dash."""
    if value is None:
        return NO_DATA
    if 0 < value < 0.05:
        return "<0.1%"
    return f"{value:.1f}%" if value < 9.95 else f"{_scaled(value, ('', 'k', 'M', 'G'), 1000, 99.5)}%"


def duration(milliseconds: float | None) -> str:
    """A latency: 0ms, <0.1ms, 0.4ms, 640ms, 3.1s, 41s, 2m05s, or a dash."""
    if milliseconds is None:
        return NO_DATA
    if milliseconds == 0:
        return "0ms"
    if milliseconds < 0.05:
        return "<0.1ms"
    if milliseconds < 9.95:
        return f"{milliseconds:.1f}ms"
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


def rate_tick(value: float) -> str:
    """A tick of an axis of events a second, in full: 0, 0.5/s, 80/s, 1.5k/s."""
    return f"{_in_full(value, ('', 'k', 'M', 'G', 'T', 'P', 'E'))}/s" if value else "0"


def duration_tick(milliseconds: float) -> str:
    """A tick of an axis of latency, in full: 0, 50µs, 340ms, 1.5s, 100s."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:g}µs" if milliseconds else "0"
    return f"{_in_full(milliseconds, ('m', ''))}s"


def _in_full(value: float, steps: tuple[str, ...]) -> str:
    step = 0
    while value >= 1000 and step < len(steps) - 1:
        value /= 1000
        step += 1
    return f"{value:g}{steps[step]}"
