"""A window is a difference of snapshots: what is counted now, less what was counted at its left edge."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.metrics.outcome import ERRORS, OUTCOMES

WINDOW_NS: Final = 900 * 10**9
RATE_NS: Final = 60 * 10**9
"""Rates are over the last minute: over fifteen they would hide what is happening now."""

COUNTERS: Final = len(OUTCOMES) + 2
_ZERO: Final = (0,) * COUNTERS
MODULUS_MASK: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts that only grow: seven outcomes, input and output tokens; and the latency cells, empty if all are zero."""

    counters: tuple[int, ...] = _ZERO
    cells: Sequence[int] = ()

    @property
    def outcomes(self) -> tuple[int, ...]:
        """By Outcome."""
        return self.counters[: len(OUTCOMES)]

    @property
    def finished(self) -> int:
        """Requests that have ended, in whatever way."""
        return sum(self.outcomes)

    @property
    def errors(self) -> int:
        """Requests that have ended in one of the five error types; cancelled is none."""
        return sum(self.counters[outcome] for outcome in ERRORS)

    @property
    def input_tokens(self) -> int:
        """As reported by the providers."""
        return self.counters[-2]

    @property
    def output_tokens(self) -> int:
        """As reported by the providers."""
        return self.counters[-1]

    def since(self, edge: "Totals") -> "Totals":
        """What has been added since `edge`, whose cells may have been cut to 32 bits.

        Cells are subtracted modulo 2^32, which is right for fewer than 4 billion requests of one latency in a window.
        """
        counters = tuple(now - then for now, then in zip(self.counters, edge.counters, strict=True))
        if not any(counters):
            return Totals()
        if not edge.cells:
            return Totals(counters, self.cells)
        return Totals(counters, [(now - then) & MODULUS_MASK for now, then in zip(self.cells, edge.cells, strict=True)])


def total(parts: Iterable[Totals]) -> Totals:
    """All together; neither order nor grouping matters, and `Totals()` adds nothing."""
    counted = list(parts)
    cells = [part.cells for part in counted if part.cells]
    return Totals(
        tuple(map(sum, zip(_ZERO, *(part.counters for part in counted), strict=True))),
        list(map(sum, zip(*cells, strict=True))) if len(cells) > 1 else (cells or [()])[0],
    )


def per_second(count: int, elapsed_ns: int) -> float | None:
    """A rate over the time that has really passed; None if none has."""
    return count * 1e9 / elapsed_ns if elapsed_ns > 0 else None
