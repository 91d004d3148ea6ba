"""What the colours are held to, what is read from the environment, and how rows are painted."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import combinations, pairwise

import pytest
from wcwidth import wcwidth

from gateway.dashboard.text import cells
from gateway.dashboard.theme import GLYPHS, INKS, Glyphs, Ink, charset, color_depth, make_theme, plain
from gateway.metrics.outcome import ERRORS
from tests.support.colors import SIGHTS, TERMINALS, Rgb, contrast, distance, oklab, rgb, xterm_256

UTF8 = {"LANG": "C.UTF-8"}
DEPTHS: Mapping[str, Mapping[str, str]] = {
    "truecolor": {**UTF8, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {**UTF8, "TERM": "xterm-256color"},
    "16": {**UTF8, "TERM": "xterm"},
    "none": {**UTF8, "TERM": "xterm", "NO_COLOR": "1"},
}
BACKGROUNDS = {name: ("ffffff", "fafafa") if name == "light" else ("000000", "1e1e1e") for name in INKS}
# Whose eyes a theme is for. The colours for eyes without green cones are also those for eyes without red ones.
EYES = {
    "dark": ("normal",),
    "light": ("normal",),
    "high-contrast": ("normal",),
    "deuteranopia": ("normal", "protanopia", "deuteranopia"),
    "tritanopia": ("normal", "tritanopia"),
}
SIDE_BY_SIDE = (
    ("p50", "p95", "p99"),
    tuple(f"error.{kind.label}" for kind in ERRORS),
    ("tokens.in", "tokens.out"),
    ("live", "halt", "error"),
    ("info", "warning", "error"),
)
HEAT = [f"heat.{level}" for level in range(1, 8)]
NOT_TEXT = {"border", "border.focus", *HEAT}


def in_colors(ink: Ink) -> dict[str, Rgb]:
    """The colours of a role in the two depths where the theme chooses them; none if it takes the terminal's own."""
    if ink.rgb is None or ink.indexed is None:
        assert ink.rgb is ink.indexed is ink.basic is None
        return {}
    return {"truecolor": rgb(ink.rgb), "256": xterm_256(ink.indexed)}


def colors_of(name: str, roles: tuple[str, ...] | list[str]) -> Iterator[tuple[str, list[Rgb]]]:
    """For each of the two depths the colours of these roles."""
    for depth in ("truecolor", "256"):
        yield depth, [in_colors(INKS[name][role])[depth] for role in roles]


@pytest.mark.parametrize("name", INKS)
def test_everything_can_be_read(name: str) -> None:
    """Text has a contrast of 4.5, in high-contrast of 7, and what is not text of 3, on each assumed background."""
    text = 7.0 if name == "high-contrast" else 4.5
    for role, ink in INKS[name].items():
        for depth, color in in_colors(ink).items():
            for background in BACKGROUNDS[name]:
                least = 3.0 if role in NOT_TEXT else text
                assert contrast(color, rgb(background)) >= least, (role, depth, background)


@pytest.mark.parametrize("name", INKS)
def test_sixteen_colours_are_readable_in_every_common_palette(name: str) -> None:
    """Of the colours that the terminal chooses, only those are used that have a contrast of 3 in each palette."""
    ground = 15 if name == "light" else 0
    for role, ink in INKS[name].items():
        # A frame says nothing: where it is too dark to be seen, nothing is lost.
        if ink.basic is None or role == "border":
            continue
        index = ink.basic - 30 if ink.basic < 90 else ink.basic - 82
        for terminal, palette in TERMINALS.items():
            assert contrast(rgb(palette[index]), rgb(palette[ground])) >= 3.0, (role, terminal)


@pytest.mark.parametrize("name", INKS)
def test_colours_side_by_side_stay_apart(name: str) -> None:
    """What stands side by side and means different things is 0.1 apart in OKLab, in the eyes that the theme is for."""
    for roles in SIDE_BY_SIDE:
        for depth, colors in colors_of(name, roles):
            for sight in EYES[name]:
                for one, other in combinations(zip(roles, colors, strict=True), 2):
                    assert distance(one[1], other[1], sight) >= 0.1, (depth, sight, one[0], other[0])


@pytest.mark.parametrize("name", INKS)
def test_sixteen_colours_side_by_side_differ(name: str) -> None:
    """With sixteen colours too, roles side by side have different ones."""
    for roles in SIDE_BY_SIDE:
        assert len({INKS[name][role].basic for role in roles}) == len(roles)


