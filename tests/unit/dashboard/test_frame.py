"""Whole pictures, as the text that a terminal shows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyte
import pytest

from gateway.dashboard.compositor import Screen
from gateway.dashboard.edges import help_rows_hidden
from gateway.dashboard.frame import build_tiles
from gateway.dashboard.series import SECOND_NS
from gateway.dashboard.state import Order, Ui
from gateway.dashboard.view import View
from gateway.metrics.snapshot import ChartData
from tests.support.dashboard_scene import NOW_NS, TRUECOLOR, make_new_snapshot, make_records, make_scene

SORTED = Ui(log_scale=True, focus="models", orders={"models": Order("err")}, selected={"models": "gpt-4.1"})
GOLDEN = Path(__file__).parent / "golden"


def picture(view: View, columns: int, rows: int) -> list[str]:
    """What a terminal shows of a frame; a wide character takes two places, the second one empty."""
    terminal = pyte.Screen(columns, rows)
    show(Screen(pyte.Stream(terminal).feed, 4), view, columns, rows)
    return ["".join(terminal.buffer[y][x].data for x in range(columns)) for y in range(rows)]


def show(screen: Screen, view: View, columns: int, rows: int, *, force: bool = False) -> None:
    """Draw a view."""
    screen.show(build_tiles(view, columns, rows), view.theme, (columns, rows), force=force)


@pytest.mark.parametrize(
    ("name", "columns", "rows", "given"),
    [
        ("standard", 80, 24, {}),
        ("full", 140, 40, {}),
        ("middle", 100, 30, {"ui": SORTED}),
        ("portrait", 60, 44, {}),
        ("line", 60, 2, {}),
        ("cursor", 140, 40, {"ui": Ui(heat=True, focus="latency", cursor_ns=NOW_NS - 200 * SECOND_NS)}),
        ("compact", 40, 10, {}),
        ("help", 80, 24, {"ui": Ui(help=True)}),
        ("ascii", 80, 24, {"environ": {"TERM": "xterm"}}),
        ("first", 80, 24, {"records": [], "chart": ChartData(NOW_NS, (), ())}),
    ],
)
def test_picture_is_as_drawn(name: str, columns: int, rows: int, given: dict[str, Any]) -> None:
    """The made-up gateway looks, character by character, as in the file; delete the file to draw it anew."""
    if name == "first":
        given = {**given, "snapshot": make_new_snapshot()}
    text = "\n".join(picture(make_scene(**given), columns, rows)) + "\n"
    golden = GOLDEN / f"{name}.txt"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden} is drawn anew; look at it")
    assert text == golden.read_text(encoding="utf-8")


def test_states_of_the_feed_are_words() -> None:
    """Live, frozen, stale and stopped can be told apart without colour."""
    late = ChartData(NOW_NS + 7 * 10**9, make_scene().history.scalars, ())
    views = [make_scene(), make_scene(ui=Ui(frozen=True)), make_scene(chart=late), make_scene(stopped=True)]
    for view, word in zip(views, ("● live", "‖ frozen", "◌ stale 7s", "■ gateway stopped"), strict=True):
        assert word in picture(view, 80, 24)[0]


def test_small_terminal_is_told_what_is_needed() -> None:
    """Below the smallest size there is no picture, but the size that it needs."""
    assert picture(make_scene(), 12, 3) == ["needs 20x1  ", "is 12x3     ", "q quits     "]


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 10), (20, 1), (12, 3)])
def test_question_and_notice_stand_in_the_last_row_of_every_layout(size: tuple[int, int]) -> None:
    """What Esc asks and what became of a key is seen at every size, and the footer comes back after it."""
    asked = picture(make_scene(ui=Ui(owns_gateway=True, asking=True)), *size)[-1]
    assert asked.startswith(" Stop the gateway? y yes  Esc no" if size[0] >= 40 else " Stop? y ye")
    assert picture(make_scene(ui=Ui(notice="no, thanks")), *size)[-1].rstrip() == " no, thanks"
    assert picture(make_scene(), *size)[-1] not in (asked, " no, thanks")


def test_keys_are_listed_at_every_size_that_has_figures() -> None:
    """Without room for a box they are a list that fills the screen, scrolls, and breaks what is too long."""
    assert picture(make_scene(ui=Ui(help=True)), 20, 4) == [
        "↑ ↓ more, Esc closes",
        "program             ",
        "q quit (also Ctrl-C)",
        "d hide, follow the  ",
    ]
    assert picture(make_scene(ui=Ui(help=True, help_row=4)), 20, 2) == ["  log; back         ", "f freeze; again to  "]
    end = help_rows_hidden(20, 1)
    assert picture(make_scene(ui=Ui(help=True, help_row=end)), 20, 1) == ["  newest and follow "]


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (20, 5), (20, 1)])
def test_end_of_what_is_typed_is_on_the_screen(size: tuple[int, int]) -> None:
    """A filter that is longer than the line shows its end, where one types, also where there is no footer."""
    typed = picture(make_scene(ui=Ui(filtering=True, filter_text="x" * 90 + "-end")), *size)[-1]
    assert typed.startswith(" / …x")
    assert typed.rstrip().endswith("x-end")
    assert picture(make_scene(ui=Ui(filtering=True, filter_text="gpt")), *size)[-1].startswith(" / gpt ")


@pytest.mark.parametrize("ui", [Ui(), Ui(heat=True), Ui(selected={"models": "echo"}), Ui(cursor_ns=NOW_NS - SECOND_NS)])
def test_colour_says_nothing_alone(ui: Ui) -> None:
    """The picture with all colours has the same text as the one without."""
    assert picture(make_scene(ui=ui, environ=TRUECOLOR), 140, 40) == picture(make_scene(ui=ui), 140, 40)


@pytest.mark.parametrize(("columns", "rows"), [(140, 40), (80, 24), (40, 10), (20, 1)])
def test_figures_that_are_not_real_say_so_at_every_size(columns: int, rows: int) -> None:
    """The label stands in the place of the gateway's name, and first in a single line."""
    labelled = picture(replace(make_scene(), label="synthetic traffic"), columns, rows)
    assert labelled[0].lstrip("╭ ").startswith("synthetic traffic")


