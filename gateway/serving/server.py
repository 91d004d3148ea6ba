"""Granian's server, with worker processes that come and go without a request noticing.

Theory. The kernel deals new connections out evenly to all listening sockets of a port (SO_REUSEPORT). Granian lets each
worker open its own, which goes with its worker: the connections that wait in it are reset. Here the supervisor holds a
socket for each place of a worker, and whoever takes the place accepts from it: what waits when a worker ends is served
by its successor.

A worker is replaced in three steps, and nothing here waits for any of them, so that a signal is obeyed at once:

    spawned ──it says that it is ready──> current ──its successor is ready──> retiring ──> gone
       ├── ends before it is ready: what it was to replace stays, and the reload is given up
       └── another reload begins ──> retiring

Reloads replace one worker after another; those that retire may take their grace time meanwhile, side by side. A
current worker that ends by itself is replaced at once. Workers that keep ending soon after their start are a crash
loop: then the server gives up.

All state belongs to the main thread; signal handlers and Granian's watcher threads only set `main_loop_interrupt`.
"""

import contextlib
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

import structlog
from granian._granian import SocketHolder
from granian.server.mp import MPServer, WorkerProcess

from gateway.serving.drain import MOVE_S, RETIRE

log = structlog.get_logger("gateway.supervisor")

BACKLOG: Final = 4096
"""How many connections may wait to be accepted; the kernel takes less if net.core.somaxconn says so."""

# How soon a worker that says it is ready, or one that outstays its time, is noticed.
_LOOK_S: Final = 0.1
# A start takes one or two seconds; ten times as long on a busy machine.
_READY_WITHIN_S: Final = 60.0
# A worker that ends sooner than this after its birth has hardly worked.
_YOUNG_S: Final = 10.0
# Two at a time may be bad luck, as when the system is out of memory; the third is a pattern.
_MOST_YOUNG_DEATHS: Final = 3


