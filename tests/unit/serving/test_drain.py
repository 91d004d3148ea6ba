"""The end of a worker."""

from collections.abc import Callable
from typing import Any

from gateway.serving.drain import Drain


class Loop:
    """A loop that remembers what is to be called when."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Remember."""
        self.later.append((delay, callback))


def test_the_first_signal_begins_to_drain_and_the_others_do_nothing():
    """The server is told to stop once, and what still runs is cut once, when the grace time is over."""
    done: list[str] = []
    loop: Any = Loop()
    drain = Drain(30.0, begin=lambda: done.append("begin"), cut=lambda: done.append("cut"))
    for _ in range(4):
        drain.start(loop, lambda: done.append("stop"))
    assert done == ["begin", "stop"]
    [(delay, cut)] = loop.later
    cut()
    assert (delay, done) == (30.0, ["begin", "stop", "cut"])


def test_an_operator_who_will_not_wait_cuts_what_runs():
    """SIGINT before the drain means nothing, during the drain it cuts at once."""
    done: list[str] = []
    loop: Any = Loop()
    drain = Drain(30.0, begin=lambda: done.append("begin"), cut=lambda: done.append("cut"))
    drain.hurry()
    drain.start(loop, lambda: done.append("stop"))
    drain.hurry()
    assert done == ["begin", "stop", "cut"]
