"""Ending a request from outside: because its client left, or because the gateway shuts down."""

import asyncio
import enum
from types import TracebackType
from typing import Final

from litestar.types import Receive

# To be told that a client has left, a task has to wait for the server, which keeps threads of its own busy: up to a
# tenth of what a short request costs, and an answer that comes at once needs none of it (docs/performance.md). The
# server remembers who has left, so that who leaves at the very beginning is noticed at most two such times later.
WATCH_AFTER_S: Final = 0.015


class Reason(enum.Enum):
    """Why a request was interrupted."""

    CLIENT_LEFT = enum.auto()
    SHUTDOWN = enum.auto()


class Interruption:
    """A context in which the client's leaving, or a shutdown, cancels the current task.

    When it is left by such a cancellation it swallows it, and `reason` tells what happened; every other cancellation
    passes through.
    """

    __slots__ = ("_loop", "_receive", "_task", "_watcher", "reason")

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive = receive
        self._loop = loop
        self._task: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.reason: Reason | None = None

    def interrupt(self, reason: Reason) -> None:
        """Cancel the task inside the context; only the first call counts, and none after the context is left."""
        if self._task is not None and self.reason is None:
            self.reason = reason
            self._task.cancel()

    def watch(self) -> None:
        """Interrupt when the client leaves; does nothing after the context is left."""
        if self._task is not None:
            self._watcher = self._loop.create_task(self._watch())

    def __enter__(self) -> "Interruption":
        # Without the loop, asyncio would ask the kernel for the process first (until CPython 3.12).
        self._task = asyncio.current_task(self._loop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if self._watcher is not None:
            self._watcher.cancel()
        if self.reason is None or task is None or not isinstance(error, asyncio.CancelledError):
            return False
        # Above zero, someone else has asked for the cancellation as well.
        return task.uncancel() == 0

    async def _watch(self) -> None:
        """A server reports a client that went away only to who waits in `receive()`."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.interrupt(Reason.CLIENT_LEFT)


class Interruptions:
    """The open interruptions of a worker. Each is watched for its client once it is `watch_after_s` old, or twice that.

    Two generations and one timer for all: what a short request costs here is an entry in a list.
    """

    def __init__(self, watch_after_s: float = WATCH_AFTER_S) -> None:
        self._watch_after_s = watch_after_s
        self._open: set[Interruption] = set()
        self._younger: list[Interruption] = []
        self._older: list[Interruption] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._open)

    def open(self, receive: Receive) -> Interruption:
        """Return the interruption of a request, to be entered at once, and taken care of until it is discarded."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        interruption = Interruption(receive, loop)
        self._open.add(interruption)
        self._younger.append(interruption)
        if self._timer is None:
            self._timer = loop.call_later(self._watch_after_s, self._grow_older, loop)
        return interruption

    def discard(self, interruption: Interruption) -> None:
        """Forget an interruption, whose context is left."""
        self._open.discard(interruption)

    def interrupt_all(self, reason: Reason) -> None:
        """Interrupt whatever is open."""
        for interruption in list(self._open):
            interruption.interrupt(reason)

    def _grow_older(self, loop: asyncio.AbstractEventLoop) -> None:
        for interruption in self._older:
            interruption.watch()
        self._older, self._younger = self._younger, []
        self._timer = None
        if self._older:
            self._timer = loop.call_later(self._watch_after_s, self._grow_older, loop)
