"""`gateway serve --dashboard` and `gateway top` as a user runs them: a whole gateway on a pseudo-terminal."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import PATIENCE_S, clean_environment, eventually, running_gateway
from tests.support.terminal import GATEWAY, TerminalProcess, gateway_on_a_terminal


def address_on(terminal: TerminalProcess) -> str:
    """The address in the title, once the server answers there."""
    terminal.wait_for(lambda: re.search(r"127\.0\.0\.1:\d+", terminal.text) is not None)
    found = re.search(r"127\.0\.0\.1:\d+", terminal.text)
    assert found is not None
    address = f"http://{found[0]}"

    def is_ready() -> bool:
        terminal.read(0.02)
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(is_ready, "readiness")
    return address


def ask(address: str, words: str = "one two three") -> None:
    """Send one request to echo."""
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": words}]}).encode()
    with urllib.request.urlopen(f"{address}/v1/chat/completions", body, timeout=PATIENCE_S) as answer:
        answer.read()


def row_of(terminal: TerminalProcess, name: str) -> list[str]:
    """The cells of a model's row on the screen."""
    line = next((line for line in terminal.text.splitlines() if re.search(rf"│ {name} +\d", line)), "")
    return line.partition(f"│ {name}")[2].split()


def snapshot(folder: Path) -> dict[str, Any]:
    """What `gateway top` prints for the instance in `folder`."""
    [run_dir] = [path.parent for path in folder.glob("gateway/*/instance.json")]
    printed = subprocess.run(
        [*GATEWAY, "top", "--once", "--format", "json", "--run-dir", run_dir],
        env=clean_environment(folder),
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    found: dict[str, Any] = json.loads(printed.stdout)
    return found


def test_requests_show_live_and_q_stops_the_server(tmp_path: Path):
    """The rows of the log and the model appear, q ends everything with exit 0, and nothing is left behind."""
    with gateway_on_a_terminal(tmp_path, "serve", "--dashboard", "-p", "0", "-w", "2") as terminal:
        address = address_on(terminal)
        for _ in range(7):
            ask(address)
        terminal.wait_for(lambda: len(re.findall(r"chat +echo .* 200 ok", terminal.text)) >= 3)
        terminal.wait_for(lambda: bool(row_of(terminal, "echo")))
        counted = snapshot(tmp_path)
        assert counted["lifetime"]["outcomes"]["ok"] == 7
        assert counted["lifetime"]["tokens"] == {"input": 21, "output": 21}
        pids = [worker["pid"] for worker in counted["workers"]]
        terminal.type(b"q")
        assert terminal.ends() == 0
        terminal.assert_restored()
        assert list(tmp_path.glob("gateway/*")) == []
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("way_out", ["ctrl-c", "sigterm", "sighup"])
def test_every_way_out_restores_the_terminal_and_stops_the_server(tmp_path: Path, way_out: str):
    """Ctrl-C in the terminal, SIGTERM, and a terminal that is closed."""
    with gateway_on_a_terminal(tmp_path, "serve", "--dashboard", "-p", "0") as terminal:
        address_on(terminal)
        if way_out == "ctrl-c":
            terminal.type(b"\x03")
        else:
            terminal.process.send_signal(signal.SIGTERM if way_out == "sigterm" else signal.SIGHUP)
        assert terminal.ends() == 0
        terminal.assert_restored()
        assert list(tmp_path.glob("gateway/*")) == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_signal_that_comes_again_and_again_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, moment: str):
    """A closing terminal sends more than one; whichever comes when, the server stops and its run directory goes."""
    with gateway_on_a_terminal(tmp_path, "serve", "--dashboard", "-p", "0") as terminal:
        [run_dir] = eventually(lambda: list(tmp_path.glob("gateway/*")), "the run directory")
        pids: list[int] = []
        if moment == "running":
            address_on(terminal)
            found = snapshot(tmp_path)
            pids = [found["instance"]["pid"], *(worker["pid"] for worker in found["workers"])]

        def is_gone() -> bool:
            terminal.read(0.001)
            terminal.process.send_signal(number)
            return not run_dir.exists()

        eventually(is_gone, "the end of the run directory")
        # A signal after that finds nothing to be done.
        assert terminal.ends() in (0, -number)
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_terminal_that_is_closed_while_requests_run_stops_the_server(tmp_path: Path):
    """Nobody can be told that it waits for them; it still ends with 0 after the grace time, and completely."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = tmp_path / "test.toml"
        file.write_text(
            "[server]\ngrace_s = 2\n"
            f'[[providers]]\nname = "p"\nkind = "openai"\nbase_url = "http://127.0.0.1:{silent.getsockname()[1]}/v1"\n'
            'api_key = "k"\n[[models]]\nname = "m"\ntargets = [{ provider = "p" }]\n'
        )
        command = [*GATEWAY, "serve", "--dashboard", "-p", "0", "-c", str(file)]
        terminal = TerminalProcess(command, clean_environment(tmp_path), cwd=tmp_path, controlling=True)
        try:
            host, _, port = address_on(terminal).removeprefix("http://").rpartition(":")
            body = b'{"model": "m", "messages": []}'
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\ncontent-length: %d\r\n\r\n" % len(body)
            with socket.create_connection((host, int(port))) as client:
                client.sendall(head + body)
                upstream, _ = silent.accept()
                terminal.hang_up()
                assert terminal.process.wait(PATIENCE_S) == 0
                upstream.close()
        finally:
            terminal.close()
    assert list(tmp_path.glob("gateway/*")) == []


def test_a_killed_worker_is_replaced_and_the_dashboard_goes_on(tmp_path: Path):
    """kill -9: the counts stay on the screen, and the next request is counted on top."""
    with gateway_on_a_terminal(tmp_path, "serve", "--dashboard", "-p", "0") as terminal:
        address = address_on(terminal)
        for _ in range(3):
            ask(address)
        terminal.wait_for(lambda: bool(row_of(terminal, "echo")))
        victim = snapshot(tmp_path)["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        terminal.wait_for("it is replaced")

        def asked_again() -> bool:
            terminal.read(0.02)
            try:
                ask(address)
            except OSError:
                return False
            return True

        eventually(asked_again, "the replacement")
        counted = snapshot(tmp_path)
        assert counted["lifetime"]["outcomes"]["ok"] == 4
        assert counted["active"] == 0
        assert counted["workers"][0]["pid"] != victim
        terminal.wait_for("● live")


def test_a_server_that_cannot_go_on_is_told_after_the_terminal_is_restored(tmp_path: Path):
    """The supervisor dies: exit 1, one line, and the terminal is as before."""
    with gateway_on_a_terminal(tmp_path, "serve", "--dashboard", "-p", "0") as terminal:
        address_on(terminal)
        os.kill(snapshot(tmp_path)["instance"]["pid"], signal.SIGKILL)
        assert terminal.ends() == 1
        terminal.assert_restored()
        assert b"gateway: error: The server ended with code -9" in terminal.raw


def test_top_watches_a_server_and_quitting_leaves_it_alone(tmp_path: Path):
    """q ends the viewer; the gateway still answers."""
    with running_gateway(tmp_path) as gateway:
        ask(gateway.address)
        with gateway_on_a_terminal(tmp_path, "top", "--run-dir", str(gateway.run_dir)) as terminal:
            terminal.wait_for(lambda: bool(row_of(terminal, "echo")))
            terminal.type(b"q")
            assert terminal.ends() == 0
            terminal.assert_restored()
        ask(gateway.address)
        assert gateway.top()["lifetime"]["finished"] == 2


def test_without_a_terminal_the_dashboard_is_a_usage_error(tmp_path: Path):
    """One line on stderr and exit 2, before anything is started."""
    ended = subprocess.run(
        [*GATEWAY, "serve", "--dashboard"],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "--dashboard needs a terminal on stdout" in ended.stderr
    assert list(tmp_path.iterdir()) == []
