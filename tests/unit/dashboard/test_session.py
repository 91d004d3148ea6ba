"""A look at a gateway: freezing, the end of a gateway, and the one that follows."""

from datetime import UTC

import msgspec
import pytest

from gateway.dashboard.canvas import Tile
from gateway.dashboard.layout import PANELS
from gateway.dashboard.series import SECOND_NS
from gateway.dashboard.session import Session, Stopped
from gateway.metrics.snapshot import ChartData
from tests.support.dashboard_scene import (
    NOW_NS,
    PLAIN,
    UNIX_NS,
    make_chart,
    make_new_snapshot,
    make_records,
    make_snapshot,
)

SIZE = (100, 30)


@pytest.fixture
def session() -> Session:
    """A session with a busy gateway and forty log lines."""
    session = Session(
        (make_snapshot(), make_chart(60)), PLAIN, memory_bytes=1 << 34, wall_ns_at_zero=UNIX_NS - NOW_NS, zone=UTC
    )
    session.take_log(make_records(), 0)
    return session


def press(session: Session, *keys: str) -> None:
    """Press keys."""
    for key in keys:
        session.press(key, SIZE, NOW_NS)


def texts(session: Session, now_ns: int = NOW_NS, size: tuple[int, int] = SIZE) -> dict[str, str]:
    """The text of every tile by its name."""

    def text(tile: Tile) -> str:
        return "\n".join("".join(text for _, text in row) for row in tile.rows)

    return {tile.name: text(tile) for tile in session.picture(size, now_ns)[0]}


@pytest.mark.parametrize(("label", "window"), [("", "-15m"), ("synthetic traffic", "-60s")])
def test_synthetic_traffic_begins_with_the_last_minute(label: str, window: str) -> None:
    """A demo fills its charts within seconds; a gateway begins with all that it has."""
    figures = make_snapshot(), make_chart(60)
    session = Session(figures, PLAIN, memory_bytes=1 << 34, wall_ns_at_zero=UNIX_NS - NOW_NS, label=label)
    assert window in texts(session)["requests"]


@pytest.mark.parametrize("size", [(100, 30), (40, 10)])
def test_zoom_goes_with_the_focus(session: Session, size: tuple[int, int]) -> None:
    """Tab fills the screen with one panel after the other, also with those that have no room beside others."""
    session.press("z", size, NOW_NS)
    seen = []
    for _ in PANELS:
        session.press("tab", size, NOW_NS)
        seen += [name for name in texts(session, size=size) if name in PANELS]
    assert seen == list(PANELS)


def busier() -> tuple[object, ChartData]:
    """Figures of a later moment."""
    return msgspec.structs.replace(make_snapshot(), active=777), make_chart(60)


def test_frozen_picture_stays_and_its_age_is_told(session: Session) -> None:
    """New log lines do not change a frozen picture; a banner says for how long it has been standing still."""
    press(session, "f")
    before = texts(session)
    session.take_log(make_records(7), 3)
    after = texts(session, NOW_NS + 42 * SECOND_NS)
    assert "frozen 42s ago" in after.pop("banner")
    assert "frozen 0s ago" in before.pop("banner")
    assert after == before


def test_nothing_is_lost_while_frozen(session: Session) -> None:
    """Once the picture goes on, the lines that came meanwhile are there."""
    press(session, "f")
    session.take_log(make_records(7), 3)
    assert "40 records" in texts(session)["log"]
    press(session, "f")
    shown = texts(session)["log"]
    assert "47 records" in shown
    assert "3 lost" in shown


@pytest.mark.parametrize("size", [(20, 2), (40, 10), (60, 24), (80, 24), (140, 40)])
@pytest.mark.parametrize("keys", ["", "?", "Oz", "\r"])
def test_new_lines_change_what_shows_the_log_and_nothing_else(
    session: Session, size: tuple[int, int], keys: str
) -> None:
    """With new log lines the picture is the one that would be drawn from nothing, wherever the log stands."""
    for key in keys:
        session.press("enter" if key == "\r" else key, size, NOW_NS)
    before = session.picture(size, NOW_NS)[0]
    session.take_log(make_records(9), 1)
    after = session.picture(size, NOW_NS)[0]
    session.changed()
    assert session.picture(size, NOW_NS)[0] == after
    assert {new.name for old, new in zip(before, after, strict=True) if old != new} <= {"log", "log lines", "details"}


