"""`gateway demo` as a new user runs it: on a terminal, with no key and no configuration."""

import json
import signal
import subprocess
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.process import PATIENCE_S, clean_environment, eventually
from tests.support.terminal import GATEWAY, TerminalProcess, gateway_on_a_terminal


def demo(folder: Path) -> AbstractContextManager[TerminalProcess]:
    """A demo on a terminal of its own, whose processes are all ended at the end."""
    return gateway_on_a_terminal(folder, "demo", "-p", "0", columns=120, rows=40)


def snapshot(folder: Path) -> dict[str, Any]:
    """What `gateway top` prints, empty as long as there is nothing to print."""
    printed = subprocess.run(
        [*GATEWAY, "top", "--once", "--format", "json"],
        env=clean_environment(folder),
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return json.loads(printed.stdout) if printed.stdout else {}


def test_every_panel_lives_and_says_that_it_is_synthetic(tmp_path: Path):
    """Each outcome that synthetic traffic can have comes, tokens are counted, and the title is not the usual one."""
    (tmp_path / "gateway.toml").write_text("this is not read")
    with demo(tmp_path) as terminal:
        terminal.wait_for("200 ok")

        def is_alive() -> bool:
            terminal.read(0.1)
            found = snapshot(tmp_path)
            counts = found["lifetime"]["outcomes"]
            return bool(all(counts[name] for name in ("ok", "cancelled", "validation", "upstream", "timeout")))

        eventually(is_alive, "an outcome of every kind")
        terminal.wait_for("● live")
        assert "synthetic traffic" in terminal.text
        assert "╭ gateway" not in terminal.text
        found = snapshot(tmp_path)
        assert found["window"]["tokens"]["input"] > 1_000
        assert found["lifetime"]["outcomes"]["internal"] == found["lifetime"]["outcomes"]["auth"] == 0


def test_a_request_of_ones_own_is_answered(tmp_path: Path):
    """The demo is a gateway, too: its models answer an SDK's request, and echo says it back."""
    with demo(tmp_path) as terminal:
        terminal.wait_for("200 ok")
        for model, expected in (("echo", "hello there"), ("synthetic-mini", "This is a synthetic answer.")):
            body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello there"}]}).encode()
            address = f"{snapshot(tmp_path)['instance']['address']}/v1/chat/completions"
            with urllib.request.urlopen(address, body, timeout=PATIENCE_S) as answer:
                said = json.load(answer)["choices"][0]["message"]["content"]
            assert said.startswith(expected)


@pytest.mark.parametrize(
    ("way_out", "status"), [(b"q", 0), (b"\x03", 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)]
)
def test_the_traffic_ends_with_the_demo(tmp_path: Path, way_out: bytes | signal.Signals, status: int):
    """On every way out no process of it is left, and only after SIGKILL the terminal is."""
    with demo(tmp_path) as terminal:
        terminal.wait_for("200 ok")
        children = psutil.Process(terminal.process.pid).children(recursive=True)
        assert len(children) >= 3
        assert max(child.nice() for child in children) == min(19, psutil.Process().nice() + 15)
        if isinstance(way_out, bytes):
            terminal.type(way_out)
        else:
            terminal.process.send_signal(way_out)
        assert terminal.ends() == status
        eventually(lambda: not any(child.is_running() for child in children), "the end of every process")
        if way_out is not signal.SIGKILL:
            terminal.assert_restored()
            assert not list(tmp_path.glob("gateway/*"))


def test_traffic_that_fails_is_said(tmp_path: Path):
    """When its process ends by itself the gateway goes on, and the way out names what was missing."""
    with demo(tmp_path) as terminal:
        terminal.wait_for("200 ok")
        [traffic] = [
            child
            for child in psutil.Process(terminal.process.pid).children()
            if child.nice() == min(19, psutil.Process().nice() + 15)
        ]
        traffic.kill()
        eventually(lambda: traffic.status() == psutil.STATUS_ZOMBIE or not traffic.is_running(), "its end")
        terminal.type(b"q")
        assert terminal.ends() == 1
        assert "The synthetic traffic ended by itself, with code -9." in terminal.text
