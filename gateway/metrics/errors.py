"""The errors of this room: a file in the run directory that cannot be used.

MetricsError             the text names the file and what is wrong with it
├── WorkerFileError      worker-<slot>.metrics
├── HistoryFileError     history
└── MemoryOrderError     self-test: the memory of this machine does not keep the promises that the others rest on
"""

from pathlib import Path


class MetricsError(Exception):
    """A metrics file cannot be used or not be trusted; its text is one sentence that is fit to be shown."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


class WorkerFileError(MetricsError):
    """The counts of a worker cannot be read or continued."""


class HistoryFileError(MetricsError):
    """The history of the sampler cannot be read or continued."""


class MemoryOrderError(MetricsError):
    """What one process stores is not seen by another as it was stored."""
