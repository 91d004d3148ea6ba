"""The exit statuses that docs/dashboard.md promises, row by row."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, eventually, running_gateway
from tests.support.terminal import TerminalProcess

PAGE = Path(__file__).parents[2] / "docs" / "dashboard.md"


def rows() -> list[tuple[str, str, str]]:
    """Way out, status of `top`, status of `serve --dashboard`."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("| way out |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [(cells[1], cells[2], cells[3]) for cells in ([cell.strip() for cell in line.split("|")] for line in lines)]


def pressed(keys: bytes) -> Callable[[TerminalProcess, int], None]:
    """Type that."""
    return lambda terminal, gateway_pid: terminal.type(keys)


def sent(number: signal.Signals) -> Callable[[TerminalProcess, int], None]:
    """Send that signal."""
    return lambda terminal, gateway_pid: terminal.process.send_signal(number)


WAYS: dict[str, Callable[[TerminalProcess, int], None]] = {
    "`q`": pressed(b"q"),
    "`Esc` with nothing open": pressed(b"\x1b"),
    "`Ctrl-C`": pressed(b"\x03"),
    "`Ctrl-\\`": pressed(b"\x1c"),
    "SIGTERM": sent(signal.SIGTERM),
    "SIGINT": sent(signal.SIGINT),
    "SIGQUIT": sent(signal.SIGQUIT),
    "SIGHUP": sent(signal.SIGHUP),
    "the terminal is closed": lambda terminal, gateway_pid: terminal.hang_up(),
    "the gateway is killed": lambda terminal, gateway_pid: os.kill(gateway_pid, signal.SIGKILL),
    "SIGKILL": sent(signal.SIGKILL),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that is only looked at."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def leave(terminal: TerminalProcess, way: str, gateway_pid: int, answer: bytes = b"") -> int:
    """Go that way once there is a picture; the status as a shell tells it."""
    try:
        terminal.wait_for("● live")
        WAYS[way](terminal, gateway_pid)
        if answer:
            terminal.wait_for("Stop the gateway?")
            terminal.type(answer)
        status = terminal.ends() if terminal.main >= 0 else terminal.process.wait(PATIENCE_S)
        if terminal.main >= 0 and way != "SIGKILL":
            terminal.assert_restored()
        return status if status >= 0 else 128 - status
    finally:
        terminal.close()


def command(folder: Path, *arguments: str) -> TerminalProcess:
    """A command of the gateway on its own terminal."""
    argv = [sys.executable, "-m", "gateway", *arguments]
    return TerminalProcess(argv, clean_environment(folder), cwd=folder, controlling=True)


def test_every_way_out_is_one_that_is_tried() -> None:
    """What the documentation lists and what is tried here are the same."""
    assert [way for way, _, _ in rows()] == list(WAYS)


@pytest.mark.parametrize(("way", "status"), [(way, status) for way, status, _ in rows() if status.isdigit()])
def test_status_of_top(tmp_path: Path, gateway: RunningGateway, way: str, status: str) -> None:
    """`gateway top` ends with the status in the table, and the gateway goes on."""
    terminal = command(tmp_path, "top", "--run-dir", str(gateway.run_dir))
    assert leave(terminal, way, gateway.process.pid) == int(status)
    assert gateway.process.poll() is None


@pytest.mark.parametrize(("way", "status"), [(way, status) for way, _, status in rows()])
def test_status_of_serve(tmp_path: Path, way: str, status: str) -> None:
    """`gateway serve --dashboard` ends with the status in the table, and its gateway and run directory with it."""
    terminal = command(tmp_path, "serve", "--dashboard", "-p", "0")
    [file] = eventually(lambda: list(tmp_path.glob("gateway/*/instance.json")), "the gateway")
    pid = json.loads(file.read_bytes())["pid"]
    number, _, answer = status.partition(" after ")
    assert leave(terminal, way, pid, answer.strip("`").encode()) == int(number)
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "the end of the gateway")
    assert file.exists() == (way == "SIGKILL")
