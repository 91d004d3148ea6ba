"""Work on big bodies is done in a thread, so that other requests go on meanwhile."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# A body of 1 MiB is translated in 5 to 8 ms. The interpreter lets another thread on after 5 ms, so that below that a
# thread is no help; a body of 32 MiB, which takes 250 ms, holds others up for 60 ms instead, the longest step in C.
BIG_BYTES: Final = 1 << 20


async def worked_on(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` makes of a body of `size` bytes; a big one is worked on in a thread."""
    if size < BIG_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
