"""A made-up quarter of an hour of a busy gateway, the same on every run."""

import math
import random
from collections.abc import Mapping
from datetime import UTC

import msgspec

from gateway.dashboard.logview import LogView
from gateway.dashboard.series import SECOND_NS, History
from gateway.dashboard.state import Ui
from gateway.dashboard.theme import make_theme
from gateway.dashboard.view import View
from gateway.logs.ring import LogRecord
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.percentiles import count_and_percentiles_ms
from gateway.metrics.snapshot import (
    SCHEMA,
    ChartData,
    InstanceInfo,
    Latency,
    Lifetime,
    LogFigures,
    ModelFigures,
    ModelWindow,
    ScalarPoint,
    Snapshot,
    StepPoint,
    Tokens,
    UnattributedFigures,
    WindowFigures,
    WorkerFigures,
)
from tests.support.metrics import of_latencies

NOW_NS = 50_000 * SECOND_NS
UNIX_NS = 1_767_268_800 * SECOND_NS
TRUECOLOR: Mapping[str, str] = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
PLAIN: Mapping[str, str] = {"TERM": "dumb", "LANG": "C.UTF-8"}
MODELS = {"gpt-4.1-mini": 0.82, "claude-sonnet-4": 0.10, "gpt-4.1": 0.06, "claude-opus-4": 0.015, "echo": 0.005}


