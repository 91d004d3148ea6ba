"""A process that runs the viewer on its terminal: RUN_DIR PID MODE FOLDER.

MODE is `owns` or `top`. Files in FOLDER make things happen: `ended` ends the server; `fails` makes asking for it fail,
`thread` lets another thread fail, and `noise` writes to both standard streams in every way there is, once.
"""

import os
import sys
import threading
import warnings
from pathlib import Path

from gateway.dashboard.viewer import run
from gateway.serving.processes import process_started
from gateway.serving.run_dir import Instance


class Careless:
    """What fails where Python cannot raise."""

    def __del__(self) -> None:
        raise RuntimeError("a failure that cannot be raised")


def fail() -> None:
    """What a thread does."""
    raise RuntimeError("a failure in another thread")


def make_noise() -> None:
    """Write as careless libraries do."""
    sys.stdout.write("noise on stdout\n")
    sys.stdout.flush()
    sys.stderr.write("noise on stderr\n")
    os.write(2, b"noise below Python\n")
    warnings.warn("a warning as noise", stacklevel=1)
    Careless()


def main() -> None:
    """Run the viewer, and write how it ended to the file `ending` in FOLDER."""
    run_dir, pid, mode, folder = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])

    def happens(name: str) -> bool:
        try:
            (folder / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def server_exit() -> int | None:
        if happens("fails"):
            raise RuntimeError("the server cannot be asked")
        if happens("thread"):
            threading.Thread(target=fail, name="helper").start()
        if happens("noise"):
            make_noise()
        return 0 if happens("ended") else None

    started = process_started(pid)
    assert started is not None
    address, started_at = "http://127.0.0.1:8000", "2026-01-01T00:00:00Z"
    ending = run(
        Instance(pid, started, "0.1.0", address, started_at, 1, run_dir),
        server_exit=server_exit if mode == "owns" else None,
        environ=os.environ,
        stdin_fd=0,
        stdout_fd=1,
        stderr_fd=2,
    )
    (folder / "ending").write_text(ending)


if __name__ == "__main__":
    main()
