"""From the slices of a run to figures: medians over the rounds, ratios within a round, and the guard.

A ratio is taken between two slices of the same round, which lie seconds apart, and its median over the rounds is told
with the lowest and the highest one. What noise there is on a machine hits both sides of such a ratio.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.cases import CPU_CONNECTIONS

GATEWAY, DIRECT, DASHBOARD = "gateway", "direct", "dashboard"
Run = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A median with the lowest and the highest value."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        """Of at least one value."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1])

    def text(self, digits: int = 1) -> str:
        """The median and, in brackets, the spread."""
        return f"{self.median:.{digits}f} [{self.lowest:.{digits}f}..{self.highest:.{digits}f}]"


def names(run: Run) -> list[str]:
    """Everybody in the run, in the order in which they were measured."""
    return list(dict.fromkeys(one["contender"] for one in run["slices"]))


def cases(run: Run) -> list[str]:
    """All cases, in order."""
    return list(dict.fromkeys(one["case"] for one in run["slices"]))


def by_round(run: Run, contender: str, case: str, connections: int, field: str) -> dict[int, float]:
    """A field of the slices, round by round."""
    return {
        one["round"]: one[field]
        for one in run["slices"]
        if (one["contender"], one["case"], one["connections"]) == (contender, case, connections)
    }


def figure(run: Run, contender: str, case: str, connections: int, field: str) -> Figure | None:
    """A field over the rounds; None if the contender did not take part."""
    values = by_round(run, contender, case, connections, field).values()
    return Figure.of(values) if values else None


def paired(
    run: Run, one: str, other: str, case: str, connections: int, field: str, how: Callable[[float, float], float]
) -> Figure | None:
    """What `how` makes of the two values of each round; None if one of the two did not take part."""
    left = by_round(run, one, case, connections, field)
    right = by_round(run, other, case, connections, field)
    values = [how(left[number], right[number]) for number in left if number in right]
    return Figure.of(values) if values else None


def ratio(
    run: Run, one: str, other: str, case: str, connections: int = CPU_CONNECTIONS, field: str = "cpu_us"
) -> Figure | None:
    """How many times the other's value one has."""
    return paired(run, one, other, case, connections, field, lambda left, right: left / right)


def added(run: Run, contender: str, case: str, connections: int, field: str) -> Figure | None:
    """How much more than direct calls a contender has, of a latency."""
    return paired(run, contender, DIRECT, case, connections, field, lambda left, right: left - right)


def forwarding(run: Run, contender: str, connections: int, field: str) -> Figure | None:
    """A field of the paced streams over the rounds."""
    values = [
        one[field] for one in run["forwarding"] if (one["contender"], one["connections"]) == (contender, connections)
    ]
    return Figure.of(values) if values else None


def ratios(run: Run) -> dict[str, dict[str, float]]:
    """The gateway's CPU as a multiple of everybody else's, by case and contender: what the guard keeps."""
    kept: dict[str, dict[str, float]] = {}
    for case in cases(run):
        for other in names(run):
            if other not in (GATEWAY, DIRECT, DASHBOARD) and (found := ratio(run, GATEWAY, other, case)):
                kept.setdefault(case, {})[other] = round(found.median, 3)
    return kept


