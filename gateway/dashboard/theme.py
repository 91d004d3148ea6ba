"""Colours and signs as data: what each role looks like in five themes, and each sign in three character sets.

Theory. A drawing names roles ("p99", "border") and draws with the signs of the braille set. A theme turns a role into
one (on, off) pair of SGR sequences for the colours that the terminal has, and a sign into one that its font has. Both
happen when a segment is painted and nowhere else, one cell for one cell, so a drawing never asks what terminal it is
on and its width never depends on it.

What the tests hold the data to, against every background that a theme assumes: text has a contrast (WCAG 2) of 4.5, in
high-contrast of 7, and what is not text has 3; colours that mean different things side by side are 0.1 apart in OKLab,
five times what is just seen, also in the eyes of whom the theme is for. And still nothing is told by colour alone: a
word or a sign always stands beside it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

from gateway.dashboard.text import Segment, cells, fit, is_narrow

Depth = Literal["none", "16", "256", "truecolor"]
Charset = Literal["braille", "block", "ascii"]


@dataclass(frozen=True)
class Ink:
    """One role: its colour in the three depths (RGB, index of 256, SGR number of 16) and its other attributes.

    There is no faint (SGR 2), because nobody can say what contrast it leaves. A reversed ink has the contrast of the
    same ink unreversed, so it needs no colour of the background.
    """

    rgb: str | None = None
    indexed: int | None = None
    basic: int | None = None
    bold: bool = False
    underline: bool = False
    reverse: bool = False


# Only indices from 16 on are used of the 256, because users change the first sixteen. And of those sixteen, where
# every terminal has its own, only what can be read in all of them: on a dark ground the bright ones without the blue
# (the plain blue, red and magenta, and grey 90, are too dark somewhere; bright blue is the pure blue on Windows), on a
# light ground black, red, blue and magenta with grey 90 (green, yellow, cyan and all bright ones are too pale). So with
# sixteen colours `dim` looks like `label` on a dark ground, and green and amber are blue and magenta on a light one.
_DARK: dict[str, Ink] = {
    "text": Ink(),
    "strong": Ink(bold=True),
    "label": Ink("9ea7b8", 248, 37),
    "dim": Ink("858d9c", 245, 37),
    # Grey 90 is the background itself in one well-known palette. A frame that vanishes there takes no word with it.
    "border": Ink("666e7d", 242, 90),
    "border.focus": Ink("a3aec4", 249, 37),
    "title": Ink("aab3c5", 249, 37),
    "title.focus": Ink("ffffff", 231, 97, bold=True),
    "live": Ink("7fd88f", 114, 92),
    "halt": Ink("f5c26b", 221, 93, bold=True),
    "key": Ink("e6ebf5", 255, 97, bold=True),
    "requests": Ink("5fb3f3", 75, 36),
    "requests.high": Ink("9fd4ff", 117, 96),
    "p50": Ink("7fd88f", 114, 92),
    "p95": Ink("f0c674", 222, 93),
    "p99": Ink("f2777a", 210, 91),
    "errors": Ink("f2777a", 210, 91),
    "error.auth": Ink("b18cf2", 141, 95),
    "error.validation": Ink("5fb3f3", 75, 96),
    "error.upstream": Ink("f2777a", 210, 91),
    "error.timeout": Ink("f0c674", 222, 93),
    "error.internal": Ink("ffffff", 231, 97),
    "tokens.in": Ink("66cccc", 80, 96),
    "tokens.out": Ink("c9a0f0", 183, 95),
    "gauge": Ink("5fb3f3", 75, 36),
    "info": Ink("9ea7b8", 248, 37),
    "warning": Ink("f0c674", 222, 93),
    "error": Ink("f2777a", 210, 91, bold=True),
    "selected": Ink(reverse=True),
    "cursor": Ink("c8d3e6", 252, 37, reverse=True),
    "match": Ink("ffd75f", 221, 93, bold=True, underline=True),
    "banner": Ink("f5c26b", 221, 93, bold=True, reverse=True),
    "wrong": Ink("f2777a", 210, 91, underline=True),
    "ended": Ink("858d9c", 245, 37),
    # From violet over red to pale yellow in equal steps of OKLab, ever lighter in every kind of sight. With sixteen
    # colours each sign of the shades comes in two of them.
    "heat.1": Ink("8851d1", 128, 36),
    "heat.2": Ink("bc58bf", 133, 96),
    "heat.3": Ink("e666a3", 205, 36),
    "heat.4": Ink("ff8186", 210, 96),
    "heat.5": Ink("ffa881", 215, 36),
    "heat.6": Ink("ffcf89", 223, 96),
    "heat.7": Ink("fbf488", 228, 97),
}
_LIGHT: dict[str, Ink] = _DARK | {
    "label": Ink("5a6272", 241, 90),
    "dim": Ink("6b7280", 242, 90),
    "border": Ink("868d9a", 245, 90),
    "border.focus": Ink("5a6272", 241, 30),
    "title": Ink("3c4350", 238, 30),
    "title.focus": Ink("000000", 16, 30, bold=True),
    "live": Ink("1f7a34", 28, 34),
    "halt": Ink("9a5b00", 130, 35, bold=True),
    "key": Ink("000000", 16, 30, bold=True),
    "requests": Ink("1667b7", 25, 34),
    "requests.high": Ink("0b4a8a", 24, 34),
    "p50": Ink("1f7a34", 28, 34),
    "p95": Ink("9a6000", 130, 35),
    "p99": Ink("b3261e", 124, 31),
    "errors": Ink("b3261e", 124, 31),
    "error.auth": Ink("7a3fb0", 97, 35),
    "error.validation": Ink("1667b7", 25, 34),
    "error.upstream": Ink("b3261e", 124, 31),
    "error.timeout": Ink("9a6000", 94, 90),
    "error.internal": Ink("16181d", 233, 30),
    "tokens.in": Ink("0f7575", 23, 34),
    "tokens.out": Ink("7a3fb0", 97, 35),
    "gauge": Ink("1667b7", 25, 34),
    "info": Ink("5a6272", 241, 90),
    "warning": Ink("9a6000", 130, 35),
    "error": Ink("b3261e", 124, 31, bold=True),
    "cursor": Ink("3c4350", 238, 30, reverse=True),
    "match": Ink("7a3fb0", 97, 35, bold=True, underline=True),
    "banner": Ink("9a5b00", 130, 35, bold=True, reverse=True),
    "wrong": Ink("b3261e", 124, 31, underline=True),
    "ended": Ink("6b7280", 242, 90),
    # From orange over red to deep violet, ever darker.
    "heat.1": Ink("d07843", 137, 35),
    "heat.2": Ink("bd5a4d", 131, 34),
    "heat.3": Ink("a44358", 125, 35),
    "heat.4": Ink("862f5f", 89, 34),
    "heat.5": Ink("621f62", 53, 35),
    "heat.6": Ink("3d0f5e", 235, 34),
    "heat.7": Ink("1b0052", 233, 30),
}
# Pure colours and few greys; also the plain text is white, whatever the terminal would take.
_HIGH_CONTRAST: dict[str, Ink] = _DARK | {
    "text": Ink("ffffff", 231, 97),
    "strong": Ink("ffffff", 231, 97, bold=True),
    "label": Ink("d8dce4", 253, 37),
    "dim": Ink("bcc2cc", 250, 37),
    "border": Ink("9aa2b0", 247, 37),
    "border.focus": Ink("ffffff", 231, 97, bold=True),
    "title": Ink("e6ebf5", 255, 97),
    "title.focus": Ink("ffff5f", 227, 93, bold=True),
    "live": Ink("5fff87", 84, 92),
    "halt": Ink("ffd75f", 221, 93, bold=True),
    "key": Ink("ffff5f", 227, 93, bold=True),
    "requests": Ink("5fd7ff", 81, 96),
    "requests.high": Ink("afffff", 159, 97),
    "p50": Ink("5fff87", 84, 92),
    "p95": Ink("ffff5f", 227, 93),
    "p99": Ink("ff9a9a", 210, 91),
    "errors": Ink("ff9a9a", 210, 91),
    "error.auth": Ink("d7a6ff", 183, 95),
    "error.validation": Ink("5fd7ff", 81, 96),
    "error.upstream": Ink("ff9a9a", 210, 91),
    "error.timeout": Ink("ffff5f", 227, 93),
    "tokens.in": Ink("5fffff", 87, 96),
    "tokens.out": Ink("d7a6ff", 183, 95),
    "gauge": Ink("5fd7ff", 81, 96),
    "info": Ink("d8dce4", 253, 37),
    "warning": Ink("ffff5f", 227, 93),
    "error": Ink("ff9a9a", 210, 91, bold=True),
    "selected": Ink("ffffff", 231, 97, reverse=True),
    "cursor": Ink("ffffff", 231, 97, reverse=True),
    "match": Ink("ffff5f", 227, 93, bold=True, underline=True),
    "banner": Ink("ffd75f", 221, 93, bold=True, reverse=True),
    "wrong": Ink("ff9a9a", 210, 91, underline=True),
    "ended": Ink("bcc2cc", 250, 37),
}
# Sky blue, yellow, orange, bluish green and vermilion of Okabe and Ito, "Color Universal Design", 2008, chosen for eyes
# without red or green cones; vermilion is lighter here, to be read as text. Their blue and purple are left out: the one
# cannot be read on black, the other is sky blue to these eyes.
_DEUTERANOPIA: dict[str, Ink] = _DARK | {
    "live": Ink("56b4e9", 75, 96),
    "halt": Ink("f0e442", 227, 93, bold=True),
    "requests": Ink("56b4e9", 75, 36),
    "requests.high": Ink("9fd4ff", 117, 96),
    "p50": Ink("56b4e9", 75, 96),
    "p95": Ink("f0e442", 227, 93),
    "p99": Ink("e8743b", 202, 91),
    "errors": Ink("e8743b", 202, 91),
    "error.auth": Ink("f0e442", 227, 93),
    "error.validation": Ink("56b4e9", 75, 96),
    "error.upstream": Ink("e69f00", 178, 91),
    "error.timeout": Ink("009e73", 36, 95),
    "tokens.in": Ink("56b4e9", 75, 96),
    "tokens.out": Ink("e69f00", 178, 93),
    "gauge": Ink("56b4e9", 75, 36),
    "warning": Ink("f0e442", 227, 93),
    "error": Ink("e8743b", 202, 91, bold=True),
    "match": Ink("f0e442", 227, 93, bold=True, underline=True),
    "banner": Ink("f0e442", 227, 93, bold=True, reverse=True),
    "wrong": Ink("e8743b", 202, 91, underline=True),
}
# Without blue cones blue is green and yellow is pink, but red and cyan stay opposites: so each of the two comes in a
# light and a deep tone, and white is the fifth.
_TRITANOPIA: dict[str, Ink] = _DARK | {
    "live": Ink("7fe0e0", 116, 96),
    "halt": Ink("f4a3b5", 217, 95, bold=True),
    "requests": Ink("17a2b8", 37, 36),
    "requests.high": Ink("7fe0e0", 116, 96),
    "p50": Ink("7fe0e0", 116, 96),
    "p95": Ink("f4a3b5", 217, 95),
    "p99": Ink("e85d5d", 203, 91),
    "errors": Ink("e85d5d", 203, 91),
    "error.auth": Ink("f4a3b5", 217, 95),
    "error.validation": Ink("7fe0e0", 116, 96),
    "error.upstream": Ink("e85d5d", 203, 91),
    "error.timeout": Ink("17a2b8", 37, 36),
    "tokens.in": Ink("17a2b8", 37, 36),
    "tokens.out": Ink("f4a3b5", 217, 95),
    "gauge": Ink("17a2b8", 37, 36),
    "warning": Ink("f4a3b5", 217, 95),
    "error": Ink("e85d5d", 203, 91, bold=True),
    "match": Ink("7fe0e0", 116, 96, bold=True, underline=True),
    "banner": Ink("f4a3b5", 217, 95, bold=True, reverse=True),
    "wrong": Ink("e85d5d", 203, 91, underline=True),
}
INKS: Mapping[str, Mapping[str, Ink]] = {
    "dark": _DARK,
    "light": _LIGHT,
    "high-contrast": _HIGH_CONTRAST,
    "deuteranopia": _DEUTERANOPIA,
    "tritanopia": _TRITANOPIA,
}


@dataclass(frozen=True)
class Glyphs:
    """The signs of one character set, one cell each; the order within a field is the same in every set."""

    frame: str
    """The corners from the upper left one by rows, a horizontal and a vertical line."""
    axis: str
    """The line of a y axis with a tick, and where it meets another line."""
    levels: str
    """How full a cell is from its foot, from nothing to whole in nine steps."""
    eighths: str
    """How full a cell is from its left edge, from nothing to whole in nine steps."""
    halves: str
    """The upper, the lower, the left and the right half of a cell."""
    shades: str
    """How much of something there is, from nothing to level 7 of the heat map."""
    stack: str
    """One sign for each error type: auth, validation, upstream, timeout, internal."""
    marks: str
    """The points of the first, second and third line of a chart, where lines cannot be drawn."""
    states: str
    """Live, stale, frozen, stopped."""
    cursor: str
    """The column of the time cursor, and what points at it."""
    order: str
    """Sorted upwards, downwards."""
    arrows: str
    """Left, right, up, down."""
    words: str
    """What stands between words and figures: dot, dash, ellipsis, plus-minus, micro, times."""


# The console of Linux has the 256 signs of code page 437 and few others: no braille, no eighths, no round corners.
GLYPHS: Mapping[Charset, Glyphs] = {
    "braille": Glyphs(
        frame="╭╮╰╯─│",
        axis="┤┼",
        levels=" ▁▂▃▄▅▆▇█",
        eighths=" ▏▎▍▌▋▊▉█",
        halves="▀▄▌▐",
        shades=" ░░▒▒▓▓█",
        stack="avuti",
        marks="·×●",
        states="●◌‖■",
        cursor="┃▲",
        order="▴▾",
        arrows="←→↑↓",
        words="·–…±µ×",
    ),
    "block": Glyphs(
        frame="┌┐└┘─│",
        axis="┤┼",
        levels=" __▄▄▄███",
        eighths=" ▌▌▌▌▌███",
        halves="▀▄▌▐",
        shades=" ░░▒▒▓▓█",
        stack="avuti",
        marks="·x•",
        states="•○║■",
        cursor="│▲",
        order="▲▼",
        arrows="←→↑↓",
        words="·-~±µx",
    ),
    "ascii": Glyphs(
        frame="++++-|",
        axis="|+",
        levels=" _..-=+*#",
        eighths=" ..-=+*##",
        halves="^_[]",
        shades=" .:-=+*#",
        stack="avuti",
        marks=".x*",
        states="*o!#",
        cursor="|^",
        order="^v",
        arrows="<>^v",
        words=".-~+ux",
    ),
}


def _substitutes(charset: Charset) -> Mapping[int, str]:
    """What to draw instead of each sign of the braille set; of two meanings of a sign the first in the table counts."""
    table: dict[int, str] = {}
    for field in fields(Glyphs):
        rich, plain = (getattr(GLYPHS[name], field.name) for name in ("braille", charset))
        for sign, substitute in zip(rich, plain, strict=True):
            table.setdefault(ord(sign), substitute)
    return table


_SUBSTITUTES: Mapping[Charset, Mapping[int, str]] = {name: _substitutes(name) for name in ("block", "ascii")}
_CSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Theme:
    """The (on, off) pairs of every role, and the signs and colours that the terminal can show."""

    name: str
    pairs: Mapping[str, tuple[str, str]]
    charset: Charset
    depth: Depth

    @property
    def glyphs(self) -> Glyphs:
        """The signs of the terminal."""
        return GLYPHS[self.charset]

    @property
    def shades(self) -> str:
        """The signs of the heat map for the levels 0 to 7: whole cells where the colours tell the levels apart."""
        return " " + "█" * 7 if self._is_solid else self.glyphs.shades

    @property
    def stack(self) -> str:
        """The signs of the five error types in a stacked chart: whole cells where the colours tell them apart."""
        return "█" * 5 if self._is_solid else self.glyphs.stack

    @property
    def _is_solid(self) -> bool:
        return self.charset != "ascii" and self.depth in ("256", "truecolor")

    def translated(self, text: str) -> str:
        """Cleaned text in the signs of the terminal, as wide as before."""
        if self.charset == "braille" or text.isascii():
            return text
        text = text.translate(_SUBSTITUTES[self.charset])
        return text if self.charset == "block" or text.isascii() else "".join(map(_in_ascii, text))

    def painted(self, role: str, text: str) -> str:
        """One segment of cleaned text: its SGR sequences around it, nothing for no text, as wide as the text."""
        on, off = self.pairs[role]
        if self.charset != "braille":
            text = self.translated(text)
        return f"{on}{text}{off}" if on and text else text

    def paint(self, row: Iterable[Segment], width: int, column: int | None = None) -> str:
        """The row as text with SGR sequences, exactly `width` cells wide.

        With `column` (1-based, of the cell after the row), a row with signs on whose width terminals disagree ends in
        an absolute move there, so that what follows stands where it should.
        """
        fitted = fit(row, width)
        painted = "".join([self.painted(role, text) for role, text in fitted])
        # What is ASCII now is so for every terminal.
        if column is None or painted.isascii() or is_narrow("".join([text for _, text in fitted])):
            return painted
        return f"{painted}\x1b[{column}G"


def _in_ascii(sign: str) -> str:
    """As many ASCII characters as the sign has cells: a letter without its accent, or question marks."""
    if sign.isascii():
        return sign
    # Only letters, for the unequal sign is an equal sign with an accent.
    letter = unicodedata.normalize("NFD", sign)[0] if sign.isalpha() else "?"
    return letter if letter.isascii() and letter != "?" else "?" * cells(sign)


def plain(row: str) -> str:
    """A painted row without its escape sequences."""
    return _CSI.sub("", row)


# Terminals that show every RGB colour and have a name of their own in TERM, which arrives also where COLORTERM does
# not, as over SSH.
_TRUECOLOR_TERMS = (
    "xterm-kitty",
    "kitty",
    "alacritty",
    "foot",
    "wezterm",
    "ghostty",
    "xterm-ghostty",
    "contour",
    "rio",
)
_COLORLESS = re.compile(r"(dumb|unknown|vt\d.*|.*-m(ono)?)?")


def color_depth(environ: Mapping[str, str]) -> Depth:
    """How many colours the terminal shows; a non-empty NO_COLOR means none (https://no-color.org).

    CLICOLOR and FORCE_COLOR count for nothing here. They ask for colour where there is no terminal, and the dashboard
    always has one; beyond that, programs read their values in contrary ways.
    """
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or _COLORLESS.fullmatch(term):
        return "none"
    direct = term.endswith("-direct") or term.startswith(_TRUECOLOR_TERMS)
    promised = environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
    # GNU screen hands COLORTERM on and cannot keep what it promises; tmux, which can, may also call itself screen.
    if direct or (promised and not (term.startswith("screen") and "TMUX" not in environ)):
        return "truecolor"
    return "256" if "256" in term else "16"


def charset(environ: Mapping[str, str]) -> Charset:
    """The signs that may be used: by the locale (Python itself reports UTF-8 for POSIX), and the console font."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if "utf8" not in locale.lower().replace("-", ""):
        return "ascii"
    return "block" if environ.get("TERM") == "linux" else "braille"


def make_theme(name: str, environ: Mapping[str, str]) -> Theme:
    """The theme of that name (a key of `INKS`) for the terminal that `environ` describes."""
    depth = color_depth(environ)
    attributes = environ.get("TERM", "") not in ("", "dumb")
    pairs = {role: _pair(ink, depth, attributes) for role, ink in INKS[name].items()}
    return Theme(name, pairs, charset(environ), depth)


def _pair(ink: Ink, depth: Depth, attributes: bool) -> tuple[str, str]:
    codes = []
    if attributes:
        codes += [code for wanted, code in ((ink.bold, "1"), (ink.underline, "4"), (ink.reverse, "7")) if wanted]
    if depth == "truecolor" and ink.rgb is not None:
        red, green, blue = bytes.fromhex(ink.rgb)
        codes.append(f"38;2;{red};{green};{blue}")
    elif depth == "256" and ink.indexed is not None:
        codes.append(f"38;5;{ink.indexed}")
    elif depth == "16" and ink.basic is not None:
        codes.append(str(ink.basic))
    return (f"\x1b[{';'.join(codes)}m", "\x1b[0m") if codes else ("", "")
