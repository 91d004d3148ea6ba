"""A trial of the memory of this machine, because all that crosses processes here rests on two of its promises.

That an aligned store of 8 bytes is never seen half-written, and that stores become visible in program order, is what
x86-64 promises (Intel SDM volume 3A, "Guaranteed Atomic Operations" and "Memory Ordering"). Python has no fences for
processors that promise less, so there a second process stores two numbers over and over, always the first before the
second, each of two equal halves, and this process loads them the other way round. Halves that differ are a torn store;
a second number that is ahead of the first is a wrong order. A trial can only find what happens while it lasts: it
refuses processors on which the numbers would plainly be wrong, and proves nothing about the others.
"""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gateway.metrics.clock import Clock
from gateway.metrics.errors import MemoryOrderError
from gateway.metrics.layout import IDENTITY, FileKind, Record

FILE_NAME: Final = "self-test"
TRUSTED: Final = frozenset({"x86_64", "AMD64"})
"""What platform.machine() says on x86-64: Linux and macOS, Windows."""

# Two cache lines of 128 bytes, the longest in use, so that the two stores do not become visible together.
_LAYOUT: Final = Record(**IDENTITY.runs, first=16, second=16)
_KIND: Final = FileKind(b"gwmemory", 1, ((_LAYOUT, 1),), MemoryOrderError)
_FIRST: Final = _LAYOUT["first"]
_SECOND: Final = _LAYOUT["second"]
_BOTH_HALVES: Final = 2**32 + 1
_MASK: Final = 2**32 - 1

LOADS: Final = 200_000
"""Pairs of loads in a trial: a tenth of a second beside a writer that stores as often."""
_IN_A_ROW: Final = 100
"""Between two looks at the clock, which costs more than the loads."""
_LIMIT_NS: Final = 10 * 10**9
"""Ten times what a small board needs to start an interpreter."""


def verify_memory(folder: Path, *, machine: str, trial: Callable[[Path], str | None]) -> None:
    """Do nothing on a trusted machine, else run the trial; raises MemoryOrderError with what it has seen.

    `machine` is what platform.machine() says. The trial may use `folder`/self-test, which is removed afterwards.
    """
    if machine in TRUSTED:
        return
    path = folder / FILE_NAME
    try:
        problem = trial(path)
    finally:
        path.unlink(missing_ok=True)
    if problem is not None:
        raise MemoryOrderError(path, f"{problem} on this processor ({machine}): its numbers could not be trusted.")


def verify_this_machine(folder: Path) -> None:
    """Verify the memory that `folder` lies in, once per instance before its first worker file is opened.

    Returns at once on x86-64, and elsewhere when the trial has ended, after 10 seconds at most. Raises
    MemoryOrderError, and OSError if there is no room for the file.
    """
    if sys.byteorder != "little":
        problem = f"cannot be used on this processor ({platform.machine()}): it is big-endian."
        raise MemoryOrderError(folder / FILE_NAME, problem)
    verify_memory(folder, machine=platform.machine(), trial=two_processes)


def two_processes(path: Path, *, clock: Clock = time.monotonic_ns) -> str | None:
    """What is wrong with the stores of another process to the file at `path`, or None."""
    file = _KIND.create(path, lambda file: None)
    writer = subprocess.Popen([sys.executable, "-m", __name__, str(path)])
    deadline_ns = clock() + _LIMIT_NS
    try:
        return observe(file.cells, lambda: clock() < deadline_ns)
    finally:
        writer.kill()
        writer.wait()
        file.close()


def observe(cells: Sequence[int], has_time: Callable[[], bool], *, loads: int = LOADS) -> str | None:
    """Load both numbers, `loads` times after the first store, while there is time: what is wrong, or None."""
    done = 0
    while done < loads:
        if not has_time():
            return None if done else "shows no store of another process"
        for _ in range(_IN_A_ROW):
            second = cells[_SECOND]
            first = cells[_FIRST]
            for number in (first, second):
                if number >> 32 != number & _MASK:
                    return "shows a number that is half-written"
            if second > first:
                return "shows two stores in the wrong order"
        if second:
            done += _IN_A_ROW
    return None


def store(cells: "memoryview[int]", numbers: Sequence[int]) -> None:
    """What the second process does."""
    for number in numbers:
        cells[_FIRST] = number * _BOTH_HALVES
        cells[_SECOND] = number * _BOTH_HALVES


if __name__ == "__main__":
    # It is killed when enough has been seen. That the numbers last for some ten seconds is for a parent that died.
    store(_KIND.open(Path(sys.argv[1]), writable=True).cells, range(1, 2**26))
