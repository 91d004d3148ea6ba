"""What requests pay for a dashboard, so that the noise of a busy machine falls out.

One gateway with its dashboard, whose viewer is stopped and let go on (SIGSTOP, SIGCONT) in turns: the same processes
serve with and without it. Turns are short and come in pairs, in an order that is drawn anew for each. What is compared
is always the two turns of a pair; of all pairs there is the median, and the interval in which the true median lies with
a confidence of 95 %, whatever the distribution is (order statistics).

- Throughput is taken from CPU time, not from the clock: what the server uses per request when it is loaded as much as
  it can take, and the share of a core that the viewer takes away, tell what they serve on one core between them.
- Latency is measured at a constant rate, from the moment at which a request was due, so that a gateway that stands
  still is charged for all who wait.

usage: python -m benchmarks.with_dashboard [--pairs 60] [--seconds 1] [--rate 1000]
"""

import argparse
import asyncio
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import httptools
import uvloop

from benchmarks.peers.cases import CASES, CPU_CONNECTIONS
from benchmarks.peers.contenders import gateway
from benchmarks.peers.load import LoadError, Target, with_python
from benchmarks.peers.measure import running_upstream, started
from benchmarks.peers.processes import Tree

SETTLE_S = 0.5
"""How long a viewer may take to catch up with what came before, as it looks at the log at least that often."""
LATENCY_CONNECTIONS = 16
Turn = dict[str, float]
MEASURES = ("throughput", "throughput by the clock", "CPU of the server", "p50", "p99")
LIMITS = {"throughput": "at least 0.97", "p99": "at most 1.10"}


class Timed(asyncio.Protocol):
    """A connection that serves one request after the other, of those that are due."""

    def __init__(self, request: bytes, due: asyncio.Queue[float], latencies: list[float]) -> None:
        self.request = request
        self.due = due
        self.latencies = latencies
        self.answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        assert self.answered is not None
        if self.parser.get_status_code() == 200:
            self.answered.set_result(None)
        else:
            self.answered.set_exception(LoadError(f"status {self.parser.get_status_code()}"))

    def connection_lost(self, error: Exception | None) -> None:
        """A lost connection ends the measurement."""
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(LoadError("the server closed the connection"))

    async def serve(self) -> None:
        """Send what is due, until the time is over."""
        while (due := await self.due.get()) > 0:
            self.parser = httptools.HttpResponseParser(self)
            self.answered = asyncio.get_running_loop().create_future()
            self.transport.write(self.request)
            await self.answered
            self.latencies.append(time.perf_counter() - due)


async def _at_a_rate(target: Target, rate: float, seconds: float) -> list[float]:
    loop, due, latencies = asyncio.get_running_loop(), asyncio.Queue[float](), list[float]()
    connections = []
    for _ in range(LATENCY_CONNECTIONS):
        _, connection = await loop.create_connection(
            lambda: Timed(target.request(), due, latencies), "127.0.0.1", target.port
        )
        connections.append(connection)
    serving = [asyncio.create_task(connection.serve()) for connection in connections]
    begin = time.perf_counter()
    for number in range(int(rate * seconds)):
        moment = begin + number / rate
        if (wait := moment - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        due.put_nowait(moment)
    for _ in serving:
        due.put_nowait(0)
    async with asyncio.timeout(60):
        await asyncio.gather(*serving)
    for connection in connections:
        connection.transport.close()
    return sorted(latencies)


def turn(tree: Tree, target: Target, seconds: float, rate: float) -> Turn:
    """Load it twice for that long: as much as it can take, and at a constant rate. `tree` begins with the viewer."""
    clocks = [Tree(process.pid) for process in (tree.root, *tree.root.children())]

    def cpu_s() -> tuple[float, float]:
        viewer, *servers = (clock.cpu_s() for clock in clocks)
        return viewer - sum(servers), sum(servers)

    viewer_before, server_before = cpu_s()
    result = with_python(target, CPU_CONNECTIONS, seconds)
    viewer, server = cpu_s()
    # The viewer reads what the last second of full load has logged, which is no part of the constant rate.
    time.sleep(SETTLE_S)
    share = (viewer - viewer_before) / result.seconds
    per_request = (server - server_before) / result.requests
    latencies = uvloop.run(_at_a_rate(target, rate, seconds))
    return {
        "throughput": (1 - share) / per_request,
        "throughput by the clock": result.rate,
        "CPU of the server": per_request,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
    }


def median_and_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median, and the two order statistics between which the true one lies with a confidence of 95 %."""
    known = sorted(values)
    count = len(known)
    first = max(0, math.floor(count / 2 - 1.96 * math.sqrt(count) / 2))
    return statistics.median(known), known[first], known[count - 1 - first]


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each load of a turn")
    parser.add_argument("--rate", type=float, default=1000.0, help="requests a second when it is about latency")
    options = parser.parse_args()
    everywhere = os.sched_getaffinity(0)
    draw = random.Random(1)
    pairs: list[tuple[Turn, Turn]] = []
    with ExitStack() as stack:
        _, upstream = stack.enter_context(running_upstream(everywhere))
        contender = gateway("dashboard", sys.executable, "--dashboard")
        entrant, _ = stack.enter_context(started(contender, upstream, everywhere))
        viewer = entrant.tree.root
        # A stopped process cannot be ended with a signal that it handles.
        stack.callback(viewer.resume)
        target = entrant.target(CASES[0])
        with_python(target, CPU_CONNECTIONS, 2)
        for number in range(options.pairs):
            turns: dict[bool, Turn] = {}
            first = draw.random() < 0.5
            for shown in (first, not first):
                (viewer.resume if shown else viewer.suspend)()
                time.sleep(SETTLE_S)
                turns[shown] = turn(entrant.tree, target, options.seconds, options.rate)
            pairs.append((turns[True], turns[False]))
            print(f"pair {number + 1} of {options.pairs}", file=sys.stderr, flush=True)
    print("with the dashboard as a multiple of without: median, and where it lies with a confidence of 95 %")
    for measure in MEASURES:
        median, low, high = median_and_interval([shown[measure] / hidden[measure] for shown, hidden in pairs])
        print(f"{measure:26}{median:6.3f}  [{low:.3f}..{high:.3f}]  {LIMITS.get(measure, '')}")


if __name__ == "__main__":
    main()
