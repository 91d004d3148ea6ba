"""The whole gateway in one line, for a status bar."""

from gateway.dashboard.resting import rest_words
from gateway.dashboard.text import NO_DATA, clean, count, duration, percent, rate, short, size
from gateway.metrics.outcome import ERRORS
from gateway.metrics.snapshot import Snapshot


def render_line(snapshot: Snapshot) -> str:
    """The figures of the last minute and the last 15 minutes, without colours or line end; a dash where none is."""
    window = snapshot.window
    latency = window.latency_ms
    alive = [worker for worker in snapshot.workers if worker.alive]
    cpu = [worker.cpu_percent for worker in alive if worker.cpu_percent is not None]
    memory = [worker.rss_bytes for worker in alive if worker.rss_bytes is not None]
    errors = sum(window.outcomes.get(kind.label, 0) for kind in ERRORS)
    state = snapshot.instance.state
    parts = [
        *([clean(label)] if (label := snapshot.instance.label) else []),
        *([] if state == "running" else [f"gateway {state}"]),
        *([words] if (words := rest_words(snapshot)) else []),
        f"active {count(snapshot.active)}",
        rate(window.requests_per_second),
        f"p50 {duration(latency.p50)} p95 {duration(latency.p95)} p99 {duration(latency.p99)}",
        f"errors {count(errors)} of {count(window.finished)}",
        f"tokens {short(window.tokens.input)} in {short(window.tokens.output)} out",
        f"cpu {percent(sum(cpu)) if cpu else NO_DATA}",
        f"mem {size(sum(memory)) if memory else NO_DATA}",
        f"{len(alive)} worker{'' if len(alive) == 1 else 's'}",
    ]
    return "  ".join(parts)
