"""The errors of this room: a file in the run directory that cannot be used.

MetricsError             the text names the file and what is wrong with it
├── WorkerFileError      worker-<slot>.metrics
└── HistoryFileError     history
"""

from pathlib import Path


class MetricsError(Exception):
    """A metrics file is foreign, truncated or of another layout; its text is one sentence that is fit to be shown."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


class WorkerFileError(MetricsError):
    """The counts of a worker cannot be read or continued."""


class HistoryFileError(MetricsError):
    """The history of the sampler cannot be read or continued."""
