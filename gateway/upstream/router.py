"""From the model name that a client asks for to the ordered targets that may serve it."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from gateway.config import Model, Target

GLOB_CHARACTERS = frozenset("*?[")


def is_glob(name: str) -> bool:
    """Whether a configured model name is a pattern."""
    return not GLOB_CHARACTERS.isdisjoint(name)


class Router:
    """An exact name wins over the longest glob that matches; of two globs of one length the first configured wins."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._exact = {model.name: model for model in models if not is_glob(model.name)}
        globs = sorted((model for model in models if is_glob(model.name)), key=lambda model: -len(model.name))
        self._globs: list[tuple[re.Pattern[str], Model]] = [
            (re.compile(fnmatch.translate(model.name)), model) for model in globs
        ]

    @property
    def exact_names(self) -> list[str]:
        """The model names that are configured without a pattern, in their order."""
        return list(self._exact)

    def match(self, name: str) -> Model | None:
        """Return the configured model that serves `name`, or None."""
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        return next((model for pattern, model in self._globs if pattern.match(name)), None)


def order_targets(model: Model, draw: Callable[[], float], rests: Callable[[Target], bool]) -> list[Target]:
    """Return the targets in the order in which they are tried, those that rest behind the others.

    `ordered` keeps the configured order. `weighted` draws the first by its weight, among those that do not rest if
    there are any, and keeps the order of the others; `draw` gives a number in [0, 1).
    """
    if len(model.targets) == 1:
        return list(model.targets)
    resting = [target for target in model.targets if rests(target)]
    first, last = [target for target in model.targets if target not in resting], resting
    if not first:
        first, last = last, []
    if model.strategy == "weighted":
        point = draw() * sum(target.weight for target in first)
        for index, target in enumerate(first):
            point -= target.weight
            if point < 0:
                first = [target, *first[:index], *first[index + 1 :]]
                break
    return first + last
