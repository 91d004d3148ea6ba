"""Whether the figures of a gateway are those of a long load: every count equal, every percentile within its bound.

Clients and a scripted provider in this process, a real gateway beside it, loopback only. Injected are failures of
every kind, clients that leave, and providers that are too slow; what must come out of it is known for every request.

usage: python benchmarks/reconcile.py [--requests 100000] [--workers 2] [--lanes 64] [--seed 1] [--limit 840] [--all]
"""

import argparse
import asyncio
import collections
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.load import Load, configuration, make_plan
from tests.support.process import running_gateway
from tests.support.reconciliation import Figure, read_log, reconcile
from tests.support.scripted_provider import ScriptedProvider, refusing_port

# Long enough that nothing that must not time out does, on a machine that is busy for seconds.
LIMIT_S = 10.0
TIMEOUTS = 16


async def run(options: argparse.Namespace, folder: Path) -> bool:
    """Run the load, print what came out, and say whether all is well."""
    plan = make_plan(options.requests, seed=options.seed, timeouts=TIMEOUTS)
    async with ScriptedProvider().listening() as provider:
        with refusing_port() as dead:
            config = configuration(provider.port, dead, limit_s=LIMIT_S)
            with running_gateway(folder, config, "-w", str(options.workers)) as gateway:
                load = Load(provider, gateway.address)
                begin = time.monotonic()
                # Later, the window would no longer hold the whole load.
                async with asyncio.timeout(options.limit):
                    await load.run(plan, lanes=options.lanes)
                elapsed = time.monotonic() - begin
                snapshot = gateway.settled()
                joined = reconcile(gateway, load, dropped=snapshot["log"]["dropped"], killed=False)
                sources = collections.Counter(line["source"] for line in read_log(gateway.log))
    print(f"{len(plan):,} requests in {elapsed:.0f} s: {len(plan) / elapsed:,.0f} a second")
    print("by worker:", ", ".join(f"{name} {count:,}" for name, count in sorted(sources.items())))
    print("by case:  ", ", ".join(f"{name} {count:,}" for name, count in cases(load).most_common()))
    figures = joined.compare(snapshot)
    print(f"\n{'figure':48}{'right':>16}{'shown':>16}{'off by':>10}")
    for figure in figures:
        # The counts by model are too many to read; percentiles by model are not.
        if options.all or not (figure.holds and figure.exact is None and figure.name.startswith("models.")):
            print(row(figure))
    differences = joined.differences(snapshot)
    print(f"\n{len(figures)} figures compared, counts by model included; {len(differences)} differences")
    print("\n".join(differences[:100]))
    return not differences


def cases(load: Load) -> "collections.Counter[str]":
    """How many requests of each case were sent."""
    return collections.Counter(one.request.name for one in load.seen)


def row(figure: Figure) -> str:
    """A count must be equal, a percentile (in microseconds) near the exact one: 1/65 is 1.54 %."""
    right = figure.lowest if figure.exact is None else figure.exact
    off = "" if figure.exact is None or figure.shown is None else f"{(figure.shown / figure.exact - 1) * 100:+.2f} %"
    mark = "" if figure.holds else "  DIFFERS"
    return f"{figure.name:48}{right:16,.0f}{figure.shown or 0:16,.0f}{off:>10}{mark}"


def main() -> int:
    """Exit code 1 on any difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lanes", type=int, default=64, help="connections at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=840, help="seconds, less than the window of 900")
    parser.add_argument("--all", action="store_true", help="print the counts by model as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return 0 if runner.run(run(options, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
