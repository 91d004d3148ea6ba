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
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType

import msgspec
import psutil
import structlog
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings

from gateway.config import Settings, check_exposure
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
from gateway.serving.processes import die_with_parent, leave_terminal, terminal_unheard
from gateway.serving.sampling import SamplingThread
from gateway.serving.server import BACKLOG, ReloadRefused, WorkerServer

log = structlog.get_logger("gateway.supervisor")

_STDOUT = 1
_STARTING = (signal.SIGTERM, signal.SIGINT)
_FLUSH_S = 2.0
# How long a client may keep the first byte of its request back until a worker has to take the connection without it.
_DEFER_S = 1
# A stop that takes longer than this is explained.
_QUIET_S = 1.0
# How soon Ctrl-C takes effect meanwhile.
_LOOK_S = 0.1
# Granian counts connections here, not requests, and an idle client keeps its place.
_MOST_CONNECTIONS = 16_384
# Over HTTP/2, where Granian would take 16 MiB; over HTTP/1 it takes 408 KiB. We refuse less, with more words.
_LONGEST_HEAD = 512 << 10
# A worker that has cut its requests needs a moment for the last bytes; Granian kills it when this is over as well.
_AFTER_GRACE_S = 5


def address_of(settings: Settings) -> str:
    """Return the URL that clients use."""
    host = settings.server.host
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.server.port}"


def listening_at(settings: Settings, address: tuple[str, int]) -> Settings:
    """Return the settings with the IP address and the port that are really listened on.

    With TLS the host stays as it is written: a certificate is for a name.
    """
    host, port = address
    if settings.server.tls_cert:
        host = settings.server.host
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, host=host, port=port))


def listen_at(host: str, port: int, count: int, environ: Mapping[str, str]) -> list[socket.socket]:
    """Return sockets that listen on the host and port, on a free one for port 0; raises ServeError if that fails.

    A name becomes the first of its addresses. The kernel deals connections out evenly to all of the sockets; where it
    does not, they are one and the same. Clients wait from now on for the workers that accept them, which on
    Linux is when the first byte of a request has come.

    The first socket listens alone, which fails if anyone else does, a gateway included; only then it is shared. (Bound
    it is not yet alone: SO_REUSEADDR, without which a restart would have to wait, lets others bind until it listens.)
    """
    try:
        # IPv4 first: `localhost` is both, and 127.0.0.1 is what people and their clients write for it.
        found = sorted(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), key=lambda info: info[0])
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServeError(f"The host {host} is not known: {reason}.") from None
    family, _, _, _, address = found[0]
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            listener = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if len(sockets) > 1:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(sockets[0].getsockname() if len(sockets) > 1 else address)
            if sys.platform == "linux":
                # A worker that drains closes, unanswered, a connection whose request it has not begun to read.
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_S)
            listener.listen(BACKLOG)
            if sys.platform != "linux":
                return sockets * count
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise ServeError(_bind_failure(host, port, error, environ)) from None
    return sockets


def address_at(listener: socket.socket) -> tuple[str, int]:
    """Return the IP address and the port that a socket is bound to."""
    host, port, *_ = listener.getsockname()
    return host, port


def _bind_failure(host: str, port: int, error: OSError, environ: Mapping[str, str]) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Cannot listen on {host} port {port}: {error.strerror or error}."
    ours = [found for found in run_dirs.running_instances(environ) if found.address.endswith(f":{port}")]
    owner = f"the gateway with pid {ours[0].pid}" if ours else "another program"
    return f"Port {port} on {host} is in use by {owner}; choose another one with --port."


