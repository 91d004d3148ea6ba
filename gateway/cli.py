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


def _demo(port: int, environ: Mapping[str, str]) -> int:
    from gateway.commands import demo

    return demo(port, environ)


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
    demo: Callable[..., int] = _demo
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


def _examples(*examples: tuple[str, str]) -> str:
    """The end of a help text: commands to copy, each with what it is for, as they stand."""
    width = max(len(command) for command, _ in examples)
    lines = (f"  {command:<{width}}  {purpose}".rstrip() for command, purpose in examples)
    return "\n".join(["\b", "Examples:", *lines])


def _complete_setting(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The values that a setting of a few words may have, for the completion of a shell."""
    from typing import get_args, get_type_hints

    from gateway.config import LogSettings

    choices = get_args(get_type_hints(LogSettings)[str(parameter.name).removeprefix("log_")])
    return [choice for choice in choices if choice.startswith(incomplete)]


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gateway %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """An LLM proxy gateway with a live terminal dashboard.

    Settings come from the command line, then from GATEWAY_* environment variables, then from the file, then from the
    defaults. Without a file, OPENAI_API_KEY, ANTHROPIC_API_KEY and OLLAMA_HOST each add their provider, and the model
    `echo` is always there.

    \b
    First steps:
      gateway demo               see the dashboard at work
      gateway serve --dashboard  run a gateway
      gateway init               write a configuration file
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


@cli.command(
    "serve",
    epilog=_examples(
        ("gateway serve --dashboard", "with the live screen on this terminal"),
        ("gateway serve -c gateway.toml -w 4 --log-format json", "for a service manager"),
        ("gateway serve -p 0", "on a free port, which the greeting names"),
        ("kill -HUP PID", "read the configuration again; running requests are not cut"),
    ),
)
@_config_option
@click.option("-H", "--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("-p", "--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("-w", "--workers", type=int, help="Worker processes.  [default: 1]")
@click.option("--dashboard", is_flag=True, help="Show the live dashboard on this terminal.")
@click.option(
    "--log-level",
    metavar="LEVEL",
    shell_complete=_complete_setting,
    help="debug, info, warning or error.  [default: info]",
)
@click.option(
    "--log-format", metavar="FORMAT", shell_complete=_complete_setting, help="auto, console or json.  [default: auto]"
)
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


@cli.command(
    "top",
    epilog=_examples(
        ("gateway top", "the live screen of a gateway that runs already"),
        ("ssh -t HOST gateway top", "the same from elsewhere"),
        ("gateway top --once --format json", "all figures, for a program"),
        ("gateway top --once --format line", "one line, for a status bar"),
    ),
)
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


@cli.command("demo", epilog=_examples(("gateway demo", "then `0` for 15 minutes, `?` for all keys, `q` to end it")))
@click.option(
    "-p", "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@click.pass_obj
def demo_command(around: Surroundings, port: int) -> int:
    """See the dashboard at work, without a key and without the network.

    A gateway on this machine, and synthetic traffic that it passes to a made-up provider: models called synthetic-*,
    streams, errors, timeouts and clients that leave. It takes your own requests, too. `q` ends all of it.
    """
    if not around.stdout_is_terminal():
        raise ConfigError("demo needs a terminal on stdout; to look at it from elsewhere, use `gateway top`")
    return around.demo(port, around.environ)


@cli.command(
    "check",
    epilog=_examples(
        ("gateway check", "print the settings that `gateway serve` would use here"),
        ("gateway check --probe", "and ask each provider for its models: is it there, is the key good?"),
        ("gateway check -c new.toml && gateway serve -c new.toml", ""),
    ),
)
@_config_option
@click.option("--probe", is_flag=True, help="Ask each provider for its models; exit status 1 if one does not answer.")
@click.pass_obj
def check_command(around: Surroundings, config: Path | None, probe: bool) -> int:
    """Validate the configuration and print it, secrets masked."""
    from gateway.config import describe_settings, load

    settings = load(path=config, environ=around.environ, overrides={}, cwd=around.cwd)
    _warn(settings.warnings)
    click.echo(describe_settings(settings))
    return _probe(settings) if probe else 0


def _probe(settings: "Settings") -> int:
    """Print a line for each provider that is not built in; returns the exit code."""
    import asyncio

    from gateway.probe import describe_answers, probe

    answers = asyncio.run(probe(settings))
    click.echo(f"\n{describe_answers(answers)}")
    return FAILURE if any(answer.problem for answer in answers) else 0


@cli.command(
    "init",
    epilog=_examples(
        ("gateway init", "write gateway.toml, which `gateway serve` finds here"),
        ("gateway init ~/.config/gateway/gateway.toml", "where it is found from everywhere"),
    ),
)
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


@cli.command(
    "completion",
    epilog=_examples(
        ('eval "$(gateway completion bash)"', "in ~/.bashrc"),
        ('eval "$(gateway completion zsh)"', "in ~/.zshrc, after compinit"),
        ("gateway completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the completion script for SHELL, which is bash, zsh or fish."""
    from click.shell_completion import ShellComplete, get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None, "click knows these shells"
    # Not the method of the class for bash, which starts a bash to look at its version.
    click.echo(ShellComplete.source(completion(cli, {}, "gateway", "_GATEWAY_COMPLETE")))
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
