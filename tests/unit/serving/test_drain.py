"""The end of a worker."""

from collections.abc import Callable
from functools import partial
from typing import Any

from gateway.serving.drain import MOVE_S, Drain


class Loop:
    """A loop that remembers what is to be called when."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any) -> None:
        """Remember."""
        self.later.append((delay, partial(callback, *arguments)))


class Worker:
    """A drain of 30 seconds that writes down what it does."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.loop: Any = Loop()
        self.drain = Drain(
            30.0,
            leave=self.note("leave"),
            begin=self.note("begin"),
            cut=self.note("cut"),
            set_alarm=lambda seconds: self.done.append(f"alarm {seconds}"),
        )

    def note(self, what: str) -> Callable[[], None]:
        """Write it down."""
        return lambda: self.done.append(what)


def test_the_first_signal_begins_to_drain_and_the_others_do_nothing():
    """The server is told to stop once, and what still runs is cut once, when the grace time is over."""
    worker = Worker()
    for _ in range(4):
        worker.drain.start(worker.loop, worker.note("stop"))
    assert worker.done == ["leave", "begin", "alarm 40", "stop"]
    [(delay, cut)] = worker.loop.later
    cut()
    assert (delay, worker.done[-1]) == (30.0, "cut")


def test_an_operator_who_will_not_wait_cuts_what_runs():
    """SIGINT before the drain means nothing, during the drain it cuts at once."""
    worker = Worker()
    worker.drain.hurry()
    worker.drain.start(worker.loop, worker.note("stop"))
    worker.drain.hurry()
    assert worker.done == ["leave", "begin", "alarm 40", "stop", "cut"]


def test_a_worker_that_retires_asks_its_clients_to_leave_before_it_drains():
    """It serves on meanwhile, and drains once, even if it is told to end before that."""
    worker = Worker()
    worker.drain.retire(worker.loop, worker.note("stop"))
    assert worker.done == ["leave"]
    [(delay, start)] = worker.loop.later
    assert delay == MOVE_S
    worker.drain.start(worker.loop, worker.note("stop"))
    start()
    assert worker.done == ["leave", "leave", "begin", "alarm 40", "stop"]