def test_welcome_stands_below_the_first_request_to_try() -> None:
    """Until there is a model, its place says what to try, and what the caller wants said."""
    view = make_scene(snapshot=make_new_snapshot())
    shown = "\n".join(picture(replace(view, welcome=("providers  echo",)), 140, 40))
    assert "curl http://127.0.0.1:8000/v1/chat/completions" in shown
    assert "providers  echo" in shown


def test_only_what_changed_is_written_and_only_a_new_size_clears() -> None:
    """A picture that stays writes nothing; a new log line writes the rows of the log; a resize clears once."""
    written: list[str] = []
    screen = Screen(written.append, 4)
    view = make_scene()
    show(screen, view, 80, 24)
    show(screen, view, 80, 24)
    assert len(written) == 1
    view.log.add(make_records(3)[1:])
    show(screen, view, 80, 24)
    assert len(written) == 2
    assert written[1].startswith("\x1b[?2026h")
    assert {row for row in range(1, 25) if f"\x1b[{row};" in written[1]} == {19, 20, 21, 22, 23}
    show(screen, view, 100, 30)
    assert ["\x1b[2J" in text for text in written] == [True, False, True]


def test_overlay_and_what_it_covered_are_drawn_from_changes_alone() -> None:
    """Opening and closing an overlay leaves the same screen as drawing it from nothing."""
    terminal = pyte.Screen(80, 24)
    screen = Screen(pyte.Stream(terminal).feed, 4)
    for shown in (make_scene(), make_scene(ui=Ui(help=True)), make_scene(ui=Ui(window_s=60))):
        show(screen, shown, 80, 24)
        assert terminal.display == [row.rstrip("\n") for row in picture(shown, 80, 24)]
