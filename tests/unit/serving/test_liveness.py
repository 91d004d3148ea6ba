"""Whether processes still run, asked many times."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.serving import liveness
from gateway.serving.liveness import Liveness
from gateway.serving.processes import process_started

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="pidfds are Linux's")


class Child:
    """A process that waits until it is killed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        started = process_started(self.process.pid)
        assert started is not None
        self.identity = (self.process.pid, started)

    def kill(self) -> None:
        """End it, and leave it as a zombie."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def new_child() -> Iterator[Callable[[], Child]]:
    """Starts children that are gone after the test."""
    children: list[Child] = []

    def start() -> Child:
        children.append(Child())
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.process.communicate()


@pytest.fixture
def alive() -> Iterator[Liveness]:
    """Nothing is known yet."""
    liveness = Liveness()
    yield liveness
    liveness.close()


def open_descriptors() -> int:
    """How many this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("has_pidfd", [pytest.param(True, marks=needs_pidfd), False])
def test_a_process_is_alive_until_it_ends(
    alive: Liveness, new_child: Callable[[], Child], monkeypatch: pytest.MonkeyPatch, has_pidfd: bool
) -> None:
    """Also where there are no pidfds; a zombie is gone, and so is what has been reaped."""
    if not has_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    child = new_child()
    assert alive(*child.identity)
    assert alive(*child.identity)
    child.kill()
    assert not alive(*child.identity)
    child.process.wait()
    assert not alive(*child.identity)


def test_another_process_with_the_same_pid_is_not_it(alive: Liveness, new_child: Callable[[], Child]) -> None:
    """A start time that does not fit is another process, before and after the right one was asked for."""
    pid, started = new_child().identity
    assert not alive(pid, started - 5)
    assert alive(pid, started)
    assert not alive(pid, started - 5)


@needs_pidfd
def test_a_process_is_identified_once(
    alive: Liveness, new_child: Callable[[], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second time on nothing is read from /proc while it lives."""
    child = new_child()
    assert alive(*child.identity)
    with monkeypatch.context() as patch:
        patch.delattr(liveness, "is_alive")
        assert alive(*child.identity)
    child.kill()
    assert not alive(*child.identity)


@needs_pidfd
def test_a_pidfd_of_an_earlier_process_is_not_trusted(
    alive: Liveness, new_child: Callable[[], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the pid changed hands while the process was looked at, it is looked at again and found alive."""
    child, earlier = new_child(), new_child()
    open_pidfd = os.pidfd_open
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", lambda pid: open_pidfd(earlier.process.pid))
        assert alive(*child.identity)
    earlier.kill()
    assert alive(*child.identity)
    child.kill()
    assert not alive(*child.identity)


@needs_pidfd
def test_descriptors_of_ended_processes_are_given_up(alive: Liveness, new_child: Callable[[], Child]) -> None:
    """However many workers were replaced, and although nobody asks for them again."""
    before = open_descriptors()
    for _ in range(3):
        child = new_child()
        assert alive(*child.identity)
        child.kill()
        child.process.communicate()
    last = new_child()
    assert alive(*last.identity)
    last.process.communicate(b"")
    assert not alive(*last.identity)
    assert open_descriptors() == before
    survivor = new_child()
    assert alive(*survivor.identity)
    alive.close()
    survivor.process.communicate(b"")
    assert open_descriptors() == before