def test_lines_that_were_passed_over_are_counted(session: Session) -> None:
    """They were records of the log, though nobody has to see them."""
    session.take_log([], 0, 1200)
    assert f"{1200 + len(make_records()):,} records" in texts(session)["log"]


def test_after_a_minute_an_age_goes_on_in_steps(session: Session) -> None:
    """By ten seconds, so that a picture that stands still is not drawn every second."""
    press(session, "f")
    ages = {}
    for seconds in (0, 59, 61, 69, 70):
        now_ns = NOW_NS + seconds * SECOND_NS
        ages[seconds] = texts(session, now_ns)["banner"].split()[2], session.banner_s(now_ns)
    assert ages == {0: ("0s", 1), 59: ("59s", 1), 61: ("1m00s", 10), 69: ("1m00s", 10), 70: ("1m10s", 10)}


def test_keys_work_on_a_frozen_picture(session: Session) -> None:
    """Scrolling, sorting, filtering and the cursor change what is shown of the frozen moment."""
    press(session, "f")
    frozen = texts(session)
    press(session, *"/opus", "enter")
    session.take_log(make_records(30), 0)
    filtered = texts(session)["log"]
    assert "claude-opus-4" in filtered
    assert "gpt" not in filtered
    assert "40 records" in filtered
    press(session, "s", "left", "up")
    assert texts(session)["models"] != frozen["models"]
    assert texts(session)["requests"] != frozen["requests"]


def test_filter_that_was_typed_while_frozen_stays_in_force(session: Session) -> None:
    """Going on does not undo what was asked for."""
    press(session, "f", *"/opus", "enter", "f")
    assert "gpt" not in texts(session)["log"]


def test_stopped_gateway_is_told_with_its_last_figures(session: Session) -> None:
    """The banner says for how long it has been gone and what is waited for; the figures stay."""
    session.stopped = Stopped(NOW_NS, "http://127.0.0.1:8000")
    session.changed()
    shown = texts(session, NOW_NS + 4 * SECOND_NS)
    assert "gateway stopped 4s ago; waiting for 127.0.0.1:8000; these are its last figures" in shown["banner"]
    assert "■ gateway stopped" in shown["status"]
    assert "gpt-4.1-mini" in shown["models"]


def test_stopped_gateway_whose_end_was_not_read_is_not_said_to_show_it(session: Session) -> None:
    """Figures that were frozen or hidden when it stopped are not its last ones."""
    session.stopped = Stopped(NOW_NS, "http://127.0.0.1:8000", missed=True)
    assert "waiting for 127.0.0.1:8000; these figures are older" in texts(session)["banner"]


def test_successor_of_another_version_is_told(session: Session) -> None:
    """Where the gateway that came back cannot be shown, the banner says why."""
    session.stopped = Stopped(NOW_NS, "http://127.0.0.1:8000", "its successor with pid 7 cannot be shown")
    assert "its successor with pid 7 cannot be shown" in texts(session)["banner"]


def test_successor_begins_with_its_own_history_and_the_log_goes_on(session: Session) -> None:
    """The figures of the gateway that is gone are forgotten, its log lines are not."""
    session.start(make_new_snapshot(), ChartData(NOW_NS, (), ()), "")
    shown = texts(session)
    assert "no requests yet" in shown["models"]
    assert "40 records" in shown["log"]


def test_line_of_a_tiny_terminal_says_what_state_it_is_in(session: Session) -> None:
    """Where there is no room for a banner, the first words tell of it."""
    press(session, "f")
    assert texts(session, size=(40, 1))["line"].startswith("‖ frozen")


def test_frozen_picture_outlives_its_gateway(session: Session) -> None:
    """A successor changes nothing in it but the banner, and is shown when the picture goes on."""
    press(session, "f")
    before = texts(session)
    session.start(make_new_snapshot(), ChartData(NOW_NS, (), ()), "synthetic traffic")
    after = texts(session)
    assert "its gateway was followed by another; f goes on" in after.pop("banner")
    assert before.pop("banner")
    assert after == before
    press(session, "f")
    assert "no requests yet" in texts(session)["models"]
    assert "synthetic traffic" in texts(session)["status"]
