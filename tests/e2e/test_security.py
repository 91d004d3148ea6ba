"""What strangers try, against real processes: smuggled requests, planted headers, redirects, and secrets that leak."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.process import PATIENCE_S, RunningGateway, eventually, running_gateway
from tests.support.upstream import Upstream, running_upstream

PROVIDER_KEY = "sk-provider-secret-0001"
CLIENT_KEY = "gw-client-secret-0002"
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "one"}]}).encode()
LENGTH = b"content-length: %d\r\n" % len(BODY)
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
CHUNKED = b"transfer-encoding: chunked\r\n"
SECOND = HEAD + LENGTH + b"\r\n" + BODY


def provider(url: str, transport: str = "lean", more: str = "") -> str:
    """A configuration that sends every model but echo to `url` with a key."""
    return (
        f'{more}[retry]\nattempts = 1\n[[providers]]\nname = "up"\nkind = "openai"\nbase_url = "{url}"\n'
        f'api_key = "{PROVIDER_KEY}"\ntransport = "{transport}"\n'
        '[[models]]\nname = "*"\ntargets = [{ provider = "up" }]\n'
    )


def exchange(gateway: RunningGateway, wire: bytes) -> bytes:
    """Send bytes, say that no more will come, and return everything that comes back."""
    got = b""
    with socket.create_connection(("127.0.0.1", int(gateway.address.rpartition(":")[2])), PATIENCE_S) as connection:
        try:
            connection.sendall(wire)
            while piece := connection.recv(65_536):
                got += piece
        except ConnectionError:
            pass
    return got


def statuses(wire: bytes) -> list[int]:
    """The statuses of the answers on a connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", wire)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with nothing but the echo model."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), "") as running:
        yield running


