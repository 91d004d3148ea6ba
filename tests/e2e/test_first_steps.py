"""What README and quick start print, run as it stands there, and what `gateway serve` says to try."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guide import ROOT, code_blocks
from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, eventually, running_gateway

ADDRESS = "http://127.0.0.1:8000"
PAGES = [ROOT / "README.md", ROOT / "docs" / "quick-start.md"]


def run(command: list[str], folder: Path, path: str = "") -> str:
    """What a program prints on stdout; it must succeed and say nothing else."""
    environ = clean_environment(folder)
    environ["PATH"] = f"{path}:{environ['PATH']}" if path else environ["PATH"]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(command: str, folder: Path) -> str:
    """What a command prints in a shell, where `curl` says nothing of its progress."""
    if "curl" in command and shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    return run(["sh", "-e", "-c", command], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_curl_that_is_printed_is_answered(tmp_path: Path, page: Path):
    """Echo says the message back."""
    [block] = [block for block in code_blocks(page) if block.text.startswith("curl ")]
    with running_gateway(tmp_path) as gateway:
        assert '"content":"hello"' in shell(block.text.replace(ADDRESS, gateway.address), tmp_path)


@pytest.mark.parametrize("title", ["chat", "messages"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_programs_that_are_printed_are_answered(tmp_path: Path, page: Path, title: str):
    """With the official SDKs, as a stream and in one piece."""
    [block] = [block for block in code_blocks(page) if (block.language, block.title) == ("python", title)]
    with running_gateway(tmp_path) as gateway:
        printed = run([sys.executable, "-c", block.text.replace(ADDRESS, gateway.address)], tmp_path)
        assert printed.strip() == "hello there"


def greeting_of(gateway: RunningGateway) -> dict[str, str]:
    """What the gateway says when it starts, by the word before it."""

    def lines() -> list[str] | None:
        found = [line for line in gateway.log.read_text().splitlines() if not line.startswith("{")]
        return found if any("try" in line for line in found) else None

    found: list[str] = eventually(lines, "the greeting")
    return dict(line.split(None, 1) for line in found)


def test_the_greeting_names_the_address_and_a_request_that_works(tmp_path: Path):
    """It is run as it is printed, on the port that the system chose."""
    with running_gateway(tmp_path) as gateway:
        greeting = greeting_of(gateway)
        assert greeting["gateway"] == f"on {gateway.address}"
        assert greeting["models"] == "echo"
        assert '"content":"hello"' in shell(greeting["try"], tmp_path)


def test_the_greeting_has_a_place_for_the_key(tmp_path: Path):
    """With client keys the request works as soon as the key stands where it says."""
    key = "a-client-key-of-some-length"
    with running_gateway(tmp_path, f'[[keys]]\nname = "me"\nkey = "{key}"\n') as gateway:
        found = [line for line in gateway.log.read_text().splitlines() if line.strip().startswith("try")]
        command = found[0].split(None, 1)[1].replace("YOUR_KEY", key)
        assert '"content":"hello"' in shell(command, tmp_path)


def test_a_file_is_written_checked_and_probed_as_the_guide_says(tmp_path: Path):
    """The three commands of the configuration page, one after the other in an empty folder."""
    command = tmp_path / "bin" / "gateway"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    command.chmod(0o755)
    block = code_blocks(ROOT / "docs" / "configuration.md")[0]
    assert block.text.startswith("gateway init")
    printed = run(["sh", "-e", "-c", block.text], tmp_path, path=str(command.parent))
    assert printed.startswith("wrote gateway.toml\n")
    assert printed.count("\nproviders\n") == 2
    assert printed.count("\nprobe\n") == 1
