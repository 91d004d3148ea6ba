"""What there is to see of a gateway, over its death and its successor."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dashboard.life import Life
from gateway.dashboard.source import Source
from gateway.metrics.errors import MetricsError
from gateway.serving.processes import process_started
from tests.support.process import PATIENCE_S, eventually
from tests.support.run_dir import Gateway


class Elsewhere:
    """A process that lives until it is told to end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.pid = self._process.pid
        started = process_started(self.pid)
        assert started is not None
        self.started = started

    def end(self) -> None:
        """End it, and take what is left of it away."""
        self._process.communicate()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """A process that is ended with the test."""
    process = Elsewhere()
    yield process
    process.end()


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[list[Gateway]]:
    """Two gateways, one after the other, that served 3 and 4 requests."""
    gateways = [Gateway(tmp_path / "first"), Gateway(tmp_path / "second")]
    gateways[0].serve(3)
    gateways[1].serve(4)
    yield gateways
    for gateway in gateways:
        gateway.close()


@pytest.mark.parametrize("has_descriptors", [True, False])
def test_the_end_of_a_process_is_seen(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch, has_descriptors: bool
) -> None:
    """With a descriptor, which then becomes readable, and without one."""
    if not has_descriptors:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    life = Life(elsewhere.pid, elsewhere.started)
    assert (life.fd >= 0) == has_descriptors
    assert not life.is_over()
    elsewhere.end()
    if life.fd >= 0:
        assert select.select([life.fd], [], [], PATIENCE_S)[0]
    eventually(life.is_over, "the end")
    life.close()


def test_a_process_that_has_the_number_of_another_is_not_taken_for_it(elsewhere: Elsewhere) -> None:
    """A pid comes again; the start time does not."""
    assert Life(elsewhere.pid, elsewhere.started - 60.0).is_over()


def test_a_process_that_never_was_is_over() -> None:
    """No descriptor, no error."""
    life = Life(2**22 + 1, 1.0)
    assert life.is_over()
    life.close()


def test_the_last_figures_of_a_gateway_stay(gateways: list[Gateway], elsewhere: Elsewhere) -> None:
    """What is read after its end is not shown: workers that are gone would be all that one sees."""
    source = Source(gateways[0].instance(elsewhere.pid))
    gateways[0].serve(1)
    source.read_figures()
    assert source.figures[0].lifetime.finished == 4
    elsewhere.end()
    last = source.figures
    gateways[0].serve(1)
    source.read_figures()
    assert source.figures is last


def test_a_successor_brings_its_own_figures_and_adds_to_the_log(gateways: list[Gateway]) -> None:
    """Counts start anew, the log goes on after one line that names both, and no record is left out or repeated."""
    source = Source(gateways[0].instance())
    assert [record.event for record in source.read_log()] == [f"line {number:05} of the log" for number in (1, 2, 3)]
    gateways[0].log(1)
    lines = source.follow(gateways[1].instance())
    pid = os.getpid()
    assert [record.event for record in lines] == [
        "line 00004 of the log",
        f"the gateway with pid {pid} has ended, pid {pid} took its place",
        *(f"line {number:05} of the log" for number in (1, 2, 3, 4)),
    ]
    assert source.figures[0].lifetime.finished == 4
    assert source.read_log() == []


def test_lost_records_of_both_are_counted(gateways: list[Gateway]) -> None:
    """The ring of the first was lapped, and so was that of the second: neither loss is forgotten."""
    source = Source(gateways[0].instance())
    source.read_log()
    gateways[0].log(250)
    source.read_log()
    assert source.lost == 50
    source.follow(gateways[1].instance())
    gateways[1].log(210)
    source.read_log()
    assert source.lost == 60


def test_a_log_that_is_set_aside_is_read_later(gateways: list[Gateway]) -> None:
    """Nothing of it is lost: of more than a panel keeps, the oldest lines are counted instead of read."""
    source = Source(gateways[0].instance())
    assert len(source.read_log()) == 3
    assert not source.set_log_aside()
    for _ in range(80):
        gateways[0].log(150)
        assert source.set_log_aside()
    assert len(source.read_log()) == 12_000 - 1950
    assert (source.lost, source.passed_over) == (0, 1950)
    source.follow(gateways[1].instance())
    assert (source.lost, source.passed_over) == (0, 1950)


def test_a_successor_of_another_version_is_refused(gateways: list[Gateway]) -> None:
    """It says what is wrong, and everything stays as it is."""
    source = Source(gateways[0].instance())
    source.read_log()
    for path in gateways[1].run_dir.glob("*.metrics"):
        path.write_bytes(b"something else" * 1000)
    with pytest.raises(MetricsError):
        source.follow(gateways[1].instance())
    assert source.figures[0].lifetime.finished == 3
    assert source.instance == gateways[0].instance()
    gateways[0].log(1)
    assert [record.event for record in source.read_log()] == ["line 00004 of the log"]
