"""Whether processes still run, for a viewer that asks for each of them several times a second.

Reading /proc/<pid>/stat costs 19 microseconds. On Linux a process is identified in that way only once; from then on it
is held by a pidfd, which refers to that process alone, whoever gets its pid later, and which becomes readable when it
ends. Asking that costs half a microsecond. The pidfd is opened before the process is identified: if the pid changed
hands in between, it says that its process has ended, and the process is identified anew.
"""

import os
import select

from gateway.serving.processes import is_alive


class Liveness:
    """Call it like `is_alive`, with a pid and the start time of the process; it holds a descriptor for each."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, float], tuple[int, select.poll]] = {}

    def __call__(self, pid: int, started: float) -> bool:
        """Whether the process that started then with that pid still runs; a zombie counts as gone."""
        held = self._held.get((pid, started))
        if held is not None and not held[1].poll(0):
            return True
        return self._identify(pid, started)

    def close(self) -> None:
        """Give up all descriptors."""
        for descriptor, _ in self._held.values():
            os.close(descriptor)
        self._held.clear()

    def _identify(self, pid: int, started: float) -> bool:
        self._release_ended()
        descriptor = _open(pid)
        if not is_alive(pid, started):
            if descriptor is not None:
                os.close(descriptor)
            return False
        if descriptor is not None:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            self._held[pid, started] = descriptor, poll
        return True

    def _release_ended(self) -> None:
        for process, (descriptor, poll) in list(self._held.items()):
            if poll.poll(0):
                del self._held[process]
                os.close(descriptor)


def _open(pid: int) -> int | None:
    """A pidfd, or None where there is none: other systems, old kernels, a process that has gone, no descriptor left."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