def supervise(
    settings: Settings,
    listeners: Sequence[socket.socket],
    run_dir: Path,
    *,
    quiet: bool,
    format_: Format,
    reload: Callable[[], Settings],
) -> int:
    """Run the server on bound sockets in this process until it is told to stop; returns the exit code.

    SIGINT and SIGTERM stop it, SIGHUP replaces the workers with what `reload` returns. Raises ServeError.
    """
    try:
        verify_this_machine(run_dir)
    except MemoryOrderError as error:
        raise ServeError(str(error)) from None
    except OSError as error:
        raise _unwritable(run_dir, error) from None
    multiprocessing.set_start_method("spawn", force=True)
    ready, tell_ready = multiprocessing.Pipe(duplex=False)
    loader = WorkerLoader(settings, run_dir, quiet=quiet, format_=format_, ready=tell_ready)

    proven = settings

    def read_settings_again() -> int:
        nonlocal proven
        try:
            found = reload()
            if bool(found.server.tls_cert) != bool(settings.server.tls_cert):
                raise ReloadRefused("server.tls_cert has come or gone, which takes a restart")
            if found.server.workers != settings.server.workers:
                log.warning("server.workers is another number now, which takes a restart")
            found = listening_at(found, (settings.server.host, settings.server.port))
            # The file may now name another host, but it is this one that is listened on.
            check_exposure(found)
        except ConfigError as error:
            raise ReloadRefused(str(error)) from None
        for warning in found.warnings:
            log.warning(warning)
        proven, loader.settings = loader.settings, found
        use_tls(found)
        return _kill_after_s(found)

    def take_proven_settings() -> None:
        """A worker that is replaced later gets what is known to work."""
        loader.settings = proven
        use_tls(proven)

    def use_tls(found: Settings) -> None:
        """The files may be others now, also behind a link of the same name."""
        cert, key = found.server.tls_cert, found.server.tls_key
        if cert is not None and key is not None:
            # Some clients in use know nothing newer than TLS 1.2, and nothing is wrong with it.
            server.build_ssl_context(Path(cert), Path(key), None, SSLProtocols.tls12, None, [], False)

    server = WorkerServer(
        listeners,
        ready,
        read_settings_again,
        take_proven_settings,
        address=settings.server.host,
        port=settings.server.port,
        interface=Interfaces.ASGI,
        # In its automatic mode the server waits for ever for the bytes that tell HTTP/2 from HTTP/1.1.
        http=HTTPModes.auto if settings.server.http2 else HTTPModes.http1,
        websockets=False,
        backpressure=_MOST_CONNECTIONS,
        # It holds for a whole head, from the end of the request before it: an idle connection is closed by it too.
        http1_settings=HTTP1Settings(header_read_timeout=round(settings.timeouts.request_head * 1000)),
        http2_settings=HTTP2Settings(max_headers_size=_LONGEST_HEAD),
        workers_kill_timeout=_kill_after_s(settings),
    )
    use_tls(settings)
    # Granian's own, a threading.Event, can hang for good when signals follow each other quickly.
    server.main_loop_interrupt = interrupt = Interrupt()  # type: ignore[assignment]
    try:
        ring = RingWriter.create(run_dir / "supervisor.log", pid=os.getpid(), capacity=settings.log.ring)
        sampling = SamplingThread(run_dir)
    except OSError as error:
        raise _unwritable(run_dir, error) from None
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
    for warning in settings.warnings:
        log.warning(warning)
    sampling.start()
    try:
        server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit as leaving:
        # Without a code it was told to end before Granian took the signals over; with one, a worker has ended by
        # itself, which is a failure only if the server gave up for it.
        if not leaving.code:
            raise
    finally:
        sampling.stop()
        if sink is not None:
            sink.close(_FLUSH_S)
        ring.close()
    # The handlers that Granian leaves behind would set what is closed.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _ignore)
    interrupt.close()
    if server.gave_up:
        raise ServeError("The workers kept failing, so the server gave up; the log above says more.")
    return 0


def _kill_after_s(settings: Settings) -> int:
    return math.ceil(settings.server.grace_s) + _AFTER_GRACE_S


def serve_in_foreground(
    settings: Settings,
    listeners: Sequence[socket.socket],
    *,
    environ: Mapping[str, str],
    reload: Callable[[], Settings],
) -> int:
    """Run a whole instance in this process: run directory, supervisor, workers; returns the exit code."""
    run_dirs.sweep(environ)
    # Until the server has handlers of its own: what is made from here on has to be removed.
    signal.signal(signal.SIGTERM, _end_before_start)
    signal.signal(signal.SIGHUP, _ignore)
    # Who is told to end in the middle of making it could not remove it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STARTING)
    try:
        run_dir = run_dirs.create(environ, os.getpid())
    except BaseException:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STARTING)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STARTING)
        _announce(run_dir, os.getpid(), settings)
        return supervise(
            settings,
            listeners,
            run_dir,
            quiet=False,
            format_=choose_format(settings.log.format, _STDOUT),
            reload=reload,
        )
    finally:
        run_dirs.remove(run_dir)


def _announce(run_dir: Path, pid: int, settings: Settings, label: str = "") -> run_dirs.Instance:
    try:
        return run_dirs.announce(
            run_dir,
            pid=pid,
            address=address_of(settings),
            workers=settings.server.workers,
            now=time.time(),
            label=label,
        )
    except OSError as error:
        raise _unwritable(run_dir, error) from None


def _unwritable(run_dir: Path, error: OSError) -> ServeError:
    return ServeError(
        f"The run directory {run_dir} cannot be written: {error.strerror or error}; make room there, or set "
        "XDG_RUNTIME_DIR to another folder."
    )


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
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        *,
        environ: Mapping[str, str],
        reload: Callable[[], Settings],
        label: str = "",
    ) -> None:
        self._settings = settings
        self._listeners = listeners
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
            target=_run_detached,
            args=(self._settings, self._listeners, run_dir, self._stderr, self._reload),
            name="gateway-supervisor",
        )
        with terminal_unheard():
            process.start()
        # The child has its own; these would keep the port when the child has gone.
        for listener in self._listeners:
            listener.close()
        assert process.pid is not None, "it has been started"
        self.instance = _announce(run_dir, process.pid, self._settings, self._label)

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


def _run_detached(
    settings: Settings, listeners: Sequence[socket.socket], run_dir: Path, stderr: Path, reload: Callable[[], Settings]
) -> None:
    """The child: no terminal, no stdout; it ends when its parent does."""
    leave_terminal()
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        die_with_parent(parent.pid)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_APPEND), 2)
    sys.exit(supervise(settings, listeners, run_dir, quiet=True, format_="json", reload=reload))
