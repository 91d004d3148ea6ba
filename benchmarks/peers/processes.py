"""Programs that are started for a measurement, pinned to cores, and what their whole tree of processes uses."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

PATIENCE_S = 90.0
"""How long a program may take to become ready; LiteLLM has been seen to take 30 s on a busy machine."""


def cores() -> tuple[set[int], set[int]]:
    """One core for who is measured, and the others (the same one, if there is no other) for load and upstream."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, set(usable[1:]) or {usable[0]}


def free_port() -> int:
    """A port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Tree:
    """A process and all its descendants."""

    def __init__(self, pid: int) -> None:
        self.root = psutil.Process(pid)

    def processes(self) -> list[psutil.Process]:
        """Those that are alive."""
        return [self.root, *self.root.children(recursive=True)]

    def cpu_s(self) -> float:
        """User and system time of all threads of all of them, dead threads and awaited dead children included.

        Of a live process it is its CPU clock, in nanoseconds; the number of that clock is made of the pid as the
        kernel's `posix-timers.h` says. /proc/PID/stat has the same time in hundredths of a second.
        """
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                times = process.cpu_times()
                total += (
                    time.clock_gettime_ns(~process.pid << 3 | 2) / 1e9 + times.children_user + times.children_system
                )
        return total

    def place(self, on: set[int]) -> None:
        """Let all threads of all of them run on those cores only."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                for thread in process.threads():
                    with contextlib.suppress(ProcessLookupError):
                        os.sched_setaffinity(thread.id, on)

    def rss(self) -> list[int]:
        """The resident bytes of each, the largest first."""
        sizes = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes.append(process.memory_info().rss)
        return sorted(sizes, reverse=True)


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    on: set[int],
    terminal: int | None = None,
    log: Path | None = None,
) -> Iterator[Tree]:
    """Run a program on those cores for as long as the context is open; it prints to `terminal`, `log` or nowhere."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    with contextlib.ExitStack() as stack:
        output = terminal if terminal is not None else stack.enter_context(open(log or os.devnull, "wb")).fileno()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=kept | dict(environment),
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, on),
        )
        try:
            yield Tree(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until(condition: Callable[[], bool], tree: Tree, what: str) -> float:
    """Seconds until the condition holds; RuntimeError when the program ends before, TimeoutError after PATIENCE_S."""
    begin = time.monotonic()
    while not condition():
        if not tree.root.is_running() or tree.root.status() == psutil.STATUS_ZOMBIE:
            raise RuntimeError(f"{what} ended before it was ready")
        if time.monotonic() - begin > PATIENCE_S:
            raise TimeoutError(f"{what} was not ready in {PATIENCE_S:.0f} s")
        time.sleep(0.005)
    return time.monotonic() - begin
