"""Ending a request from outside: because its client left, or because the gateway shuts down."""

import asyncio
import enum
from types import TracebackType

from litestar.types import Receive


class Reason(enum.Enum):
    """Why a request was interrupted."""

    CLIENT_LEFT = enum.auto()
    SHUTDOWN = enum.auto()


class Interruption:
    """An async context in which the client's leaving cancels the current task.

    A server reports a client that went away only to who waits in `receive()`; so a task of its own waits there while
    the context is open. When the context is left by such a cancellation it swallows it, and `reason` tells what
    happened; every other cancellation passes through.
    """

    __slots__ = ("_receive", "_task", "_watcher", "reason")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.reason: Reason | None = None

    def interrupt(self, reason: Reason) -> None:
        """Cancel the task inside the context; only the first call counts, and none after the context is left."""
        if self._task is not None and self.reason is None:
            self.reason = reason
            self._task.cancel()

    async def __aenter__(self) -> "Interruption":
        self._task = asyncio.current_task()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def __aexit__(
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
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.interrupt(Reason.CLIENT_LEFT)