class WorkerServer(MPServer):
    """Serves on listening sockets, one for each worker; workers send their pid, as 8 bytes, into `ready` when they are.

    `prepare_reload` is called before workers are replaced; it returns the seconds after which a worker that was told to
    end is killed, as `workers_kill_timeout` says at first, or raises ReloadRefused. `abandon_reload` is called if a
    worker then cannot start. `gave_up` tells of a crash loop.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        ready: Connection,
        prepare_reload: Callable[[], int],
        abandon_reload: Callable[[], None],
        **options: Any,
    ) -> None:
        super().__init__("gateway", workers=len(listeners), **options)
        self.gave_up = False
        self.reload_signal = False
        self._listeners = listeners
        self._ready = ready
        self._prepare_reload = prepare_reload
        self._abandon_reload = abandon_reload
        self._spawn: Callable[[int], WorkerProcess] = lambda index: self._spawn_worker(index, None, None)
        self._to_replace: list[int] = []
        self._incoming: WorkerProcess | None = None
        self._retiring: list[tuple[WorkerProcess, float]] = []
        self._young_deaths = 0

    def _init_shared_socket(self) -> None:
        """Granian would bind one here; ours listen already."""

    def _drop_shared_socket(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _spawn_worker(  # type: ignore[override]  # the class above it has one parameter more
        self, idx: int, target: Any, callback_loader: Any
    ) -> WorkerProcess:
        self._sso = self._listeners[idx]
        self._shd = SocketHolder(self._sso.fileno(), False, BACKLOG)  # type: ignore[assignment, call-arg]
        return super()._spawn_worker(idx, target, callback_loader)

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        self._spawn = lambda index: self._spawn_worker(index, spawn_target, target_loader)
        while True:
            self.main_loop_interrupt.wait(_LOOK_S if self._is_replacing() else None)
            # Cleared before anything is looked at: what happens from here on sets it again.
            self.main_loop_interrupt.clear()
            if self.interrupt_signal:
                return
            self._replace_ended()
            if self.gave_up:
                return
            if self.reload_signal:
                self.reload_signal = False
                self._begin_reload()
            self._go_on_replacing()
            self._kill_outstayers()

    def _is_replacing(self) -> bool:
        return bool(self._incoming or self._to_replace or self._retiring)

    def _begin_reload(self) -> None:
        try:
            kill_after_s = self._prepare_reload()
        except ReloadRefused as refusal:
            log.error("configuration refused, the old one stays", error=str(refusal))
            return
        # The workers that are there were promised the time before.
        self.workers_kill_timeout = max(kill_after_s, self.workers_kill_timeout or 0)
        log.info("reloading", workers=len(self.wrks))
        self._to_replace = list(range(len(self.wrks)))
        if self._incoming is not None:
            # It was started with the configuration before. It may have begun to work and not been heard of yet.
            self._retire(self._incoming)
            self._incoming = None

    def _go_on_replacing(self) -> None:
        ready = self._ready_pids()
        incoming = self._incoming
        if incoming is not None:
            if incoming.inner.pid in ready:
                self._incoming = None
                self._to_replace.remove(incoming.idx)
                old, self.wrks[incoming.idx] = self.wrks[incoming.idx], incoming
                self._retire(old)
                if not self._to_replace:
                    log.info("reloaded", workers=len(self.wrks))
            elif incoming.inner.exitcode is not None or time.monotonic() - incoming.birth > _READY_WITHIN_S:
                self._incoming = None
                self._to_replace = []
                self._abandon_reload()
                self._end(incoming)
                log.error("reload given up, the old workers stay", **_end_of(incoming))
        if self._incoming is None and self._to_replace:
            self._incoming = self._spawn(self._to_replace[0])
            _start(self._incoming)

    def _retire(self, worker: WorkerProcess) -> None:
        """Let a worker move its clients elsewhere and finish what it does; one that still starts ends at once."""
        worker.interrupt_by_parent = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.inner.pid, RETIRE)
        self._retiring.append((worker, time.monotonic() + MOVE_S + (self.workers_kill_timeout or 0)))

    def _end(self, worker: WorkerProcess) -> None:
        """End a worker that has not begun to work."""
        worker.interrupt_by_parent = True
        worker.inner.kill()
        self._retiring.append((worker, math.inf))

    def _kill_outstayers(self) -> None:
        left = [(worker, until) for worker, until in self._retiring if worker.inner.exitcode is None]
        for place, (worker, until) in enumerate(left):
            if time.monotonic() > until:
                log.warning("killing a worker that does not end", pid=worker.inner.pid)
                worker.inner.kill()
                left[place] = worker, math.inf
        self._retiring = left

    def _replace_ended(self) -> None:
        for index, worker in enumerate(self.wrks):
            if worker.inner.exitcode is None:
                continue
            # One that has worked for long breaks the row.
            self._young_deaths = self._young_deaths + 1 if time.monotonic() - worker.birth < _YOUNG_S else 0
            if self._young_deaths >= _MOST_YOUNG_DEATHS * len(self.wrks):
                self.gave_up = True
                return
            log.error("worker ended, it is replaced", **_end_of(worker))
            self.wrks[index] = self._spawn(index)
            _start(self.wrks[index])
        self.interrupt_children.clear()

    def _ready_pids(self) -> set[int]:
        pids = set()
        while self._ready.poll():
            pids.add(int.from_bytes(self._ready.recv_bytes(), "little"))
        return pids

    def _stop_workers(self) -> None:
        self.wrks += [worker for worker, _ in self._retiring]
        if self._incoming is not None:
            self.wrks.append(self._incoming)
        super()._stop_workers()  # type: ignore[no-untyped-call]


def _start(worker: WorkerProcess) -> None:
    worker.start()  # type: ignore[no-untyped-call]


class ReloadRefused(Exception):
    """The workers had better stay as they are; the text says why."""


def _end_of(worker: WorkerProcess) -> dict[str, object]:
    code = worker.inner.exitcode
    ended_by = signal.strsignal(-code) if code is not None and code < 0 else None
    return {"worker": worker.idx + 1, "pid": worker.inner.pid, "exit_code": code, "signal": ended_by}