CLOSE = b"connection: close\r\n"


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        # Whatever the framing says, the second request is never taken for one.
        (HEAD + b"content-length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SECOND, [400]),
        (HEAD + CHUNKED + LENGTH + b"\r\n" + CHUNKS + SECOND, [200]),
        (HEAD.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + CHUNKS + SECOND, [400]),
        (HEAD + CHUNKED + b"transfer-encoding: identity\r\n\r\n" + CHUNKS + SECOND, [400]),
        (HEAD + b"transfer-encoding: xchunked\r\n" + LENGTH + b"\r\n" + BODY + SECOND, [400]),
        (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n" + CHUNKS + SECOND, [400]),
        (HEAD + b"transfer-encoding:\r\n chunked\r\n" + LENGTH + b"\r\n" + BODY + SECOND, [400]),
        (HEAD + LENGTH + b"content-length: 0\r\n\r\n" + BODY + SECOND, [400]),
        (HEAD + b"content-length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY + SECOND, [400]),
        (HEAD + b"content-length: +%d\r\n\r\n" % len(BODY) + BODY + SECOND, [400]),
        (HEAD + b"content-length: -1\r\n\r\n" + BODY + SECOND, [400]),
        (HEAD + b"content-length : %d\r\n\r\n" % len(BODY) + BODY + SECOND, [400]),
        (HEAD + b"x-a: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY + SECOND, [400]),
        # Nothing that ends a line elsewhere stands in a value.
        (HEAD + b"x-a: b\rx-b: c\r\n" + LENGTH + b"\r\n" + BODY, [400]),
        (HEAD + b"x-a: b\0c\r\n" + LENGTH + b"\r\n" + BODY, [400]),
        # Extensions of a chunk are nobody's business, as long as they are short.
        (HEAD + CLOSE + CHUNKED + b"\r\n%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), [200]),
        # A length that is too long is refused before anything of the body has come.
        (HEAD + b"content-length: 999999999999\r\n\r\n", [413]),
        (HEAD + b"content-length: 99999999999999999999999\r\n\r\n", [400]),
    ],
)
def test_a_smuggled_request_is_not_heard(gateway: RunningGateway, wire: bytes, expected: list[int]):
    """The connection ends behind the first answer, and at most one request is counted."""
    before = gateway.settled()["lifetime"]["started"]
    assert statuses(exchange(gateway, wire)) == expected
    assert gateway.settled()["lifetime"]["started"] - before <= 1


@pytest.mark.parametrize(
    "framing",
    [
        b"\r\n%x;a=%s\r\n%s\r\n0\r\n\r\n" % (len(BODY), b"x" * 70_000, BODY),
        b"\r\n%x\n%s\n0\n\n" % (len(BODY), BODY),
        b"\r\n0x%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        b"\r\nfffffffffffffffff\r\n",
    ],
)
def test_chunks_that_are_none_end_the_connection(gateway: RunningGateway, framing: bytes):
    """Whatever follows them is not read."""
    assert b" 200 " not in exchange(gateway, HEAD + CHUNKED + framing + SECOND)


def test_a_body_in_chunks_that_are_none_is_a_400(gateway: RunningGateway):
    """In the client's envelope, where the client may still be there to read it."""
    answer = exchange(gateway, HEAD + CHUNKED + b"\r\nno length\r\n")
    assert statuses(answer) == [400]
    assert "not framed" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize("transport", ["lean", "httpcore"])
def test_nothing_that_a_client_sends_chooses_the_upstream_or_its_key(tmp_path: Path, transport: str):
    """Not the target of the request, nor its headers, nor what it says of its connection, nor its body."""
    with running_upstream() as upstream:
        more = f'[[keys]]\nname = "c"\nkey = "{CLIENT_KEY}"\n'
        with running_gateway(tmp_path, provider(upstream.url, transport) + more) as gateway:
            fields = {
                "model": "m",
                "messages": [],
                "base_url": "http://evil.example",
                "api_base": "http://evil.example",
            }
            body = json.dumps(fields | {"api_key": "evil", "extra_headers": {"authorization": "evil"}}).encode()
            wire = (
                b"POST http://evil.example/v1/chat/completions?base_url=http://evil.example HTTP/1.1\r\n"
                b"host: evil.example\r\nforwarded: host=evil.example\r\nvia: evil\r\ncookie: evil\r\n"
                b"x-forwarded-host: evil.example\r\nx-forwarded-proto: evil\r\nx-forwarded-for: evil\r\n"
                b"x-original-url: /evil\r\nx-rewrite-url: /evil\r\nx-http-method-override: evil\r\n"
                b"api-key: evil\r\nx-goog-api-key: evil\r\nproxy-authorization: Basic evil\r\nx-evil: evil\r\n"
                b"x-api-key: " + CLIENT_KEY.encode() + b"\r\nauthorization: Bearer evil\r\n"
                b"connection: close, authorization, host, content-length, x-api-key, x-evil\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            assert statuses(exchange(gateway, wire + body)) == [200]
    [head] = upstream.heads
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /v1/chat/completions http/1.1"
    assert lines.count(f"host: 127.0.0.1:{upstream.port}") == 1
    assert [line for line in lines if line.startswith("authorization:")] == [f"authorization: bearer {PROVIDER_KEY}"]
    assert "evil" not in head.decode()
    assert CLIENT_KEY not in head.decode()


class Scripted(Upstream):
    """A provider that sends what it is given for a model."""

    def __init__(self, wires: dict[str, bytes]) -> None:
        super().__init__()
        self.wires = wires

    async def answer(self, path: str, model: str, stream: bool, reader: Any, writer: Any) -> None:
        """Send it and close."""
        writer.write(self.wires[model])
        await writer.drain()
        raise ConnectionResetError


def ask(gateway: RunningGateway, model: str = "m", **headers: str) -> httpx.Response:
    """One plain request."""
    body = json.dumps({"model": model, "messages": []}).encode()
    url = f"{gateway.base_url}/chat/completions"
    return httpx.post(url, content=body, headers=headers, timeout=PATIENCE_S, trust_env=False)


@pytest.mark.parametrize("transport", ["lean", "httpcore"])
def test_a_redirect_is_not_followed(tmp_path: Path, transport: str):
    """Neither the key nor the prompt goes where a provider points to: the client gets a 502 without the address."""
    with socket.socket() as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.listen()
        elsewhere.setblocking(False)
        location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/v1/chat/completions"
        wires = {
            str(status): b"HTTP/1.1 %d X\r\nlocation: %s\r\ncontent-length: 0\r\n\r\n" % (status, location.encode())
            for status in (301, 302, 303, 307, 308)
        }
        with (
            running_upstream(lambda: Scripted(wires)) as upstream,
            running_gateway(tmp_path, provider(upstream.url, transport)) as gateway,
        ):
            answers = [ask(gateway, status) for status in wires]
        for answer in answers:
            assert answer.status_code == 502
            assert "redirects elsewhere" in answer.json()["error"]["message"]
            assert location not in answer.text
            assert "location" not in answer.headers
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


TWO_IN_ONE = [
    OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    OK + b"content-length: 2\r\ncontent-length: 50\r\n\r\n{}",
    OK + b"x-a: b\r\n set-cookie: c\r\ncontent-length: 2\r\n\r\n{}",
    OK + b"x-a: b\rset-cookie: c\r\ncontent-length: 2\r\n\r\n{}",
    OK + b"x-a: b\0c\r\ncontent-length: 2\r\n\r\n{}",
    OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
]


def test_an_answer_that_could_be_two_is_none(tmp_path: Path):
    """What a provider frames in two ways, or hides in a header, becomes a 502 of our own."""
    wires = {str(number): wire for number, wire in enumerate(TWO_IN_ONE)}
    with (
        running_upstream(lambda: Scripted(wires)) as upstream,
        running_gateway(tmp_path, provider(upstream.url)) as gateway,
    ):
        answers = [ask(gateway, model) for model in wires]
    assert [answer.status_code for answer in answers] == [502] * len(wires)
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_secrets_are_nowhere_to_be_found(tmp_path: Path):
    """Not in log, answers, `top`, run directory or command lines, at level debug, through errors and a crash."""
    quoting = b'{"error":{"message":"Incorrect API key provided: %s","code":"invalid_api_key"}}' % PROVIDER_KEY.encode()
    wire = b"HTTP/1.1 401 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(quoting)
    echoed = b"authorization: Bearer %s\r\nx-api-key: %s\r\n\r\n" % (PROVIDER_KEY.encode(), PROVIDER_KEY.encode())
    client_key = tmp_path / "client.key"
    client_key.write_text(CLIENT_KEY + "\n")
    client_key.chmod(0o600)
    more = '[[keys]]\nname = "c"\nkey_file = "client.key"\n'
    with (
        running_upstream(lambda: Scripted({"m": wire + echoed + quoting})) as upstream,
        running_gateway(tmp_path, provider(upstream.url) + more, "--log-level", "debug") as gateway,
    ):
        answers = [
            ask(gateway, **{"x-api-key": CLIENT_KEY}),
            ask(gateway, **{"x-api-key": CLIENT_KEY + "x"}),
            ask(gateway, authorization=f"Basic {CLIENT_KEY}"),
        ]
        assert [answer.status_code for answer in answers] == [401] * 3
        processes = [psutil.Process(gateway.process.pid), *psutil.Process(gateway.process.pid).children()]
        seen = [" ".join(process.cmdline()) for process in processes]
        worker = gateway.top()["workers"][0]["pid"]
        os.kill(worker, signal.SIGSEGV)
        eventually(lambda: "it is replaced" in gateway.log.read_text(), "the replacement")
        gateway.process.send_signal(signal.SIGHUP)
        eventually(lambda: "reloaded" in gateway.log.read_text(), "the reload")
        seen += [answer.text + str(answer.headers) for answer in answers]
        seen += [json.dumps(gateway.top()), gateway.log.read_text()]
        seen += [file.read_bytes().decode("latin-1") for file in gateway.run_dir.iterdir()]
        modes = {file.name: file.stat().st_mode & 0o777 for file in [gateway.run_dir, *gateway.run_dir.iterdir()]}
    for text in seen:
        assert PROVIDER_KEY not in text
        assert CLIENT_KEY not in text
    assert modes.pop(gateway.run_dir.name) == 0o700
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("format_", ["console", "json"])
def test_a_model_name_cannot_write_lines_or_drive_a_terminal(tmp_path: Path, format_: str):
    """Line ends, escape sequences, C1 controls and marks of direction come out as what they are."""
    name = 'm\r\n2026-01-01 error fake line\x1b[2J\x1b]0;title\x07\x9b31m\u202e"}\n{"event":"fake"}'
    with running_gateway(tmp_path, "", "--log-format", format_) as gateway:
        answer = ask(gateway, model=name)
        assert answer.status_code == 404
        eventually(lambda: "fake line" in gateway.log.read_text(), "the request line")
        gateway.settled()
        text = gateway.log.read_bytes().decode()
    [line] = [line for line in text.split("\n") if "fake line" in line]
    assert "fake" not in text.replace(line, "")
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\r", "\u202e"}
