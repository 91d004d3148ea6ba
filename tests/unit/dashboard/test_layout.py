"""Where the panels stand."""

import itertools

import pytest

from gateway.dashboard.layout import PANELS, arrange


@pytest.mark.parametrize(
    ("columns", "rows", "kind"),
    [
        *((19, 24, "too small"), (0, 0, "too small"), (20, 1, "line"), (39, 24, "line"), (80, 9, "line")),
        *((40, 10, "compact"), (59, 18, "compact"), (79, 17, "compact"), (200, 16, "compact")),
        *((40, 19, "portrait"), (60, 18, "portrait"), (60, 50, "portrait"), (79, 24, "portrait")),
        *((80, 17, "standard"), (80, 24, "standard"), (99, 40, "standard"), (120, 29, "standard")),
        *((100, 30, "normal"), (139, 40, "normal"), (140, 39, "normal"), (140, 40, "wide"), (400, 150, "wide")),
    ],
)
def test_kind_follows_size(columns: int, rows: int, kind: str) -> None:
    """Each size has the richest layout that fits."""
    assert arrange(columns, rows, models=5, workers=2).kind == kind


@pytest.mark.parametrize(("columns", "rows"), [(140, 40), (100, 30), (80, 24), (80, 22), (60, 40), (40, 50)])
def test_every_panel_is_there(columns: int, rows: int) -> None:
    """The full information is on 80x24, on all that is larger, and on what is narrower and high enough."""
    assert set(arrange(columns, rows, models=1, workers=1).focusable) == set(PANELS)


def test_portrait_takes_in_more_panels_the_higher_it_is() -> None:
    """A narrow terminal begins with charts and log, then come models, errors, tokens and workers."""
    shown = [arrange(60, rows, models=1, workers=1).focusable for rows in range(18, 39)]
    assert set(shown[0]) == {"requests", "latency", "log"}
    added = [set(after) - set(before) for before, after in itertools.pairwise(shown)]
    assert [panels for panels in added if panels] == [{"models"}, {"errors"}, {"tokens"}, {"workers"}]


@pytest.mark.parametrize(("columns", "rows", "closed"), [(80, 24, False), (80, 30, True), (60, 60, False)])
def test_low_and_narrow_terminals_have_open_panels(columns: int, rows: int, closed: bool) -> None:
    """Where rows are short, no panel has a line at its foot: what stands below closes it."""
    panels = arrange(columns, rows, models=1, workers=1).panels
    assert {rect.open for name, rect in panels.items() if name != "footer"} == {not closed}


def test_table_grows_with_its_models() -> None:
    """On a high terminal every one of 17 models has its row."""
    assert arrange(140, 80, models=17, workers=2).panels["models"].height == 20


def test_zoomed_panel_has_the_screen() -> None:
    """A zoomed panel takes all but the status and the footer, and on a low terminal all but the footer."""
    layout = arrange(80, 24, models=1, workers=1, zoomed="log")
    assert list(layout.panels) == ["status", "log", "footer"]
    assert layout.panels["log"].height == 20
    assert list(arrange(40, 10, models=1, workers=1, zoomed="latency").panels) == ["latency", "footer"]


def test_dropped_panels_leave_their_room_to_the_others() -> None:
    """Without its neighbour a chart has the whole width, without its band the others are higher."""
    assert arrange(80, 24, models=5, workers=1, dropped={"latency"}).panels["requests"].width == 80
    with_tables = arrange(80, 24, models=5, workers=1).panels["requests"].inner_height
    without = arrange(80, 24, models=5, workers=1, dropped={"errors", "models", "tokens", "workers"})
    assert without.panels["requests"].inner_height > with_tables


def test_fewer_panels_need_a_smaller_terminal() -> None:
    """Where not all panels fit, those that are left when others are dropped do."""
    assert arrange(80, 16, models=5, workers=1).kind == "compact"
    assert arrange(80, 16, models=5, workers=1, dropped={"errors", "models"}).kind == "standard"
    assert arrange(40, 10, models=5, workers=1, dropped=set(PANELS) - {"latency"}).kind == "portrait"
