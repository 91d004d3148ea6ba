"""`gateway top` as a program that other programs read."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.process import PATIENCE_S, clean_environment, eventually, running_gateway


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
        "schema", "instance", "taken_at", "active", "workers", "lifetime", "window", "models", "log",
    ]  # fmt: skip
    assert list(snapshot["instance"]) == ["pid", "version", "address", "started_at"]
    assert list(snapshot["workers"][0]) == [
        "slot", "pid", "alive", "active", "cpu_percent", "rss_bytes", "finished",
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
    assert snapshot["log"] == {"dropped": 0}


def test_a_line_is_one_line(tmp_path: Path):
    """A status bar gets the main figures without colours."""
    with running_gateway(tmp_path) as gateway:
        printed = top(tmp_path, "--once", "--format", "line", "--run-dir", str(gateway.run_dir))
    assert printed.stdout.count("\n") == 1
    assert printed.stdout.startswith("active 0  ")
    assert "\x1b" not in printed.stdout


def test_a_folder_that_is_no_run_directory_is_a_usage_error(tmp_path: Path):
    """One sentence, exit 2."""
    printed = top(tmp_path, "--once", "--run-dir", str(tmp_path))
    assert printed.returncode == 2
    assert "is not the run directory of a gateway" in printed.stderr


def test_the_screen_needs_a_terminal(tmp_path: Path):
    """One sentence that names the other formats, exit 2."""
    with running_gateway(tmp_path) as gateway:
        printed = top(tmp_path, "--run-dir", str(gateway.run_dir))
    assert printed.returncode == 2
    assert "--format json" in printed.stderr
