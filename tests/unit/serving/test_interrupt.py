"""An event for signal handlers."""

import signal
import threading
from collections.abc import Iterator

import pytest

from gateway.serving.interrupt import Interrupt


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    """One that is given back."""
    made = Interrupt()
    yield made
    made.close()


def test_it_is_set_until_it_is_cleared(interrupt: Interrupt) -> None:
    """Setting twice is setting once, and waiting changes nothing."""
    assert not interrupt.is_set()
    assert not interrupt.wait(0.0)
    interrupt.set()
    interrupt.set()
    assert interrupt.wait()
    assert interrupt.is_set()
    interrupt.clear()
    assert not interrupt.is_set()


def test_it_can_be_set_more_often_than_anybody_looks(interrupt: Interrupt) -> None:
    """However often it was set, one call clears it."""
    for _ in range(70_000):
        interrupt.set()
    interrupt.clear()
    assert not interrupt.is_set()


def test_a_signal_that_another_thread_got_wakes_the_one_that_waits(interrupt: Interrupt) -> None:
    """The handler runs in the main thread, which nothing else would wake, and sets the event."""
    before = signal.signal(signal.SIGUSR1, lambda number, frame: interrupt.set())
    # A thread of its own, to which the signal is sent.
    sender = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
    late = threading.Timer(0.05, sender.start)
    late.start()
    try:
        assert interrupt.wait(20)
    finally:
        late.join()
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_whose_handler_sets_nothing_ends_no_wait(interrupt: Interrupt) -> None:
    """Waiting goes on to its limit, and does not spin."""
    handled: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert not interrupt.wait(0.01)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == [signal.SIGUSR1]


def test_another_thread_wakes_the_one_that_waits(interrupt: Interrupt) -> None:
    """A thread that waits without a limit goes on when another one sets it."""
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(interrupt.wait()))
    waiting.start()
    interrupt.set()
    waiting.join(10)
    assert woken == [True]


def test_a_handler_sets_it_in_the_middle_of_setting_clearing_and_waiting(interrupt: Interrupt) -> None:
    """Signals that come thousands of times a second, in each other's handlers too, block nothing."""

    def handle(number: int, frame: object) -> None:
        handled.append(number)
        if len(handled) % 3:
            signal.raise_signal(signal.SIGUSR1)
        interrupt.set()

    handled: list[int] = []
    before = signal.signal(signal.SIGUSR1, handle)
    alarm = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        while len(handled) < 300:
            interrupt.wait()
            interrupt.clear()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGUSR1, before)
    assert len(handled) >= 300
