"""A real `gateway serve` in a process of its own, and `gateway top` to look at it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 20.0
"""How long anything may take on a busy machine before a test gives up; nothing waits this long when all is well."""


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Return the first true value of `condition`; fails when it stays false for PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not happen in {PATIENCE_S} s"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def clean_environment(folder: Path) -> dict[str, str]:
    """An environment without keys or proxies, whose run directories are in `folder`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"XDG_RUNTIME_DIR": str(folder), "XDG_CONFIG_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


class RunningGateway:
    """A gateway that answers."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
        self.process = process
        self.folder = folder
        self.log = log
        self.run_dir = eventually(self._find_run_dir, "the run directory")
        self.address = json.loads((self.run_dir / "instance.json").read_bytes())["address"]
        eventually(self._is_ready, "readiness")

    def _find_run_dir(self) -> Path | None:
        assert self.process.poll() is None, self.log.read_text()
        found = self.folder.glob(f"gateway/{self.process.pid}-*/instance.json")
        return next((path.parent for path in found), None)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.address}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def base_url(self) -> str:
        """What an OpenAI client is pointed at."""
        return f"{self.address}/v1"

    def top(self) -> dict[str, Any]:
        """What `gateway top --once --format json` prints."""
        printed = subprocess.run(
            [sys.executable, "-m", "gateway", "top", "--once", "--format", "json", "--run-dir", str(self.run_dir)],
            env=clean_environment(self.folder),
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
        snapshot: dict[str, Any] = json.loads(printed.stdout)
        return snapshot

    def settled(self) -> dict[str, Any]:
        """The snapshot as soon as no request is active."""

        def idle() -> dict[str, Any] | None:
            snapshot = self.top()
            return snapshot if snapshot["active"] == 0 else None

        snapshot: dict[str, Any] = eventually(idle, "the end of every request")
        return snapshot

    def request_lines(self) -> list[dict[str, Any]]:
        """The request lines in the log so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "request"]


@contextmanager
def running_gateway(
    folder: Path,
    config: str = "",
    *arguments: str,
    command: list[str] | None = None,
    runtime: Path | None = None,
    kind: type[RunningGateway] = RunningGateway,
) -> Iterator[RunningGateway]:
    """Start a gateway with the configuration and stop it at the end, by whatever means it takes.

    `runtime` is where run directories go, if not in `folder`; `kind` knows how to find out that it is ready.
    """
    runtime = runtime or folder
    file = folder / "test.toml"
    file.write_text(config)
    log = folder / "gateway.out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command
            or [
                sys.executable,
                "-m",
                "gateway",
                "serve",
                "-c",
                str(file),
                "-p",
                "0",
                "--log-format",
                "json",
                *arguments,
            ],
            env=clean_environment(runtime),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield kind(process, runtime, log)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
