"""The command line: exit codes, one-line errors, and what each command hands over."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import Surroundings, main
from gateway.config import Settings
from gateway.errors import ServeError

KEY = "sk-proj-0123456789abcdefWXYZ"


class Calls:
    """Stands for the server and the viewer, and keeps what they were called with."""

    def __init__(self, result: Callable[[], int] = lambda: 0) -> None:
        self.served: list[tuple[Settings, bool]] = []
        self.topped: list[tuple[Path | None, bool, str]] = []
        self.demos: list[int] = []
        self._result = result

    def serve(
        self, settings: Settings, *, dashboard: bool, environ: Mapping[str, str], reload: Callable[[], Settings]
    ) -> int:
        self.reload = reload
        self.served.append((settings, dashboard))
        return self._result()

    def run_top(self, run_dir: Path | None, once: bool, format: str, environ: Mapping[str, str]) -> int:  # noqa: A002
        self.topped.append((run_dir, once, format))
        return self._result()

    def demo(self, port: int, environ: Mapping[str, str]) -> int:
        self.demos.append(port)
        return self._result()


def run(argv: list[str], cwd: Path, calls: Calls | None = None, **given: Any) -> int:
    """Run a command in a folder, with nothing in the environment unless it is given."""
    calls = calls or Calls()
    given = {"environ": {}, "stdout_is_terminal": lambda: False, **given}
    return main(argv, Surroundings(cwd=cwd, serve=calls.serve, run_top=calls.run_top, demo=calls.demo, **given))


def test_serve_hands_over_the_settings(tmp_path: Path) -> None:
    """The options of serve end up in the settings, and its exit code is the server's."""
    calls = Calls(lambda: 1)
    argv = [
        "serve",
        "-H",
        "127.0.0.2",
        "-p",
        "0",
        "-w",
        "3",
        "--log-level",
        "error",
        "--log-format",
        "json",
        "--no-auth",
    ]
    assert run(argv, tmp_path, calls) == 1
    [(settings, dashboard)] = calls.served
    assert (settings.server.host, settings.server.port, settings.server.workers) == ("127.0.0.2", 0, 3)
    assert (settings.log.level, settings.log.format, settings.no_auth, dashboard) == ("error", "json", True, False)


def test_options_that_are_not_given_leave_the_file_alone(tmp_path: Path) -> None:
    """What the command line does not say is the file's to say."""
    (tmp_path / "other.toml").write_text("no_auth = true\n[server]\nport = 9\n")
    calls = Calls()
    assert run(["serve", "-c", "other.toml"], tmp_path, calls) == 0
    assert (calls.served[0][0].server.port, calls.served[0][0].no_auth) == (9, True)


def test_a_reload_reads_the_file_again(tmp_path: Path) -> None:
    """What the server gets for a reload reads the same file anew, under the same options."""
    file = tmp_path / "gateway.toml"
    file.write_text("[server]\nport = 9\nworkers = 2\n")
    calls = Calls()
    assert run(["serve", "-w", "4"], tmp_path, calls) == 0
    file.write_text("[server]\nport = 10\nworkers = 3\n")
    settings = calls.reload()
    assert (settings.server.port, settings.server.workers) == (10, 4)


def test_the_dashboard_needs_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal --dashboard is one line on stderr and exit 2, before the configuration is even read."""
    calls = Calls()
    assert run(["serve", "--dashboard", "-c", "missing.toml"], tmp_path, calls) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("gateway: error: --dashboard needs a terminal on stdout")
    assert calls.served == []


def test_the_dashboard_runs_on_a_terminal(tmp_path: Path) -> None:
    """With a terminal the server is told to show the dashboard."""
    calls = Calls()
    assert run(["serve", "--dashboard"], tmp_path, calls, stdout_is_terminal=lambda: True) == 0
    assert calls.served[0][1] is True


def test_the_demo_needs_a_terminal_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No configuration file is read for it, and without a terminal it is one line and exit 2."""
    (tmp_path / "gateway.toml").write_text("not TOML")
    calls = Calls()
    assert run(["demo"], tmp_path, calls) == 2
    assert capsys.readouterr().err.startswith("gateway: error: demo needs a terminal on stdout")
    assert run(["demo", "-p", "9000"], tmp_path, calls, stdout_is_terminal=lambda: True) == 0
    assert run(["demo"], tmp_path, calls, stdout_is_terminal=lambda: True) == 0
    assert calls.demos == [9000, 8000]


