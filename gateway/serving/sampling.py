"""The thread that makes the sampler tick."""

import threading
from pathlib import Path

import structlog

from gateway.metrics.clock import boottime_ns
from gateway.metrics.errors import MetricsError
from gateway.metrics.sampler import Sampler
from gateway.serving.processes import is_alive, usage_probe

log = structlog.get_logger("gateway.sampler")

_TICK_S = 0.25


class SamplingThread:
    """Ticks four times a second until it is stopped; a late tick is the sampler's to cope with."""

    def __init__(self, run_dir: Path) -> None:
        self._sampler = Sampler(run_dir, clock=boottime_ns, probe=usage_probe(), is_alive=is_alive)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-sampler", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Stop ticking and close the history."""
        self._stopped.set()
        self._thread.join()
        self._sampler.close()

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_S):
            try:
                self._sampler.tick()
            except (OSError, MetricsError) as error:
                log.error("sampling failed", error=str(error))
