"""What `serve` and `top` do once the command line and the settings are read."""

import datetime
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import msgspec

from gateway.config import Settings
from gateway.errors import ConfigError, ServeError
from gateway.metrics.clock import boottime_ns
from gateway.metrics.snapshot import InstanceInfo, Snapshot
from gateway.metrics.view import MetricsView
from gateway.serving.processes import is_alive
from gateway.serving.run_dir import Instance, read_instance, running_instances

# A status bar and a JSON stream are read by programs and people; once a second is as often as either wants.
_REPEAT_S = 1.0
# The screen must never take the processor from the requests that it shows.
_NICENESS = 10


def serve(settings: Settings, *, dashboard: bool, environ: Mapping[str, str], reload: Callable[[], Settings]) -> int:
    """Run the gateway until it is stopped; returns the exit code, raises ServeError."""
    from gateway.serving import supervisor

    address = supervisor.claim_address(settings.server.host, settings.server.port, environ)
    settings = supervisor.listening_at(settings, address)

    if not dashboard:
        sys.stderr.write(greeting(settings))
        return supervisor.serve_in_foreground(settings, environ=environ, reload=reload)
    with supervisor.DetachedSupervisor(settings, environ=environ, reload=reload) as server:
        os.nice(_NICENESS)
        # The screen shows the address and a request to try by itself.
        _, *welcome, _ = greeting(settings).splitlines()
        _show(server.instance, owns_server=True, server_exit=server.exit_code, environ=environ, welcome=welcome)
        code = server.exit_code()
        if code:
            raise ServeError(f"The server ended with code {code}. {server.last_words()}")
    return 0


def run_top(run_dir: Path | None, once: bool, format: str, environ: Mapping[str, str]) -> int:  # noqa: A002
    """Look at a running gateway; returns the exit code, raises ConfigError or ServeError."""
    instance = _chosen_instance(run_dir, environ)
    if format == "screen" and not once:
        if not sys.stdout.isatty():
            raise ConfigError("top needs a terminal on stdout; without one use --format json or --format line")
        os.nice(_NICENESS)
        _show(instance, owns_server=False, server_exit=lambda: None, environ=environ)
        return 0
    view = MetricsView(instance.run_dir, clock=boottime_ns, is_alive=is_alive)
    while True:
        try:
            click.echo(_rendered(view.snapshot(_info(instance), _now()), format))
        except BrokenPipeError:
            # The reader has seen enough, as `head` does; what is left in the buffer must not fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if once:
            return 0
        time.sleep(_REPEAT_S)
        if not is_alive(instance.pid, instance.process_started):
            raise ServeError(f"The gateway with pid {instance.pid} has stopped.")


def _chosen_instance(run_dir: Path | None, environ: Mapping[str, str]) -> Instance:
    if run_dir is not None:
        instance = read_instance(run_dir)
        if instance is None:
            raise ConfigError(f"{run_dir} is not the run directory of a gateway; leave --run-dir out to find one")
        return instance
    running = running_instances(environ)
    if not running:
        raise ServeError("No gateway is running; start one with `gateway serve`.")
    for other in running[1:]:
        sys.stderr.write(f"also running: {other.address}, pid {other.pid}; see it with --run-dir {other.run_dir}\n")
    return running[0]


def _show(
    instance: Instance,
    *,
    owns_server: bool,
    server_exit: Callable[[], int | None],
    environ: Mapping[str, str],
    welcome: Sequence[str] = (),
) -> None:
    from gateway.dashboard import viewer

    viewer.run(
        instance.run_dir,
        _info(instance),
        owns_server=owns_server,
        server_exit=server_exit,
        environ=environ,
        welcome=welcome,
        stdin_fd=sys.stdin.fileno(),
        stdout_fd=sys.stdout.fileno(),
    )


def _rendered(snapshot: Snapshot, format_: str) -> str:
    if format_ == "json":
        return msgspec.json.encode(snapshot).decode()
    from gateway.dashboard.line import render_line

    return render_line(snapshot)


def _info(instance: Instance) -> InstanceInfo:
    return InstanceInfo(instance.pid, instance.version, instance.address, instance.started_at)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def greeting(settings: Settings) -> str:
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
