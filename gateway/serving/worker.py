"""What a worker does when it starts: slot, metrics file, log ring, log chain, services, drain; and in reverse."""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
from litestar import Litestar
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.context import Services
from gateway.api.interruption import Reason
from gateway.api.lease import RequestLog
from gateway.app import create_app
from gateway.config import Settings
from gateway.logs.pipeline import choose_format, configure, wants_color
from gateway.logs.render import Format
from gateway.logs.ring import RingWriter
from gateway.logs.sink import LineSink
from gateway.metrics.collector import Collector
from gateway.metrics.health import HealthBoard
from gateway.metrics.self_test import verify_this_machine
from gateway.metrics.worker_file import WorkerFile
from gateway.serving import run_dir as run_dirs
from gateway.serving.drain import Drain
from gateway.serving.processes import allow_open_files, keep_freed_memory, process_started
from gateway.serving.sampling import SamplingThread
from gateway.upstream.client import Upstreams
from gateway.upstream.transports import transport_for

_STDOUT = 1
# How long a worker that ends waits for a slow reader of its last log lines.
_FLUSH_S = 2.0
# A dead sampler's place is taken within this time.
_ELECTION_S = 1.0

# Two copies each of a few dozen prompts of 100 KB, which are under way at the same time in a busy worker.
_KEPT_BYTES = 8 << 20
_LARGEST_KEPT_BYTES = 4 << 20

# A request leaves no cycle behind, so to look for some is in vain; 700 objects, CPython's own threshold, are those of
# four requests. Ten thousand are looked through in less than a millisecond.
_YOUNG_OBJECTS = 10_000

WorkerTask = Callable[[], contextlib.AbstractAsyncContextManager[None]]


def start_worker(
    settings: Settings,
    run_dir: Path,
    claim: run_dirs.Claim,
    format_: Format,
    *,
    quiet: bool,
    background: WorkerTask | None = None,
    on_ready: Callable[[], None] | None = None,
) -> ASGIApp:
    """Return the application of this worker; when it shuts down, the files are closed and the last lines written.

    With `quiet` nothing is written to stdout, because a dashboard owns the terminal. `background` is entered while
    the application runs; `on_ready` is called when it begins to: this worker has a supervisor that may let it retire.
    """
    allow_open_files()
    keep_freed_memory(most=_KEPT_BYTES, largest=_LARGEST_KEPT_BYTES)
    slot = claim.slot()
    pid = os.getpid()
    started = process_started(pid)
    assert started is not None, "this process runs"
    metrics = WorkerFile.open(run_dir / f"worker-{slot}.metrics", slot=slot, pid=pid, process_started=started)
    ring = RingWriter.create(run_dir / f"worker-{slot}.log", pid=pid, capacity=settings.log.ring)
    collector = Collector(metrics)
    sink = None if quiet else LineSink(_STDOUT, color=wants_color(_STDOUT, os.environ))
    configure(
        level=settings.log.level,
        format=format_,
        ring=ring,
        sink=sink,
        secrets=settings.secrets(),
        on_dropped=collector.log_dropped,
    )
    request_log = RequestLog()
    board = HealthBoard(metrics, [provider.name for provider in settings.providers])
    services = Services(settings, collector, Upstreams(settings, transport_for, board=board), log_line=request_log)

    @asynccontextmanager
    async def files(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(metrics.close)
            stack.callback(ring.close)
            if sink is not None:
                stack.callback(sink.close, _FLUSH_S)
            stack.callback(request_log.flush)
            if background is not None:
                await stack.enter_async_context(background())
            # What lives now lives as long as the worker: the collector of cycles need not look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_YOUNG_OBJECTS)
            if on_ready is not None:
                on_ready()
            yield

    app = create_app(services, lifespan=[files])
    leaving = Leaving(app)

    def leave() -> None:
        leaving.is_leaving = True

    def begin() -> None:
        services.draining = True

    def cut() -> None:
        services.running.interrupt_all(Reason.SHUTDOWN)

    Drain(settings.server.grace_s, leave, begin, cut).install()
    # Other servers tell the kind of an application by the kind of its method.
    return app if on_ready is None else leaving


class Leaving:
    """The application; once it is leaving, its answers ask clients to use another connection for their next request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_leaving = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Not a coroutine itself: the way of nearly every request leads through here, and one more would cost."""
        # HTTP/2 has no such header; the server itself ends those connections in good order.
        if self.is_leaving and scope.get("http_version", "").startswith("1"):
            return self._app(scope, receive, _closing(send))
        return self._app(scope, receive, send)


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return send_and_close


def start_unsupervised_worker(settings: Settings) -> ASGIApp:
    """Return the application of a worker under somebody else's supervisor, such as the granian command.

    The workers find each other by their parent, and one of them samples and announces the instance; the last one to
    leave removes the run directory.
    """
    parent = multiprocessing.parent_process()
    owner = parent.pid if parent is not None and parent.pid is not None else os.getpid()
    run_dirs.sweep(os.environ)
    run_dir = run_dirs.create(os.environ, owner)
    verify_this_machine(run_dir)
    claim = run_dirs.Claim(run_dir)

    async def lead() -> None:
        while not claim.sampler():
            await asyncio.sleep(_ELECTION_S)
        thread = SamplingThread(run_dir)
        thread.start()
        try:
            while (address := _listening_address()) is None:
                await asyncio.sleep(_ELECTION_S)
            run_dirs.announce(run_dir, pid=owner, address=address, workers=_siblings(owner), now=time.time())
            await asyncio.Event().wait()
        finally:
            thread.stop()

    @asynccontextmanager
    async def elect() -> AsyncIterator[None]:
        task = asyncio.create_task(lead())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if claim.leave():
                run_dirs.remove(run_dir)

    return start_worker(
        settings, run_dir, claim, choose_format(settings.log.format, _STDOUT), quiet=False, background=elect
    )


def _listening_address() -> str | None:
    """The address that this process listens on, as its clients write it."""
    for connection in psutil.Process().net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            host, port = connection.laddr
            return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return None


def _siblings(owner: int) -> int:
    if owner == os.getpid():
        return 1
    return len(psutil.Process(owner).children())
