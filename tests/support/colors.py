"""Colour facts that themes are tested with: contrast, distance, colour-blind sight, and the palettes of terminals."""

import math
from collections.abc import Mapping, Sequence

Rgb = tuple[int, int, int]
"""Three channels of sRGB, 0 to 255."""
Linear = tuple[float, float, float]
"""Three channels of light, 0 to 1."""
_Matrix = Sequence[Sequence[float]]

# The sixteen colours of common terminals, SGR 30 to 37 and then 90 to 97, as listed in Wikipedia, "ANSI escape code".
TERMINALS: Mapping[str, Sequence[str]] = {
    "VGA": (
        *("000000", "aa0000", "00aa00", "aa5500", "0000aa", "aa00aa", "00aaaa", "aaaaaa"),
        *("555555", "ff5555", "55ff55", "ffff55", "5555ff", "ff55ff", "55ffff", "ffffff"),
    ),
    "Windows XP": (
        *("000000", "800000", "008000", "808000", "000080", "800080", "008080", "c0c0c0"),
        *("808080", "ff0000", "00ff00", "ffff00", "0000ff", "ff00ff", "00ffff", "ffffff"),
    ),
    "Terminal.app": (
        *("000000", "c23621", "25bc24", "adad27", "492ee1", "d338d3", "33bbc8", "cbcccd"),
        *("818383", "fc391f", "31e722", "eaec23", "5833ff", "f935f8", "14f0f0", "e9ebeb"),
    ),
    "PuTTY": (
        *("000000", "bb0000", "00bb00", "bbbb00", "0000bb", "bb00bb", "00bbbb", "bbbbbb"),
        *("555555", "ff5555", "55ff55", "ffff55", "5555ff", "ff55ff", "55ffff", "ffffff"),
    ),
    "xterm": (
        *("000000", "cd0000", "00cd00", "cdcd00", "0000ee", "cd00cd", "00cdcd", "e5e5e5"),
        *("7f7f7f", "ff0000", "00ff00", "ffff00", "5c5cff", "ff00ff", "00ffff", "ffffff"),
    ),
}

# What the three kinds of dichromats see, in light: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
# Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009, severity 1.0.
SIGHTS: Mapping[str, _Matrix] = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}

# Björn Ottosson, "A perceptual color space for image processing", 2020.
_TO_LMS: _Matrix = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB: _Matrix = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def rgb(digits: str) -> Rgb:
    """The channels of six hexadecimal digits."""
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def xterm_256(index: int) -> Rgb:
    """A colour of the 256 by the formula of xterm: a cube of 6 levels from 16 on, 24 greys from 232 on."""
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    assert index >= 16, "the first sixteen are whatever the user chose"
    red, green, blue = (0 if level == 0 else 55 + 40 * level for level in _cube(index - 16))
    return red, green, blue


def _cube(place: int) -> tuple[int, int, int]:
    return place // 36, place // 6 % 6, place % 6


def light(color: Rgb) -> Linear:
    """The channels without the transfer function of sRGB (IEC 61966-2-1)."""
    red, green, blue = (
        channel / 255 / 12.92 if channel <= 10 else ((channel / 255 + 0.055) / 1.055) ** 2.4 for channel in color
    )
    return red, green, blue


def luminance(color: Rgb) -> float:
    """Relative luminance as WCAG 2 defines it, 0 to 1."""
    red, green, blue = light(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of WCAG 2, 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def oklab(color: Rgb, sight: str = "normal") -> Linear:
    """The place of a colour in OKLab, as somebody with that sight (a key of `SIGHTS`) sees it."""
    seen = [min(1.0, max(0.0, channel)) for channel in _times(SIGHTS[sight], light(color))]
    return _times(_TO_LAB, [math.cbrt(cone) for cone in _times(_TO_LMS, seen)])


def distance(one: Rgb, other: Rgb, sight: str = "normal") -> float:
    """How far apart two colours look: 0 for one colour, about 0.02 where a difference is just seen, 1 at most."""
    return math.dist(oklab(one, sight), oklab(other, sight))


def _times(matrix: _Matrix, column: Sequence[float]) -> Linear:
    one, two, three = (sum(a * b for a, b in zip(row, column, strict=True)) for row in matrix)
    return one, two, three
