"""How a worker ends: running requests may finish within the grace time, then they are cut short.

Granian's own handler stops the worker at the first signal and waits for running requests without a limit; a second
signal blocks its event loop for good (its signal object sends into a channel of one place, granian 2.8). So the worker
puts a handler of its own in front: it passes the first SIGTERM on, once, and starts the clock.

SIGINT does not stop a worker: a terminal sends Ctrl-C to the supervisor as well, which sends SIGTERM to its workers. A
worker that ended by itself before that would look like a crash, and the exit code would be 1. But Ctrl-C in a worker
that drains already is an operator who will not wait: then what runs is cut at once.
"""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import granian._signals


class Drain:
    """Holds back repeated signals, and cuts what still runs when `grace_s` seconds have passed."""

    def __init__(self, grace_s: float, begin: Callable[[], None], cut: Callable[[], None]) -> None:
        self._grace_s = grace_s
        self._begin = begin
        self._cut = cut
        self._begun = False

    def start(self, loop: asyncio.AbstractEventLoop, stop_serving: Callable[[], None]) -> None:
        """Begin to drain; further calls do nothing."""
        if self._begun:
            return
        self._begun = True
        self._begin()
        loop.call_later(self._grace_s, self._cut)
        stop_serving()

    def hurry(self) -> None:
        """Cut what still runs, if the worker drains already."""
        if self._begun:
            self._cut()

    def install(self) -> None:
        """Take the place of Granian's handlers; has to be called before its worker sets them, which a factory is."""
        original: Callable[[asyncio.AbstractEventLoop], Any] = granian._signals.set_loop_signals

        def set_loop_signals(loop: asyncio.AbstractEventLoop) -> Any:
            event = original(loop)
            loop.add_signal_handler(signal.SIGINT, self.hurry)
            loop.add_signal_handler(signal.SIGTERM, self.start, loop, event.set)
            return event

        granian._signals.set_loop_signals = set_loop_signals
