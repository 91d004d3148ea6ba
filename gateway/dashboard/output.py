"""What waits for the terminal: text for the normal screen, pictures for the alternate one, and the switches between.

Theory of operation. A queue of chunks that are sent in order, of four kinds:

    TEXT      lines for the normal screen; never dropped
    SHOW      the switch to the alternate screen
    PICTURE   a frame on it; dropped when the screen is hidden, even half sent
    HIDE      the way back; also ends a frame, or an escape sequence, that was cut in the middle

A SHOW and a HIDE that follow each other unsent cancel out. So however often a stalled terminal is switched, every text
comes out once, whole and in order, no picture shows on the normal screen, and the queue holds at most three switches
besides what was written. Who writes while something is `pending` makes it longer; who waits does not.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

# Alternate screen, no cursor, no wrapping at the margin, bracketed paste.
SHOW = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h"
# First the end of a synchronized update, in case a frame is cut; the alternate screen goes last, so that nothing of
# the others shows on the normal one.
HIDE = b"\x1b[?2026l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?7h\x1b[?1049l"
_CHUNK = 65_536


class _Kind(Enum):
    TEXT = auto()
    SHOW = auto()
    PICTURE = auto()
    HIDE = auto()


class Output:
    """The queue; `send` takes a beginning of the bytes and returns how many, or raises as a non-blocking write does."""

    def __init__(self, send: Callable[[bytes], int]) -> None:
        self._send = send
        self._queue: deque[tuple[_Kind, bytes]] = deque()
        self._is_first_cut = False

    @property
    def pending(self) -> bool:
        """Whether something waits."""
        return bool(self._queue)

    def show(self) -> None:
        """Switch to the alternate screen; the next picture must be a whole one."""
        last = self._last_unsent()
        if last is _Kind.HIDE:
            self._queue.pop()
        elif last is not _Kind.SHOW:
            self._queue.append((_Kind.SHOW, SHOW))
        self.flush()

    def hide(self) -> None:
        """Switch back to the normal screen."""
        while self._queue and self._queue[-1][0] is _Kind.PICTURE:
            self._queue.pop()
        self._is_first_cut = self._is_first_cut and self.pending
        if self._last_unsent() is _Kind.SHOW:
            self._queue.pop()
        else:
            self._queue.append((_Kind.HIDE, HIDE))
        self.flush()

    def picture(self, data: bytes) -> None:
        """Write a frame, between `show` and `hide`."""
        self._write(_Kind.PICTURE, data)

    def text(self, data: bytes) -> None:
        """Write lines, outside of `show` and `hide`."""
        self._write(_Kind.TEXT, data)

    def flush(self) -> None:
        """Send what is taken now."""
        while self._queue:
            kind, data = self._queue[0]
            try:
                sent = self._send(data[:_CHUNK])
            except BlockingIOError:
                return
            except OSError:
                # The terminal is gone; reading from it tells the loop.
                self._queue.clear()
                self._is_first_cut = False
                return
            self._is_first_cut = sent < len(data)
            if self._is_first_cut:
                self._queue[0] = kind, data[sent:]
            else:
                self._queue.popleft()

    def check_valid(self) -> None:
        """Assert what always holds."""
        kinds = [kind for kind, _ in self._queue]
        assert all(data for _, data in self._queue)
        assert sum(kind in (_Kind.SHOW, _Kind.HIDE) for kind in kinds) <= 3
        assert self.pending or not self._is_first_cut

    def _write(self, kind: _Kind, data: bytes) -> None:
        if data:
            self._queue.append((kind, data))
        self.flush()

    def _last_unsent(self) -> _Kind | None:
        """What the last chunk of the queue is, if nothing of it has been sent."""
        if not self._queue or (len(self._queue) == 1 and self._is_first_cut):
            return None
        return self._queue[-1][0]
