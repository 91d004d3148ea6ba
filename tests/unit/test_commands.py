"""What `top` does before there is anything to see."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import commands
from gateway.cli import main
from gateway.dashboard import viewer
from gateway.serving.run_dir import Instance


def running(pid: int, started: float, address: str = "http://127.0.0.1:8000") -> Instance:
    """A gateway as its run directory tells of it."""
    return Instance(pid, started, "0.1.0", address, "2026-01-01T00:00:00Z", 1, Path(f"/run/{pid}"))


def test_no_gateway_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing runs: one sentence that says what to do, exit 1."""
    monkeypatch.setattr(commands, "running_instances", lambda environ: [])
    assert main(["top"]) == 1
    assert capsys.readouterr() == ("", "gateway: error: No gateway is running; start one with `gateway serve`.\n")


@pytest.fixture
def among(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let these gateways run, the newest first as `running_instances` gives them."""

    def let(*instances: Instance) -> None:
        monkeypatch.setattr(commands, "running_instances", lambda environ, **_: list(instances))

    return let


def test_a_successor_has_the_address_and_started_later(among: Callable[..., None]) -> None:
    """Neither a gateway on another port nor one that ran before takes the place of one that is gone."""
    gone, later = running(10, 100.0), running(12, 160.0)
    among(running(13, 170.0, "http://127.0.0.1:9000"), later, running(11, 90.0))
    assert commands.successor({}, gone) == later
    among(running(13, 170.0, "http://127.0.0.1:9000"), running(11, 90.0), gone)
    assert commands.successor({}, gone) is None


def break_down(instance: Instance, **_: Any) -> None:
    """A bug in the dashboard, with a command for the terminal in its text."""
    raise ValueError("\x1b[2Jno such panel")


def test_a_dashboard_that_fails_says_where(
    among: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback, without anything that reaches the terminal as a command, then one sentence, and exit 1."""
    among(running(12, 160.0))
    monkeypatch.setattr(viewer, "run", break_down)
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    monkeypatch.setattr(os, "nice", lambda increment: 0)
    assert main(["top"]) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "Traceback (most recent call last):"
    assert any(line.endswith("in break_down") for line in lines)
    assert lines[-2] == "ValueError: \\x1b[2Jno such panel"
    assert lines[-1] == "gateway: error: The dashboard has failed; the traceback above says where."


def test_a_gateway_of_another_version_is_one_line(
    among: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What cannot be read is named, without a traceback."""
    (tmp_path / "worker-0.metrics").write_bytes(b"something else" * 1000)
    among(Instance(12, 160.0, "0.1.0", "http://127.0.0.1:8000", "2026-01-01T00:00:00Z", 1, tmp_path))
    assert main(["top", "--once"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"gateway: error: {tmp_path}/worker-0.metrics " in err