@pytest.mark.parametrize("name", INKS)
def test_heat_is_an_even_ramp_to_every_eye(name: str) -> None:
    """Each level is lighter than the one before, or darker on a light ground, to all eyes, and the steps are even."""
    for depth, colors in colors_of(name, HEAT):
        steps = [distance(one, other) for one, other in pairwise(colors)]
        assert max(steps) <= min(steps) * (1.15 if depth == "truecolor" else 2.1), depth
        for sight in SIGHTS:
            lightness = [oklab(color, sight)[0] for color in colors]
            rises = [after - before for before, after in pairwise(lightness)]
            assert min(rises) >= 0.028 or max(rises) <= -0.028, (depth, sight)
            assert min(distance(one, other, sight) for one, other in pairwise(colors)) >= 0.035, (depth, sight)


@pytest.mark.parametrize("charset_environ", [{"LANG": "C.UTF-8"}, {"LANG": "C"}])
@pytest.mark.parametrize("name", INKS)
def test_heat_levels_differ_with_sixteen_colours(name: str, charset_environ: Mapping[str, str]) -> None:
    """With sixteen colours sign and colour together tell all seven levels apart; the empty level is blank."""
    theme = make_theme(name, {**charset_environ, "TERM": "xterm"})
    painted = [theme.painted(role, sign) for role, sign in zip(HEAT, theme.shades[1:], strict=True)]
    assert len(set(painted)) == 7
    assert theme.shades[0] == " "


def test_themes_have_the_same_roles() -> None:
    """No panel can ask a theme for a role that it lacks."""
    assert len({frozenset(inks) for inks in INKS.values()}) == 1


@pytest.mark.parametrize("name", INKS)
def test_no_color_leaves_no_colour(name: str) -> None:
    """Without colours only bold, underline and reverse are left, and they still mark what must be found."""
    pairs = make_theme(name, DEPTHS["none"]).pairs
    ons = {role: on for role, (on, _) in pairs.items()}
    assert set(ons.values()) == {"", "\x1b[1m", "\x1b[4m", "\x1b[7m", "\x1b[1;4m", "\x1b[1;7m"}
    assert (ons["selected"], ons["cursor"], ons["banner"]) == ("\x1b[7m", "\x1b[7m", "\x1b[1;7m")
    assert (ons["match"], ons["wrong"]) == ("\x1b[1;4m", "\x1b[4m")


@pytest.mark.parametrize("name", INKS)
def test_each_depth_has_its_own_sequences(name: str) -> None:
    """A colour is an RGB value, an index or a number of sixteen, as the terminal takes it."""
    signs = {"truecolor": "38;2;", "256": "38;5;", "16": "m", "none": "m"}
    for depth, environ in DEPTHS.items():
        theme = make_theme(name, environ)
        assert theme.depth == depth
        on, off = theme.pairs["p99"]
        assert signs[depth] in on or depth == "none"
        assert (on == "") == (off == "") == (depth == "none")


def test_terminal_without_attributes_gets_none() -> None:
    """A terminal that is called dumb gets text and nothing else."""
    assert set(make_theme("dark", {"TERM": "dumb"}).pairs.values()) == {("", "")}


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, "truecolor"),
        ({"TERM": "xterm-256color", "COLORTERM": "yes"}, "256"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "tmux-256color", "COLORTERM": "truecolor", "TMUX": "/tmp/t,1,0"}, "truecolor"),
        ({"TERM": "screen-256color", "COLORTERM": "truecolor", "TMUX": "/tmp/t,1,0"}, "truecolor"),
        ({"TERM": "screen-256color", "COLORTERM": "truecolor", "STY": "1.pts-0"}, "256"),
        ({"TERM": "screen", "COLORTERM": "truecolor"}, "16"),
        ({"TERM": "xterm-kitty"}, "truecolor"),
        ({"TERM": "alacritty"}, "truecolor"),
        ({"TERM": "foot-extra"}, "truecolor"),
        ({"TERM": "xterm-ghostty"}, "truecolor"),
        ({"TERM": "wezterm"}, "truecolor"),
        ({"TERM": "konsole-direct"}, "truecolor"),
        ({"TERM": "vte-256color"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "xterm-16color"}, "16"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "vt220"}, "none"),
        ({"TERM": "xterm-mono"}, "none"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({"TERM": "", "COLORTERM": "truecolor"}, "none"),
        ({}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-kitty", "COLORTERM": "truecolor", "NO_COLOR": "0"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1", "FORCE_COLOR": "3", "CLICOLOR_FORCE": "1"}, "none"),
        ({"TERM": "xterm-256color", "FORCE_COLOR": "0", "CLICOLOR": "0"}, "256"),
    ],
)
def test_colour_depth(environ: dict[str, str], depth: str) -> None:
    """Colours follow TERM and COLORTERM, and a NO_COLOR that is not empty turns them off."""
    assert color_depth(environ) == depth


