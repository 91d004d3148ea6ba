r"""Whether the terminal has a dark or a light ground: what the environment says, else what the terminal answers.

Theory of operation. Terminals that follow xterm answer OSC 11 with the colour of their ground, the others ignore it
(ctlseqs, "Operating System Commands"). All of them answer DA1, the question for their attributes, in the order in which
they are asked: so DA1 behind it is a fence, and a terminal that says nothing of its ground is not waited for. An answer
that comes late still counts, and one that comes in pieces is put together: KeyDecoder takes both for what they are.
"""

import re
from collections.abc import Mapping

from gateway.dashboard.theme import color_depth

QUESTION = b"\x1b]11;?\x1b\\\x1b[c"

DARK, LIGHT = "dark", "light"

# X colours (XParseColor), one to four digits a channel, as terminals answer; the alpha of rgba is left out.
_RGB = re.compile(r"rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?", re.IGNORECASE)
_HEX = re.compile(r"#((?:[0-9a-f]{3}){1,4})", re.IGNORECASE)
# Where black and white letters have the same contrast: (L + 0.05) / 0.05 = 1.05 / (L + 0.05), in WCAG 2.
_BALANCE = 0.179
# The light ones of the sixteen colours, as rxvt and Konsole number them.
_LIGHT_INDICES = frozenset((7, *range(9, 16)))


def told(environ: Mapping[str, str]) -> str | None:
    """The theme for the ground that COLORFGBG names, `foreground;background`; None if it names none."""
    _, _, ground = environ.get("COLORFGBG", "").rpartition(";")
    if not (ground.isascii() and ground.isdecimal() and int(ground) < 16):
        return None
    return LIGHT if int(ground) in _LIGHT_INDICES else DARK


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether the answer would change anything, and the question would not be drawn.

    The console of Linux is black, and older ones show the question.
    """
    return color_depth(environ) != "none" and environ.get("TERM") != "linux"


def theme_on(color: str) -> str | None:
    """The theme for a ground of that colour, as a terminal answers OSC 11; None if that is no colour."""
    channels = _channels(color)
    if channels is None:
        return None
    red, green, blue = map(_linear, channels)
    return LIGHT if 0.2126 * red + 0.7152 * green + 0.0722 * blue > _BALANCE else DARK


def _channels(color: str) -> tuple[float, ...] | None:
    if (match := _RGB.fullmatch(color)) is not None:
        return tuple(int(digits, 16) / (16 ** len(digits) - 1) for digits in match.groups())
    if (match := _HEX.fullmatch(color)) is not None:
        digits = match[1]
        size = len(digits) // 3
        return tuple(int(digits[at : at + size], 16) / (16**size - 1) for at in range(0, 3 * size, size))
    return None


def _linear(channel: float) -> float:
    """The light of a channel (IEC 61966-2-1)."""
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
