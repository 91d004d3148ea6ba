"""The 18 entries that requests are counted under: at most 16 models by name, so that no client can grow the counts."""

from collections.abc import Callable, Iterable

UNATTRIBUTED = 0
"""Requests whose model never became known, such as those with malformed JSON."""

NAMED = range(1, 17)
OTHER = 17
"""Every model after the first sixteen, and a model that is itself called "other"."""

ENTRIES = 18
OTHER_NAME = "other"
MAX_NAME_BYTES = 128


def cut_name(name: str, longest: int = MAX_NAME_BYTES) -> str:
    """At most so many bytes of UTF-8, cut at a character boundary; lone surrogates become question marks."""
    return name.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore")


class EntryNames(dict[str, int]):
    """From the name of a model to its entry; a new name takes the next free entry, and none is ever given up.

    Lookups of known names cost one dictionary access. A name without an entry of its own is not stored, and neither
    is a name that had to be cut: the size is at most 17.
    """

    def __init__(self, known: Iterable[str], publish: Callable[[int, str], None] = lambda entry, name: None) -> None:
        """`known` are the names of the entries 1, 2, ... that are taken; `publish` is told each new one."""
        super().__init__({OTHER_NAME: OTHER})
        self.update(zip(known, NAMED, strict=False))
        self._publish = publish

    def __missing__(self, name: str) -> int:
        name = cut_name(name)
        entry = self.get(name)
        if entry is not None:
            return entry
        entry = len(self)  # "other" is always in, so this is the first free one
        if not name or entry not in NAMED:
            return OTHER
        self._publish(entry, name)
        self[name] = entry
        return entry
