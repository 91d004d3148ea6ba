"""What a planned load must have left in the figures of the gateway, and the comparison with what it shows.

Theory of operation. What happened to a request is joined from three sides: the plan, what the client saw, and the
request line in the gateway's log, found by the request id that the client was given. A client that left before its
answer was given none; its line is any with an unknown id that tells exactly what the plan says, and such requests are
interchangeable. No line may tell a latency shorter than the pauses that the provider made for this request: then the
clock was started late, or again.

The figures of `gateway top` must then equal those of the plan. If a worker was killed, a request without a line may be
counted or not, as its worker died while it ran or before its line was written; every figure lies between those without
and with these requests. A request over a connection that outlasted the kill has its line, and no such freedom.

Bound of the percentiles. A line tells L, the latency rounded to microseconds; the gateway has counted v, the same
latency rounded down: v = L or v = L - 1. Both roundings are monotone, so they keep the order: the one of rank k among
the lines belongs to the one of rank k that was counted. What is shown differs from v by at most v/65, so it lies in
[64 * (L - 1) / 65, 66 * L / 65]. With m latencies counted that have no line, the one of rank k lies between those of
rank k - m and k among the lines.
"""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.load import Load, Request, Seen
from tests.support.process import RunningGateway, eventually

OUTCOMES = ("ok", "cancelled", "auth", "validation", "upstream", "timeout", "internal")
ERRORS = OUTCOMES[2:]
PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}
# A provider waits at most twice, and a timer of uvloop, which counts whole milliseconds, may end one early.
_TIMERS_MS = 2.0


def read_log(file: Path) -> list[dict[str, Any]]:
    """The request lines; one that a killed worker has left half-written is left out."""
    lines = []
    for line in file.read_text().splitlines():
        start = line.rfind('{"time":')  # behind what a killed worker left without a line end
        if start >= 0:
            with contextlib.suppress(json.JSONDecodeError):
                lines.append(json.loads(line[start:]))
    return [line for line in lines if line["event"] == "request"]


def reconcile(gateway: RunningGateway, load: Load, *, dropped: int, killed: bool) -> "Reconciliation":
    """Join what is known, as soon as the log has the lines that must come, `dropped` of them excepted."""

    def complete() -> Reconciliation | None:
        joined = Reconciliation(load.seen, read_log(gateway.log), killed=killed)
        return joined if joined.missing <= dropped or joined.mismatches else None

    joined: Reconciliation = eventually(complete, "the last log line")
    return joined


class Figure(NamedTuple):
    """A figure of the snapshot and the limits within which it must be; `exact` for a percentile, in microseconds."""

    name: str
    lowest: float
    highest: float
    shown: float | None
    exact: int | None = None

    @property
    def holds(self) -> bool:
        """Whether it is what it must be."""
        return self.shown is not None and self.lowest <= self.shown <= self.highest


