"""What a viewer shows and what the keys have made of it; it knows no terminal, no file and no clock.

Frozen, the figures and the history stay as they are, and the log that is shown is a copy; the live log goes on taking
records in, so that nothing is missing when the picture goes on. What was done to the frozen log, its filter apart, is
forgotten with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

from gateway.dashboard.canvas import Tile
from gateway.dashboard.frame import build_tiles, stage
from gateway.dashboard.logview import LogView
from gateway.dashboard.series import SECOND_NS, History
from gateway.dashboard.state import Effect, Ui, press
from gateway.dashboard.theme import Theme, make_theme
from gateway.dashboard.view import View
from gateway.dashboard.worker_rates import WorkerRates
from gateway.logs.ring import LogRecord
from gateway.metrics.snapshot import ChartData, Snapshot

# As many as the log panel keeps: some minutes of a busy gateway.
KEPT_LINES = 10_000


class Session:
    """One look at one gateway, from the first snapshot on."""

    def __init__(
        self,
        snapshot: Snapshot,
        environ: Mapping[str, str],
        *,
        memory_bytes: int,
        wall_ns_at_zero: int,
        zone: tzinfo | None = None,
        welcome: Sequence[str] = (),
    ) -> None:
        """`wall_ns_at_zero` is the Unix time of instant 0 of the clock of the charts; see `View` for the others."""
        self.ui = Ui()
        self.stopped_s: float | None = None
        self._environ = environ
        self._memory_bytes = memory_bytes
        self._wall_ns_at_zero = wall_ns_at_zero
        self._welcome = welcome
        self._snapshot = snapshot
        self._history = History()
        self._rates = WorkerRates()
        self._log = LogView(keep=KEPT_LINES, zone=zone)
        self._frozen_log: LogView | None = None
        self._frozen_ns = 0
        self._theme: Theme | None = None

    @property
    def frozen(self) -> bool:
        """Whether the picture stands still: figures that are taken in now would be seen."""
        return self._frozen_log is not None

    def take(self, snapshot: Snapshot, chart: ChartData) -> None:
        """Take new figures and a new reading of the history."""
        self._snapshot = snapshot
        self._history.update(chart)
        self._rates.update(chart.now_ns, snapshot.workers)

    def take_log(self, records: Iterable[LogRecord], lost: int) -> None:
        """Take new log records, and how many were lost so far before they could be read."""
        self._log.add(records)
        self._log.lost = lost

    def press(self, key: str, size: tuple[int, int], now_ns: int) -> Effect:
        """Let a key act on the picture of that size; what is returned is left for the caller to do."""
        view = self._view(now_ns)
        self.ui, effect = press(self.ui, key, view.log, stage(view, *size))
        if effect is not Effect.FREEZE:
            return effect
        if self.ui.frozen:
            self._frozen_log, self._frozen_ns = self._log.copy(), now_ns
        else:
            self._frozen_log = None
            self._log.set_filter(self.ui.filter_text, self.ui.level)
        return Effect.NONE

    def picture(self, size: tuple[int, int], now_ns: int) -> tuple[list[Tile], Theme]:
        """The tiles of a screen of that size, and the theme to paint them with."""
        view = self._view(now_ns)
        return build_tiles(view, *size), view.theme

    def _view(self, now_ns: int) -> View:
        if self._theme is None or self._theme.name != self.ui.theme:
            self._theme = make_theme(self.ui.theme, self._environ)
        return View(
            snapshot=self._snapshot,
            history=self._history,
            log=self._frozen_log or self._log,
            ui=self.ui,
            theme=self._theme,
            memory_bytes=self._memory_bytes,
            worker_rates=self._rates.rates,
            wall_ns_at_zero=self._wall_ns_at_zero,
            frozen_s=(now_ns - self._frozen_ns) / SECOND_NS if self.frozen else 0.0,
            stopped_s=self.stopped_s,
            welcome=self._welcome,
        )
