"""An event that a signal handler may set at any moment, and that wakes the main thread whoever got the signal.

Theory. `threading.Event` has two faults here. It holds a lock that is not reentrant while it sets, clears and begins to
wait; Python runs handlers in the main thread between any two instructions, so a handler that sets the event can wait
for a lock that only the thread below it can give back. And a signal wakes only the thread that the kernel chose for it.
Python notes it there, but its handler runs in the main thread, once that one runs again: if it waits without a limit,
a SIGTERM is forgotten until something else wakes it. This happens when signals follow each other quickly.

Here the state is a byte in a pipe: one system call sets it, one looks, and the kernel makes them indivisible. Setting
it again while the pipe is full changes nothing, which is what setting twice means. And whichever thread gets a signal
writes to a second pipe, by `signal.set_wakeup_fd`; whoever waits, waits for that one, too, lets the handlers run, and
looks again.
"""

import os
import select
import signal
import time


class Interrupt:
    """What `threading.Event` offers; has to be made, waited for and closed in the main thread."""

    def __init__(self) -> None:
        self._set_reading, self._set_writing = os.pipe()
        self._wake_reading, self._wake_writing = os.pipe()
        for end in (self._set_reading, self._set_writing, self._wake_reading, self._wake_writing):
            os.set_blocking(end, False)
        self._before = signal.set_wakeup_fd(self._wake_writing, warn_on_full_buffer=False)

    def set(self) -> None:
        """Wake whoever waits, now or later."""
        try:
            os.write(self._set_writing, b"\0")
        except BlockingIOError:
            # Full of earlier calls, so it is set.
            return

    def clear(self) -> None:
        """Forget all that was set before the call."""
        _drain(self._set_reading)

    def is_set(self) -> bool:
        """Whether it was set and not cleared since."""
        return self.wait(0.0)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most `timeout` seconds; whether it is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._set_reading, self._wake_reading], [], [], left)
            if self._set_reading in ready:
                return True
            if not ready:
                return False
            # Here at the latest the handlers run, one of which may set it.
            _drain(self._wake_reading)

    def close(self) -> None:
        """Give the descriptors back."""
        signal.set_wakeup_fd(self._before)
        for end in (self._set_reading, self._set_writing, self._wake_reading, self._wake_writing):
            os.close(end)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65_536):
            pass
    except BlockingIOError:
        return
