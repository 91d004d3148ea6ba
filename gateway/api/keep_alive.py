"""Frames that say nothing, for the silences of a stream: proxies on the way close a connection that is quiet for long.

Theory of operation. `KeepAlive` stands in the place of the server's `send`. One timer, pushed forward and never set
anew for a message, looks whether the last message is `wait_s` ago; then a task sends a frame. A message waits for a
frame that is under way, and no frame begins while a message is, so that the two never mix. What a frame is, and whether
there may be one just now, says the owner: nothing can be put into half an event.

    waiting ──wait_s of silence──> frame under way ──sent──> waiting
    waiting ──message──> sending ──sent──> waiting, the silence begins anew
    any     ──the last message, or close()──> closed: no frame begins any more

The provider's timeouts know nothing of all this: a frame to the client is no byte from the provider. A frame before the
provider has answered at all begins the response with a 200, so that whatever goes wrong later is told inside the
stream. That is the price, and why it is off unless it is configured.
"""

import asyncio
from collections.abc import Callable

from litestar.types import Message, Send


class KeepAlive:
    """A `send` that fills silences of `wait_s` seconds with the messages that `frame` returns, if it returns any."""

    __slots__ = ("_frame", "_loop", "_quiet_since", "_send", "_sending", "_task", "_timer", "_wait_s")

    def __init__(self, send: Send, wait_s: float, frame: Callable[[], list[Message]]) -> None:
        self._send = send
        self._wait_s = wait_s
        self._frame = frame
        self._sending = False
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._quiet_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(wait_s, self._look)

    async def __call__(self, message: Message) -> None:
        """Send a message, behind the frame that is under way."""
        self._sending = True
        try:
            if self._task is not None:
                # Unlike an await of the task, a wait that is cancelled leaves the frame whole.
                await asyncio.wait([frame := self._task])
                frame.result()
            await self._send(message)
        finally:
            self._sending = False
            self._quiet_since = self._loop.time()
        if message["type"] == "http.response.body" and not message["more_body"]:
            self.close()

    def close(self) -> None:
        """Begin no frame any more; one that is under way is finished before the next message."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cancel(self) -> None:
        """Close, and give up the frame that is under way: nothing will be sent any more."""
        self.close()
        if self._task is not None:
            self._task.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        due = self._quiet_since + self._wait_s
        if now >= due and not self._sending and self._task is None and (messages := self._frame()):
            self._task = self._loop.create_task(self._fill(messages))
            self._task.add_done_callback(_note_failure)
        self._timer = self._loop.call_at(due if now < due else now + self._wait_s, self._look)

    async def _fill(self, messages: list[Message]) -> None:
        for message in messages:
            await self._send(message)
        self._quiet_since = self._loop.time()
        self._task = None


def _note_failure(task: asyncio.Task[None]) -> None:
    """Take note of an exception, which the next message raises; if none comes, the client has left."""
    if not task.cancelled():
        task.exception()
