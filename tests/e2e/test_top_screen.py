"""`gateway top` on a terminal: beside other viewers, and over the death and the return of its gateway."""

import json
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, running_gateway
from tests.support.terminal import TerminalProcess

Show = Callable[..., TerminalProcess]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    """Start `gateway top` on terminals of their own; they are ended with the test."""
    shown: list[TerminalProcess] = []

    def start(*arguments: str) -> TerminalProcess:
        command = [sys.executable, "-m", "gateway", "top", *arguments]
        terminal = TerminalProcess(command, clean_environment(tmp_path), columns=100, rows=40)
        shown.append(terminal)
        terminal.wait_for("● live")
        return terminal

    yield start
    for terminal in shown:
        terminal.close()


def ask(gateway: RunningGateway, words: str) -> None:
    """Send one request to echo."""
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": words}]}).encode()
    with urllib.request.urlopen(f"{gateway.base_url}/chat/completions", body, timeout=PATIENCE_S) as answer:
        answer.read()


def port_of(gateway: RunningGateway) -> str:
    """Where it listens."""
    return gateway.address.rpartition(":")[2]


def requests_shown(terminal: TerminalProcess) -> int:
    """The requests in the row of the model, 0 while there is none."""
    found = re.search(r"│ echo +(\d+) ", terminal.text)
    return int(found[1]) if found else 0


def stopped_for(terminal: TerminalProcess) -> str | None:
    """The age in the banner, None while there is none."""
    found = re.search(r"gateway stopped (\w+) ago", terminal.text)
    return found[1] if found else None


def test_closed_standard_streams_leave_a_screen_and_a_keyboard(tmp_path: Path) -> None:
    """Without standard input and error the terminal is that of standard output."""
    with running_gateway(tmp_path) as gateway:
        command = f"exec '{sys.executable}' -m gateway top --run-dir '{gateway.run_dir}' <&- 2>&-"
        terminal = TerminalProcess(["sh", "-c", command], clean_environment(tmp_path))
        try:
            terminal.wait_for("● live")
            terminal.type(b"q")
            assert terminal.ends() == 0
            terminal.assert_restored()
        finally:
            terminal.close()


def test_several_viewers_see_the_same_from_the_start(tmp_path: Path, show: Show) -> None:
    """One that comes late has the whole log and every count at once, and none disturbs another or the gateway."""
    with running_gateway(tmp_path) as gateway:
        first = show()
        for number in range(5):
            ask(gateway, f"request {number}")
        first.wait_for(lambda: requests_shown(first) == 5)
        second = show("--run-dir", str(gateway.run_dir))
        requests = r"chat +echo .* 200 ok"
        for terminal in (first, second):
            terminal.wait_for(lambda terminal=terminal: len(re.findall(requests, terminal.text)) == 5)
        assert requests_shown(second) == 5
        second.type(b"q")
        assert second.ends() == 0
        ask(gateway, "one more")
        first.wait_for(lambda: len(re.findall(requests, first.text)) == 6)


def test_death_is_shown_and_a_gateway_at_the_same_address_takes_over(tmp_path: Path, show: Show) -> None:
    """Figures and log of the dead stay, the banner counts, and its successor comes with a line that says so."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    with running_gateway(old, runtime=tmp_path) as first:
        for number in range(7):
            ask(first, f"request {number}")
        terminal = show()
        terminal.wait_for(lambda: requests_shown(terminal) == 7)
        port = port_of(first)
        first.process.kill()
        terminal.wait_for(lambda: stopped_for(terminal) is not None)
        assert f"waiting for 127.0.0.1:{port}" in terminal.text
        first_age = stopped_for(terminal)
        terminal.wait_for(lambda: stopped_for(terminal) not in (None, first_age))
        assert requests_shown(terminal) == 7
        assert re.search(r"chat +echo .* 200 ok", terminal.text) is not None
    with running_gateway(new, "", "-p", port, runtime=tmp_path) as second:
        terminal.wait_for(lambda: "● live" in terminal.text and "gateway stopped" not in terminal.text)
        assert requests_shown(terminal) == 0
        note = f"the gateway with pid {first.process.pid} has ended, pid {second.process.pid} took its place"
        # Above the line is the log of the one that is gone; what the new one logs would push both out of the panel.
        terminal.type(b"/~200 ok|took its place\r")
        terminal.wait_for(lambda: note in terminal.text and "200 ok" in terminal.text)
        assert terminal.text.index("200 ok") < terminal.text.index(note)
        ask(second, "welcome back")
        terminal.wait_for(lambda: requests_shown(terminal) == 1)
        second.process.terminate()
        terminal.wait_for("gateway stopped")
        terminal.type(b"q")
        assert terminal.ends() == 0
        terminal.assert_restored()


def test_the_log_is_followed_over_a_restart_while_the_screen_is_hidden(tmp_path: Path, show: Show) -> None:
    """On the normal screen the death, the successor and its whole log follow each other."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    with running_gateway(old, runtime=tmp_path) as first:
        terminal = show()
        terminal.type(b"d")
        terminal.wait_for(lambda: b"The dashboard is hidden" in terminal.raw)
        port = port_of(first)
        first.process.send_signal(signal.SIGTERM)
        terminal.wait_for(lambda: b"The gateway has stopped" in terminal.raw)
    with running_gateway(new, "", "-p", port, runtime=tmp_path):
        terminal.wait_for(lambda: b"took its place" in terminal.raw)
        terminal.wait_for(lambda: terminal.raw.rfind(b"Started worker-1") > terminal.raw.index(b"took its place"))
        terminal.type(b"d")
        terminal.wait_for("● live")


def test_a_gateway_chosen_by_its_run_directory_is_waited_for_at_its_address(tmp_path: Path, show: Show) -> None:
    """A run directory never comes back, since its name holds the process: its successor is in another one."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    with running_gateway(old, runtime=tmp_path) as first:
        terminal = show("--run-dir", str(first.run_dir))
        port = port_of(first)
        first.process.send_signal(signal.SIGTERM)
        terminal.wait_for("gateway stopped")
    with running_gateway(new, "", "-p", port, runtime=tmp_path):
        terminal.wait_for(lambda: "● live" in terminal.text and "gateway stopped" not in terminal.text)