class Reconciliation:
    """The plan, what the clients saw and the log lines, joined; ready to be compared with a snapshot.

    `killed` says that a worker was killed, so that requests without a line may be missing from the counts.
    """

    def __init__(self, seen: Sequence[Seen], lines: Iterable[Mapping[str, Any]], *, killed: bool) -> None:
        self.mismatches: list[str] = []
        self._seen = seen
        self._killed = killed
        self._microseconds: dict[int, int] = {}
        self._join(lines)
        self.unlogged = [one for one in seen if one.request.number not in self._microseconds]

    def _join(self, lines: Iterable[Mapping[str, Any]]) -> None:
        by_id = {one.request_id: one for one in self._seen if one.request_id is not None}
        without_id: dict[tuple[object, ...], list[Seen]] = defaultdict(list)
        for one in self._seen:
            if one.request_id is None:
                without_id[one.request.facts].append(one)
            if one.status not in (one.request.case.status, None) or (one.broken and not self._killed):
                self._differs(one.request, f"the client saw {one.status}, broken: {one.broken}")
        for line in lines:
            facts = _facts(line)
            found = by_id.pop(line["request_id"], None)
            if found is None and without_id[facts]:
                found = without_id[facts].pop()
            if found is None:
                self.mismatches.append(f"a line of no request, or a second one: {dict(line)}")
                continue
            if found.request.facts != facts:
                self._differs(found.request, f"the log says {facts}")
            if line["ms"] < found.request.least_s * 1000 - _TIMERS_MS:
                self._differs(found.request, f"the log says {line['ms']} ms")
            self._microseconds[found.request.number] = round(line["ms"] * 1000)

    def _differs(self, request: Request, what: str) -> None:
        self.mismatches.append(f"request {request.number}, {request.name}: planned {request.facts}, {what}")

    @property
    def missing(self) -> int:
        """Lines that are not there and that no killed worker can have kept: those the log must own up to."""
        return sum(not self._killed or one.connection.lasted for one in self.unlogged)

    def compare(self, snapshot: Mapping[str, Any]) -> list[Figure]:
        """Every count and percentile of the snapshot, beside what it must be."""
        everything = [one.request for one in self._seen]
        uncertain = {one.request.number for one in self.unlogged} if self._killed else set()
        certain = [request for request in everything if request.number not in uncertain]
        low, high, shown = _counts(certain), _counts(everything), _shown_counts(snapshot)
        figures = [
            Figure(name, low.get(name, 0), high.get(name, 0), shown.get(name, 0)) for name in sorted(high | shown)
        ]
        unfinished = snapshot["lifetime"]["started"] - snapshot["lifetime"]["finished"]
        figures.append(Figure("started less finished", 0, len(uncertain), unfinished))
        figures.append(Figure("log lines missing", 0, snapshot["log"]["dropped"], self.missing))
        figures += self._percentiles("window", snapshot["window"], everything)
        for model in snapshot["models"]:
            of_model = [request for request in everything if request.entry == model["name"]]
            figures += self._percentiles(f"models.{model['name']}.window", model["window"], of_model)
        return figures

    def differences(self, snapshot: Mapping[str, Any]) -> list[str]:
        """What does not fit, in words; empty if all is well."""
        wrong = [figure for figure in self.compare(snapshot) if not figure.holds]
        return self.mismatches + [
            f"{name}: {shown} is shown, {lowest:g} to {highest:g} is right" for name, lowest, highest, shown, _ in wrong
        ]

    def _percentiles(self, name: str, window: Mapping[str, Any], requests: Iterable[Request]) -> Iterator[Figure]:
        logged = sorted(
            self._microseconds[request.number] for request in requests if request.number in self._microseconds
        )
        latency = window["latency_ms"]
        unlogged = latency["count"] - len(logged)
        for label, percent in PERCENTILES.items():
            rank = max(1, -(-latency["count"] * percent // 100))
            low = logged[rank - unlogged - 1] if 0 < rank - unlogged <= len(logged) else 0
            high = logged[rank - 1] if rank <= len(logged) else 2**32
            shown = None if latency[label] is None else round(latency[label] * 1000)
            yield Figure(f"{name}.{label}", 64 * (low - 1) / 65, 66 * high / 65, shown, high if low == high else None)


def _facts(line: Mapping[str, Any]) -> tuple[object, ...]:
    """What Request.facts says, from a line; tokens that were not reported are left out there."""
    return (
        *(line.get(name) for name in ("path", "model", "outcome", "status")),
        *(line.get(name, 0) for name in ("input_tokens", "output_tokens")),
    )


def _counts(requests: Sequence[Request]) -> dict[str, int]:
    """The counts of a snapshot after these requests, by their path in the JSON."""
    counts = _scope_counts("lifetime", "window", requests)
    by_model: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        if request.entry is not None:
            by_model[request.entry].append(request)
    for name, of_model in by_model.items():
        model = _scope_counts(f"models.{name}.lifetime", f"models.{name}.window", of_model)
        # A model's window has its errors in one figure.
        outcomes = [model.pop(f"models.{name}.window.outcomes.{outcome}") for outcome in OUTCOMES]
        counts |= model | {f"models.{name}.window.errors": sum(outcomes[-len(ERRORS) :]), f"models.{name}.active": 0}
    return counts | {"active": 0}


def _scope_counts(lifetime: str, window: str, requests: Sequence[Request]) -> dict[str, int]:
    outcomes = Counter(request.case.outcome for request in requests)
    tokens = [request.tokens for request in requests]
    counts = {f"{lifetime}.started": len(requests), f"{window}.latency_ms.count": len(requests)}
    for scope in (lifetime, window):
        counts[f"{scope}.finished"] = len(requests)
        counts[f"{scope}.tokens.input"] = sum(count for count, _ in tokens)
        counts[f"{scope}.tokens.output"] = sum(count for _, count in tokens)
        counts |= {f"{scope}.outcomes.{outcome}": outcomes[outcome] for outcome in OUTCOMES}
    return counts


def _shown_counts(snapshot: Mapping[str, Any]) -> dict[str, int]:
    """Every count of the snapshot by its path, whatever it is called: what the plan does not know must be 0."""
    models = {model["name"]: model for model in snapshot["models"]}
    compared = {"active": snapshot["active"], "lifetime": snapshot["lifetime"], "window": snapshot["window"]}
    ignored = ("window.seconds",)
    return {
        path: value
        for path, value in _leaves("", compared | {"models": models})
        if isinstance(value, int) and path not in ignored and not path.endswith((".name", *PERCENTILES))
    }


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, member)
    else:
        yield path, value
