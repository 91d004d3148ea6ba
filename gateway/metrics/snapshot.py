"""What a viewer gets: the figures of one moment, which encode to the JSON of `gateway top`, and the chart data.

The order of the fields is that of the JSON. None stands where there is no data.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.metrics.lanes import Distribution, describe

SCHEMA = 1

State = Literal["running", "suspended", "stopped"]


class Tokens(msgspec.Struct, frozen=True):
    """Token counts as the providers reported them; None where requests have ended and none of them came with any."""

    input: int | None
    output: int | None


class Latency(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds over `count` requests of every outcome."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None


class Lifetime(msgspec.Struct, frozen=True):
    """Everything since the instance was started, dead workers included."""

    started: int
    finished: int
    outcomes: dict[str, int]
    tokens: Tokens


class WindowFigures(msgspec.Struct, frozen=True):
    """The last `seconds`, or as much of them (`coverage_s`, which late steps can lengthen) as there is."""

    seconds: int
    coverage_s: float | None
    finished: int
    requests_per_second: float | None
    errors_per_second: float | None
    outcomes: dict[str, int]
    tokens: Tokens
    latency_ms: Latency


class InstanceInfo(msgspec.Struct, frozen=True):
    """Which gateway this is; one that is not running is "suspended" or "stopped", and its figures are its last ones.

    `label` is what the figures are, if they are no real ones.
    """

    pid: int
    version: str
    address: str
    started_at: str
    state: State = "running"
    label: str = ""


class WorkerFigures(msgspec.Struct, frozen=True):
    """One worker slot and the process in it; `finished` counts all that ever ended there, under predecessors too.

    The rate is that of a model, in this slot; a dead worker has none.
    """

    slot: int
    pid: int
    alive: bool
    active: int
    cpu_percent: float | None
    rss_bytes: int | None
    finished: int
    requests_per_second: float | None


class ModelWindow(msgspec.Struct, frozen=True):
    """One model in the window; its rate is over the time since the newest step that is at least a minute old."""

    finished: int
    requests_per_second: float | None
    errors: int
    tokens: Tokens
    latency_ms: Latency


class ModelFigures(msgspec.Struct, frozen=True):
    """One model, or "other" for all after the first sixteen."""

    name: str
    active: int
    window: ModelWindow
    lifetime: Lifetime


class UnattributedFigures(msgspec.Struct, frozen=True):
    """The requests whose model never became known: refused, or asked for by a name that no provider has."""

    active: int
    window: ModelWindow
    lifetime: Lifetime


class LogFigures(msgspec.Struct, frozen=True):
    """The state of the logs."""

    dropped: int


class Rest(msgspec.Struct, frozen=True):
    """A provider, or one model there (None: all of them), that is tried after all others because it keeps failing.

    It rests for `seconds` more, 0.0 while a request tries it or may do so, in `workers` of the workers; in the one
    where it rests longest, so many tries in a row have failed, the last of them for this cause.
    """

    model: str | None
    seconds: float
    failed_in_a_row: int
    cause: str
    workers: int


class ProviderFigures(msgspec.Struct, frozen=True):
    """One provider since the workers were started: tries, those of them that failed, and what of it rests."""

    name: str
    tries: int
    failures: int
    rests: list[Rest] = []


class Snapshot(msgspec.Struct, frozen=True):
    """The whole gateway at one moment."""

    schema: int
    instance: InstanceInfo
    taken_at: str
    active: int
    workers: list[WorkerFigures]
    lifetime: Lifetime
    window: WindowFigures
    models: list[ModelFigures]
    unattributed: UnattributedFigures
    log: LogFigures
    providers: list[ProviderFigures] = []


class ScalarPoint(msgspec.Struct, frozen=True):
    """One interval of about 250 ms: what was counted in it, and the gauges at its end, `time_ns` on the clock."""

    time_ns: int
    interval_ns: int
    finished: int
    outcomes: tuple[int, ...]
    input_tokens: int
    output_tokens: int
    active: int
    cpu_percent: float
    rss_bytes: int


class StepPoint(msgspec.Struct, frozen=True):
    """One interval of about 5 s up to `time_ns`: its percentiles, and how many requests finished by model.

    The empty name stands for the requests whose model never became known. `outcomes` are counts by Outcome, `latencies`
    is the distribution of the `count` requests. Those of several steps add up: see gateway.metrics.lanes.merge, then
    percentiles_ms and counts_between.
    """

    time_ns: int
    interval_ns: int
    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    models: dict[str, int]
    outcomes: tuple[int, ...]
    latencies: Distribution

    def __repr__(self) -> str:
        shown = {name: repr(getattr(self, name)) for name in self.__struct_fields__ if name != "latencies"}
        shown["latencies"] = describe(self.latencies)
        return f"StepPoint({', '.join(f'{name}={text}' for name, text in shown.items())})"


class ChartData(msgspec.Struct, frozen=True):
    """Both series, oldest first; each interval begins where the one before ended."""

    now_ns: int
    scalars: Sequence[ScalarPoint]
    steps: Sequence[StepPoint]
