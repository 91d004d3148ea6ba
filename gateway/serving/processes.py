"""What the gateway asks the operating system about processes."""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Final

from gateway.metrics.sampler import ProcessUsage

# Of 250 ms.
_CPU_INTERVALS = 8
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_STAT_STATE, _STAT_STARTTIME = 0, 19  # proc(5): the fields behind the command name, which may contain anything


def allow_open_files() -> None:
    """Let this process open as many files as it may: each stream needs two, and most shells allow 1,024 to begin with.

    That low limit protects programs that call select(2) with numbers of files; a worker polls. Programs that it would
    start would inherit the limit, but it starts none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A hard limit of "unlimited" cannot be set everywhere.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def keep_freed_memory(*, most: int, largest: int) -> None:
    """Let this process keep up to `most` bytes that it has freed, for blocks of up to `largest` bytes, with glibc.

    Without it glibc gives memory back to the kernel as soon as 128 KiB are free, and zeroed pages have to be fetched
    one by one for every long prompt: a tenth of what such a request costs (docs/performance.md).
    """
    # Other C libraries have no such knob.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, most)
        mallopt(_M_MMAP_THRESHOLD, largest)


def process_started(pid: int) -> float | None:
    """Return when a process started, in seconds since boot, or None when there is no such process.

    With the pid it identifies a process for good: pids come again, start times do not. Seconds since boot do not move
    when the wall clock is set; where /proc is missing the wall clock has to do. A zombie counts as gone.
    """
    if sys.platform != "linux":
        import psutil

        try:
            return psutil.Process(pid).create_time()
        except psutil.Error:
            return None
    fields = _stat(pid)
    if fields is None or fields[_STAT_STATE] == b"Z":
        return None
    return int(fields[_STAT_STARTTIME]) / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int, started: float) -> bool:
    """Whether the process that started then with that pid still runs."""
    found = process_started(pid)
    return found is not None and abs(found - started) < 0.5


def is_suspended(pid: int) -> bool:
    """Whether a process is stopped, as by SIGSTOP or Ctrl-Z: it lives, does nothing, and SIGCONT lets it go on."""
    if sys.platform != "linux":
        import psutil

        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False
    fields = _stat(pid)
    return fields is not None and fields[_STAT_STATE] == b"T"


def _stat(pid: int) -> list[bytes] | None:
    """What proc(5) says of a process behind its name, None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return stat[stat.rindex(b")") + 2 :].split()


_TYPED: Final = (signal.SIGINT, signal.SIGQUIT)


@contextlib.contextmanager
def terminal_unheard() -> Iterator[None]:
    """Let processes that are started within start deaf to the keys that end a program; see `leave_terminal`.

    A key that is typed before they can leave the terminal is for their parent, which gets it when this is over.
    """
    # multiprocessing starts it with the first process, and lets the signals through again behind that (CPython 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TYPED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_terminal() -> None:
    """Begin a session of this process's own, in which no key is heard; one that was typed before is forgotten."""
    os.setsid()
    for number in _TYPED:
        # A signal that waits is dropped when it is ignored.
        signal.signal(number, signal.SIG_IGN)
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _TYPED)


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to send SIGTERM to this process when the thread that started it ends; on Linux only."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the call; then nobody is left to send the signal.
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), signal.SIGTERM)


class CpuMeter:
    """The CPU of one process over the last two seconds.

    The kernel counts in hundredths of a second: over a quarter of one, that would be steps of four percent.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float]] = deque(maxlen=_CPU_INTERVALS + 1)

    def percent(self, now_s: float, used_s: float) -> float:
        """Percent of one core, from what the process has used until now; 0 for the first reading."""
        self._readings.append((now_s, used_s))
        then_s, then_used_s = self._readings[0]
        return 100 * (used_s - then_used_s) / (now_s - then_s) if now_s > then_s else 0.0


def usage_probe() -> Callable[[int], ProcessUsage | None]:
    """Return a probe of a process's CPU percentage and of its resident bytes, to be called four times a second."""
    # Here, because viewers need none of it and should start at once.
    import psutil

    known: dict[int, tuple[psutil.Process, CpuMeter]] = {}

    def probe(pid: int) -> ProcessUsage | None:
        try:
            if pid not in known:
                known[pid] = psutil.Process(pid), CpuMeter()
            process, meter = known[pid]
            with process.oneshot():
                times = process.cpu_times()
                percent = meter.percent(time.monotonic(), times.user + times.system)
                return ProcessUsage(cpu_percent=percent, rss_bytes=process.memory_info().rss)
        except psutil.Error:
            known.pop(pid, None)
            return None

    return probe
