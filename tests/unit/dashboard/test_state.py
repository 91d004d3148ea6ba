"""What each key makes of the state."""

from dataclasses import replace

import pytest

from gateway.dashboard.layout import PANELS
from gateway.dashboard.logview import LogView
from gateway.dashboard.state import LEVELS, THEMES, Effect, Order, Stage, Ui, press
from gateway.logs.ring import LogRecord
from tests.support.dashboard_scene import make_records

STAGE = Stage(
    panels=("models", "log"),
    columns={"models": ["rate", "err", "model"], "workers": ["slot", "cpu"]},
    rows={"models": ["gpt", "claude"], "workers": ["0", "1"], "errors": ["auth"]},
    oldest_ns=10,
    newest_ns=90,
    step_ns=20,
)


def pressed(*keys: str, ui: Ui | None = None, log: LogView | None = None, stage: Stage = STAGE) -> tuple[Ui, Effect]:
    """The state and the last effect after some keys."""
    ui, log, effect = ui or Ui(), log or LogView(), Effect.NONE
    for key in keys:
        ui, effect = press(ui, key, log, stage)
    return ui, effect


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("q", Effect.QUIT),
        ("ctrl-c", Effect.QUIT),
        ("ctrl-\\", Effect.QUIT),
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
    assert pressed("y", "alt-q", "漢") == (Ui(), Effect.NONE)


def test_digits_choose_a_window() -> None:
    """One, five and fifteen minutes have a key each."""
    assert [pressed(key)[0].window_s for key in "150"] == [60, 300, 900]


def test_theme_is_named_when_it_is_chosen() -> None:
    """Five of them follow each other, and two may look much the same; the next key takes the name away."""
    assert [pressed(*"t" * times)[0].notice for times in range(1, 6)] == [
        f"theme {name}" for name in (*THEMES[1:], THEMES[0])
    ]
    assert pressed("t", "?")[0].notice == ""


def test_without_colours_no_theme_is_chosen() -> None:
    """Where nothing has a colour all themes look the same; the key says so and leaves the theme alone."""
    ui, _ = pressed("t", stage=replace(STAGE, colored=False))
    assert ui == Ui(notice="colours are off: NO_COLOR or TERM says so")


def test_every_switch_goes_back() -> None:
    """Keys that switch something on switch it off again."""
    for key in ("f", "?", "l", "h", "z", "w", "R", "M"):
        assert pressed(key)[0] != Ui()
        assert replace(pressed(key, key)[0], notice="") == Ui()


@pytest.mark.parametrize("panel", ["log", "models", "tokens"])
def test_keys_leave_alone_what_a_zoomed_panel_hides(panel: str) -> None:
    """A key for another panel than the one that fills the screen only says which key brings that one back."""
    ui, stage = Ui(focus=panel, zoomed=True), replace(STAGE, shown=(panel, "footer"))
    log = LogView()
    log.add(make_records(30))
    log.visible(5)
    keys = {"log": ("pgup", "home", "/", "v", "w"), "models": "sr", "tokens": ("l", "left", "1"), "latency": "h"}
    for key in [key for name, theirs in keys.items() if name != panel for key in theirs]:
        changed, effect = pressed(key, ui=ui, log=log, stage=stage)
        assert (replace(changed, notice=""), effect) == (ui, Effect.NONE), key
        assert changed.notice.startswith("z brings back "), key
    assert log.following
    assert log.filter.text == ""


def test_key_for_a_dropped_panel_says_how_it_comes_back() -> None:
    """What nobody sees is not scrolled, sorted or filtered, and a row has no lines to show without the log."""
    gone = frozenset({"log", "models"})
    stage = replace(STAGE, panels=("errors",), shown=("errors", "footer"), unzoomed=("errors", "footer"))
    errors = Ui(focus="errors", dropped=gone, selected={"errors": "auth"})
    for key in ("/", "pgup", "enter"):
        assert pressed(key, ui=errors, stage=stage)[0] == replace(errors, notice="O brings back the log")
    assert pressed("s", ui=replace(errors, focus="log"), stage=stage)[0].notice == "M brings back models"


def test_arrows_move_the_log_when_the_table_in_focus_is_not_on_the_screen() -> None:
    """A terminal that was made smaller may have lost the table; the log is what is left to move in."""
    log = LogView()
    log.add(make_records(30))
    log.visible(5)
    small = replace(STAGE, panels=(), shown=("figures", "log lines"), unzoomed=("figures", "log lines"))
    ui, _ = pressed("up", ui=Ui(focus="models"), log=log, stage=small)
    assert ui == Ui(focus="models")
    assert not log.following
    assert pressed("s", ui=ui, stage=small)[0].notice == "no room for models"


def test_freezing_is_told_to_the_loop() -> None:
    """The loop keeps what is frozen, so it has to know."""
    ui, effect = pressed("f")
    assert (ui.frozen, effect) == (True, Effect.FREEZE)
    assert pressed("f", ui=ui) == (Ui(), Effect.FREEZE)


