"""Random keys, sizes and data: after every frame the emulated screen is what the state says.

The screen is drawn by changes alone, as in a terminal. The model is the same picture drawn from nothing on a terminal
of that size: characters, colours and attributes must be the same in every cell, whatever was drawn before.
"""

from datetime import UTC
from typing import Any

import msgspec
import pyte
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.dashboard.bindings import BINDINGS
from gateway.dashboard.compositor import Screen
from gateway.dashboard.layout import PANELS, arrange
from gateway.dashboard.series import SECOND_NS
from gateway.dashboard.session import Session, Stopped
from gateway.dashboard.state import Effect
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData
from tests.support.dashboard_scene import NOW_NS, TRUECOLOR, UNIX_NS, make_chart, make_records, make_snapshot

CHART = make_chart()
SHOWN_KEYS = sorted({key for binding in BINDINGS for key in binding.keys} - {"q", "ctrl-c", "ctrl-\\", "d", "ctrl-z"})
KEYS = st.sampled_from(SHOWN_KEYS) | st.sampled_from(["~", "(", "!", "o", "p", "4", "漢", "\u0301", "alt-x"])
SIZES = st.sampled_from(
    [(1, 1), (19, 3), (20, 1), (33, 4), (40, 10), (52, 31), (79, 24), (80, 24), (100, 30), (140, 40)]
)
NASTY = ["plain", "漢字 wide", "\x1b[31mred\x1b[0m", "e\u0301 combined", "tab\tand\rreturn", "👩\u200d💻", "x" * 300]


class ScreenMachine(RuleBasedStateMachine):
    """A viewer without terminal and clock, drawn onto an emulator."""

    @initialize(
        size=SIZES, environ=st.sampled_from([TRUECOLOR, {"TERM": "xterm"}, {"TERM": "linux", "LANG": "C.UTF-8"}])
    )
    def start(self, size: tuple[int, int], environ: dict[str, str]) -> None:
        """A busy gateway on a terminal of some size."""
        self.size, self.now_ns, self.written = size, NOW_NS, 0
        self.session = Session(
            (make_snapshot(), CHART), environ, memory_bytes=16 << 30, wall_ns_at_zero=UNIX_NS - NOW_NS, zone=UTC
        )
        self.session.take_log(make_records(), 0)
        self.terminal = pyte.Screen(*size)
        self.screen = Screen(self.write, 4)
        self.quit = False

    def write(self, text: str) -> None:
        """What the terminal gets."""
        self.written += 1
        pyte.Stream(self.terminal).feed(text)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4))
    def type_keys(self, keys: list[str]) -> None:
        """Keys, none of which ends the viewer, since it must go on; Esc may ask for it."""
        for key in keys:
            effect = self.session.press(key, self.size, self.now_ns)
            assert effect in (Effect.NONE, Effect.QUIT)
            assert effect is Effect.NONE or key == "esc"

    @rule(size=SIZES)
    def resize(self, size: tuple[int, int]) -> None:
        """The terminal gets another size; an emulator keeps what it showed, wherever it now stands."""
        self.size = size
        self.terminal.resize(size[1], size[0])

    @rule(
        seconds=st.sampled_from([0.25, 1, 7.5, 61]), active=st.integers(0, 10**6), scale=st.sampled_from([1, 3, 1000])
    )
    def time_passes(self, seconds: float, active: int, scale: int) -> None:
        """New figures, and a history that has moved on."""
        self.now_ns += int(seconds * SECOND_NS)
        if self.session.frozen:
            return
        moved = [
            msgspec.structs.replace(
                point, time_ns=point.time_ns + self.now_ns - NOW_NS, finished=point.finished * scale
            )
            for point in CHART.scalars
        ]
        snapshot = msgspec.structs.replace(make_snapshot(), active=active)
        self.session.take(snapshot, ChartData(self.now_ns, moved, CHART.steps))

    @rule(amount=st.integers(1, 30), nasty=st.sampled_from(NASTY))
    def log_comes(self, amount: int, nasty: str) -> None:
        """New log lines, some of them with text that would break a terminal."""
        record = LogRecord(1, UNIX_NS, "error", nasty, "worker-0", {"model": nasty, "why": nasty})
        self.session.take_log([*make_records(amount), record], 3)

    @rule()
    def gateway_stops(self) -> None:
        """The gateway is gone."""
        self.session.stopped = Stopped(self.now_ns, "http://127.0.0.1:8000")
        self.session.changed()

    @rule()
    def another_gateway_comes(self) -> None:
        """One that follows the one before, with a history of its own."""
        self.session.stopped = None
        self.session.start(make_snapshot(), ChartData(self.now_ns, (), ()), "")

    @invariant()
    def screen_is_what_the_state_says(self) -> None:
        """Drawn by changes or from nothing, every cell is the same; and drawing it again writes nothing."""
        self.screen.show(*self.session.picture(self.size, self.now_ns), self.size, force=False)
        fresh = pyte.Screen(*self.size)
        Screen(pyte.Stream(fresh).feed, 4).show(*self.session.picture(self.size, self.now_ns), self.size, force=False)
        for y in range(self.size[1]):
            shown = [self.terminal.buffer[y][x] for x in range(self.size[0])]
            assert shown == [fresh.buffer[y][x] for x in range(self.size[0])], (y, self.terminal.display)
        before = self.written
        self.screen.show(*self.session.picture(self.size, self.now_ns), self.size, force=False)
        assert self.written == before

    @invariant()
    def every_row_fills_its_panel(self) -> None:
        """The tiles are the layout, and each of their rows has its width."""
        tiles, _ = self.session.picture(self.size, self.now_ns)
        ui = self.session.ui
        layout = arrange(*self.size, models=5, workers=2, dropped=ui.dropped, zoomed=ui.focus if ui.zoomed else None)
        assert {tile.name: tile.rect for tile in tiles[: len(layout.panels)]} == layout.panels
        assert all(len(tile.rows) == tile.rect.height for tile in tiles)

    @invariant()
    def kept_panels_are_those_that_would_be_drawn(self) -> None:
        """What is not drawn anew, because only the log or nothing has changed, is what it would be."""
        tiles, _ = self.session.picture(self.size, self.now_ns)
        self.session.changed()
        assert self.session.picture(self.size, self.now_ns)[0] == tiles

    @invariant()
    def state_is_possible(self) -> None:
        """The focus is on a panel, and not all panels are dropped."""
        ui = self.session.ui
        assert ui.focus in PANELS
        assert len(ui.dropped) < len(PANELS)


def machine(amount: int) -> Any:
    """The machine with as many steps and examples as a second or two allow."""
    case = ScreenMachine.TestCase
    case.settings = settings(max_examples=amount, stateful_step_count=12, deadline=None)
    return case


TestScreen = machine(settings.default.max_examples // 4)
