"""Draw a terminal screen as an SVG: from bytes on standard input, or from a command that is run on a pseudo-terminal.

    python docs/make_picture.py --size 140x40 --seconds 30 --out docs/dashboard.svg -- gateway demo
    python docs/make_picture.py --size 80x24 --out screen.svg < captured-bytes

The picture is made from the cells of an emulator. Braille, blocks and box lines are drawn as shapes, because fonts
leave gaps between them or lack them. All other characters are text, each word placed at its own cell, so that no
viewer's font metrics can shift a column.
"""

import argparse
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte

# DejaVu Sans Mono and its relatives advance by 0.602 of their size.
FONT_SIZE, CELL_W, CELL_H, BASELINE = 14.0, 14.0 * 0.602, 18.0, 13.4
PADDING = 14.0
BACKGROUND, FOREGROUND = "#12151c", "#d3d9e6"
# The colours that pyte names; any other colour is six hexadecimal digits.
NAMED = {
    "black": "#2a2f3a",
    "red": "#f2777a",
    "green": "#7fd88f",
    "brown": "#f0c674",
    "blue": "#5fb3f3",
    "magenta": "#c9a0f0",
    "cyan": "#66cccc",
    "white": "#d3d9e6",
    "brightblack": "#5c6576",
}
# Braille dot (bit of the code point) to its column and row in the cell.
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
# Box drawing as strokes between the middle of the cell and its edges: left, right, up, down.
_BOXES = {"─": "lr", "│": "ud", "┤": "lud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "┼": "lrud"}


def svg(screen: Any) -> str:
    """The screen of a pyte emulator as an SVG document."""
    width, height = screen.columns * CELL_W + 2 * PADDING, screen.lines * CELL_H + 2 * PADDING
    shapes: list[str] = []
    for y in range(screen.lines):
        cells = [(x, screen.buffer[y][x]) for x in range(screen.columns)]
        for style, run in groupby(cells, key=lambda cell: (_colors(cell[1]), cell[1].bold)):
            (ink, paper), bold = style
            shapes += _run([(x, cell.data) for x, cell in run], y, ink, paper, bold)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
            f'<g transform="translate({PADDING:g} {PADDING:g})" font-size="{FONT_SIZE:g}" xml:space="preserve" '
            "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace\">",
            *shapes,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _colors(cell: Any) -> tuple[str, str]:
    ink, paper = _color(cell.fg, FOREGROUND), _color(cell.bg, BACKGROUND)
    return (paper, ink) if cell.reverse else (ink, paper)


def _color(name: str, default: str) -> str:
    if name == "default":
        return default
    return NAMED.get(name, f"#{name}" if len(name) == 6 else default)


def _run(cells: Sequence[tuple[int, str]], y: int, ink: str, paper: str, bold: bool) -> list[str]:
    """Neighbouring cells of one style: their background, their shapes as one path, their letters as one text."""
    shapes = []
    first, last = cells[0][0], cells[-1][0]
    if paper != BACKGROUND:
        shapes.append(
            f'<rect x="{first * CELL_W:g}" y="{y * CELL_H:g}" width="{(last - first + 1) * CELL_W:g}" '
            f'height="{CELL_H:g}" fill="{paper}"/>'
        )
    fills = "".join(_fill(x * CELL_W, y * CELL_H, sign) for x, sign in cells)
    if fills:
        shapes.append(f'<path d="{fills}" fill="{ink}"/>')
    strokes = "".join(_stroke(x * CELL_W, y * CELL_H, sign) for x, sign in cells)
    if strokes:
        shapes.append(f'<path d="{strokes}" fill="none" stroke="{ink}" stroke-width="1.1"/>')
    for drawn, word in groupby(cells, key=lambda cell: not cell[1].strip() or _is_drawn(cell[1])):
        if not drawn:
            (x, sign), *rest = word
            text = escape(sign + "".join(sign for _, sign in rest))
            weight = ' font-weight="bold"' if bold else ""
            place = f'x="{x * CELL_W:.2f}" y="{y * CELL_H + BASELINE:g}"'
            shapes.append(f'<text {place} fill="{ink}"{weight}>{text}</text>')
    return shapes


def _is_drawn(sign: str) -> bool:
    return sign in _BOXES or "\u2580" <= sign <= "\u258f" or "\u2800" <= sign <= "\u28ff"


def _fill(x: float, y: float, sign: str) -> str:
    if "\u2800" <= sign <= "\u28ff":
        dots = [place for bit, place in enumerate(_DOTS) if ord(sign) - 0x2800 & 1 << bit]
        half, quarter = CELL_W / 2, CELL_H / 4
        return "".join(_rect(x + (column + 0.14) * half, y + (row + 0.1) * quarter, 3.0, 3.6) for column, row in dots)
    if "\u2581" <= sign <= "\u2588":
        height = (ord(sign) - 0x2580) / 8 * CELL_H
        return _rect(x, y + CELL_H - height, CELL_W, height)
    if "\u2589" <= sign <= "\u258f":
        return _rect(x, y, (0x2590 - ord(sign)) / 8 * CELL_W, CELL_H)
    return ""


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f"M{x:.2f} {y:.2f}h{width:.2f}v{height:.2f}h-{width:.2f}z"


def _stroke(x: float, y: float, sign: str) -> str:
    edges = _BOXES.get(sign, "")
    middle_x, middle_y = x + CELL_W / 2, y + CELL_H / 2
    ends = {"l": (x, middle_y), "r": (x + CELL_W, middle_y), "u": (middle_x, y), "d": (middle_x, y + CELL_H)}
    if sign in "╭╮╰╯" and edges:
        (start_x, start_y), (end_x, end_y) = (ends[edge] for edge in edges)
        return f"M{start_x:.2f} {start_y:.2f}Q{middle_x:.2f} {middle_y:.2f} {end_x:.2f} {end_y:.2f}"
    return "".join(f"M{middle_x:.2f} {middle_y:.2f}L{ends[edge][0]:.2f} {ends[edge][1]:.2f}" for edge in edges)


def record(command: Sequence[str], columns: int, rows: int, seconds: float, keys: str) -> bytes:
    """What a command writes to a terminal of that size in that time; it is then asked to end with SIGTERM.

    The keys are pressed two seconds before the end.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=environ, start_new_session=True)
    os.close(side)
    seen = bytearray()
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and process.poll() is None:
        if keys and left < 2.0:
            os.write(main, keys.encode())
            keys = ""
        if select.select([main], [], [], min(left, 0.1))[0]:
            seen += os.read(main, 65_536)
    process.terminate()
    process.wait()
    os.close(main)
    return bytes(seen)


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="140x40", help="columns x rows")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the command runs")
    parser.add_argument("--keys", default="", help="keys to press before the end, such as 1 for the last minute")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()
    columns, rows = (int(part) for part in arguments.size.split("x"))
    command = arguments.command
    data = record(command, columns, rows, arguments.seconds, arguments.keys) if command else sys.stdin.buffer.read()
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(data)
    arguments.out.write_text(svg(screen), encoding="utf-8")


if __name__ == "__main__":
    main()
