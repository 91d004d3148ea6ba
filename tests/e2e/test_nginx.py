"""Two gateways behind nginx, as deploy/ has it: streams pass as they come, and so does the end of a client."""

import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.process import PATIENCE_S, RunningGateway, eventually, running_gateway

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"


@contextmanager
def nginx(folder: Path, gateways: list[RunningGateway]) -> Iterator[str]:
    """nginx with the configuration of deploy/ before these gateways; yields its address."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed here")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
    text = CONFIG.read_text().replace("listen 8080", f"listen {address}")
    for number, gateway in enumerate(gateways, start=1):
        text = text.replace(f"gateway-{number}:8000", gateway.address.removeprefix("http://"))
    # What its package puts into folders of the system.
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = text.replace("http {", f"http {{\naccess_log off;\n{paths}")
    (folder / "nginx.conf").write_text(text)
    options = ["-c", folder / "nginx.conf", "-p", folder, "-e", "stderr"]
    process = subprocess.Popen(
        [program, *options, "-g", f"daemon off; master_process off; pid {folder}/nginx.pid;"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: process.poll() is not None or answers(address), "nginx")
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield f"http://{address}"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def answers(address: str) -> bool:
    """Whether a gateway answers through it."""
    try:
        with urllib.request.urlopen(f"http://{address}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def pausing_provider() -> Iterator[tuple[int, socket.socket]]:
    """A port on which a test plays the provider itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        yield listener.getsockname()[1], listener


def test_an_event_passes_before_the_next_one_is_there_and_a_hang_up_reaches_the_provider(tmp_path: Path):
    """The client has the first event while the provider has not sent another; when it leaves, the provider sees it."""
    with ExitStack() as stack:
        port, listener = stack.enter_context(pausing_provider())
        config = (
            f'[[providers]]\nname = "slow"\nkind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
            '[[models]]\nname = "m"\ntargets = [{ provider = "slow" }]\n'
        )
        gateways = []
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateways.append(stack.enter_context(running_gateway(folder, config)))
        address = stack.enter_context(nginx(tmp_path, gateways))
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}).encode()
        host, _, port_text = address.removeprefix("http://").partition(":")
        client = stack.enter_context(socket.create_connection((host, int(port_text)), timeout=PATIENCE_S))
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        upstream, _ = listener.accept()
        stack.enter_context(upstream)
        upstream.settimeout(PATIENCE_S)
        received = b""
        while b"hello" not in received:
            received += upstream.recv(65_536)
        event = b'data: {"choices": [{"index": 0, "delta": {"content": "first"}}]}\n\n'
        start = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        upstream.sendall(start + b"%x\r\n%b\r\n" % (len(event), event))
        answer = b""
        while b"first" not in answer:
            answer += client.recv(65_536)
        assert b"200 OK" in answer
        client.close()
        # Nothing was left to read, so this is the end that the gateway makes.
        assert upstream.recv(65_536) == b""

        def counted() -> int:
            return sum(gateway.top()["lifetime"]["outcomes"]["cancelled"] for gateway in gateways)

        eventually(lambda: counted() == 1, "the outcome")


def test_both_gateways_get_requests(tmp_path: Path):
    """Requests that nginx passes on are answered, and shared."""
    with ExitStack() as stack:
        gateways = []
        for number in (1, 2):
            folder = tmp_path / str(number)
            folder.mkdir()
            gateways.append(stack.enter_context(running_gateway(folder)))
        address = stack.enter_context(nginx(tmp_path, gateways))
        body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]}).encode()
        for _ in range(6):
            with urllib.request.urlopen(f"{address}/v1/chat/completions", body, timeout=PATIENCE_S) as answer:
                assert re.search(rb'"content":\s*"hello"', answer.read())
        counts = [gateway.settled()["lifetime"]["outcomes"]["ok"] for gateway in gateways]
        assert sum(counts) == 6
        assert min(counts) > 0
