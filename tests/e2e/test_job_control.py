"""The dashboard as a job of a shell: stopped, continued and ended, on a terminal that both take turns with."""

import os
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.process import PATIENCE_S, RunningGateway, clean_environment, running_gateway
from tests.support.terminal import TerminalProcess


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway that is only looked at."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


class Shell(TerminalProcess):
    """An interactive shell; its prompt is `ready> `."""

    def __init__(self, folder: Path) -> None:
        environ = clean_environment(folder) | {"PS1": "ready> ", "PYTHON": sys.executable}
        super().__init__(["sh", "-i"], environ, cwd=folder, controlling=True)
        self.wait_for("ready> ")
        # A shell with a line editor sets the terminal for its prompt.
        self.settings = termios.tcgetattr(self.main)

    def run(self, line: str, until: bytes) -> bytes:
        """Type a line, and return what comes up to `until`."""
        seen = len(self.raw)
        self.type(f"{line}\n".encode())
        return self.wait_for_bytes(until, seen)

    def wait_for_bytes(self, what: bytes, seen: int) -> bytes:
        """What came since `seen` bytes, once `what` is in it."""
        self.wait_for(lambda: what in self.raw[seen:])
        return self.raw[seen:]

    def wait_for_screen(self, seen: int) -> None:
        """Read until the screen was taken, and a whole picture came on it, since `seen` bytes."""
        self.wait_for(lambda: b"\x1b[24;1H" in self.raw[seen:].partition(b"\x1b[?1049h")[2])

    def job(self) -> psutil.Process:
        """The process that the shell has started."""
        [job] = psutil.Process(self.process.pid).children()
        return job


@pytest.fixture
def shell(tmp_path: Path, gateway: RunningGateway) -> Iterator[Shell]:
    """A shell in which `gateway top` shows the gateway."""
    shell = Shell(tmp_path)
    shell.run(f"export COMMAND=\"$PYTHON -m gateway top --run-dir '{gateway.run_dir}'\"", b"\nready> ")
    shell.run("top() { eval $COMMAND; }", b"\nready> ")
    yield shell
    for child in psutil.Process(shell.process.pid).children():
        child.kill()
    shell.close()


@pytest.mark.parametrize("command", [b"top", b"sh -c 'eval $COMMAND; exit $?'"])
def test_stop_and_fg_take_turns_with_the_shell(shell: Shell, command: bytes) -> None:
    """Ctrl-Z gives the shell its terminal as it was, fg gives it back with a whole picture, any number of times.

    Also when the job has another process that waits for the dashboard, as `make run` has.
    """
    shell.type(command + b"\n")
    shell.wait_for("● live")
    for _ in range(3):
        stopped = len(shell.raw)
        shell.type(b"\x1a")
        shell.wait_for_bytes(b"ready> ", stopped)
        assert b"\x1b[?1049l" in shell.raw[stopped:]
        assert termios.tcgetattr(shell.main) == shell.settings
        seen = len(shell.raw)
        shell.type(b"fg\n")
        shell.wait_for_screen(seen)
    stopped = len(shell.raw)
    shell.type(b"q")
    shell.wait_for_bytes(b"ready> ", stopped)
    shell.assert_restored()
    shell.run("echo status $?", b"\nstatus 0\r\n")


def test_a_stop_that_cannot_be_caught_is_repaired_by_fg(shell: Shell) -> None:
    """After SIGSTOP the shell has a broken terminal; fg brings raw keys, the screen and a whole picture back."""
    shell.type(b"top\n")
    shell.wait_for("● live")
    seen = len(shell.raw)
    shell.job().send_signal(signal.SIGSTOP)
    shell.wait_for_bytes(b"ready> ", seen)
    seen = len(shell.raw)
    shell.type(b"fg\n")
    shell.wait_for_screen(seen)
    seen = len(shell.raw)
    shell.type(b"q")
    shell.wait_for_bytes(b"ready> ", seen)
    shell.assert_restored()


@pytest.mark.parametrize("stop", [b"\x1a", signal.SIGSTOP])
def test_a_stopped_dashboard_can_be_ended_from_the_background(shell: Shell, stop: bytes | signal.Signals) -> None:
    """It restores what it has left there, and the settings are those of the shell that has its prompt there."""
    shell.type(b"top\n")
    shell.wait_for("● live")
    job, seen = shell.job(), len(shell.raw)
    if isinstance(stop, bytes):
        shell.type(stop)
    else:
        job.send_signal(stop)
    shell.wait_for_bytes(b"ready> ", seen)
    job.terminate()
    os.kill(job.pid, signal.SIGCONT)
    shell.wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE, PATIENCE_S)
    shell.assert_restored()
    shell.run("wait %1; echo status $?", b"\nstatus 0\r\n")
