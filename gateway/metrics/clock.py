"""Time as an injected callable, so that everything that measures can be tested without waiting."""

import sys
import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns integer nanoseconds since a fixed but arbitrary moment."""

if sys.platform == "linux":

    def boottime_ns() -> int:
        """Nanoseconds since boot, suspend included.

        CLOCK_MONOTONIC stands still while a laptop sleeps (clock_gettime(2)): data from before would look fresh.
        """
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:
    boottime_ns = time.monotonic_ns


class ManualClock:
    """A clock for tests: it moves only when it is told to, in either direction."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        """Move by `seconds`; a negative number moves back."""
        self.now_ns += round(seconds * 1e9)
