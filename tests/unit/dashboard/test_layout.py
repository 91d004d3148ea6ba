"""Where the panels stand."""

import pytest

from gateway.dashboard.layout import FOCUSABLE, arrange


@pytest.mark.parametrize(
    ("columns", "rows", "kind"),
    [
        *((39, 10, "too small"), (40, 9, "too small"), (40, 10, "compact"), (79, 24, "compact"), (200, 23, "compact")),
        *((80, 24, "standard"), (99, 40, "standard"), (100, 30, "full"), (140, 40, "full")),
    ],
)
def test_kind_follows_size(columns: int, rows: int, kind: str) -> None:
    """Each size has the richest layout that fits."""
    assert arrange(columns, rows, models=5, workers=2).kind == kind


def test_full_has_every_panel_and_standard_all_but_two() -> None:
    """From 100x30 everything has a panel of its own; at 80x24 tokens and workers stand in the status."""
    assert arrange(100, 30, models=1, workers=1).focusable == FOCUSABLE
    assert set(FOCUSABLE) - set(arrange(80, 24, models=1, workers=1).focusable) == {"tokens", "workers"}


def test_table_grows_with_its_models() -> None:
    """On a high terminal every one of 17 models has its row."""
    assert arrange(140, 70, models=17, workers=2).panels["models"].height == 20


def test_zoomed_panel_has_the_screen() -> None:
    """A zoomed panel takes all but the status and the footer."""
    layout = arrange(80, 24, models=1, workers=1, zoomed="log")
    assert list(layout.panels) == ["status", "log", "footer"]
    assert layout.panels["log"].height == 20
