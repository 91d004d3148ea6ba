"""Draw a terminal screen as an SVG: from bytes on standard input, or from a command that is run on a pseudo-terminal.

    python docs/make_picture.py --size 140x40 --seconds 30 --out docs/dashboard.svg -- gateway serve --dashboard
    python docs/make_picture.py --seconds 20 --keys '/gpt<enter><0.5><tab>z' --out log.svg -- gateway serve --dashboard
    python docs/make_picture.py --light --keys t --out light.svg -- gateway serve --dashboard
    python docs/make_picture.py --size 80x24 --out screen.svg < captured-bytes

The picture is made from the cells of an emulator. Braille, blocks, shades and box lines are drawn as shapes, because
fonts leave gaps between them or lack them. All other characters are text, each word placed at its own cell, so that no
viewer's font metrics can shift a column.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte

# DejaVu Sans Mono and its relatives advance by 0.602 of their size.
FONT_SIZE, CELL_W, CELL_H, BASELINE = 14.0, 14.0 * 0.602, 18.0, 13.4
PADDING = 14.0
# How long the screen may take to show the last key.
SETTLE_S = 1.0


@dataclass(frozen=True)
class Look:
    """The colours of a terminal: its ground, its letters, and the sixteen by the names of pyte."""

    background: str
    foreground: str
    named: Mapping[str, str]


_NAMES = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")
_BRIGHT = tuple(f"bright{name}" for name in _NAMES)


def _named(normal: str, bright: str) -> dict[str, str]:
    colors = [f"#{digits}" for digits in (normal + " " + bright).split()]
    named = dict(zip(_NAMES + _BRIGHT, colors, strict=True))
    # This is how pyte spells the foreground 95.
    return {**named, "bfightmagenta": named["brightmagenta"]}


DARK = Look(
    "#12151c",
    "#d3d9e6",
    _named(
        "2a2f3a d9575c 5fb86f d9a94f 4d8fd6 a97fd6 4fb0b0 b4bbc9",
        "5c6576 f2777a 7fd88f f0c674 5fb3f3 c9a0f0 66cccc ffffff",
    ),
)
LIGHT = Look(
    "#fcfcfa",
    "#24292f",
    _named(
        "16181d b3261e 1f7a34 9a6000 1667b7 7a3fb0 0f7575 c9ced6",
        "6b7280 d1453b 2f9a49 c08a1e 3b86d9 9a62cf 2a9a9a ffffff",
    ),
)
# Special keys in angle brackets; a number there is a pause in seconds.
KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "backtab": "\x1b[Z",
    "backspace": "\x7f",
    "space": " ",
    "lt": "<",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pgup": "\x1b[5~",
    "pgdn": "\x1b[6~",
    "del": "\x1b[3~",
    "ctrl-u": "\x15",
    "ctrl-l": "\x0c",
}
# Braille dot (bit of the code point) to its column and row in the cell.
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))


def _table(pairs: str) -> dict[str, str]:
    """Signs and their parts, written as `sign:parts` in one line."""
    return {sign: parts for sign, _, parts in (pair.partition(":") for pair in pairs.split())}


# Box drawing as strokes between the middle of the cell and its edges (left, right, up, down), thin and heavy.
_BOXES = _table("─:lr │:ud ┌:rd ┐:ld └:ru ┘:lu ╭:rd ╮:ld ╰:ru ╯:lu ├:rud ┤:lud ┬:lrd ┴:lru ┼:lrud ╴:l ╵:u ╶:r ╷:d")
_HEAVY = _table("━:lr ┃:ud ┏:rd ┓:ld ┗:ru ┛:lu ┣:rud ┫:lud ┳:lrd ┻:lru ╋:lrud ╸:l ╹:u ╺:r ╻:d")
# The quadrants that a block covers: upper left (a), upper right (b), lower left (c), lower right (d).
_QUADRANTS = _table("▖:c ▗:d ▘:a ▝:b ▚:ad ▞:bc ▙:acd ▛:abc ▜:abd ▟:bcd ▀:ab ▐:bd")
# How dense a shade is.
_SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}


@dataclass(frozen=True)
class Style:
    """How a cell is drawn; neighbours of one style are drawn together."""

    ink: str
    paper: str
    bold: bool
    italic: bool
    underline: bool
    struck: bool


def svg(screen: Any, look: Look = DARK) -> str:
    """The screen of a pyte emulator as an SVG document."""
    width, height = screen.columns * CELL_W + 2 * PADDING, screen.lines * CELL_H + 2 * PADDING
    shapes: list[str] = []
    for y in range(screen.lines):
        cells = [(x, screen.buffer[y][x]) for x in range(screen.columns)]
        for style, run in groupby(cells, key=lambda cell: _style(cell[1], look)):
            shapes += _run([(x, cell.data) for x, cell in run], y, style, look)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
            f'<rect width="100%" height="100%" rx="8" fill="{look.background}"/>',
            f'<g transform="translate({PADDING:g} {PADDING:g})" font-size="{FONT_SIZE:g}" xml:space="preserve" '
            "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace\">",
            *shapes,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _style(cell: Any, look: Look) -> Style:
    ink, paper = _color(cell.fg, look.foreground, look), _color(cell.bg, look.background, look)
    if cell.reverse:
        ink, paper = paper, ink
    return Style(ink, paper, cell.bold, cell.italics, cell.underscore, cell.strikethrough)


def _color(name: str, default: str, look: Look) -> str:
    if name == "default":
        return default
    # Any colour that pyte does not name is six hexadecimal digits.
    return look.named.get(name) or f"#{name}"


def _run(cells: Sequence[tuple[int, str]], y: int, style: Style, look: Look) -> list[str]:
    """Neighbouring cells of one style: their background, their shapes as paths, their letters as texts, their lines."""
    shapes = []
    left, top, width = cells[0][0] * CELL_W, y * CELL_H, len(cells) * CELL_W
    if style.paper != look.background:
        shapes.append(f'<path d="{_rect(left, top, width, CELL_H)}" fill="{style.paper}"/>')
    for density in (1.0, *_SHADES.values()):
        # Neighbours of one density become one rectangle: two would show a seam between them.
        runs = groupby(cells, key=lambda cell: _SHADES.get(cell[1], 1.0) == density)
        fills = "".join(_fills(list(run), top, density) for is_so, run in runs if is_so)
        if fills:
            opacity = "" if density == 1.0 else f' fill-opacity="{density:g}"'
            shapes.append(f'<path d="{fills}" fill="{style.ink}"{opacity}/>')
    for boxes, thickness in ((_BOXES, 1.1), (_HEAVY, 2.2)):
        strokes = "".join(_stroke(x * CELL_W, top, sign, boxes) for x, sign in cells)
        if strokes:
            shapes.append(f'<path d="{strokes}" fill="none" stroke="{style.ink}" stroke-width="{thickness:g}"/>')
    shapes += _letters(cells, top, style)
    for is_drawn, height in ((style.underline, BASELINE + 2.0), (style.struck, CELL_H / 2)):
        if is_drawn:
            shapes.append(f'<path d="{_rect(left, top + height, width, 1.1)}" fill="{style.ink}"/>')
    return shapes


def _letters(cells: Sequence[tuple[int, str]], top: float, style: Style) -> Iterator[str]:
    attributes = f' fill="{style.ink}"'
    attributes += ' font-weight="bold"' if style.bold else ""
    attributes += ' font-style="italic"' if style.italic else ""
    for drawn, word in groupby(cells, key=lambda cell: not cell[1].strip() or _is_drawn(cell[1])):
        if not drawn:
            (x, sign), *rest = word
            text = escape(sign + "".join(sign for _, sign in rest))
            yield f'<text x="{x * CELL_W:.2f}" y="{top + BASELINE:g}"{attributes}>{text}</text>'


def _is_drawn(sign: str) -> bool:
    return (
        sign in _BOXES
        or sign in _HEAVY
        or "\u2580" <= sign <= "\u2593"
        or sign in _QUADRANTS
        or "\u2800" <= sign <= "\u28ff"
    )


def _fills(cells: Sequence[tuple[int, str]], top: float, density: float) -> str:
    """The filled shapes of a run of cells of one density."""
    if density < 1.0:
        return _rect(cells[0][0] * CELL_W, top, len(cells) * CELL_W, CELL_H)
    return "".join(_fill(x * CELL_W, top, sign) for x, sign in cells)


def _fill(x: float, y: float, sign: str) -> str:
    half, middle, quarter = CELL_W / 2, CELL_H / 2, CELL_H / 4
    if "\u2800" <= sign <= "\u28ff":
        dots = [place for bit, place in enumerate(_DOTS) if ord(sign) - 0x2800 & 1 << bit]
        return "".join(_rect(x + (column + 0.14) * half, y + (row + 0.1) * quarter, 3.0, 3.6) for column, row in dots)
    if "\u2581" <= sign <= "\u2588":
        height = (ord(sign) - 0x2580) / 8 * CELL_H
        return _rect(x, y + CELL_H - height, CELL_W, height)
    if "\u2589" <= sign <= "\u258f":
        return _rect(x, y, (0x2590 - ord(sign)) / 8 * CELL_W, CELL_H)
    parts = {"a": (x, y), "b": (x + half, y), "c": (x, y + middle), "d": (x + half, y + middle)}
    return "".join(_rect(*parts[part], half, middle) for part in _QUADRANTS.get(sign, ""))


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.2f} {y:.2f}h{width:.2f}v{height:.2f}h-{width:.2f}z"


def _stroke(x: float, y: float, sign: str, boxes: Mapping[str, str]) -> str:
    edges = boxes.get(sign, "")
    middle_x, middle_y = x + CELL_W / 2, y + CELL_H / 2
    ends = {"l": (x, middle_y), "r": (x + CELL_W, middle_y), "u": (middle_x, y), "d": (middle_x, y + CELL_H)}
    if sign in "╭╮╰╯" and edges:
        (start_x, start_y), (end_x, end_y) = (ends[edge] for edge in edges)
        return f"M{start_x:.2f} {start_y:.2f}Q{middle_x:.2f} {middle_y:.2f} {end_x:.2f} {end_y:.2f}"
    return "".join(f"M{middle_x:.2f} {middle_y:.2f}L{ends[edge][0]:.2f} {ends[edge][1]:.2f}" for edge in edges)


def parse_keys(script: str) -> list[str | float]:
    """What to type and, as numbers, how many seconds to wait: `/gpt<enter><0.5><tab>`.

    Raises ValueError for a name in angle brackets that is neither a key nor a number.
    """
    steps: list[str | float] = []
    for name, letters in re.findall(r"<([^<>]+)>|([^<]+|<)", script):
        if letters:
            steps.append(letters)
        elif name in KEYS:
            steps.append(KEYS[name])
        elif re.fullmatch(r"\d+(\.\d+)?", name):
            steps.append(float(name))
        else:
            raise ValueError(f"<{name}> is neither a number of seconds nor one of {', '.join(KEYS)}")
    return steps


def record(command: Sequence[str], columns: int, rows: int, seconds: float, keys: Sequence[str | float]) -> bytes:
    """What a command writes to a terminal of that size in that time, while the keys are pressed and shortly after.

    The command is then asked to end with SIGTERM; what it writes at its end is left out.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ, start_new_session=True)
    os.close(side)
    seen = bytearray()
    for step in (seconds, *keys, SETTLE_S):
        if isinstance(step, str):
            os.write(main, step.encode())
            # Apart from the next key, or Esc and what follows would be one.
            step = 0.1
        deadline = time.monotonic() + step
        while (left := deadline - time.monotonic()) > 0:
            if select.select([main], [], [], left)[0]:
                try:
                    seen += os.read(main, 65_536)
                except OSError:
                    # So a pseudo-terminal says that all was read and nobody has it open any more.
                    break
    process.terminate()
    process.wait()
    os.close(main)
    return bytes(seen)


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="140x40", help="columns x rows")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the command runs before the keys")
    parser.add_argument(
        "--keys",
        type=parse_keys,
        default=[],
        help=f"keys to press then; <0.5> waits half a second; other names: {' '.join(f'<{key}>' for key in KEYS)}",
    )
    parser.add_argument("--light", action="store_true", help="draw a light terminal")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    columns, rows = (int(part) for part in arguments.size.split("x"))
    command = arguments.command
    data = record(command, columns, rows, arguments.seconds, arguments.keys) if command else sys.stdin.buffer.read()
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(data)
    arguments.out.write_text(svg(screen, LIGHT if arguments.light else DARK), encoding="utf-8")


if __name__ == "__main__":
    main()
