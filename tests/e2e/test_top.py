"""`gateway top` as a program that other programs read."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import __version__
from gateway.serving.processes import is_suspended
from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, eventually, running_gateway


def top(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `gateway top` until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", "top", *arguments],
        env=clean_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that is only looked at."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def test_top_takes_the_newest_gateway_and_names_the_others(tmp_path: Path):
    """With two running, the snapshot is that of the later one; stderr says how to see the earlier one."""
    older, newer = tmp_path / "older", tmp_path / "newer"
    older.mkdir()
    newer.mkdir()
    with running_gateway(older, runtime=tmp_path) as first, running_gateway(newer, runtime=tmp_path) as second:
        printed = top(tmp_path, "--once", "--format", "json")
        chosen = top(tmp_path, "--once", "--format", "json", "--run-dir", str(first.run_dir))
    assert json.loads(printed.stdout)["instance"]["address"] == second.address
    assert f"also running: {first.address}" in printed.stderr
    assert f"--run-dir {first.run_dir}" in printed.stderr
    assert json.loads(chosen.stdout)["instance"]["pid"] == first.process.pid


def test_the_json_has_the_documented_members_in_their_order(tmp_path: Path):
    """Nothing is renamed, missing or moved; what has no data is null, never 0."""
    with running_gateway(tmp_path) as gateway:
        snapshot = eventually(lambda: (found := gateway.top())["window"]["coverage_s"] and found, "the first step")
    assert list(snapshot) == [
        "schema", "instance", "taken_at", "active", "workers", "lifetime", "window", "models", "unattributed", "log",
        "providers",
    ]  # fmt: skip
    assert list(snapshot["instance"]) == ["pid", "version", "address", "started_at", "state", "label"]
    assert list(snapshot["workers"][0]) == [
        "slot", "pid", "alive", "active", "cpu_percent", "rss_bytes", "finished", "requests_per_second",
    ]  # fmt: skip
    assert list(snapshot["lifetime"]) == ["started", "finished", "outcomes", "tokens"]
    assert list(snapshot["window"]) == [
        "seconds", "coverage_s", "finished", "requests_per_second", "errors_per_second", "outcomes", "tokens",
        "latency_ms",
    ]  # fmt: skip
    assert list(snapshot["window"]["outcomes"]) == [
        "ok", "cancelled", "auth", "validation", "upstream", "timeout", "internal",
    ]  # fmt: skip
    assert snapshot["window"]["latency_ms"] == {"count": 0, "p50": None, "p95": None, "p99": None}
    assert snapshot["models"] == []
    assert list(snapshot["unattributed"]) == ["active", "window", "lifetime"]
    assert snapshot["log"] == {"dropped": 0}
    assert snapshot["providers"] == [{"name": "echo", "tries": 0, "failures": 0, "rests": []}]


def test_a_line_is_one_line(gateway: RunningGateway, tmp_path: Path):
    """A status bar gets the main figures without colours."""
    printed = top(tmp_path, "--once", "--format", "line", "--run-dir", str(gateway.run_dir))
    assert printed.stdout.count("\n") == 1
    assert printed.stdout.startswith("active 0  ")
    assert "\x1b" not in printed.stdout


def test_a_folder_that_is_no_run_directory_is_a_usage_error(tmp_path: Path):
    """One sentence, exit 2."""
    printed = top(tmp_path, "--once", "--run-dir", str(tmp_path))
    assert printed.returncode == 2
    assert "is not the run directory of a gateway" in printed.stderr


def test_without_a_terminal_it_is_one_table(gateway: RunningGateway, tmp_path: Path):
    """Into a file or a pipe the screen is a plain table, and the command ends by itself with 0."""
    chosen = ("--run-dir", str(gateway.run_dir))
    printed = [top(tmp_path, *arguments, *chosen) for arguments in ((), ("--once",), ("--format", "screen"))]
    for table in printed:
        assert (table.returncode, table.stderr) == (0, "")
        assert table.stdout.startswith(f"gateway {__version__} at {gateway.address}, pid {gateway.process.pid}, up ")
        assert "\x1b" not in table.stdout
        assert {line.partition(" ")[0] for line in table.stdout.split("\n\n")} == {
            "gateway", "worker", "model", "provider", "outcome", "tokens",
        }  # fmt: skip


def test_a_reader_that_has_seen_enough_ends_it_quietly(gateway: RunningGateway, tmp_path: Path):
    """`gateway top | head -1`, in every format."""
    for format_ in ("screen", "line", "json"):
        command = f"'{sys.executable}' -m gateway top --format {format_} --run-dir '{gateway.run_dir}'"
        ended = subprocess.run(
            ["sh", "-c", f"{{ {command}; echo status $? >&2; }} | head -1"],
            env=clean_environment(tmp_path),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert ended.stdout.count("\n") == 1
        assert ended.stderr == "status 0\n"


FORMATS = ("screen", "line", "json")


def state_of(printed: subprocess.CompletedProcess[str], format_: str) -> str:
    """The state of the gateway that the output tells, in whatever format."""
    if format_ == "json":
        return str(json.loads(printed.stdout)["instance"]["state"])
    head = printed.stdout.splitlines()[0]
    return next((state for state in ("stopped", "suspended") if state in head), "running")


def test_a_gateway_that_was_killed_is_told_with_its_last_figures(tmp_path: Path):
    """Supervisor and workers end by SIGKILL: every format says stopped, one sentence follows, and the status is 1."""
    with running_gateway(tmp_path) as gateway:
        pids = [gateway.process.pid, *(worker["pid"] for worker in gateway.top()["workers"])]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gateway.process.wait(PATIENCE_S)
        for format_ in FORMATS:
            for once in (("--once",), ()):
                printed = top(tmp_path, *once, "--format", format_, "--run-dir", str(gateway.run_dir))
                assert state_of(printed, format_) == "stopped"
                assert printed.stderr == f"gateway: error: The gateway with pid {pids[0]} has stopped.\n"
                assert printed.returncode == 1
        assert top(tmp_path, "--once").returncode == 1


def test_a_gateway_that_is_suspended_is_told(tmp_path: Path):
    """SIGSTOP: every format says suspended, a sentence says how it goes on, and the status is 1; not after SIGCONT."""
    with running_gateway(tmp_path) as gateway:
        gateway.process.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: is_suspended(gateway.process.pid), "the stop")
            for format_ in FORMATS:
                printed = top(tmp_path, "--once", "--format", format_)
                assert state_of(printed, format_) == "suspended"
                assert "is suspended; it goes on with `kill -CONT`, or `fg` in its terminal.\n" in printed.stderr
                assert printed.returncode == 1
        finally:
            gateway.process.send_signal(signal.SIGCONT)
        eventually(lambda: not is_suspended(gateway.process.pid), "going on")
        for format_ in FORMATS:
            printed = top(tmp_path, "--once", "--format", format_)
            assert (state_of(printed, format_), printed.stderr, printed.returncode) == ("running", "", 0)


def test_a_gateway_that_was_stopped_has_no_run_directory(tmp_path: Path):
    """After a clean end nothing is there to be shown: one sentence, and the status is 1."""
    with running_gateway(tmp_path) as gateway:
        pass
    for chosen in ((), ("--run-dir", str(gateway.run_dir))):
        for format_ in FORMATS:
            printed = top(tmp_path, "--once", "--format", format_, *chosen)
            assert (printed.stdout, printed.returncode, printed.stderr.count("\n")) == ("", 1, 1)
    assert "There is no run directory" in printed.stderr


@pytest.mark.parametrize("format_", ["line", "json"])
def test_a_repeating_format_ends_with_its_gateway(tmp_path: Path, format_: str):
    """One line a second, and when the gateway is killed one sentence and exit 1."""
    with running_gateway(tmp_path) as gateway:
        watching = subprocess.Popen(
            [sys.executable, "-m", "gateway", "top", "--format", format_, "--run-dir", gateway.run_dir],
            env=clean_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watching.stdout is not None
        assert all(watching.stdout.readline() for _ in range(2))
        gateway.process.kill()
        _, complaint = watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 1
    assert complaint == f"gateway: error: The gateway with pid {gateway.process.pid} has stopped.\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_do_no_harm(gateway: RunningGateway, tmp_path: Path, closed: str):
    """Whatever a careless parent has closed, it ends with 0 and without a complaint."""
    command = f"exec '{sys.executable}' -m gateway top --run-dir '{gateway.run_dir}' {closed}"
    ended = subprocess.run(
        ["sh", "-c", command], env=clean_environment(tmp_path), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert bool(ended.stdout) == (">&-" not in closed.replace("2>&-", ""))


def test_a_full_disk_is_one_line(gateway: RunningGateway, tmp_path: Path):
    """What cannot be written is a failure that says why."""
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", "top", "--run-dir", gateway.run_dir],
            env=clean_environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("gateway: error: The output cannot be written: No space left on device")
