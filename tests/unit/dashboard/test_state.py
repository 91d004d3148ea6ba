"""What each key makes of the state."""

import pytest

from gateway.dashboard.logview import LogView
from gateway.dashboard.state import Effect, Ui, press
from gateway.logs.ring import LogRecord


def pressed(*keys: str, ui: Ui | None = None, log: LogView | None = None) -> tuple[Ui, Effect]:
    """The state and the last effect after some keys."""
    ui, log, effect = ui or Ui(), log or LogView(), Effect.NONE
    for key in keys:
        ui, effect = press(ui, key, log, ("models", "log"))
    return ui, effect


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("q", Effect.QUIT),
        ("ctrl-c", Effect.QUIT),
        ("esc", Effect.QUIT),
        ("d", Effect.TOGGLE),
        ("ctrl-z", Effect.SUSPEND),
    ],
)
def test_effects(key: str, effect: Effect) -> None:
    """What the loop must do is said and leaves the picture alone."""
    assert pressed(key) == (Ui(), effect)


def test_unknown_keys_do_nothing() -> None:
    """A key without a binding changes nothing."""
    assert pressed("x", "alt-q", "漢") == (Ui(), Effect.NONE)


def test_windows() -> None:
    """Digits choose a window, and w goes through all."""
    assert pressed("1")[0].window_s == 60
    assert pressed("5")[0].window_s == 300
    assert [pressed(*"w" * times)[0].window_s for times in (1, 2, 3)] == [60, 300, 900]


def test_every_switch_goes_back() -> None:
    """Keys that switch something on switch it off again."""
    for key in ("f", "?", "l", "z"):
        assert pressed(key)[0] != Ui()
        assert pressed(key, key)[0] == Ui()


def test_esc_closes_from_the_inside_out() -> None:
    """Esc closes the overlay, then the zoom, then the filter, and only then quits."""
    ui, effect = pressed("/", "a", "enter", "z", "?")
    for closed in ({"help": False}, {"zoomed": False}, {"filter_text": ""}):
        ui, effect = pressed("esc", ui=ui)
        assert effect is Effect.NONE
        assert all(getattr(ui, name) == value for name, value in closed.items())
    assert pressed("esc", ui=ui)[1] is Effect.QUIT


def test_filter_takes_keys_as_text() -> None:
    """While the filter is typed every character is text, and only Ctrl-C quits."""
    log = LogView()
    ui, effect = pressed(*"/qd?", "backspace", "é", log=log)
    assert (ui.filter_text, log.filter.text, effect) == ("qdé", "qdé", Effect.NONE)
    assert pressed("ctrl-c", ui=ui)[1] is Effect.QUIT
    assert pressed("esc", ui=ui, log=log)[0] == Ui()
    assert log.filter.text == ""


def test_focus_goes_around_the_panels_on_the_screen() -> None:
    """Tab visits the panels that are there, and starts over from one that is not."""
    assert [pressed(*["tab"] * times)[0].focus for times in (1, 2)] == ["models", "log"]
    assert pressed("shift-tab")[0].focus == "models"
    assert pressed("tab", ui=Ui(focus="tokens"))[0].focus == "models"


def test_freezing_holds_the_log_and_going_on_follows() -> None:
    """Freeze stops the log where it is, and the same key goes on."""
    log = LogView()
    log.add([LogRecord(1, 1, "info", "line", "worker-0", {})])
    ui, _ = pressed("f", log=log)
    assert (ui.frozen, log.following) == (True, False)
    ui, _ = pressed("f", ui=ui, log=log)
    assert (ui.frozen, log.following) == (False, True)
