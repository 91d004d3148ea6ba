"""Colours and signs as data: a theme is one (on, off) pair of SGR sequences for each role, and a character set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.dashboard.text import ELLIPSIS, cells

Depth = Literal["none", "16", "256", "truecolor"]
Charset = Literal["braille", "block", "ascii"]


@dataclass(frozen=True)
class Ink:
    """One role: its colour in the three depths (RGB, index of 256, SGR number of 16) and its other attributes."""

    rgb: str | None = None
    indexed: int | None = None
    basic: int | None = None
    bold: bool = False
    dim: bool = False
    reverse: bool = False


# One hue for each series and level; axes and borders are dim; only the panel in focus has a bright title. Levels and
# outcomes always stand there as words too, so that nothing needs colour to be understood.
_DARK: dict[str, Ink] = {
    "text": Ink(),
    "strong": Ink(bold=True),
    "label": Ink("8a93a6", 245, 37),
    "dim": Ink("5c6576", 240, 90),
    "border": Ink("454d5c", 238, 90),
    "border.focus": Ink("7f8ba3", 245, 37),
    "title": Ink("aab3c5", 249, 37),
    "title.focus": Ink("ffffff", 231, 97, bold=True),
    "live": Ink("7fd88f", 114, 32),
    "halt": Ink("f5c26b", 221, 33, bold=True),
    "key": Ink("e6ebf5", 255, 97, bold=True),
    "requests": Ink("5fb3f3", 75, 34),
    "requests.high": Ink("9fd4ff", 117, 94),
    "p50": Ink("7fd88f", 114, 32),
    "p95": Ink("f0c674", 222, 33),
    "p99": Ink("f2777a", 210, 31),
    "errors": Ink("f2777a", 210, 31),
    "tokens.in": Ink("66cccc", 80, 36),
    "tokens.out": Ink("c9a0f0", 183, 35),
    "gauge": Ink("5fb3f3", 75, 34),
    "info": Ink("8a93a6", 245, 37),
    "warning": Ink("f0c674", 222, 33),
    "error": Ink("f2777a", 210, 31, bold=True),
    "selected": Ink(reverse=True),
    "cursor": Ink(reverse=True),
    "error.auth": Ink("c9a0f0", 183, 35),
    "error.validation": Ink("66cccc", 80, 36),
    "error.upstream": Ink("f2777a", 210, 31),
    "error.timeout": Ink("f0c674", 222, 33),
    "error.internal": Ink("ffffff", 231, 97),
    **{f"heat.{level}": Ink(basic=31 + level % 6, indexed=17 + 30 * level) for level in range(1, 8)},
}
_LIGHT: dict[str, Ink] = _DARK | {
    "label": Ink("5a6272", 241, 90),
    "dim": Ink("8a909c", 246, 37),
    "border": Ink("b8bdc7", 250, 37),
    "border.focus": Ink("5a6272", 241, 90),
    "title": Ink("3c4350", 238, 30),
    "title.focus": Ink("000000", 16, 30, bold=True),
    "live": Ink("1f7a34", 28, 32),
    "halt": Ink("9a5b00", 130, 33, bold=True),
    "key": Ink("000000", 16, 30, bold=True),
    "requests": Ink("1667b7", 25, 34),
    "requests.high": Ink("0b4a8a", 24, 34),
    "p50": Ink("1f7a34", 28, 32),
    "p95": Ink("9a6a00", 136, 33),
    "p99": Ink("b3261e", 124, 31),
    "errors": Ink("b3261e", 124, 31),
    "tokens.in": Ink("0f7a7a", 30, 36),
    "tokens.out": Ink("7a3fb0", 97, 35),
    "gauge": Ink("1667b7", 25, 34),
    "info": Ink("5a6272", 241, 90),
    "warning": Ink("9a6a00", 136, 33),
    "error": Ink("b3261e", 124, 31, bold=True),
}
INKS: Mapping[str, Mapping[str, Ink]] = {"dark": _DARK, "light": _LIGHT}

# One sign for one sign, so that a drawing keeps its width where there is no UTF-8.
_TO_ASCII = str.maketrans(
    "╭╮╰╯─│┤┼" + "·–…→←↑↓±µ" + "▴▾●■◌‖×" + "▁▂▃▄▅▆▇█" + "▏▎▍▌▋▊▉" + "░▒▓",
    "++++-||+" + ".-~><^v~u" + "^v*#o!x" + "_..-=+*#" + "..-=+*#" + ".:%",
)
_CSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Theme:
    """The (on, off) pairs of every role and the signs that the terminal can show."""

    name: str
    pairs: Mapping[str, tuple[str, str]]
    charset: Charset

    def painted(self, role: str, text: str) -> str:
        """One segment with its SGR sequences."""
        if self.charset == "ascii":
            known = text.translate(_TO_ASCII).replace(ELLIPSIS, "~")
            text = known if known.isascii() else "".join(c if c.isascii() else "?" * cells(c) for c in known)
        on, off = self.pairs[role]
        return f"{on}{text}{off}" if on and text else text


def plain(row: str) -> str:
    """A painted row without its escape sequences."""
    return _CSI.sub("", row)


def color_depth(environ: Mapping[str, str]) -> Depth:
    """How many colours the terminal shows; a non-empty NO_COLOR means none (https://no-color.org)."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term in ("", "dumb", "vt100", "vt220"):
        return "none"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return "truecolor"
    # These name no "256color" in TERM, and all have at least 256.
    if "256" in term or term.startswith(
        ("kitty", "xterm-kitty", "alacritty", "foot", "wezterm", "ghostty", "xterm-ghostty")
    ):
        return "256"
    return "16"


def charset(environ: Mapping[str, str]) -> Charset:
    """The signs that may be used: by the locale (Python itself reports UTF-8 for POSIX), and the console font."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if "utf8" not in locale.lower().replace("-", ""):
        return "ascii"
    # The font of the Linux console has half blocks and no braille.
    return "block" if environ.get("TERM") == "linux" else "braille"


def make_theme(name: str, environ: Mapping[str, str]) -> Theme:
    """The theme of that name (a key of `INKS`) for the terminal that `environ` describes."""
    depth = color_depth(environ)
    attributes = environ.get("TERM", "") not in ("", "dumb")
    pairs = {role: _pair(ink, depth, attributes) for role, ink in INKS[name].items()}
    return Theme(name, pairs, charset(environ))


def _pair(ink: Ink, depth: Depth, attributes: bool) -> tuple[str, str]:
    codes = []
    if attributes:
        codes += [code for wanted, code in ((ink.bold, "1"), (ink.dim, "2"), (ink.reverse, "7")) if wanted]
    if depth == "truecolor" and ink.rgb is not None:
        red, green, blue = bytes.fromhex(ink.rgb)
        codes.append(f"38;2;{red};{green};{blue}")
    elif depth == "256" and ink.indexed is not None:
        codes.append(f"38;5;{ink.indexed}")
    elif depth == "16" and ink.basic is not None:
        codes.append(str(ink.basic))
    return (f"\x1b[{';'.join(codes)}m", "\x1b[0m") if codes else ("", "")