def test_esc_closes_from_the_inside_out_and_then_quits() -> None:
    """Esc closes one thing at a time and never quits while something is open."""
    log = LogView()
    log.add(make_records(30))
    log.visible(5)
    keys = ("f", "/", "gpt", "enter", "tab", "down", "left", "z", "tab", "enter", "?")
    ui, _ = pressed(*(part for key in keys for part in (key if key == "gpt" else [key])), log=log)
    closed = []
    for _ in range(20):
        before = ui
        ui, effect = press(ui, "esc", log, STAGE)
        if effect is Effect.QUIT:
            break
        closed += [
            name
            for name in ("help", "details", "zoomed", "cursor_ns", "selected", "filter_text", "frozen")
            if getattr(ui, name) != getattr(before, name)
        ]
    assert effect is Effect.QUIT
    assert closed == ["help", "details", "zoomed", "cursor_ns", "selected", "filter_text", "frozen"]


def test_filter_takes_keys_as_text() -> None:
    """While the filter is typed every character is text, and only Ctrl-C quits."""
    log = LogView()
    ui, effect = pressed(*"/qd?", "backspace", "é", log=log)
    assert (ui.filter_text, effect) == ("qdé", Effect.NONE)
    assert pressed("ctrl-c", ui=ui)[1] is Effect.QUIT
    assert pressed("ctrl-u", ui=ui)[0].filter_text == ""
    assert pressed("esc", ui=ui, log=log)[0] == Ui()


def test_level_narrows_the_log_beside_the_text() -> None:
    """The lowest level goes around, and the text of the filter stays."""
    log = LogView()
    log.add(make_records(30))
    levels = []
    ui = Ui()
    matching = [log.matching]
    for _ in LEVELS:
        ui, _ = pressed("v", ui=ui, log=log)
        levels.append(ui.level)
        matching.append(log.matching)
    assert levels == ["warning", "error", "info"]
    assert matching[0] == matching[3] > matching[1] >= matching[2]


def test_focus_goes_around_the_panels_on_the_screen() -> None:
    """Tab visits the panels that are there, and starts over from one that is not."""
    assert [pressed(*["tab"] * times)[0].focus for times in (1, 2)] == ["models", "log"]
    assert pressed("shift-tab")[0].focus == "models"
    assert pressed("tab", ui=Ui(focus="tokens"))[0].focus == "models"
    assert pressed("tab", stage=Stage(panels=()))[0].focus == "log"


def test_dropped_panel_hands_its_focus_on_and_comes_back() -> None:
    """Dropping the panel in focus focuses the next one; its key or X brings it back."""
    ui, _ = pressed("x")
    assert (ui.dropped, ui.focus) == (frozenset({"log"}), "models")
    assert pressed("O", ui=ui)[0].dropped == frozenset()
    assert pressed("X", ui=ui)[0].dropped == frozenset()


def test_last_panel_cannot_be_dropped() -> None:
    """Whatever is dropped, one panel is left to look at."""
    ui, _ = pressed(*"RLETWMO")
    assert ui.dropped == frozenset(PANELS) - {"log"}
    assert pressed("x", ui=ui)[0].dropped == ui.dropped


def test_dropped_panel_tells_how_it_comes_back() -> None:
    """Its own key or X brings it back; the last panel, which stays, tells of X, too."""
    assert pressed("x")[0].notice == "log is hidden; O or X brings it back"
    assert pressed("x", "O")[0].notice == "log is back"
    assert pressed("x", "X")[0].notice == "all panels are back"
    assert pressed(*"RLETWMO")[0].notice == "the last panel stays; X brings all back"


def test_cursor_moves_by_stretches_within_the_window_and_leaves_it_at_now() -> None:
    """Left begins with the newest stretch and goes back to the oldest, right comes forward until there is no cursor."""
    assert pressed("left")[0].cursor_ns == 90
    assert pressed("left", "left", "left", "right")[0].cursor_ns == 70
    assert pressed(*["left"] * 9)[0].cursor_ns == 10
    assert pressed("left", "right")[0].cursor_ns is None
    assert pressed("right")[0].cursor_ns is None


def test_rows_are_selected_in_the_table_in_focus() -> None:
    """Down begins at the first row, up at the last, and the ends hold."""
    models = Ui(focus="models")
    assert pressed("down", ui=models)[0].selected == {"models": "gpt"}
    assert pressed("up", ui=models)[0].selected == {"models": "claude"}
    assert pressed("down", "down", "down", ui=models)[0].selected == {"models": "claude"}
    assert pressed("down", ui=replace(models, focus="tokens"))[0].selected == {}