def regressions(
    now: Mapping[str, Mapping[str, float]], kept: Mapping[str, Mapping[str, float]], tolerance: float
) -> list[str]:
    """A sentence for each ratio that is more than `tolerance` (0.2: a fifth) above the one kept, or is missing.

    A contender that is not in the run is not missed: a machine need not have all of them.
    """
    there = {other for by_other in now.values() for other in by_other}
    sentences = []
    for case, by_other in kept.items():
        for other, before in by_other.items():
            if other not in there:
                continue
            measured = now.get(case, {}).get(other)
            if measured is None:
                sentences.append(f"{case}: no ratio to {other}, where {before:.2f} is kept")
            elif measured > before * (1 + tolerance):
                sentences.append(f"{case}: {measured:.2f} times {other}, where {before:.2f} is kept")
    return sentences


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, its columns aligned so that it reads well as plain text too."""
    lines = [head, ["-" * 3 for _ in head], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines[1] = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def cell(found: Figure | None, digits: int = 0) -> str:
    """A figure, or a dash."""
    return "–" if found is None else found.text(digits)


def report(run: Run) -> str:
    """Everything that a run showed, as tables with titles."""
    people = names(run)
    measured = [name for name in people if name != DIRECT]
    others = [name for name in measured if name not in (GATEWAY, DASHBOARD)]

    def by_case(columns: list[str], content: Callable[[str, str], str]) -> str:
        return table(["case", *columns], [[case, *(content(name, case) for name in columns)] for case in cases(run)])

    parts = [
        preamble(run),
        "CPU of the whole tree per request, µs, 32 connections",
        by_case(measured, lambda name, case: cell(figure(run, name, case, CPU_CONNECTIONS, "cpu_us"))),
        "the gateway's CPU as a multiple of",
        by_case(others, lambda name, case: cell(ratio(run, GATEWAY, name, case), 3)),
        "requests a second on one core, 32 connections",
        by_case(people, lambda name, case: cell(figure(run, name, case, CPU_CONNECTIONS, "rate"))),
        "latency added to that of direct calls, ms, plain",
        latencies(
            sorted({one["connections"] for one in run["slices"] if one["case"] == "plain"}),
            measured,
            lambda name, connections, field: added(run, name, "plain", connections, field),
        ),
        "memory and start",
        memory(run, measured),
    ]
    if run["forwarding"]:
        parts += [
            "age of a streamed event when the client has it, ms; in each stream there is one every 5 ms",
            latencies(
                sorted({one["connections"] for one in run["forwarding"]}),
                people,
                lambda name, connections, field: forwarding(run, name, connections, field),
            ),
        ]
    if DASHBOARD in people:
        parts += ["with the dashboard as a multiple of without", dashboard(run)]
    return "\n\n".join(parts)


def preamble(run: Run) -> str:
    """Where it was measured, who, who not, and what was left out."""
    where = run["machine"]
    lines = [
        f"{where['processor']}, {where['cores']} cores, Python {where['python']}, {run['rounds']} rounds, "
        f"{run['taken_at']}; median [lowest..highest] of the rounds",
        ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    ]
    lines += [f"not measured: {name}, {reason}" for name, reason in run.get("missing", {}).items()]
    for name, reasons in run.get("skipped", {}).items():
        by_reason: dict[str, list[str]] = {}
        for case, reason in reasons.items():
            by_reason.setdefault(reason, []).append(case)
        lines += [f"{name} skips {', '.join(which)}: {reason}" for reason, which in by_reason.items()]
    return "\n".join(lines)


def latencies(counts: list[int], columns: list[str], found: Callable[[str, int, str], Figure | None]) -> str:
    """A table of p50 and p99 by the number of connections."""
    rows = [
        [f"{count}, {field[:3]}", *(cell(found(name, count, field), 2) for name in columns)]
        for count in counts
        for field in ("p50_ms", "p99_ms")
    ]
    return table(["connections", *columns], rows)


def memory(run: Run, columns: list[str]) -> str:
    """A table of memory and of the time to the first answer."""
    rows = []
    for name in columns:
        idle = run["idle_rss"][name]
        loaded = max(one["rss"] for one in run["slices"] if one["contender"] == name)
        sizes = [f"{size / 2**20:.0f}" for size in (max(idle), sum(idle), loaded)]
        rows.append([name, *sizes, *(Figure.of(run[field][name]).text(2) for field in ("ready_s", "ready_cpu_s"))])
    return table(
        ["", "largest process idle, MB", "all idle, MB", "all under load, MB", "ready after, s", "after s of CPU"], rows
    )


def dashboard(run: Run) -> str:
    """A table of the gateway with its dashboard as a multiple of the one without."""
    fields = ("rate", "p50_ms", "p99_ms", "cpu_us")
    rows = []
    for case, count in dict.fromkeys(
        (one["case"], one["connections"]) for one in run["slices"] if one["contender"] == DASHBOARD
    ):
        found = (ratio(run, DASHBOARD, GATEWAY, case, count, field) for field in fields)
        rows.append([f"{case}, {count} connections", *(cell(one, 3) for one in found)])
    return table(["", "throughput", "p50", "p99", "CPU of the tree"], rows)
