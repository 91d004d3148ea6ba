"""What the gateway asks the operating system about processes."""

import subprocess
import sys


def test_a_worker_opens_as_many_files_as_it_may() -> None:
    """A shell that allows few files to begin with does not limit the streams of a worker, the administrator does."""
    code = (
        "import resource\n"
        "from gateway.serving.processes import allow_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 200))\n"
        "allow_open_files()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout
    assert printed.strip() == b"(200, 200)"
