"""What the supervisor gives to its workers."""

import subprocess
import sys


def test_a_supervisor_imports_nothing_of_the_request_path() -> None:
    """A worker could only start later, and the supervisor would hold in memory what only workers use."""
    code = (
        "import sys, gateway.serving.supervisor\n"
        "print([n for n in ('litestar', 'httpx', 'gateway.app', 'gateway.upstream') if n in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout
    assert printed.strip() == b"[]"
