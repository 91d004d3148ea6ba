"""The drawing of a terminal screen: every attribute and sign that the dashboard uses is in the picture."""

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pyte
import pytest

from gateway.dashboard.theme import GLYPHS, INKS, Theme, make_theme

TRUECOLOR = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
SVG = "{http://www.w3.org/2000/svg}"


def load() -> ModuleType:
    """The script, which is not part of a package."""
    path = Path(__file__).parents[2] / "docs" / "make_picture.py"
    spec = importlib.util.spec_from_file_location("make_picture", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the module of a class.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


make_picture = load()


def draw(written: str, *, light: bool = False) -> list[ET.Element]:
    """The shapes of a screen of 20 by 2 cells to which this was written."""
    screen = pyte.Screen(20, 2)
    pyte.Stream(screen).feed(written)
    root = ET.fromstring(make_picture.svg(screen, make_picture.LIGHT if light else make_picture.DARK))
    return [element for element in root.iter() if element.tag in (f"{SVG}path", f"{SVG}text")]


def test_letters_are_placed_by_their_cell() -> None:
    """Each word is a text of its own, at its column."""
    texts = draw("gpt  4.1")
    assert [(text.text, float(text.attrib["x"])) for text in texts] == [
        ("gpt", 0.0),
        ("4.1", pytest.approx(5 * make_picture.CELL_W, abs=0.01)),
    ]


def test_underlined_letters_have_a_line_below() -> None:
    """An underlined word is drawn with a line as long as it is."""
    assert [shape.tag for shape in draw("abc")] == [f"{SVG}text"]
    word, line = draw("\x1b[4mabc\x1b[0m")
    assert word.text == "abc"
    assert f"h{3 * make_picture.CELL_W:.2f}" in line.attrib["d"]


def test_reversed_letters_stand_on_their_colour() -> None:
    """Reversed, the ground has the colour of the letters and the letters that of the ground."""
    ground, word = draw("\x1b[7;38;2;1;2;3mabc\x1b[0m")
    assert (ground.attrib["fill"], word.attrib["fill"]) == ("#010203", make_picture.DARK.background)


def test_backgrounds_bold_and_italic_are_drawn() -> None:
    """A colour of the ground is a rectangle, and bold and italic are attributes of the text."""
    ground, word = draw("\x1b[1;3;48;2;9;9;9mabc\x1b[0m")
    assert ground.attrib["fill"] == "#090909"
    assert (word.attrib["font-weight"], word.attrib["font-style"]) == ("bold", "italic")


def test_shades_are_as_dense_as_they_look() -> None:
    """Light, medium and dark shades and the whole cell cover a quarter, a half, three quarters and all."""
    opacities = [float(shape.attrib.get("fill-opacity", "1")) for shape in draw("░▒▓█")]
    assert sorted(opacities) == [0.25, 0.5, 0.75, 1.0]


def test_neighbouring_shades_have_no_seam() -> None:
    """A run of one shade is one rectangle."""
    (shape,) = draw("▒▒▒▒")
    assert shape.attrib["d"].count("M") == 1


@pytest.mark.parametrize("sign", "▀▄▌▐▖▜▁▇▏▉⠿─│┌┤╭╯━┃╋░█")
def test_signs_of_drawings_are_shapes(sign: str) -> None:
    """Blocks, halves, quadrants, braille and box lines are drawn, not left to a font."""
    shapes = draw(sign)
    assert [shape.tag for shape in shapes] == [f"{SVG}path"] * len(shapes)
    assert shapes[0].attrib["d"]


def test_light_terminal_has_its_own_colours() -> None:
    """Letters and the sixteen colours follow the ground."""
    dark, light = draw("a\x1b[31mb"), draw("a\x1b[31mb", light=True)
    assert [shape.attrib["fill"] for shape in dark] != [shape.attrib["fill"] for shape in light]
    assert light[0].attrib["fill"] == make_picture.LIGHT.foreground


@pytest.mark.parametrize("number", [*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108)])
def test_sixteen_colours_are_those_of_the_look(number: int) -> None:
    """Each of the sixteen colours, of letters and of the ground, has a colour that the look names."""
    fills = {shape.attrib["fill"] for shape in draw(f"\x1b[{number}mx")}
    look = make_picture.DARK
    assert fills <= {look.foreground, *look.named.values()}
    assert fills & set(look.named.values())


@pytest.mark.parametrize("theme", [make_theme(name, TRUECOLOR) for name in INKS], ids=list(INKS))
def test_every_role_and_sign_can_be_drawn(theme: Theme) -> None:
    """No role of a theme and no sign of a character set breaks the picture."""
    signs = "".join(value for glyphs in GLYPHS.values() for value in vars(glyphs).values())
    for start in range(0, len(signs), 20):
        for role in theme.pairs:
            assert draw(theme.painted(role, signs[start : start + 20]), light=theme.name == "light")


def test_keys_are_typed_with_pauses() -> None:
    """Names in angle brackets are keys, numbers there are pauses, and everything else is typed as it is."""
    assert make_picture.parse_keys("/gpt<enter><0.5><tab>z") == ["/gpt", "\r", 0.5, "\t", "z"]
    assert make_picture.parse_keys("<esc><2>") == ["\x1b", 2.0]
    assert make_picture.parse_keys("<lt>a<left>") == ["<", "a", "\x1b[D"]
    assert make_picture.parse_keys("") == []


def test_unknown_key_is_refused() -> None:
    """A name that is no key says so, and what the keys are."""
    with pytest.raises(ValueError, match=r"<entr> is neither a number of seconds nor one of enter, "):
        make_picture.parse_keys("a<entr>")


def test_keys_are_pressed_one_after_another() -> None:
    """Keys reach the terminal of the command in their order; the terminal itself echoes them, so no one need read."""
    assert make_picture.record(["sleep", "60"], 40, 5, 0.0, ["a", 0.1, "b"]) == b"ab"


def test_command_that_ends_is_drawn_as_it_ended() -> None:
    """A command that ends before its time is no error, and what it wrote is there."""
    assert make_picture.record(["printf", "done"], 40, 5, 60.0, []) == b"done"
