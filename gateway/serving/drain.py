"""How a worker ends: running requests may finish within the grace time, then they are cut short.

Granian's own handler stops the worker at the first signal and waits for running requests without a limit; a second
signal blocks its event loop for good (its signal object sends into a channel of one place, granian 2.8). So the worker
puts a handler of its own in front: it passes the first SIGTERM on, once, and starts the clock.

SIGINT does not stop a worker: a terminal sends Ctrl-C to the supervisor as well, which sends SIGTERM to its workers. A
worker that ended by itself before that would look like a crash, and the exit code would be 1. But Ctrl-C in a worker
that drains already is an operator who will not wait: then what runs is cut at once.

A worker that has a successor retires (SIGUSR1): for a moment it goes on, and its answers ask the clients to come back
on another connection. Then it drains. Without that moment, whoever sends a request on a connection that has just become
idle would lose it. SIGHUP is the supervisor's; a terminal sends it to the workers as well.

A worker that outstays its grace time is killed by its supervisor, if that lives. If not, the kernel's alarm ends it.
"""

import asyncio
import math
import signal
from collections.abc import Callable
from typing import Any, Final

import granian._signals

RETIRE: Final = signal.SIGUSR1
MOVE_S: Final = 1.0
"""How long a worker that retires asks clients to leave before it closes their connections; busy ones ask sooner."""

# The supervisor kills after 5 seconds.
_ALARM_AFTER_GRACE_S: Final = 10


class Drain:
    """Holds back repeated signals, and cuts what still runs when `grace_s` seconds have passed.

    `leave` is called when clients are to go elsewhere, `begin` when no new ones are taken, `cut` interrupts what runs.
    `set_alarm` gets the seconds after which this process has to be dead.
    """

    def __init__(
        self,
        grace_s: float,
        leave: Callable[[], None],
        begin: Callable[[], None],
        cut: Callable[[], None],
        set_alarm: Callable[[int], object] = signal.alarm,
    ) -> None:
        self._grace_s = grace_s
        self._leave = leave
        self._begin = begin
        self._cut = cut
        self._set_alarm = set_alarm
        self._begun = False

    def start(self, loop: asyncio.AbstractEventLoop, stop_serving: Callable[[], None]) -> None:
        """Begin to drain; further calls do nothing."""
        if self._begun:
            return
        self._begun = True
        self._leave()
        self._begin()
        self._set_alarm(math.ceil(self._grace_s) + _ALARM_AFTER_GRACE_S)
        loop.call_later(self._grace_s, self._cut)
        stop_serving()

    def retire(self, loop: asyncio.AbstractEventLoop, stop_serving: Callable[[], None]) -> None:
        """Begin to leave, and drain a moment later."""
        self._leave()
        loop.call_later(MOVE_S, self.start, loop, stop_serving)

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
            loop.add_signal_handler(RETIRE, self.retire, loop, event.set)
            return event

        granian._signals.set_loop_signals = set_loop_signals
