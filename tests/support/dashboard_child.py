"""A process that runs the viewer on its terminal: RUN_DIR PID MODE ENDED.

MODE is `owns`, `top` or `fails`. Once the file ENDED is there, the server has ended, or asking for it fails.
"""

import os
import sys
from pathlib import Path

from gateway.dashboard.viewer import run
from gateway.metrics.snapshot import InstanceInfo


def main() -> None:
    """Run the viewer and say how it ended."""
    run_dir, pid, mode, ended = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])

    def server_exit() -> int | None:
        if mode == "fails" and ended.exists():
            raise RuntimeError("the server cannot be asked")
        return 0 if ended.exists() else None

    ending = run(
        run_dir,
        InstanceInfo(pid, "0.1.0", "http://127.0.0.1:8000", "2026-01-01T00:00:00Z"),
        owns_server=mode != "top",
        server_exit=server_exit,
        environ=os.environ,
        stdin_fd=0,
        stdout_fd=1,
    )
    sys.stdout.write(f"the viewer ended with {ending}\n")


if __name__ == "__main__":
    main()
