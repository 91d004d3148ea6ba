"""What clients and provider know of a load, against what `gateway top` shows of it: every figure, over two workers."""

import asyncio
import copy
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.load import Load, Request, configuration, make_plan
from tests.support.process import RunningGateway, eventually, running_gateway
from tests.support.reconciliation import Reconciliation, read_log, reconcile
from tests.support.scripted_provider import ScriptedProvider, refusing_port

LIMIT_S = 2.0
"""Twenty times the longest pause of a provider that must not time out; those that must, wait side by side."""

REQUESTS = 400
LANES = 16
KILL_AT = 150


@contextmanager
def ready(folder: Path, provider: ScriptedProvider) -> Iterator[RunningGateway]:
    """A gateway with two workers in front of the provider and of a dead one."""
    with (
        refusing_port() as dead,
        running_gateway(folder, configuration(provider.port, dead, limit_s=LIMIT_S), "-w", "2") as gateway,
    ):
        eventually(lambda: serving(gateway), "two workers that listen")
        yield gateway


def serving(gateway: RunningGateway) -> bool:
    """Whether both workers are there and listen, so that a load reaches both."""
    pids = [worker["pid"] for worker in gateway.top()["workers"] if worker["alive"]]
    return len(pids) == 2 and all(
        any(connection.status == psutil.CONN_LISTEN for connection in psutil.Process(pid).net_connections("tcp"))
        for pid in pids
    )


def lines_by_worker(gateway: RunningGateway) -> Counter[str]:
    """How many requests each slot has logged."""
    return Counter(line["source"] for line in read_log(gateway.log))


async def undisturbed(folder: Path) -> tuple[Reconciliation, dict[str, Any]]:
    """Run a load of every case and return what is known of it and what is shown."""
    async with ScriptedProvider().listening() as provider:
        with ready(folder, provider) as gateway:
            load = Load(provider, gateway.address)
            await load.run(make_plan(REQUESTS, seed=1, timeouts=3), lanes=LANES)
            snapshot = gateway.settled()
            joined = reconcile(gateway, load, dropped=0, killed=False)
            assert lines_by_worker(gateway).keys() == {"worker-0", "worker-1"}
    return joined, snapshot


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reconciliation, dict[str, Any]]:
    """An undisturbed run."""
    return asyncio.run(undisturbed(tmp_path_factory.mktemp("gateway")))


def test_every_figure_is_what_clients_and_provider_know(run: tuple[Reconciliation, dict[str, Any]]):
    """Counts, outcomes and tokens are equal, percentiles within 1/65 of the exact ones, and nothing is left active."""
    joined, snapshot = run
    assert joined.differences(snapshot) == []
    assert joined.unlogged == []
    assert snapshot["log"]["dropped"] == 0


def test_no_figure_can_be_wrong_unnoticed(run: tuple[Reconciliation, dict[str, Any]]):
    """One more in any count, or a percentile that is moved by a twentieth, is a difference."""
    joined, snapshot = run
    places = [path for path in numbers((), snapshot) if path[0] in ("active", "lifetime", "window", "models")]
    unchecked = {"seconds", "coverage_s", "requests_per_second", "errors_per_second"}
    checked = [path for path in places if path[-1] not in unchecked]
    assert len(checked) > 150
    for path in checked:
        changed = copy.deepcopy(snapshot)
        holder: Any = changed
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = holder[path[-1]] * 1.05 if path[-1] in ("p50", "p95", "p99") else holder[path[-1]] + 1
        assert joined.differences(changed), path


def numbers(path: tuple[Any, ...], value: Any) -> Iterator[tuple[Any, ...]]:
    """The places of all numbers in a snapshot."""
    if isinstance(value, dict | list):
        for step in value if isinstance(value, dict) else range(len(value)):
            yield from numbers((*path, step), value[step])
    elif isinstance(value, int | float):
        yield path


async def disturbed(folder: Path, plan: list[Request]) -> None:
    """Kill a worker in the middle of the first half of a load, send the second half to its successor too, compare."""
    async with ScriptedProvider().listening() as provider:
        with ready(folder, provider) as gateway:
            victim = gateway.top()["workers"][0]["pid"]
            load = Load(provider, gateway.address)
            half = len(plan) // 2

            def kill_midway(request: Request) -> None:
                if request.number == KILL_AT:
                    # Lines come a moment after their requests.
                    eventually(lambda: lines_by_worker(gateway)["worker-0"] > 0, "a line of the victim")
                    os.kill(victim, signal.SIGKILL)

            await load.run(plan[:half], lanes=LANES, on_request=kill_midway)
            eventually(lambda: gateway.top()["workers"][0]["pid"] != victim and serving(gateway), "the successor")
            before = lines_by_worker(gateway)
            await load.run(plan[half:], lanes=LANES)
            snapshot = gateway.settled()
            joined = reconcile(gateway, load, dropped=0, killed=True)
            eventually(
                lambda: lines_by_worker(gateway)["worker-0"] > before["worker-0"], "lines of the victim's successor"
            )
    assert joined.differences(snapshot) == []
    assert snapshot["log"]["dropped"] == 0
    # Each lane was in the middle of a request; about half of them had it with the victim.
    assert 0 < len(joined.unlogged) < KILL_AT / 2
    assert [(worker["slot"], worker["alive"]) for worker in snapshot["workers"]] == [(0, True), (1, True)]


def test_a_killed_worker_takes_along_only_what_it_was_working_on(tmp_path: Path):
    """After kill -9 only requests that have no line in the log may be missing, none over a connection that lasted."""
    asyncio.run(disturbed(tmp_path, make_plan(REQUESTS, seed=2, timeouts=0)))