@pytest.mark.parametrize(
    ("environ", "signs"),
    [
        ({"LANG": "en_US.UTF-8"}, "braille"),
        ({"LC_CTYPE": "C.utf8"}, "braille"),
        ({"LC_CTYPE": "UTF-8"}, "braille"),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "ascii"),
        ({"LC_ALL": "", "LC_CTYPE": "", "LANG": "en_US.UTF-8"}, "braille"),
        ({"LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"}, "ascii"),
        ({"LC_ALL": "de_DE.UTF-8", "LC_CTYPE": "C", "LANG": "C"}, "braille"),
        ({"LANG": "de_DE"}, "ascii"),
        ({}, "ascii"),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "block"),
        ({"LANG": "C", "TERM": "linux"}, "ascii"),
    ],
)
def test_character_set(environ: dict[str, str], signs: str) -> None:
    """The locale decides about signs, LC_ALL before LC_CTYPE before LANG, and the console has no braille."""
    assert charset(environ) == signs


def test_every_sign_has_a_counterpart_of_one_cell() -> None:
    """The three sets have the same signs, each of one cell, and those of the ascii set are ASCII."""
    for field in fields(Glyphs):
        signs = [getattr(glyphs, field.name) for glyphs in GLYPHS.values()]
        assert len({len(sign) for sign in signs}) == 1, field.name
        assert all(wcwidth(char) == 1 for sign in signs for char in sign), field.name
        assert getattr(GLYPHS["ascii"], field.name).isascii()


def test_console_signs_are_in_its_code_page() -> None:
    """The console is sent nothing that a font of code page 437 lacks; its first 32 places hold arrows and shapes."""
    shapes = "☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
    for field in fields(Glyphs):
        for sign in getattr(GLYPHS["block"], field.name):
            assert sign in shapes or sign.encode("cp437")


def test_signs_that_must_differ_do() -> None:
    """In every set the error types, the marks, the states and the ends of the ramps cannot be taken for each other."""
    for glyphs in GLYPHS.values():
        for signs in (glyphs.stack, glyphs.marks, glyphs.states, glyphs.order, glyphs.arrows):
            assert len(set(signs)) == len(signs)
        for ramp in (glyphs.levels, glyphs.eighths, glyphs.shades):
            assert ramp[0] == " "
            # What is above zero is never drawn as nothing.
            assert " " not in ramp[1:]
    assert len(set(GLYPHS["ascii"].shades)) == 8


def test_stack_is_solid_only_where_colours_tell() -> None:
    """With many colours the error types are whole cells; without, or in ASCII, each is the first letter of its name."""
    assert make_theme("dark", DEPTHS["truecolor"]).stack == "█████"
    assert make_theme("dark", DEPTHS["truecolor"]).shades == " ███████"
    initials = "".join(kind.label[0] for kind in ERRORS)
    for environ in (DEPTHS["16"], DEPTHS["none"], {"TERM": "xterm-256color"}):
        assert make_theme("dark", environ).stack == initials


def test_ascii_row_keeps_its_width() -> None:
    """Without UTF-8 a row is ASCII, and each sign is replaced by as many cells as it has."""
    theme = make_theme("dark", {})
    assert theme.paint([("text", "╭─ 漢字 … ▇")], 12) == "+- ???? ~ * "
    assert theme.paint([("text", "漢字漢字")], 6) == "????~ "
    assert theme.painted("text", "résumé e\u0331 ≠ ⠿ 🙂") == "resume e ? ? ??"


def test_console_row_has_signs_of_the_console() -> None:
    """On the console round corners and eighths become what its font has, and everything else stays."""
    theme = make_theme("dark", {"TERM": "linux", "LANG": "C.UTF-8"})
    assert theme.painted("text", "╭─╮ ▁▄█ ● é") == "┌─┐ _▄█ • é"


def test_painted_segment_is_wrapped_in_its_role() -> None:
    """A segment stands between the sequences of its role; no text needs none."""
    theme = make_theme("dark", DEPTHS["256"])
    assert theme.painted("p99", "9.4s") == "\x1b[38;5;210m9.4s\x1b[0m"
    assert theme.painted("text", "9.4s") == "9.4s"
    assert theme.painted("p99", "") == ""
    assert theme.painted("match", "gpt") == "\x1b[1;4;38;5;221mgpt\x1b[0m"


def test_uncertain_width_is_followed_by_an_absolute_move() -> None:
    """After a character on whose width terminals disagree, the border is placed by its column."""
    theme = make_theme("dark", {"LANG": "C.UTF-8"})
    assert theme.paint([("text", "漢")], 4, 20) == "漢  \x1b[20G"
    assert theme.paint([("text", "ab")], 4, 20) == "ab  "
    assert theme.paint([("text", "é─")], 4, 20) == "é─  "
    assert plain(theme.paint([("text", "漢")], 4, 20)) == "漢  "
    assert make_theme("dark", {}).paint([("text", "漢")], 4, 20) == "??  "
    assert cells("漢") == 2
