"""Names that are cut to the width of a column, and stay apart.

Theory. A name that is too long is cut in its middle. Names that read the same then are cut anew, all of them in one
way: the first of these that tells them from each other and from every other name. At 16 cells, for example:

    in the middle                  claude-sonnet-4-5-20250929               claude-s…0250929
    near the middle                of-acme-eu-sonnet-4-5                    of-acme-e…et-4-5
    up to where they differ        team-of-research-eu-claude-sonnet-4-5    team-…ch-eu-cla…
    numbered                       what differs in two places within        what differs i…1
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from gateway.dashboard.text import ELLIPSIS, cells, cut, cut_middle, ends


# The tables of a screen at two of its sizes.
@lru_cache(8)
def cut_apart(names: frozenset[str], width: int) -> Mapping[str, str]:
    """What to show of each cleaned name in at most `width` cells, by the name.

    No two are the same where the width is more than the digits of the number of names.
    """
    shown = {name: cut_middle(name, width) for name in sorted(names)}
    alike: dict[str, list[str]] = {}
    for name, text in shown.items():
        alike.setdefault(text, []).append(name)
    for group in alike.values():
        # What fits as it is may look like a longer name that was cut, and stays.
        long = [name for name in group if shown[name] != name]
        if long and len(group) > 1:
            others = {text for name, text in shown.items() if name not in long}
            shown.update(zip(long, _told_apart(long, width, others), strict=True))
    return shown


def _told_apart(names: Sequence[str], width: int, others: set[str]) -> Sequence[str]:
    """Names that are too long, cut so that each is unlike the rest of them and the others."""
    for texts in _ways(names, width):
        if len(set(texts)) == len(names) and others.isdisjoint(texts):
            return texts
    return _numbered(names, width, others)


def _ways(names: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    middle = (width - 1) // 2
    for tail in sorted(range(width), key=lambda tail: abs(tail - middle)):
        yield [cut_middle(name, width, tail) for name in names]
    head = width // 3
    rest = width - head - 1
    before = rest // 3
    if before > 0:
        # What all of them begin with, the first and the last one begin with.
        first, last = min(names), max(names)
        differ = next(
            (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first)
        )
        yield [_with_part(name, head, differ - before, rest) for name in names]


def _with_part(name: str, head: int, start: int, rest: int) -> str:
    """That many cells of the beginning, and of what begins at `start`."""
    stop, _ = ends(name, head + 1, tail=0)
    # A mark goes with its base.
    while start > stop and not cells(name[start]):
        start -= 1
    return f"{name[:stop]}{ELLIPSIS}{cut(name[max(start, stop) :], rest)}"


def _numbered(names: Sequence[str], width: int, others: set[str]) -> Sequence[str]:
    texts = []
    number = 0
    for name in names:
        number += 1
        while (text := _with_number(name, str(number), width)) in others and len(str(number)) < width:
            number += 1
        texts.append(text)
    return texts


def _with_number(name: str, digits: str, width: int) -> str:
    return cut(cut(name, width - len(digits)) + digits, width)
