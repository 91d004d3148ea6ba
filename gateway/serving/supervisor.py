"""The supervisor: Granian's server in the main thread, the sampler in another, workers in processes of their own."""

import contextlib
import errno
import math
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType

import msgspec
import psutil
import structlog
from granian.constants import Interfaces
from granian.server import Server

from gateway.config import Settings
from gateway.errors import ConfigError, ServeError
from gateway.logs.pipeline import choose_format, configure, wants_color
from gateway.logs.render import Format
from gateway.logs.ring import RingWriter
from gateway.logs.sink import LineSink
from gateway.metrics.errors import MemoryOrderError
from gateway.metrics.self_test import verify_this_machine
from gateway.serving import run_dir as run_dirs
from gateway.serving.interrupt import Interrupt
from gateway.serving.loader import WorkerLoader
from gateway.serving.processes import die_with_parent
from gateway.serving.sampling import SamplingThread

log = structlog.get_logger("gateway.supervisor")

_STDOUT = 1
_FLUSH_S = 2.0
# A stop that takes longer than this is explained.
_QUIET_S = 1.0
# How soon Ctrl-C takes effect meanwhile.
_LOOK_S = 0.1
# Granian counts connections here, not requests, and an idle client keeps its place.
_MOST_CONNECTIONS = 16_384
# A worker that has cut its requests needs a moment for the last bytes; Granian kills it when this is over as well.
_AFTER_GRACE_S = 5


def address_of(settings: Settings) -> str:
    """Return the URL that clients use."""
    host = settings.server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def listening_at(settings: Settings, address: tuple[str, int]) -> Settings:
    """Return the settings with the IP address and the port that are really listened on."""
    host, port = address
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, host=host, port=port))


