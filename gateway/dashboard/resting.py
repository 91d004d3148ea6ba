"""Who rests because it keeps failing, in words: for the status, the line and the report."""

from gateway.dashboard.text import Row, clean, uptime
from gateway.metrics.snapshot import Rest, Snapshot


def resting(snapshot: Snapshot) -> list[tuple[str, Rest]]:
    """What rests, by its name, the longest rest first."""
    found = [
        (clean(provider.name if rest.model is None else f"{provider.name}/{rest.model}"), rest)
        for provider in snapshot.providers
        for rest in provider.rests
    ]
    return sorted(found, key=lambda named: (-named[1].seconds, named[0]))


def rest_words(snapshot: Snapshot) -> str:
    """Who rests longest and for how long, and how many others do: "openai rests 12s, 2 more"; empty if nobody does."""
    found = resting(snapshot)
    if not found:
        return ""
    name, rest = found[0]
    return f"{name} {_remaining(rest)}" + (f", {len(found) - 1} more" if len(found) > 1 else "")


def rest_rows(snapshot: Snapshot) -> list[Row]:
    """The same for a panel: nothing, or one part of a line."""
    words = rest_words(snapshot)
    return [[("halt", words)]] if words else []


def rest_sentences(snapshot: Snapshot) -> list[str]:
    """A sentence for each: "openai rests 12s: the last 5 tries failed (could not be reached), 1 of 2 workers"."""
    alive = sum(worker.alive for worker in snapshot.workers)
    return [
        f"{name} {_remaining(rest)}: the last {rest.failed_in_a_row} tries failed ({rest.cause})"
        + (f", {rest.workers} of {alive} workers" if alive > 1 else "")
        for name, rest in resting(snapshot)
    ]


def _remaining(rest: Rest) -> str:
    return f"rests {uptime(rest.seconds)}" if rest.seconds else "is probed"
