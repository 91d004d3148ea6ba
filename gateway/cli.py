"""The command line: parse, load the settings, hand over; what one command needs is imported only for that one."""

import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway import __version__
from gateway.errors import ConfigError, StartupError
from gateway.logs.redaction import Redactor
from gateway.logs.render import visible

if TYPE_CHECKING:
    from gateway.config import Settings

# Exit codes: 0 a clean stop, 1 a failure while running; 2, a wrong use or configuration, comes with the error.
FAILURE: Final = 1

DEFAULT_FILE: Final = "gateway.toml"


def _serve(
    settings: "Settings", *, dashboard: bool, environ: Mapping[str, str], reload: Callable[[], "Settings"]
) -> int:
    from gateway.commands import serve

    return serve(settings, dashboard=dashboard, environ=environ, reload=reload)


def _run_top(run_dir: Path | None, once: bool, format: str, environ: Mapping[str, str]) -> int:  # noqa: A002
    from gateway.commands import run_top

    return run_top(run_dir, once, format, environ)


@dataclass
class Surroundings:
    """What a command touches outside itself; tests give their own."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    cwd: Path = field(default_factory=Path.cwd)
    stdout_is_terminal: Callable[[], bool] = lambda: sys.stdout.isatty()
    serve: Callable[..., int] = _serve
    run_top: Callable[..., int] = _run_top
    # A traceback is for whoever asks for it, by the flag or by the variable.
    debug: bool = False


def main(argv: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run one command and return the exit code; every error is one line on stderr."""
    around = surroundings or Surroundings()
    around.debug = around.environ.get("GATEWAY_LOG_LEVEL") == "debug"
    try:
        code = cli.main(args=argv, prog_name="gateway", standalone_mode=False, obj=around)
    except click.ClickException as error:
        _complain(f"{error.format_message().rstrip('.')}; see `{_command_path(error)} --help`")
        return error.exit_code
    except StartupError as error:
        return _fail(str(error), error.exit_code, around)
    except (click.Abort, KeyboardInterrupt):
        return FAILURE
    except Exception as error:  # noqa: BLE001 - a bug in us; still one line, with the way to see more
        problem = f"internal error, {type(error).__name__}: {error}"
        hint = "" if around.debug else "; run again with --log-level debug or GATEWAY_LOG_LEVEL=debug for the traceback"
        return _fail(problem + hint, FAILURE, around)
    return int(code or 0)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gateway %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """An LLM proxy gateway with a live terminal dashboard.

    Settings come from the command line, then from GATEWAY_* environment variables, then from the file, then from the
    defaults. Without a file, OPENAI_API_KEY, ANTHROPIC_API_KEY and OLLAMA_HOST each add their provider, and the model
    `echo` is always there.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


_config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration file; else $GATEWAY_CONFIG, ./gateway.toml, or gateway/gateway.toml in ~/.config.",
)


@cli.command("serve")
@_config_option
@click.option("-H", "--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("-p", "--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("-w", "--workers", type=int, help="Worker processes.  [default: 1]")
@click.option("--dashboard", is_flag=True, help="Show the live dashboard on this terminal.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.  [default: info]")
@click.option("--log-format", metavar="FORMAT", help="auto, console or json.  [default: auto]")
@click.option("--no-auth", is_flag=True, help="Listen beyond this machine without client keys.")
@click.pass_obj
def serve_command(
    around: Surroundings,
    config: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
    dashboard: bool,
    log_level: str | None,
    log_format: str | None,
    no_auth: bool,
) -> int:
    """Run the gateway."""
    from gateway.config import load

    around.debug = around.debug or log_level == "debug"
    if dashboard and not around.stdout_is_terminal():
        raise ConfigError("--dashboard needs a terminal on stdout; leave it out, or watch with `gateway top`")
    given: dict[str, object | None] = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "log.level": log_level,
        "log.format": log_format,
        "no_auth": no_auth or None,
    }
    overrides = {setting: value for setting, value in given.items() if value is not None}
    reload = partial(load, path=config, environ=dict(around.environ), overrides=overrides, cwd=around.cwd)
    settings = reload()
    _warn(settings.warnings)
    return around.serve(settings, dashboard=dashboard, environ=around.environ, reload=reload)


@cli.command("top")
@click.option("--run-dir", type=click.Path(path_type=Path), metavar="DIR", help="Which gateway, if several run.")
@click.option("--once", is_flag=True, help="Print once and leave; as a table, unless another format is chosen.")
@click.option(
    "--format",
    type=click.Choice(["screen", "json", "line"]),
    default="screen",
    help="A live screen, or one snapshot or line a second.  [default: screen; a table if not on a terminal]",
)
@click.pass_obj
def top_command(around: Surroundings, run_dir: Path | None, once: bool, format: str) -> int:  # noqa: A002
    """Look at a running gateway; quitting never stops it.

    When the gateway ends its last figures stay, and one that starts at the same address is shown in its place.
    """
    return around.run_top(run_dir, once, format, around.environ)


@cli.command("check")
@_config_option
@click.pass_obj
def check_command(around: Surroundings, config: Path | None) -> int:
    """Validate the configuration and print it, secrets masked."""
    from gateway.config import describe_settings, load

    settings = load(path=config, environ=around.environ, overrides={}, cwd=around.cwd)
    _warn(settings.warnings)
    click.echo(describe_settings(settings))
    return 0


@cli.command("init")
@click.argument("path", type=click.Path(path_type=Path), default=Path(DEFAULT_FILE))
@click.pass_obj
def init_command(around: Surroundings, path: Path) -> int:
    """Write a commented configuration file to PATH (gateway.toml)."""
    from gateway.config import DEFAULT_TOML

    try:
        # Keys may be written into it: for the owner only, and never over a file that is there.
        fd = os.open(around.cwd / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already and stays as it is; name another path or remove it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError(f"{path}: cannot be written ({reason}); name another path") from None
    with open(fd, "w", encoding="utf-8") as file:
        file.write(DEFAULT_TOML)
    click.echo(f"wrote {path}")
    option = "" if path == Path(DEFAULT_FILE) else f" -c {shlex.quote(str(path))}"
    click.echo(f"next: edit it, then run\n  gateway serve{option}")
    return 0


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        click.echo(f"gateway: warning: {visible(warning)}", err=True)


def _fail(problem: str, exit_code: int, around: Surroundings) -> int:
    if around.debug:
        traceback.print_exc()
    _complain(problem)
    return exit_code


def _complain(problem: str) -> None:
    # The text of a bug's exception may hold anything.
    sentence = Redactor().text(" ".join(problem.split()))
    click.echo(f"gateway: error: {visible(sentence)}", err=True)


def _command_path(error: click.ClickException) -> str:
    context: Any = getattr(error, "ctx", None)
    return context.command_path if context is not None else "gateway"