def claim_address(host: str, port: int, environ: Mapping[str, str]) -> tuple[str, int]:
    """Return the IP address and the port to listen on, a free one for port 0; raises ServeError if it cannot be had.

    The workers listen with SO_REUSEPORT, so a second server would start without an error and share the connections.
    A plain bind finds out. Granian takes no names, so a name becomes the first of its addresses here.
    """
    try:
        # IPv4 first: `localhost` is both, and 127.0.0.1 is what people and their clients write for it.
        found = sorted(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), key=lambda info: info[0])
    except OSError as error:
        raise ServeError(f"The host {host} is not known: {error.strerror or error}.") from None
    family, _, _, _, address = found[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise ServeError(_bind_failure(host, port, error, environ)) from None
        bound = probe.getsockname()
        return str(bound[0]), int(bound[1])


def _bind_failure(host: str, port: int, error: OSError, environ: Mapping[str, str]) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Cannot listen on {host} port {port}: {error.strerror or error}."
    ours = [found for found in run_dirs.running_instances(environ) if found.address.endswith(f":{port}")]
    owner = f"the gateway with pid {ours[0].pid}" if ours else "another program"
    return f"Port {port} on {host} is in use by {owner}; choose another one with --port."


def supervise(
    settings: Settings, run_dir: Path, *, quiet: bool, format_: Format, reload: Callable[[], Settings]
) -> int:
    """Run the server in this process until it is told to stop; returns the exit code.

    SIGINT and SIGTERM stop it, SIGHUP replaces the workers with what `reload` returns. Raises ServeError.
    """
    try:
        verify_this_machine(run_dir)
    except MemoryOrderError as error:
        raise ServeError(str(error)) from None
    multiprocessing.set_start_method("spawn", force=True)
    loader = WorkerLoader(settings, run_dir, quiet=quiet, format_=format_)
    server = Server(
        "gateway.asgi:make_app",
        address=settings.server.host,
        port=settings.server.port,
        interface=Interfaces.ASGI,
        workers=settings.server.workers,
        websockets=False,
        backpressure=_MOST_CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=math.ceil(settings.server.grace_s) + _AFTER_GRACE_S,
    )
    # Granian's own, a threading.Event, can hang for good when signals follow each other quickly.
    server.main_loop_interrupt = interrupt = Interrupt()  # type: ignore[assignment]
    ring = RingWriter.create(run_dir / "supervisor.log", pid=os.getpid(), capacity=settings.log.ring)
    sink = None if quiet else LineSink(_STDOUT, color=wants_color(_STDOUT, os.environ))
    # After Granian's constructor, which sets up its own handlers.
    configure(
        level=settings.log.level,
        format=format_,
        ring=ring,
        sink=sink,
        secrets=settings.secrets(),
        on_dropped=None,
    )
    sampling = SamplingThread(run_dir)

    def read_settings_again() -> None:
        try:
            loader.settings = listening_at(reload(), (settings.server.host, settings.server.port))
        except ConfigError as error:
            log.error("configuration refused, the old one stays", error=str(error))

    server.on_reload(read_settings_again)
    for warning in settings.warnings:
        log.warning(warning)
    sampling.start()
    try:
        server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit as leaving:
        # Told to end before Granian took the signals over.
        if not leaving.code:
            raise
        # Granian gives up when a worker ends twice within seconds.
        raise ServeError("The workers kept failing, so the server gave up; the log above says more.") from None
    finally:
        sampling.stop()
        if sink is not None:
            sink.close(_FLUSH_S)
        ring.close()
    # The handlers that Granian leaves behind would set what is closed.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore)
    interrupt.close()
    return 0


def serve_in_foreground(settings: Settings, *, environ: Mapping[str, str], reload: Callable[[], Settings]) -> int:
    """Run a whole instance in this process: run directory, supervisor, workers; returns the exit code."""
    run_dirs.sweep(environ)
    # Until the server has handlers of its own: what is made from here on has to be removed.
    signal.signal(signal.SIGTERM, _end_before_start)
    signal.signal(signal.SIGHUP, _ignore)
    run_dir = run_dirs.create(environ, os.getpid())
    try:
        run_dirs.announce(
            run_dir,
            pid=os.getpid(),
            address=address_of(settings),
            workers=settings.server.workers,
            now=time.time(),
        )
        return supervise(
            settings, run_dir, quiet=False, format_=choose_format(settings.log.format, _STDOUT), reload=reload
        )
    finally:
        run_dirs.remove(run_dir)


def _end_before_start(number: int, frame: FrameType | None) -> None:
    signal.signal(number, _ignore)
    sys.exit(0)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN this is not passed on to child processes."""


class DetachedSupervisor:
    """A supervisor in a child process of its own session, so that the terminal's signals reach its parent only.

    A context manager: it starts the child and announces the instance, and stops it and removes the run directory.
    What the child says on stderr is kept for `last_words`.

    From entry on no signal that asks this process to end kills it: a terminal that closes sends two of them, one from
    the shell and one from the kernel, and the second must not come between the first and the end. It holds after the
    exit, too, where all that is left to do is to end. Whoever runs inside may have handlers of its own.
    """

    _ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    # What a person at the terminal types who does not want to wait.
    _CUTTING = (signal.SIGINT, signal.SIGQUIT)

    def __init__(
        self, settings: Settings, *, environ: Mapping[str, str], reload: Callable[[], Settings], label: str = ""
    ) -> None:
        self._settings = settings
        self._label = label
        self._environ = environ
        self._reload = reload
        self._process: SpawnProcess | None = None
        self._run_dir: Path | None = None
        self._asked_to_end = False
        self._stopping = False
        self._cut = False

    def __enter__(self) -> "DetachedSupervisor":
        for number in self._ENDING:
            signal.signal(number, self._note)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        run_dirs.sweep(self._environ)
        run_dir = self._run_dir = run_dirs.create(self._environ, os.getpid())
        self._stderr = run_dir / "supervisor.stderr"
        self._stderr.touch(mode=0o600)
        process = self._process = multiprocessing.get_context("spawn").Process(
            target=_run_detached, args=(self._settings, run_dir, self._stderr, self._reload), name="gateway-supervisor"
        )
        process.start()
        assert process.pid is not None, "it has been started"
        self.instance = run_dirs.announce(
            run_dir,
            pid=process.pid,
            address=address_of(self._settings),
            workers=self._settings.server.workers,
            now=time.time(),
            label=self._label,
        )

    def exit_code(self) -> int | None:
        """Return the child's exit code, or None while it runs; 0 as soon as a signal has asked this process to end."""
        assert self._process is not None, "it has been started"
        return 0 if self._asked_to_end else self._process.exitcode

    def last_words(self) -> str:
        """Return the last line that the child or one of its workers wrote to stderr: the end of a traceback."""
        return next(reversed(self._stderr.read_text(errors="replace").split("\n")[:-1]), "")

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        try:
            if self._process is not None and self._process.pid is not None:
                self._stop(self._process)
        finally:
            if self._run_dir is not None:
                run_dirs.remove(self._run_dir)

    def _stop(self, process: SpawnProcess) -> None:
        if process.is_alive():
            process.terminate()
        began = time.monotonic()
        # Granian itself kills workers that outstay the grace time; the supervisor ends after them.
        patience_s = self._settings.server.grace_s + 2 * _AFTER_GRACE_S
        is_told = False
        while process.is_alive() and (waited_s := time.monotonic() - began) < patience_s:
            process.join(_LOOK_S)
            if not is_told and waited_s > _QUIET_S and process.is_alive():
                is_told = True
                # The terminal may be closed by now.
                with contextlib.suppress(OSError):
                    sys.stderr.write("gateway: waiting for running requests to finish; Ctrl-C cuts them\n")
            if self._cut:
                self._cut = False
                _interrupt_workers(process)
        if process.is_alive():
            process.kill()
            process.join()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True
        if self._stopping and number in self._CUTTING:
            self._cut = True


def _interrupt_workers(supervisor: SpawnProcess) -> None:
    """Let the workers cut what they are doing."""
    with contextlib.suppress(psutil.Error):
        for worker in psutil.Process(supervisor.pid).children():
            worker.send_signal(signal.SIGINT)


def _run_detached(settings: Settings, run_dir: Path, stderr: Path, reload: Callable[[], Settings]) -> None:
    """The child: no terminal, no stdout; it ends when its parent does."""
    os.setsid()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_APPEND), 2)
    sys.exit(supervise(settings, run_dir, quiet=True, format_="json", reload=reload))
