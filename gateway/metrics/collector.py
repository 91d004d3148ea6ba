"""The hot path of the metrics: a worker counts its requests, with no lock, no clock and no allocation that stays.

Hand-inlined where benchmarks/metrics_hot_path.py shows that a call would cost more than the work. For one thread.
"""

from typing import Final

from gateway.metrics.cells import MAX_MICROSECONDS
from gateway.metrics.entries import UNATTRIBUTED, EntryNames
from gateway.metrics.outcome import Outcome
from gateway.metrics.worker_file import ENTRY, HEADER, WorkerFile, entry_offset

_STARTED: Final = HEADER["started"]
_LOG_DROPPED: Final = HEADER["log_dropped"]
_INVALID: Final = HEADER["invalid"]
_FIRST_ENTRY: Final = entry_offset(0)
_ENTRY: Final = ENTRY.cells
_ENTRY_STARTED: Final = ENTRY["started"]
_OUTCOMES: Final = ENTRY["outcomes"]
_INPUT: Final = ENTRY["input_tokens"]
_OUTPUT: Final = ENTRY["output_tokens"]
_CELLS: Final = ENTRY["cells"]

MAX_TOKENS: Final = 2**32 - 1
"""Per request; providers' figures are not trusted to fit into a cell."""


class Collector:
    """Counts into the file of this worker; nothing that it is given makes it raise."""

    __slots__ = ("_cells", "_entries")

    UNATTRIBUTED: Final = UNATTRIBUTED

    def __init__(self, file: WorkerFile) -> None:
        self._cells = file.cells
        self._entries = EntryNames(file.names(), file.publish_name)

    def started(self) -> None:
        """A request head has arrived; exactly one `finished` must follow."""
        self._cells[_STARTED] += 1

    def knows(self, model: str) -> bool:
        """Whether the model has an entry of its own already."""
        return model in self._entries

    def attribute(self, model: str) -> int:
        """The request that has started is for this model: count it as active there, and return the entry to finish."""
        entry = self._entries[model]
        self._cells[_FIRST_ENTRY + entry * _ENTRY + _ENTRY_STARTED] += 1
        return entry

    def finished(self, entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
        """A request has ended. `entry` is what `attribute` returned, or UNATTRIBUTED if it was not called.

        A latency or a number of tokens that is negative or does not fit 32 bits (of microseconds, of tokens) is
        clamped, and counted as invalid.
        """
        cells = self._cells
        microseconds = latency_ns // 1000
        if not 0 <= microseconds <= MAX_MICROSECONDS:
            microseconds = self._clamp(microseconds, MAX_MICROSECONDS)
        if not 0 <= input_tokens <= MAX_TOKENS:
            input_tokens = self._clamp(input_tokens, MAX_TOKENS)
        if not 0 <= output_tokens <= MAX_TOKENS:
            output_tokens = self._clamp(output_tokens, MAX_TOKENS)
        base = _FIRST_ENTRY + entry * _ENTRY
        shift = microseconds.bit_length() - 6
        if shift > 0:  # gateway.metrics.cells.index, inlined
            microseconds = (shift << 5) + (microseconds >> shift)
        cells[base + _CELLS + microseconds] += 1
        cells[base + _INPUT] += input_tokens
        cells[base + _OUTPUT] += output_tokens
        cells[base + _OUTCOMES + outcome] += 1  # last: it publishes the finish

    def log_dropped(self, count: int = 1) -> None:
        """Log records have been dropped because nobody took them fast enough."""
        self._cells[_LOG_DROPPED] += count

    def _clamp(self, value: float, limit: int) -> int:
        """The nearest allowed figure; 0 for NaN."""
        self._cells[_INVALID] += 1
        return limit if value > limit else 0
