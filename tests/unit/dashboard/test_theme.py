"""What is read from the environment, and how rows are painted."""

import pytest

from gateway.dashboard.theme import INKS, charset, color_depth, make_theme


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
        ({"TERM": "tmux-256color"}, "256"),
        ({"TERM": "xterm-kitty"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ({}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
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
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "ascii"),
        ({}, "ascii"),
        ({"LANG": "C.UTF-8", "TERM": "linux"}, "block"),
    ],
)
def test_character_set(environ: dict[str, str], signs: str) -> None:
    """The locale decides about signs, LC_ALL before LC_CTYPE before LANG, and the console has no braille."""
    assert charset(environ) == signs


def test_themes_have_the_same_roles() -> None:
    """No panel can ask a theme for a role that it lacks."""
    assert len({frozenset(inks) for inks in INKS.values()}) == 1


def test_no_color_leaves_no_colour() -> None:
    """Without colours only bold and reverse are left."""
    theme = make_theme("dark", {"TERM": "xterm", "NO_COLOR": "1"})
    assert {on for on, _ in theme.pairs.values()} == {"", "\x1b[1m", "\x1b[7m"}


def test_ascii_text_keeps_its_width() -> None:
    """Without UTF-8 a text is ASCII and as wide as it was."""
    assert make_theme("dark", {}).painted("text", "╭─ 漢字 … ▇") == "+- ???? ~ *"
