"""The whole gateway as plain text, for a terminal that scrolls, a file or a mail: aligned columns, nothing else."""

from collections.abc import Sequence
from datetime import datetime

from gateway.dashboard.resting import rest_sentences
from gateway.dashboard.state import NO_MODEL
from gateway.dashboard.text import cells, clean, count, duration, left, percent, rate, right, size, uptime
from gateway.metrics.outcome import ERRORS, OUTCOMES
from gateway.metrics.snapshot import Latency, ModelWindow, Snapshot

_GAP = "  "


def render_report(snapshot: Snapshot) -> str:
    """A header line, then workers, models, providers, errors by type and tokens, as tables; without a last line end."""
    tables = [_workers(snapshot), _models(snapshot), _errors(snapshot), _tokens(snapshot)]
    if snapshot.providers:
        tables.insert(2, _providers(snapshot))
    return "\n\n".join(["\n".join(_head(snapshot)), *("\n".join(table) for table in tables)])


def _head(snapshot: Snapshot) -> list[str]:
    instance, window = snapshot.instance, snapshot.window
    up_s = (datetime.fromisoformat(snapshot.taken_at) - datetime.fromisoformat(instance.started_at)).total_seconds()
    covered_s = min(window.coverage_s or 0.0, float(window.seconds))
    alive = sum(worker.alive for worker in snapshot.workers)
    # How long one that has ended was up is not known.
    life = {"running": f"up {uptime(up_s)}", "suspended": f"up {uptime(up_s)}, suspended", "stopped": "stopped"}
    return [
        f"{clean(instance.label or 'gateway')} {clean(instance.version)} at {clean(instance.address)}, "
        f"pid {instance.pid}, {life[instance.state]}, {alive} worker{'' if alive == 1 else 's'}, "
        f"taken {clean(snapshot.taken_at)}",
        f"active {count(snapshot.active)}, {rate(window.requests_per_second)} and "
        f"{rate(window.errors_per_second)} errors in the last minute; tables over the last {uptime(covered_s)}",
    ]


def _workers(snapshot: Snapshot) -> list[str]:
    rows = [["worker", "pid", "state", "active", "cpu", "memory", "requests"]]
    for worker in snapshot.workers:
        figures = [
            *(count(worker.active), percent(worker.cpu_percent), size(worker.rss_bytes)),
            rate(worker.requests_per_second),
        ]
        rows.append([str(worker.slot), str(worker.pid), "alive" if worker.alive else "ended", *figures])
    return _aligned(rows, words=(2,))


def _models(snapshot: Snapshot) -> list[str]:
    rows = [["model", "active", "requests", "errors", "p50", "p95", "p99", "tokens in", "tokens out"]]
    rows += [_model(model.name, model.active, model.window) for model in snapshot.models]
    nameless = snapshot.unattributed
    if nameless.window.finished:
        rows.append(_model(NO_MODEL, nameless.active, nameless.window))
    window = snapshot.window
    errors = sum(window.outcomes.get(kind.label, 0) for kind in ERRORS)
    tokens = [count(window.tokens.input), count(window.tokens.output)]
    figures = [count(snapshot.active), count(window.finished), count(errors), *_percentiles(window.latency_ms)]
    rows.append(["all requests", *figures, *tokens])
    return _aligned(rows, words=(0,))


def _model(name: str, active: int, window: ModelWindow) -> list[str]:
    figures = [count(active), count(window.finished), count(window.errors), *_percentiles(window.latency_ms)]
    return [clean(name), *figures, count(window.tokens.input), count(window.tokens.output)]


def _percentiles(latency_ms: Latency) -> list[str]:
    return [duration(latency_ms.p50), duration(latency_ms.p95), duration(latency_ms.p99)]


def _providers(snapshot: Snapshot) -> list[str]:
    rows = [["provider", "tries", "failed"]]
    rows += [[clean(found.name), count(found.tries), count(found.failures)] for found in snapshot.providers]
    return [*_aligned(rows, words=(0,)), *rest_sentences(snapshot)]


def _errors(snapshot: Snapshot) -> list[str]:
    rows = [["outcome", "window", "lifetime"]]
    for kind in OUTCOMES:
        window, lifetime = snapshot.window.outcomes.get(kind.label, 0), snapshot.lifetime.outcomes.get(kind.label, 0)
        rows.append([kind.label, count(window), count(lifetime)])
    return _aligned(rows, words=(0,))


def _tokens(snapshot: Snapshot) -> list[str]:
    window, lifetime = snapshot.window.tokens, snapshot.lifetime.tokens
    rows = [["tokens", "window", "lifetime"]]
    rows.append(["input", count(window.input), count(lifetime.input)])
    rows.append(["output", count(window.output), count(lifetime.output)])
    return _aligned(rows, words=(0,))


def _aligned(rows: Sequence[Sequence[str]], *, words: Sequence[int]) -> list[str]:
    """The rows with their columns as wide as their widest cell, `words` against the left edge, figures the right."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(
            left(cell, width) if place in words else right(cell, width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
