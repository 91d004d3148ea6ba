"""What a viewer shows and what the keys have made of it; it knows no terminal, no file and no clock.

Frozen, the figures and the history stay as they are, and the log that is shown is a copy; the live log goes on taking
records in, so that nothing is missing when the picture goes on. What was done to the frozen log, its filter apart, is
forgotten with it. A gateway that takes the place of a frozen one is shown when the picture goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from gateway.dashboard.canvas import Tile
from gateway.dashboard.frame import banner, build_tiles, stage, with_new_log
from gateway.dashboard.logview import LogView
from gateway.dashboard.series import SECOND_NS, History
from gateway.dashboard.state import WINDOWS_S, Effect, Ui, press
from gateway.dashboard.text import uptime
from gateway.dashboard.theme import Theme, make_theme
from gateway.dashboard.view import View
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData, Snapshot

# Nobody waits for the next second of a minute.
_AGE_STEP_S = 10


@dataclass(frozen=True)
class Stopped:
    """Since when a gateway is gone, where it is waited for, and why the one that came instead cannot be shown.

    `missed` is that its figures were not read up to the end, as the picture was frozen or hidden.
    """

    since_ns: int
    address: str
    problem: str = ""
    missed: bool = False

    def text(self, now_ns: int) -> str:
        """What the banner says."""
        then = self.problem or f"waiting for {self.address.removeprefix('http://')}"
        figures = "these figures are older" if self.missed else "these are its last figures"
        return f"■ gateway stopped {_age(now_ns - self.since_ns)} ago; {then}; {figures}"


def _age(nanoseconds: int) -> str:
    """In whole seconds, after a minute in steps."""
    seconds = nanoseconds // SECOND_NS
    return uptime(seconds if seconds < 60 else seconds // _AGE_STEP_S * _AGE_STEP_S)


class Session:
    """One look at one gateway, from the first snapshot on."""

    def __init__(
        self,
        figures: tuple[Snapshot, ChartData],
        environ: Mapping[str, str],
        *,
        memory_bytes: int,
        wall_ns_at_zero: int,
        zone: tzinfo | None = None,
        label: str = "",
        welcome: Sequence[str] = (),
        owns_gateway: bool = False,
    ) -> None:
        """`wall_ns_at_zero` is the Unix time of instant 0 of the clock of the charts; see `Ui`, `View`."""
        # Synthetic traffic is looked at for a minute or two, in which a chart of 15 minutes stays nearly empty.
        self.ui = Ui(owns_gateway=owns_gateway, window_s=WINDOWS_S[0] if label else WINDOWS_S[-1])
        self._assumed_theme = self.ui.theme
        self.stopped: Stopped | None = None
        """That the gateway is gone, None while it lives."""
        self._environ = environ
        self._memory_bytes = memory_bytes
        self._wall_ns_at_zero = wall_ns_at_zero
        self._welcome = welcome
        self._zone = zone
        self._log = LogView(zone=zone)
        self._frozen_log: LogView | None = None
        self._frozen_ns = 0
        # What a frozen picture goes on with, if another gateway took over.
        self._successor: tuple[Snapshot, ChartData, str] | None = None
        self._theme: Theme | None = None
        # The panels of the last picture: while nothing but the age of a banner changes, they are shown again, and while
        # nothing but the log does, those that do not show it.
        self._tiles: list[Tile] | None = None
        self._is_log_new = False
        self._size = (0, 0)
        self.start(*figures, label)

    def start(self, snapshot: Snapshot, chart: ChartData, label: str) -> None:
        """Begin with the figures of a gateway, after a frozen picture; those before are forgotten, the log is not.

        `label` is what the figures are, if they are no real ones.
        """
        if self.frozen:
            self._successor, self._tiles = (snapshot, chart, label), None
            return
        self._successor = None
        self._history, self._label = History(), label
        self.take(snapshot, chart)

    @property
    def frozen(self) -> bool:
        """Whether the picture stands still: figures that are taken in now would be seen."""
        return self._frozen_log is not None

    def take(self, snapshot: Snapshot, chart: ChartData) -> None:
        """Take new figures and a new reading of the history."""
        self._snapshot = snapshot
        self._tiles = None
        self._history.update(chart)

    def take_log(self, records: Iterable[LogRecord], lost: int, passed_over: int = 0) -> None:
        """Take new log records, and how many were lost, and passed over, so far before they could be read."""
        self._log.add(records)
        self._log.lost, self._log.passed_over = lost, passed_over
        self._is_log_new = not self.frozen

    def assume_theme(self, name: str | None) -> None:
        """Begin with a theme, if one is known, unless the user has chosen another."""
        if name is not None and self.ui.theme == self._assumed_theme:
            self.ui = replace(self.ui, theme=name)
            self._assumed_theme = name
            self._tiles = None

    def changed(self) -> None:
        """The picture has to be made anew, for what `stopped` says is in it, too."""
        self._tiles = None

    def press(self, key: str, size: tuple[int, int], now_ns: int) -> Effect:
        """Let a key act on the picture of that size; what is returned is left for the caller to do."""
        self._tiles = None
        view = self._view()
        self.ui, effect = press(self.ui, key, view.log, stage(view, *size))
        if effect is not Effect.FREEZE:
            return effect
        if self.ui.frozen:
            self._frozen_log, self._frozen_ns = self._log.copy(), now_ns
        else:
            self._frozen_log = None
            self._log.set_filter(self.ui.filter_text, self.ui.level)
            if self._successor is not None:
                self.start(*self._successor)
        return Effect.NONE

    def picture(self, size: tuple[int, int], now_ns: int) -> tuple[list[Tile], Theme]:
        """The tiles of a screen of that size, and the theme to paint them with."""
        if self._tiles is None or size != self._size:
            self._tiles, self._size = build_tiles(self._view(), *size), size
        elif self._is_log_new:
            self._tiles = with_new_log(self._tiles, self._view(), *size)
        self._is_log_new = False
        return [*self._tiles, *self._banner(size, now_ns)], self._current_theme()

    def banner_s(self, now_ns: int) -> float:
        """After how many seconds the banner has something else to say."""
        since_ns = self._frozen_ns if self.stopped is None else self.stopped.since_ns
        return _AGE_STEP_S if now_ns - since_ns > 60 * SECOND_NS else 1.0

    def _banner(self, size: tuple[int, int], now_ns: int) -> list[Tile]:
        if self.stopped is not None:
            return banner(self.stopped.text(now_ns), *size)
        if self.frozen:
            meanwhile = (
                "nothing is lost meanwhile" if self._successor is None else "its gateway was followed by another"
            )
            return banner(f"‖ frozen {_age(now_ns - self._frozen_ns)} ago; {meanwhile}; f goes on", *size)
        return []

    def _current_theme(self) -> Theme:
        if self._theme is None or self._theme.name != self.ui.theme:
            self._theme = make_theme(self.ui.theme, self._environ)
        return self._theme

    def _view(self) -> View:
        return View(
            snapshot=self._snapshot,
            history=self._history,
            log=self._frozen_log or self._log,
            ui=self.ui,
            theme=self._current_theme(),
            memory_bytes=self._memory_bytes,
            wall_ns_at_zero=self._wall_ns_at_zero,
            zone=self._zone,
            stopped=self.stopped is not None,
            label=self._label,
            welcome=self._welcome,
        )
