"""The ground of the terminal: what the environment and the terminal say, and what follows."""

from collections.abc import Mapping

import pytest

from gateway.dashboard import background


@pytest.mark.parametrize(
    ("value", "theme"),
    [
        *(("15;0", "dark"), ("0;15", "light"), ("0;default;15", "light"), ("7;8", "dark"), ("0;7", "light")),
        *((None, None), ("", None), ("15;default", None), ("15;16", None), ("0;²", None), ("dark", None)),
    ],
)
def test_colorfgbg_names_the_ground(value: str | None, theme: str | None) -> None:
    """Its last field is one of sixteen colours, of which half are light; anything else says nothing."""
    assert background.told({} if value is None else {"COLORFGBG": value}) == theme


@pytest.mark.parametrize(
    ("color", "theme"),
    [
        *(("rgb:ffff/ffff/ffff", "light"), ("rgb:0000/0000/0000", "dark"), ("rgb:1e1e/1e1e/1e1e", "dark")),
        *(("rgb:fd/f6/e3", "light"), ("rgb:0/2/3", "dark"), ("rgba:ffff/ffff/ffff/8000", "light")),
        *(("#fff", "light"), ("#002b36", "dark"), ("#000011112222", "dark"), ("RGB:FFFF/FFFF/FFFF", "light")),
        # The balance: black and white letters are read as well as each other at about #757575.
        *(("#747474", "dark"), ("#777777", "light"), ("#0000ff", "dark"), ("#ffff00", "light")),
        *(("", None), ("hello", None), ("rgb:ff/ff", None), ("rgb:fffff/0/0", None), ("#12", None), ("#12345", None)),
    ],
)
def test_the_theme_is_the_one_that_can_be_read_on_the_ground(color: str, theme: str | None) -> None:
    """Whichever of black and white has the better contrast decides; what is no colour decides nothing."""
    assert background.theme_on(color) == theme


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "tmux-256color", "NO_COLOR": ""}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "linux"}, False),
        ({}, False),
    ],
)
def test_a_terminal_is_asked_only_where_the_answer_matters(environ: Mapping[str, str], asked: bool) -> None:
    """Without colours every theme looks the same, and the console of Linux is black."""
    assert background.may_ask(environ) is asked
