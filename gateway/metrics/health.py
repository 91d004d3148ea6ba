"""How a worker's providers do: tries, failures, and who rests, published for readers as the counts are.

Rows of a worker's file, the first of them for its providers, the others for models that have come to rest. A row is
used from the moment when its name is there, and keeps it. Tries are stored before failures and loaded after them, so
that a reader never sees more failures than tries. What belongs together, how long a circuit rests and why, is one cell
and cannot be seen half-changed:

    bits 32 to 63   until when it rests, in tenths of a second since boot; 0: it does not
    bits 16 to 31   failures in a row
    bits  0 to 15   the last cause: an HTTP status, or a Cause

The rows are what one process knows, not counts of the gateway: its successor begins anew. When none is free, a further
one is not shown. docs/reliability.md says what becomes of them.
"""

import enum
import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.metrics.snapshot import ProviderFigures, Rest
from gateway.metrics.worker_file import TARGET, TARGETS, WorkerFile, WorkerFileReader, target_offset

_TRIES: Final = TARGET["tries"]
_FAILURES: Final = TARGET["failures"]
_CIRCUIT: Final = TARGET["circuit"]
_TENTHS: Final = 10
_LONGEST: Final = 2**32 - 1
_MOST: Final = 2**16 - 1
# The name of a provider is printable, so this stands in none.
_BETWEEN: Final = "\n"


class Cause(enum.IntEnum):
    """Why a try failed without an answer; with one, the cause is its status, which is at least 100."""

    UNREACHABLE = 1
    CONNECT_TIMEOUT = 2
    SILENT = 3
    BROKEN = 4


_WORDS: Final = {
    Cause.UNREACHABLE: "could not be reached",
    Cause.CONNECT_TIMEOUT: "no connection in time",
    Cause.SILENT: "silent for too long",
    Cause.BROKEN: "broke off",
}


def words_for(cause: int) -> str:
    """Return a cause in words."""
    return f"status {cause}" if cause >= 100 else _WORDS[Cause(cause)]


class HealthBoard:
    """The writer's side: shows how the providers of one worker do."""

    def __init__(self, file: WorkerFile, providers: Iterable[str]) -> None:
        self._file = file
        self._cells = file.cells
        self._rows: dict[tuple[str, str | None], int] = {}
        self._next = 0
        for provider in providers:
            self._row(provider, None)

    def tried(self, provider: str) -> None:
        """Count a try."""
        row = self._rows.get((provider, None))
        if row is not None:
            self._cells[row + _TRIES] += 1

    def failed(self, provider: str) -> None:
        """Count a try that failed, after it was counted as a try."""
        row = self._rows.get((provider, None))
        if row is not None:
            self._cells[row + _FAILURES] += 1

    def show(self, provider: str, model: str | None, *, failures: int, cause: int, rests_until_s: float) -> None:
        """Show a circuit: failures in a row, the last cause, and until when it rests (seconds since boot; 0: not)."""
        row = self._rows.get((provider, model))
        if row is None and (not rests_until_s or (row := self._row(provider, model)) is None):
            return
        until = min(math.ceil(rests_until_s * _TENTHS), _LONGEST)
        self._cells[row + _CIRCUIT] = until << 32 | min(failures, _MOST) << 16 | min(cause, _MOST)

    def _row(self, provider: str, model: str | None) -> int | None:
        if self._next == TARGETS:
            return None
        row = self._rows[provider, model] = target_offset(self._next)
        self._file.publish_target(self._next, provider if model is None else provider + _BETWEEN + model)
        self._next += 1
        return row


class TargetReading(msgspec.Struct, frozen=True):
    """One row: a provider, or a model at a provider that has rested. `until_s` is in seconds since boot, 0 for none."""

    provider: str
    model: str | None
    tries: int
    failures: int
    in_a_row: int
    cause: int
    until_s: float


def read_targets(file: WorkerFileReader) -> list[TargetReading]:
    """Everything that a worker shows of its providers."""
    cells = file.file.cells
    readings = []
    for number, name in enumerate(file.target_names()):
        row = target_offset(number)
        circuit = cells[row + _CIRCUIT]
        failures = cells[row + _FAILURES]
        tries = cells[row + _TRIES]
        provider, between, model = name.partition(_BETWEEN)
        readings.append(
            TargetReading(
                provider,
                model if between else None,
                tries,
                failures,
                in_a_row=circuit >> 16 & _MOST,
                cause=circuit & _MOST,
                until_s=(circuit >> 32) / _TENTHS,
            )
        )
    return readings


def provider_figures(workers: Sequence[Sequence[TargetReading]], now_s: float) -> list[ProviderFigures]:
    """What the living workers know of their providers, in the order in which they are configured.

    Tries and failures add up. Of a rest the longest is told, with how many workers keep it. `now_s` is in seconds since
    boot.
    """
    counted: dict[str, tuple[int, int]] = {}
    resting: dict[str, dict[str | None, tuple[TargetReading, int]]] = {}
    for target in (target for targets in workers for target in targets):
        tries, failures = counted.get(target.provider, (0, 0))
        counted[target.provider] = tries + target.tries, failures + target.failures
        if target.until_s:
            rests = resting.setdefault(target.provider, {})
            longest, number = rests.get(target.model, (target, 0))
            rests[target.model] = max(longest, target, key=lambda reading: reading.until_s), number + 1
    return [
        ProviderFigures(
            provider,
            tries,
            failures,
            [
                Rest(
                    model,
                    round(max(0.0, target.until_s - now_s), 1),
                    target.in_a_row,
                    words_for(target.cause),
                    number,
                )
                for model, (target, number) in resting.get(provider, {}).items()
            ],
        )
        for provider, (tries, failures) in counted.items()
    ]
