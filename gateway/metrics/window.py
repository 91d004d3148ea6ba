"""A window is a difference of snapshots: what is counted now, less what was counted at its left edge."""

from collections.abc import Iterable
from operator import itemgetter
from typing import Final

import msgspec

from gateway.metrics.lanes import Distribution, describe, merge, since
from gateway.metrics.outcome import ERRORS, OUTCOMES

WINDOW_NS: Final = 900 * 10**9
RATE_NS: Final = 60 * 10**9
"""Rates are over the last minute: over fifteen they would hide what is happening now."""

COUNTERS: Final = len(OUTCOMES) + 2
_ZERO: Final = (0,) * COUNTERS
_errors: Final = itemgetter(*ERRORS)


class Totals(msgspec.Struct, frozen=True):
    """Counts that only grow: seven outcomes, input and output tokens; and the distribution of the latencies."""

    counters: tuple[int, ...] = _ZERO
    latencies: Distribution = 0

    def __repr__(self) -> str:
        return f"Totals({self.counters}, {describe(self.latencies)})"

    @property
    def outcomes(self) -> tuple[int, ...]:
        """By Outcome."""
        return self.counters[: len(OUTCOMES)]

    @property
    def finished(self) -> int:
        """Requests that have ended, in whatever way."""
        return sum(self.counters[: len(OUTCOMES)])

    @property
    def errors(self) -> int:
        """Requests that have ended in one of the five error types; cancelled is none."""
        return sum(_errors(self.counters))

    @property
    def input_tokens(self) -> int:
        """As reported by the providers."""
        return self.counters[-2]

    @property
    def output_tokens(self) -> int:
        """As reported by the providers."""
        return self.counters[-1]

    def since(self, edge: "Totals") -> "Totals":
        """What has been added since `edge`, whose distribution may have been cut to 32 bits.

        Cells are subtracted modulo 2^32, which is right for fewer than 4 billion requests of one latency in a window.
        """
        if self.counters == edge.counters:
            return Totals()
        counters = tuple([now - then for now, then in zip(self.counters, edge.counters, strict=True)])
        return Totals(counters, since(self.latencies, edge.latencies))


def total(parts: Iterable[Totals]) -> Totals:
    """All together; neither order nor grouping matters, and `Totals()` adds nothing."""
    counted = list(parts)
    return Totals(
        tuple(map(sum, zip(_ZERO, *[part.counters for part in counted], strict=True))),
        merge([part.latencies for part in counted]),
    )


def per_second(count: int, elapsed_ns: int) -> float | None:
    """A rate over the time that has really passed; None if none has."""
    return count * 1e9 / elapsed_ns if elapsed_ns > 0 else None
