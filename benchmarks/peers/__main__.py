"""Measure the gateway beside its peers: print tables, write JSON, draw plots, guard the ratios. Loopback only, bounded.

usage: python -m benchmarks.peers [--peers DIR] [--only NAME,...] [--cases NAME,...] [--rounds 5] [--seconds 1]
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.peers.cases import CASES
from benchmarks.peers.contenders import find
from benchmarks.peers.measure import run
from benchmarks.peers.summary import ratios, regressions, report


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Exit code 1 when the guard finds a regression."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", type=Path, default=cache / "gateway-peers", help="where `make peers-install` put them"
    )
    parser.add_argument("--only", help="measure only these, besides the direct calls")
    parser.add_argument("--cases", help="measure only these cases")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a slice")
    parser.add_argument("--quick", action="store_true", help="no starts, no paced streams, 32 connections only")
    parser.add_argument("--python", default=sys.executable, help="the Python that has the gateway")
    parser.add_argument("--other", help="another Python with another gateway, measured beside it")
    parser.add_argument("--json", type=Path, help="write what was seen to this file")
    parser.add_argument("--plots", type=Path, help="draw the plots into this folder")
    parser.add_argument("--read", type=Path, help="measure nothing, report what an earlier run wrote")
    parser.add_argument("--guard", type=Path, help="fail when a ratio is worse than in this file")
    parser.add_argument("--tolerance", type=float, default=0.2, help="by how much a ratio may be worse")
    parser.add_argument("--keep", type=Path, help="write the ratios to this file, for the guard")
    options = parser.parse_args()
    if options.read:
        seen = json.loads(options.read.read_text())
    else:
        found, missing = find(options.peers, options.python, options.other)
        if options.only:
            found = [contender for contender in found if contender.name in options.only.split(",")]
        cases = [case for case in CASES if not options.cases or case.name in options.cases.split(",")]
        for name, reason in missing.items():
            say(f"skipping {name}: {reason}")
        if not shutil.which("wrk"):
            say("wrk is not installed (it comes from the system's packages): the load generator is the one in Python")
        seen = run(found, cases, options.rounds, options.seconds, say, quick=options.quick) | {"missing": missing}
    print(report(seen))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(dumps(seen))
    if options.plots:
        from benchmarks.peers.plots import draw

        print("drawn:", ", ".join(str(path) for path in draw(seen, options.plots)))
    if options.keep:
        options.keep.write_text(json.dumps(ratios(seen), indent=2) + "\n")
    if options.guard:
        worse = regressions(ratios(seen), json.loads(options.guard.read_text()), options.tolerance)
        print("\n".join(worse) or f"no ratio is more than {options.tolerance:.0%} worse than in {options.guard.name}")
        return 1 if worse else 0
    return 0


def dumps(seen: dict[str, object]) -> str:
    """JSON with a slice on each line."""
    lines = []
    for name, value in seen.items():
        if isinstance(value, list):
            rows = ",\n  ".join(json.dumps(row) for row in value)
            lines.append(f"{json.dumps(name)}: [\n  {rows}\n ]")
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value)}")
    return "{\n " + ",\n ".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())
