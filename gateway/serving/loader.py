"""What Granian carries to every worker that it spawns.

The supervisor needs it before there is a worker, and must not wait for what only a worker uses: Litestar, httpx and the
request path take twice as long to import as all the rest of a supervisor.
"""

import contextlib
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Settings
from gateway.logs.render import Format
from gateway.serving import run_dir as run_dirs
from gateway.serving.processes import die_with_parent

if TYPE_CHECKING:
    from litestar.types import ASGIApp


class WorkerLoader:
    """Granian pickles it, and calls it in every worker that it spawns; `settings` may be replaced in between."""

    def __init__(
        self, settings: Settings, run_dir: Path, *, quiet: bool, format_: Format, ready: Connection | None = None
    ) -> None:
        self.settings = settings
        self.ready = ready
        self.run_dir = run_dir
        self.quiet = quiet
        self.format = format_

    def __call__(self) -> "ASGIApp":
        """Start the worker that this process is."""
        supervisor = multiprocessing.parent_process()
        if supervisor is not None and supervisor.pid is not None:
            die_with_parent(supervisor.pid)
        # A terminal that closes sends it to the whole group; it is for the supervisor, which reloads.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        from gateway.serving.worker import start_worker

        return start_worker(
            self.settings,
            self.run_dir,
            run_dirs.Claim(self.run_dir),
            self.format,
            quiet=self.quiet,
            on_ready=self._tell_ready,
        )

    def _tell_ready(self) -> None:
        """Let the supervisor know; one that has gone has told this process to end already."""
        if self.ready is not None:
            with contextlib.suppress(BrokenPipeError):
                self.ready.send_bytes(os.getpid().to_bytes(8, "little"))
