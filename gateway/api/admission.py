"""How many requests may be open at a time: in all, and with one client key. Bounds memory, sockets and a key's share.

Theory of operation. A request that is let in takes a place among those of the worker and, if its key has a limit, among
those of its key. It enters them on its exit stack, above its lease; whoever owns the stack closes it once on every
path, so a place is given back exactly once, and before the request is counted as finished. A request that is turned
away has taken none. All in one thread, with no await between the look and the taking, so the limit is never passed.
"""

from collections.abc import Iterable
from contextlib import ExitStack

from gateway.config import ClientKey
from gateway.errors import Overloaded, TooManyRequests


class Places:
    """A number of places; a context that holds one, and may be entered by many at a time."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else is let in."""
        return self.taken >= self.limit

    def __enter__(self) -> None:
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self.taken -= 1


class Admission:
    """The places of one worker, `limit` of them for everybody, and those of the keys that have a limit."""

    __slots__ = ("of_key", "of_worker")

    def __init__(self, limit: int, keys: Iterable[ClientKey]) -> None:
        self.of_worker = Places(limit)
        self.of_key = {key.name: Places(key.max_concurrent) for key in keys if key.max_concurrent is not None}

    def admit(self, key: str | None, stack: ExitStack) -> None:
        """Take the places of one request until `stack` is closed; `key` is the name of its key, None without keys.

        Raises Overloaded, or TooManyRequests for a key that has its share.
        """
        worker, own = self.of_worker, self.of_key.get(key) if key is not None else None
        if worker.is_full:
            raise Overloaded(f"This gateway has {worker.limit:,} requests open, as many as it takes; try again later.")
        if own is not None:
            if own.is_full:
                raise TooManyRequests(
                    f"The client key {key} has {own.limit:,} requests open, as many as it may; try again later."
                )
            stack.enter_context(own)
        stack.enter_context(worker)
