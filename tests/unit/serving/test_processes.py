"""What the gateway asks the operating system about processes."""

import os
import platform
import signal
import subprocess
import sys
import time

import pytest

from gateway.serving.processes import CpuMeter, terminal_unheard, usage_probe


def test_a_process_that_leaves_the_terminal_never_hears_its_keys() -> None:
    """Neither one that is typed while it starts, nor one after that; its parent gets what was typed meanwhile."""
    code = "import sys, gateway.serving.processes as processes\ninput()\nprocesses.leave_terminal()\nprint('left')"
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with terminal_unheard():
            child = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            signal.raise_signal(signal.SIGINT)
            assert heard == []
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    child.send_signal(signal.SIGINT)
    assert child.communicate("\n", timeout=60)[0] == "left\n"
    assert child.returncode == 0


def test_a_worker_opens_as_many_files_as_it_may() -> None:
    """A shell that allows few files to begin with does not limit the streams of a worker, the administrator does."""
    code = (
        "import resource\n"
        "from gateway.serving.processes import allow_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 200))\n"
        "allow_open_files()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout
    assert printed.strip() == b"(200, 200)"


MEASURES_FAULTS = """
import resource, sys
from gateway.serving.processes import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory(most=8 << 20, largest=4 << 20)

def faults_of_a_round():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bodies = [b"x" * 100_000 for _ in range(20)]
    del bodies
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of_a_round()
print(sum(faults_of_a_round() for _ in range(10)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the knob")
def test_memory_of_earlier_bodies_is_used_again_without_asking_the_kernel() -> None:
    """Each page that is fetched anew is a fault, 24 for a body of 100 KB; kept memory has none of them."""

    def faults(how: str) -> int:
        return int(subprocess.check_output([sys.executable, "-c", MEASURES_FAULTS, how], timeout=60))

    assert faults("keep") < faults("give back") / 10


def test_cpu_is_that_of_the_last_two_seconds() -> None:
    """A tick of the kernel, of 10 ms, is half a percent and not four; what was used two seconds ago counts no more."""
    meter = CpuMeter()
    assert meter.percent(0.0, 5.0) == 0.0
    shown = [round(meter.percent(quarter / 4, 5.01), 3) for quarter in range(1, 10)]
    assert (shown[0], shown[7], shown[8]) == (4.0, 0.5, 0.0)


def test_a_process_that_works_is_seen_to_work() -> None:
    """The probe finds the CPU and the memory of a process that is there, and nothing of one that is not."""
    probe = usage_probe()
    assert probe(os.getpid()) is not None
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    usage = probe(os.getpid())
    assert usage is not None
    assert usage.cpu_percent > 0
    assert usage.rss_bytes > 2**20
    assert probe(2**22 + 1) is None
