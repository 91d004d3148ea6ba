"""Work on big bodies is done in a thread, so that other requests go on meanwhile.

In one thread, one body after the other. The work holds the interpreter's lock, so that more threads would not be done
sooner, but the loop would wait for a step of each of them in turn: while eight bodies of 23 MB came at once, small
requests took up to 0.7 to 0.9 s, and with one thread 0.3 to 0.4 s.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# A body of 1 MiB is translated in 5 to 8 ms. The interpreter lets another thread on after 5 ms, so that below that a
# thread is no help; a body of 32 MiB, which takes 250 ms, holds others up for 60 ms instead, the longest step in C.
BIG_BYTES: Final = 1 << 20

_ONE_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="big-bodies")


async def worked_on(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` makes of a body of `size` bytes; a big one is worked on in the thread, when its turn comes."""
    if size < BIG_BYTES:
        return work(*args, **kwargs)
    context = contextvars.copy_context()
    call = partial(context.run, work, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_ONE_THREAD, call)
