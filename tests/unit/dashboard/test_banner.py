"""The line that says that the gateway is gone."""

import pytest

from gateway.dashboard.banner import banner
from gateway.dashboard.text import cells
from gateway.dashboard.theme import make_theme, plain
from tests.support.dashboard_scene import PLAIN

THEME = make_theme("dark", PLAIN)


def test_it_says_for_how_long_and_what_is_waited_for() -> None:
    """The age, the address, and that the figures are old."""
    tile = banner(75.0, "http://127.0.0.1:8000", "", THEME, 100, 30)
    assert plain(tile.rows[0]).rstrip() == (
        " ■ gateway stopped 1m15s ago; waiting for 127.0.0.1:8000; these are its last figures"
    )
    assert (tile.rect.y, tile.rect.width, tile.rect.height) == (28, 100, 1)


def test_a_problem_takes_the_place_of_waiting() -> None:
    """Why the gateway that is back cannot be shown."""
    tile = banner(0.0, "http://127.0.0.1:8000", "its successor is of another version", THEME, 100, 30)
    assert "0s ago; its successor is of another version; these" in plain(tile.rows[0])


@pytest.mark.parametrize(("columns", "rows"), [(40, 10), (1, 1), (0, 0), (300, 100)])
def test_it_fits_every_terminal(columns: int, rows: int) -> None:
    """Exactly as wide as the screen, and on it."""
    tile = banner(12.0, "http://127.0.0.1:8000", "", THEME, columns, rows)
    assert cells(plain(tile.rows[0])) == columns
    assert 0 <= tile.rect.y < max(1, rows)
