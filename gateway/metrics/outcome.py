"""The seven ways in which a counted request ends."""

import enum


class Outcome(enum.IntEnum):
    """The value is the index of the outcome's counter in the worker file."""

    OK = 0
    CANCELLED = 1
    AUTH = 2
    VALIDATION = 3
    UPSTREAM = 4
    TIMEOUT = 5
    INTERNAL = 6

    @property
    def label(self) -> str:
        """The name in logs, JSON and on the screen."""
        return LABELS[self]


OUTCOMES: tuple[Outcome, ...] = tuple(Outcome)
ERRORS: tuple[Outcome, ...] = (Outcome.AUTH, Outcome.VALIDATION, Outcome.UPSTREAM, Outcome.TIMEOUT, Outcome.INTERNAL)
LABELS: tuple[str, ...] = tuple(outcome.name.lower() for outcome in OUTCOMES)
"""By Outcome."""