def test_enter_on_a_row_shows_its_lines_in_the_log() -> None:
    """The field that the row stands for becomes the filter of the log, and the log gets the focus."""
    for table, row, text in [
        ("models", "gpt", "model=gpt"),
        ("models", 'a "b" c', r'model="a \"b\" c"'),
        ("models", "other", '!model="" !model=gpt !model=claude !unattributed=true'),
        ("models", "(no model)", "unattributed=true"),
        ("workers", "1", "worker=1"),
        ("errors", "auth", "outcome=auth"),
    ]:
        ui = Ui(focus=table, selected={table: row})
        rows = {**STAGE.rows, table: dict.fromkeys([*STAGE.rows[table], row])}
        ui, _ = pressed("enter", ui=ui, stage=replace(STAGE, rows=rows))
        assert (ui.filter_text, ui.focus) == (text, "log")
    assert pressed("enter", ui=Ui(focus="models"))[0] == Ui(focus="models")


@pytest.mark.parametrize(
    ("table", "row", "shown"),
    [
        ("errors", "auth", ["c"]),
        ("models", "auth-x", ["b"]),
        ("models", "other", ["d"]),
        ("models", "(no model)", ["c", "e"]),
        ("workers", "2", ["d"]),
    ],
)
def test_enter_on_a_row_shows_its_lines_and_no_others(table: str, row: str, shown: list[str]) -> None:
    """Names that are part of other names, of other fields or of a message let nothing else through."""
    log = LogView()
    log.add(
        LogRecord(number, number, "info", "request", source, {"path": "/v1/messages", "request_id": key, **fields})
        for number, (key, source, fields) in enumerate(
            [
                ("a", "worker-12", {"model": "echo", "outcome": "ok", "error": "auth worker-2 outcome=auth"}),
                ("b", "worker-1", {"model": "auth-x", "outcome": "ok", "provider": "echo"}),
                ("c", "worker-0", {"outcome": "auth", "unattributed": True}),
                ("d", "worker-2", {"model": "auth-x-other", "outcome": "timeout", "provider": "auth-x"}),
                ("e", "worker-1", {"model": "gtp", "outcome": "validation", "unattributed": True}),
            ]
        )
    )
    log.add([LogRecord(9, 9, "warning", "a worker is gone", "supervisor", {"slot": 2})])
    rows = {"models": ["echo", "auth-x", "other", "(no model)"], "workers": ["0", "1", "2"], "errors": ["auth"]}
    pressed("enter", ui=Ui(focus=table, selected={table: row}), log=log, stage=replace(STAGE, rows=rows))
    assert [line.words.request_id for line in log.visible(9)] == shown


def test_enter_on_an_empty_log_opens_nothing() -> None:
    """Where no line is there is no record; a notice says so until the next key."""
    ui, _ = pressed("enter")
    assert (ui.details, ui.notice) == (False, "there is no log line to open")
    assert pressed("?", ui=ui)[0].notice == ""
    log = LogView()
    log.add(make_records(5))
    assert not pressed(*"/nothing of that", "enter", "enter", log=log)[0].details


def test_esc_on_a_gateway_of_our_own_asks_before_it_stops() -> None:
    """Esc never stops a server, however often it is pressed: it asks, and takes the question back."""
    ui = Ui(owns_gateway=True)
    for times in range(1, 9):
        ui, effect = pressed("esc", ui=ui)
        assert (ui.asking, effect) == (times % 2 == 1, Effect.NONE)
    asked = Ui(owns_gateway=True, asking=True)
    assert all(pressed(key, ui=asked)[1] is Effect.QUIT for key in ("y", "q", "ctrl-c"))
    assert pressed("n", ui=asked) == pressed("f", ui=asked) == (Ui(owns_gateway=True), Effect.NONE)
    assert pressed("q", ui=Ui(owns_gateway=True))[1] is Effect.QUIT
    assert pressed("y", ui=Ui(owns_gateway=True)) == (Ui(owns_gateway=True), Effect.NONE)


def test_leaving_the_picture_takes_the_question_back() -> None:
    """Who hides the dashboard while it asks, or suspends it, finds no question when it is back."""
    asked = Ui(owns_gateway=True, asking=True)
    assert pressed("d", ui=asked) == (Ui(owns_gateway=True), Effect.TOGGLE)
    assert pressed("ctrl-z", ui=asked) == (Ui(owns_gateway=True), Effect.SUSPEND)


def test_enter_on_the_log_opens_the_details_of_a_line() -> None:
    """Enter opens and closes them; the arrows go on to other lines meanwhile."""
    log = LogView()
    log.add(make_records(30))
    log.visible(5)
    ui, _ = pressed("up", "enter", log=log)
    first = log.selected
    assert ui.details
    assert first is not None
    ui, _ = pressed("up", ui=ui, log=log)
    assert ui.details
    assert log.selected is not None
    assert log.selected.number < first.number
    assert not pressed("enter", ui=ui, log=log)[0].details


def test_table_is_sorted_by_each_of_its_columns_in_turn() -> None:
    """s goes through the columns on the screen, r turns the order around; each table has its own."""
    assert pressed("s")[0].order("models") == Order("err")
    assert pressed("s", "s", "s")[0].order("models") == Order("rate")
    assert pressed("s", "r")[0].order("models") == Order("err", reversed=True)
    workers, _ = pressed("s", ui=Ui(focus="workers"))
    assert (workers.order("workers"), workers.order("models")) == (Order("cpu"), Order())
