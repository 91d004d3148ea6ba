"""When the next picture is due: at once after a rest, but never two closer together than what asks for them allows."""


class Pace:
    """Merges wishes for a picture into one instant; all times are in seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._last: float | None = None
        self.due: float | None = None
        """When to draw next; None while nobody asks."""

    def ask(self, now: float, spacing_s: float) -> None:
        """Ask for a picture, no sooner than `spacing_s` after the last one; an earlier instant asked for stays."""
        due = now if self._last is None else max(now, self._last + spacing_s)
        self.due = due if self.due is None else min(self.due, due)

    def is_due(self, now: float) -> bool:
        """Whether it is time to draw."""
        return self.due is not None and now >= self.due

    def drawn(self, now: float) -> None:
        """A picture was drawn, which grants every wish so far."""
        self._last, self.due = now, None