def make_chart(seconds: int = 900, seed: int = 7) -> ChartData:
    """Load that swells twice, errors now and then, and slow minutes in the middle."""
    dice = random.Random(seed)
    scalars: list[ScalarPoint] = []
    steps: list[StepPoint] = []
    for tick in range(seconds * 4):
        time_ns = NOW_NS - (seconds * 4 - 1 - tick) * SECOND_NS // 4
        at = tick / (seconds * 4)
        load = 28 + 26 * math.sin(2.2 * math.tau * at + 0.7) + 6 * math.sin(19 * math.tau * at) + dice.gauss(0, 3)
        finished = max(0, int(load / 4 + dice.random()))
        outcomes = [0] * len(OUTCOMES)
        for _ in range(finished):
            failed = dice.random() < (0.012 if 0.65 < at < 0.8 else 0.003)
            outcomes[dice.choice((2, 3, 4, 4, 4, 4, 5)) if failed else 0] += 1
        tokens = (finished * dice.randint(500, 900), finished * dice.randint(90, 180))
        active = max(0, int(load * 0.9))
        scalars.append(
            ScalarPoint(time_ns, SECOND_NS // 4, finished, tuple(outcomes), *tokens, active, load * 0.8, 432_000_000)
        )
        if tick % 20 == 19:
            slow = 1 + 1.5 * math.exp(-(((at - 0.55) / 0.12) ** 2))
            total = sum(point.finished for point in scalars[-20:])
            times = [int(420_000 * slow * math.exp(dice.gauss(0, 0.8))) for _ in range(total)]
            count, *percentiles = count_and_percentiles_ms(latencies := of_latencies(times))
            ended = tuple(map(sum, zip(*(point.outcomes for point in scalars[-20:]), strict=True)))
            models = {name: int(total * share + dice.random()) for name, share in MODELS.items()}
            steps.append(StepPoint(time_ns, 5 * SECOND_NS, count, *percentiles, models, ended, latencies))
    return ChartData(NOW_NS, scalars, steps)


# A window without a request.
NOTHING = ModelWindow(0, 0.0, 0, Tokens(0, 0), Latency(0, None, None, None))


def make_snapshot() -> Snapshot:
    """Figures in the order of size of the chart, two workers and five models."""
    counts = (11_982, 40, 2, 9, 37, 4, 0)
    outcomes = {outcome.label: amount for outcome, amount in zip(OUTCOMES, counts, strict=True)}
    tokens = Tokens(15_200_000, 3_210_000)
    lifetime = Lifetime(12_118, 12_074, outcomes, tokens)
    window = WindowFigures(900, 900.0, 12_074, 45.4, 0.4, outcomes, tokens, Latency(12_074, 640.2, 3_120.0, 9_410.0))

    def model(name: str, active: int, finished: int, errors: int, sizes: Tokens, *times: float) -> ModelFigures:
        rate = 45.4 * MODELS[name]
        figures = ModelWindow(finished, rate, errors, sizes, Latency(finished, *times))
        return ModelFigures(name, active, figures, lifetime)

    models = [
        model("claude-sonnet-4", 21, 1_204, 4, Tokens(5_100_000, 812_000), 1_100, 4_800, 9_200),
        model("gpt-4.1-mini", 14, 9_931, 11, Tokens(8_000_000, 2_100_000), 410, 1_200, 2_900),
        model("gpt-4.1", 7, 812, 37, Tokens(1_200_000, 240_000), 1_900, 6_100, 12_000),
        model("claude-opus-4", 2, 96, 2, Tokens(903_000, 77_000), 7_400, 22_000, 41_000),
        model("echo", 0, 31, 0, Tokens(372, 372), 2.1, 4.2, 4.2),
    ]
    return Snapshot(
        SCHEMA,
        InstanceInfo(41_000, "0.3.0", "http://127.0.0.1:8000", "2026-01-01T10:00:00Z"),
        "2026-01-01T12:14:30Z",
        44,
        [
            WorkerFigures(0, 41_207, True, 25, 21.2, 216_000_000, 6_200, 24.1),
            WorkerFigures(1, 41_208, True, 19, 18.1, 216_300_000, 5_874, 21.3),
        ],
        lifetime,
        window,
        models,
        UnattributedFigures(0, NOTHING, lifetime),
        LogFigures(0),
    )


def make_new_snapshot() -> Snapshot:
    """The same gateway before its first request."""
    none = dict.fromkeys((outcome.label for outcome in OUTCOMES), 0)
    window = WindowFigures(900, 1.0, 0, 0.0, 0.0, none, Tokens(0, 0), Latency(0, None, None, None))
    return msgspec.structs.replace(
        make_snapshot(), active=0, lifetime=Lifetime(0, 0, none, Tokens(0, 0)), window=window, models=[]
    )


def make_records(amount: int = 40) -> list[LogRecord]:
    """Request lines of every kind, and one line of the supervisor."""
    kinds = [
        ("info", "gpt-4.1-mini", "openai", "/v1/chat/completions", 200, "ok", 1_180.4, 812, 220, None),
        ("info", "claude-sonnet-4", "anthropic", "/v1/messages", 200, "ok", 6_450.0, 4_464, 557, None),
        ("warning", "gpt-4.1", "openai", "/v1/chat/completions", 429, "upstream", 210.0, None, None, "rate limited"),
        ("info", "gpt-4.1", "openai", "/v1/chat/completions", 200, "ok", 2_020.0, 1_204, 318, None),
        (
            "warning",
            "claude-opus-4",
            "anthropic",
            "/v1/messages",
            504,
            "timeout",
            60_000.0,
            9_134,
            None,
            "silent for 60 s",
        ),
        ("info", "echo", "echo", "/v1/chat/completions", 200, "ok", 4.1, 12, 12, None),
        ("info", "claude-sonnet-4", "anthropic", "/v1/messages", 499, "cancelled", 3_300.0, 2_048, 96, None),
    ]
    records = [LogRecord(1, UNIX_NS, "info", "workers are ready", "supervisor", {"workers": 2})]
    for index in range(1, amount):
        level, model, provider, path, status, outcome, took, tokens_in, tokens_out, error = kinds[index % len(kinds)]
        fields = {
            "method": "POST",
            "path": path,
            "model": model,
            "provider": provider,
            "status": status,
            "outcome": outcome,
            "ms": took,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "attempts": 2 if error == "rate limited" else 1,
            "request_id": f"req_{index * 2_654_435_761 % 2**32:08x}",
            "error": error,
        }
        present = {name: value for name, value in fields.items() if value is not None}
        records.append(
            LogRecord(index, UNIX_NS + index * 236_000_000, level, "request", f"worker-{index % 2}", present)
        )
    return records


def make_scene(
    *,
    ui: Ui | None = None,
    environ: Mapping[str, str] = PLAIN,
    chart: ChartData | None = None,
    snapshot: Snapshot | None = None,
    records: list[LogRecord] | None = None,
    stopped: bool = False,
) -> View:
    """A view of the made-up gateway; whatever is given replaces its part."""
    ui = ui or Ui()
    history = History()
    history.update(chart or make_chart())
    log = LogView(zone=UTC)
    log.add(make_records() if records is None else records)
    theme = make_theme(ui.theme, environ)
    return View(
        snapshot or make_snapshot(),
        history,
        log,
        ui,
        theme,
        16 * 2**30,
        stopped=stopped,
        wall_ns_at_zero=UNIX_NS - NOW_NS,
        zone=UTC,
    )