def test_top_hands_over_its_options(tmp_path: Path) -> None:
    """The options of top go to the viewer as they are."""
    calls = Calls()
    assert run(["top", "--run-dir", "/r", "--once", "--format", "json"], tmp_path, calls) == 0
    assert run(["top"], tmp_path, calls) == 0
    assert calls.topped == [(Path("/r"), True, "json"), (None, False, "screen")]


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["serve", "-p", "70000"], 2, "command line: server.port must be an integer from 0 to 65535"),
        (["serve", "-p", "many"], 2, "Invalid value for '-p'"),
        (["serve", "-H", "0.0.0.0"], 2, "--no-auth"),
        (["serve", "--log-level", "loud"], 2, "command line: log.level must be one of"),
        (["serve", "--dashbord"], 2, "see `gateway serve --help`"),
        (["check", "-c", "missing.toml"], 2, "missing.toml: cannot be read"),
        (["top", "--format", "xml"], 2, "Invalid value for '--format'"),
        (["bogus"], 2, "see `gateway --help`"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, words: str
) -> None:
    """A wrong option or setting is one line on stderr and exit 2."""
    assert run(argv, tmp_path) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("gateway: error: ")
    assert words in err


def fail_to_serve() -> int:
    """The server's own kind of failure."""
    raise ServeError("port 8000 is in use;\nstop the other server or choose one with -p")


def break_down() -> int:
    """A bug, with a key and a terminal command in its text."""
    raise ValueError(f"\x1b[2J{KEY}")


def test_a_failed_start_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the server is one line with its own exit code, and without a traceback."""
    assert run(["serve"], tmp_path, Calls(fail_to_serve)) == 1
    expected = "gateway: error: port 8000 is in use; stop the other server or choose one with -p\n"
    assert capsys.readouterr().err == expected


def test_a_bug_is_one_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected error is one line that shows neither a key nor control characters, and says how to see more."""
    assert run(["serve"], tmp_path, Calls(break_down)) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert KEY not in err
    assert "\x1b" not in err
    assert "--log-level debug" in err


@pytest.mark.parametrize(
    ("argv", "environ"), [(["serve", "--log-level", "debug"], {}), (["serve"], {"GATEWAY_LOG_LEVEL": "debug"})]
)
def test_debug_shows_the_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: list[str], environ: dict[str, str]
) -> None:
    """At log level debug the traceback comes before the line."""
    assert run(argv, tmp_path, Calls(fail_to_serve), environ=environ) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].startswith("gateway: error: port 8000")


def test_check_prints_aligned_and_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check prints providers, models and keys in columns without any secret, and warnings on stderr."""
    (tmp_path / "gateway.toml").write_text(
        '[[providers]]\nname = "a"\nkind = "openai"\nbase_url = "https://h/v1"\n'
        f'api_key = "{KEY}"\n[[providers]]\nname = "longer"\nkind = "anthropic"\napi_key_env = "MY_KEY"\n'
        '[[models]]\nname = "m"\nstrategy = "weighted"\ntargets = [{ provider = "a", model = "b", weight = 2 }]\n'
        '[[keys]]\nname = "laptop"\nkey_env = "GATEWAY_KEY"\n'
    )
    environ = {"MY_KEY": "sk-ant-secret-0001", "GATEWAY_KEY": "client-secret-0001"}
    assert run(["check"], tmp_path, environ=environ) == 0
    out, err = capsys.readouterr()
    assert "  a       openai     https://h/v1                  key …WXYZ (inline)\n" in out
    assert "  longer  anthropic  https://api.anthropic.com/v1  key …0001 (env MY_KEY)\n" in out
    assert "  m     weighted  a as b weight 2\n" in out
    assert "  laptop  sha256 " in out
    assert "secret" not in out
    assert err.startswith("gateway: warning: ")
    assert err.count("\n") == 1


def test_init_writes_a_private_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Init writes a file for the owner only, prints the next command, and never writes over a file."""
    assert run(["init"], tmp_path) == 0
    assert capsys.readouterr().out.endswith("\n  gateway serve\n")
    file = tmp_path / "gateway.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("mine")
    assert run(["init"], tmp_path) == 2
    assert "exists already" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert run(["init", "no/folder.toml"], tmp_path) == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err


def test_init_names_the_file_in_the_next_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next command can be pasted, and what init wrote passes check."""
    assert run(["init", "my gateway.toml"], tmp_path) == 0
    assert "gateway serve -c 'my gateway.toml'" in capsys.readouterr().out
    assert run(["check", "-c", "my gateway.toml"], tmp_path) == 0


def test_help_and_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Help, version and the bare command print to stdout and exit 0."""
    for argv, words in (([], "Commands:"), (["-h"], "Commands:"), (["serve", "--help"], "--dashboard")):
        assert run(argv, tmp_path) == 0
        assert words in capsys.readouterr().out
    assert run(["--version"], tmp_path) == 0
    assert capsys.readouterr().out.startswith("gateway ")


def test_the_command_line_imports_nothing_heavy() -> None:
    """The help needs neither the web framework nor the server, the HTTP client, the dashboard or the log chain."""
    code = (
        "import sys; from gateway.cli import main; main(['--help']);"
        "print([n for n in ('litestar', 'granian', 'pytermgui', 'httpx', 'structlog') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
