"""What the command line says of itself: examples that work, and completion that shells take."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gateway.cli import cli, main
from tests.support.guide import parsed


def example_lines(command: click.Command) -> list[str]:
    """The examples in a help text, from the command on."""
    _, _, examples = (command.epilog or "").partition("Examples:\n")
    return [line.strip() for line in examples.splitlines()]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_each_command_has_examples_that_can_be_parsed(name: str):
    """Each names the command it is about, and what follows it is understood."""
    lines = example_lines(cli.commands[name])
    assert lines
    assert any(f"gateway {name}" in line for line in lines)
    for line in lines:
        words = shlex.split(line.partition("  ")[0])
        if words[:2] == ["gateway", name] and not {"&&", "|"} & set(words):
            parsed(words[1:])


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_help_keeps_the_examples_as_they_are(name: str, capsys: pytest.CaptureFixture[str]):
    """They are not wrapped, so that they can be copied."""
    assert main([name, "--help"]) == 0
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert set(example_lines(cli.commands[name])) <= set(shown)


@pytest.fixture
def on_the_path(tmp_path: Path) -> dict[str, str]:
    """An environment whose `gateway` is this one."""
    command = tmp_path / "gateway"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    command.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


def completed(shell: str, script: str, environ: dict[str, str]) -> str:
    """What a shell prints; skips if there is none here."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *options, "-c", script], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_bash_completes_commands_and_values(on_the_path: dict[str, str]):
    """With the line that the help names: a command, an option, and the values of a setting."""
    ask = (
        'eval "$(gateway completion bash)"\n'
        'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _gateway_completion gateway; '
        'echo "${COMPREPLY[*]}"; }\n'
        "ask gateway de; ask gateway serve --dash; ask gateway serve --log-level wa; ask gateway completion z\n"
        "complete -p gateway"
    )
    lines = completed("bash", ask, on_the_path).splitlines()
    assert lines[:4] == ["demo", "--dashboard", "warning", "zsh"]
    assert lines[4].startswith("complete ")


def test_zsh_knows_the_command(on_the_path: dict[str, str]):
    """The script is taken by a zsh whose completion is set up."""
    script = 'autoload -Uz compinit && compinit -u -D\neval "$(gateway completion zsh)"\nprint $_comps[gateway]'
    assert completed("zsh", script, on_the_path).strip() == "_gateway_completion"


def test_fish_completes_commands(on_the_path: dict[str, str]):
    """The script is taken, and asks the gateway."""
    script = "gateway completion fish | source\ncomplete --do-complete 'gateway de'"
    assert completed("fish", script, on_the_path).split()[0] == "demo"


@pytest.mark.parametrize(
    ("shell", "words"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef gateway"), ("fish", "complete --no-files --command gateway")],
)
def test_each_shell_has_a_script(shell: str, words: str, capsys: pytest.CaptureFixture[str]):
    """It calls the gateway back with the variable that makes it complete."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert words in script
    assert f"_GATEWAY_COMPLETE={shell}_complete" in script


def test_a_shell_that_is_not_known_is_one_line(capsys: pytest.CaptureFixture[str]):
    """It names those that are."""
    assert main(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
