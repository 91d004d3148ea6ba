"""What `serve` and `top` do once the command line and the settings are read."""

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.errors import ConfigError, ServeError
from gateway.logs.redaction import Redactor
from gateway.logs.render import visible
from gateway.metrics.errors import MetricsError
from gateway.serving.run_dir import Instance, read_instance, running_instances

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.metrics.snapshot import Snapshot

# A status bar and a JSON stream are read by programs and people; once a second is as often as either wants.
_REPEAT_S = 1.0
# The screen must never take the processor from the requests that it shows.
_NICENESS = 10
# By number: Python has no objects for those that are closed.
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2


def serve(
    settings: "Settings",
    *,
    dashboard: bool,
    environ: Mapping[str, str],
    reload: Callable[[], "Settings"],
    label: str = "",
    beside: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Run the gateway until it is stopped; returns the exit code, raises ServeError.

    With the dashboard, `label` says what the figures are if they are no real ones, and the context that `beside` makes
    of the gateway's address is open for as long as it is shown.
    """
    from gateway.serving import supervisor

    _open_closed_streams()
    server = settings.server
    listeners = supervisor.listen_at(server.host, server.port, server.workers, environ)
    settings = supervisor.listening_at(settings, supervisor.address_at(listeners[0]))

    if not dashboard:
        # Whoever starts it with nowhere to write to does not want to be greeted.
        with contextlib.suppress(OSError):
            sys.stderr.write(greeting(settings))
        return supervisor.serve_in_foreground(settings, listeners, environ=environ, reload=reload)
    with supervisor.DetachedSupervisor(settings, listeners, environ=environ, reload=reload, label=label) as running:
        os.nice(_NICENESS)
        # The screen shows the address and a request to try by itself.
        _, *welcome, _ = greeting(settings).splitlines()
        with beside(running.instance.address):
            _show(running.instance, environ, server_exit=running.exit_code, welcome=welcome)
        code = running.exit_code()
        if code:
            raise ServeError(f"The server ended with code {code}. {running.last_words()}")
    return 0


def demo(port: int, environ: Mapping[str, str]) -> int:
    """Run a gateway with its dashboard and synthetic traffic until it is stopped; returns the exit code.

    Raises ServeError. Neither the network nor a key nor a configuration file takes part.
    """
    from gateway.demo.process import SyntheticTraffic
    from gateway.demo.settings import LABEL, demo_settings

    traffic = SyntheticTraffic()
    reload = partial(demo_settings, traffic.provider_port, port)
    return serve(reload(), dashboard=True, environ=environ, reload=reload, label=LABEL, beside=traffic.sent_to)


def run_top(run_dir: Path | None, once: bool, format: str, environ: Mapping[str, str]) -> int:  # noqa: A002
    """Look at a running gateway; returns the exit code, raises ConfigError, or ServeError if it does not run.

    `format` is screen, json or line. What is no screen, because it is asked for once or standard output is no
    terminal, is a table in its place; the other two repeat every second until their reader or the gateway ends.
    """
    _open_closed_streams()
    instance = _chosen_instance(run_dir, environ)
    is_screen = format == "screen"
    if is_screen and not once and os.isatty(_STDOUT):
        os.nice(_NICENESS)
        _show(instance, environ, find_successor=partial(successor, environ))
        return 0
    try:
        _print(instance, format, once=once or is_screen)
    except MetricsError as error:
        raise ServeError(f"{error}.") from None
    except OSError as error:
        # What is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
        if isinstance(error, BrokenPipeError):
            # The reader has seen enough, as `head` does.
            return 0
        raise ServeError(f"The output cannot be written: {error.strerror or error}.") from None
    return 0


def _print(instance: Instance, format_: str, *, once: bool) -> None:
    from gateway.dashboard.source import FiguresReader

    # A model's name may hold what a terminal or a file in another encoding cannot.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    reader = FiguresReader(instance)
    snapshot = reader.snapshot_with_state()
    click.echo(_rendered(snapshot, format_))
    while not once and snapshot.instance.state != "stopped":
        time.sleep(_REPEAT_S)
        snapshot = reader.snapshot_with_state()
        if snapshot.instance.state != "stopped":
            click.echo(_rendered(snapshot, format_))
    if snapshot.instance.state == "stopped":
        raise ServeError(f"The gateway with pid {instance.pid} has stopped.")
    if snapshot.instance.state == "suspended":
        raise ServeError(
            f"The gateway with pid {instance.pid} is suspended; it goes on with `kill -CONT`, or `fg` in its terminal."
        )


def _open_closed_streams() -> None:
    """Let standard streams that a careless parent has closed lead nowhere.

    Otherwise the next files that are opened get their numbers, and what is meant for the streams; so workers inherit
    them, too.
    """
    for fd, name in ((_STDIN, "stdin"), (_STDOUT, "stdout"), (_STDERR, "stderr")):
        if getattr(sys, name) is None:
            # The lowest number that is free: its own, since those below are open by now.
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)
            setattr(sys, name, os.fdopen(nowhere, "r" if fd == _STDIN else "w"))


def _chosen_instance(run_dir: Path | None, environ: Mapping[str, str]) -> Instance:
    if run_dir is not None:
        instance = read_instance(run_dir)
        if instance is None and not run_dir.exists():
            raise ServeError(f"There is no run directory {run_dir}; a gateway removes its own when it stops.")
        if instance is None:
            raise ConfigError(f"{run_dir} is not the run directory of a gateway; leave --run-dir out to find one")
        return instance
    running = running_instances(environ)
    if not running:
        raise ServeError("No gateway is running; start one with `gateway serve`.")
    for other in running[1:]:
        click.echo(f"also running: {other.address}, pid {other.pid}; see it with --run-dir {other.run_dir}", err=True)
    return running[0]


def successor(environ: Mapping[str, str], gone: Instance) -> Instance | None:
    """The gateway that took the place of one that is gone: the newest at its address that started later.

    Its run directory is another one in any case, because the name holds the process.
    """
    candidates = running_instances(environ, beside=gone.run_dir)
    return next(
        (
            found
            for found in candidates
            if found.address == gone.address and found.process_started > gone.process_started
        ),
        None,
    )


def _show(
    instance: Instance,
    environ: Mapping[str, str],
    *,
    server_exit: Callable[[], int | None] | None = None,
    find_successor: Callable[[Instance], Instance | None] = lambda gone: None,
    welcome: Sequence[str] = (),
) -> None:
    """Run the dashboard; raises ServeError when it cannot go on, after the traceback if that is our fault."""
    from gateway.dashboard import viewer

    terminals = [fd for fd in (_STDIN, _STDOUT, _STDERR) if os.isatty(fd)]
    try:
        viewer.run(
            instance,
            server_exit=server_exit,
            find_successor=find_successor,
            environ=environ,
            welcome=welcome,
            stdin_fd=_STDIN,
            stdout_fd=_STDOUT,
            stderr_fd=_STDERR,
        )
    except MetricsError as error:
        raise ServeError(f"{error}.") from None
    except Exception:  # noqa: BLE001 - a bug in us, told in full and passed on
        # Unlike other bugs this one cannot be had again by asking for more: the screen was live.
        lines = Redactor().text(traceback.format_exc()).splitlines()
        click.echo("\n".join(map(visible, lines)), err=True)
        raise ServeError("The dashboard has failed; the traceback above says where.") from None
    finally:
        # Whoever says something from here on must not fail because nobody is there to hear it.
        for fd in terminals:
            if not os.isatty(fd):
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)


def _rendered(snapshot: "Snapshot", format_: str) -> str:
    if format_ == "json":
        import msgspec

        return msgspec.json.encode(snapshot).decode()
    if format_ == "line":
        from gateway.dashboard.line import render_line

        return render_line(snapshot)
    from gateway.dashboard.report import render_report

    return render_report(snapshot)


def greeting(settings: "Settings") -> str:
    """Return what a user needs first: the address, what is served, and a request that works."""
    from gateway.serving.supervisor import address_of

    address = address_of(settings)
    body = '{"model": "echo", "messages": [{"role": "user", "content": "hello"}]}'
    key = " -H 'authorization: Bearer YOUR_KEY'" if settings.keys else ""
    return (
        f"gateway on {address}\n"
        f"  providers  {', '.join(provider.name for provider in settings.providers)}\n"
        f"  models     {', '.join(model.name for model in settings.models)}\n"
        f"  try        curl {address}/v1/chat/completions{key} -H 'content-type: application/json' -d '{body}'\n"
    )
