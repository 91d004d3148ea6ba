"""How long after a client hangs up the provider sees its connection closed: before the headers, and mid-stream.

usage: python benchmarks/hang_up.py [--times 50]
"""

import argparse
import json
import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.process import RunningGateway, running_gateway
from tests.support.upstream import Upstream, running_upstream


def hang_up(gateway: RunningGateway, upstream: Upstream, model: str) -> float:
    """Send a request, leave, and return the milliseconds until the provider's connection was closed."""
    host, _, port = gateway.address.removeprefix("http://").rpartition(":")
    body = json.dumps({"model": model, "stream": model == "endless"}).encode()
    upstream.closed_at.clear()
    served = len(upstream.bodies)
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        if model == "endless":
            assert client.recv(65536)
        while len(upstream.bodies) == served:
            time.sleep(0.001)
        left = time.monotonic()
    return (upstream.wait_for_close(10) - left) * 1000


def main() -> None:
    """Print median and maximum for both moments, and what the gateway counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    with running_upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        config = (
            f'[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "{upstream.url}"\n'
            '[[models]]\nname = "*"\ntargets = [{ provider = "up" }]\n'
        )
        with running_gateway(Path(folder), config) as gateway:
            for model, moment in (("silent", "before the headers"), ("endless", "mid-stream")):
                taken = sorted(hang_up(gateway, upstream, model) for _ in range(times))
                print(f"{moment:20} median {taken[len(taken) // 2]:6.1f} ms   maximum {taken[-1]:6.1f} ms")
            snapshot = gateway.settled()
    print(f"cancelled {snapshot['lifetime']['outcomes']['cancelled']} of {2 * times}, active {snapshot['active']}")


if __name__ == "__main__":
    main()
