"""Limits as a client meets them: over sockets, with what the server itself refuses before the gateway sees it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.support.process import PATIENCE_S, RunningGateway, eventually, running_gateway
from tests.support.upstream import Upstream, head_of, piece_of, running_upstream

PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")
CONFIG = """
[server]
http2 = true
max_concurrent = 4
[[keys]]
name = "few"
key = "key-of-few"
max_concurrent = 2
[[keys]]
name = "any"
key = "key-of-any"
[[providers]]
name = "up"
kind = "openai"
base_url = "{url}"
[[models]]
name = "*"
targets = [{{ provider = "up" }}]
"""
FLOOD_MB = 256
"""How much a provider would send; far more than all socket buffers on the way hold."""


class Flood(Upstream):
    """Streams `FLOOD_MB` as fast as it is taken, in events of 16 KiB; `taken` is how many bytes that were so far."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        if model != "flood":
            return await super().answer(path, model, stream, reader, writer)
        writer.write(head_of(200, b"text/event-stream", None))
        event = piece_of(b": %s\n\n" % (b"x" * 16_384))
        while self.taken < FLOOD_MB << 20:
            writer.write(event)
            await writer.drain()
            self.taken += len(event)
        writer.write(piece_of(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return None


@pytest.fixture(scope="module")
def upstream() -> Iterator[Flood]:
    """A provider."""
    with running_upstream(Flood) as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(upstream: Flood, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with few places."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), CONFIG.format(url=upstream.url)) as running:
        yield running


def connect(gateway: RunningGateway) -> socket.socket:
    """A client's connection."""
    host, _, port = gateway.address.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def head(path: str, *lines: str, length: int = 0, key: str = "any") -> bytes:
    """The head of a request."""
    fields = ["host: x", f"authorization: Bearer key-of-{key}", f"content-length: {length}", *lines]
    return "\r\n".join([f"POST {path} HTTP/1.1", *fields, "", ""]).encode()


def request(path: str, model: str, *, key: str = "any", stream: bool = False) -> bytes:
    """A whole request."""
    body = json.dumps({"model": model, "stream": stream}).encode()
    return head(path, length=len(body), key=key) + body


def answer_of(client: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and decoded body of the response."""
    wire = b""
    while b"\r\n\r\n" not in wire:
        part = client.recv(65_536)
        assert part, f"the server closed after {wire!r}"
        wire += part
    top, _, body = wire.partition(b"\r\n\r\n")
    start, *lines = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += client.recv(65_536)
    return int(start.split()[1]), headers, json.loads(body) if body else None


def asked(gateway: RunningGateway, wire: bytes) -> tuple[int, dict[str, str], Any]:
    """The answer to a request on a connection of its own."""
    with connect(gateway) as client:
        client.sendall(wire)
        return answer_of(client)


def outcomes(gateway: RunningGateway) -> dict[str, int]:
    """The counts so far, with nothing active."""
    counts: dict[str, int] = gateway.settled()["lifetime"]["outcomes"]
    return counts


def test_a_worker_with_all_places_taken_answers_503_429_and_its_probes(gateway: RunningGateway, upstream: Flood):
    """429 for the key that has its share, then 503 for anybody; probes are answered; then all is free again."""
    before = outcomes(gateway)
    served = len(upstream.bodies)
    with connect(gateway) as first, connect(gateway) as second, connect(gateway) as third, connect(gateway) as fourth:
        for client in (first, second):
            client.sendall(request(PATHS[0], "silent", key="few"))
        eventually(lambda: len(upstream.bodies) == served + 2, "the first two requests")
        for path in PATHS:
            status, headers, body = asked(gateway, request(path, "silent", key="few"))
            assert (status, headers["retry-after"], body["error"]["type"]) == (429, "1", "rate_limit_error")
        for client in (third, fourth):
            client.sendall(request(PATHS[0], "silent"))
        eventually(lambda: len(upstream.bodies) == served + 4, "the last two requests")
        for path in PATHS:
            status, headers, body = asked(gateway, request(path, "silent"))
            kind = "overloaded_error" if path == "/v1/messages" else "server_error"
            assert (status, headers["retry-after"], body["error"]["type"]) == (503, "1", kind)
        with httpx.Client(base_url=gateway.address) as probe:
            assert probe.get("/health").json() == {"status": "ok"}
            assert probe.get("/health/ready").status_code == 200
    after = outcomes(gateway)
    assert {name: after[name] - before[name] for name in after if after[name] - before[name]} == {
        "validation": 3,
        "internal": 3,
        "cancelled": 4,
    }
    assert asked(gateway, request(PATHS[0], "any"))[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(gateway: RunningGateway, path: str):
    """The client has sent nothing but its head, waits for the word to go on, and gets a 413 in its envelope."""
    status, _, body = asked(gateway, head(path, "expect: 100-continue", length=(32 << 20) + 1))
    assert status == 413
    assert "max_body_mb" in body["error"]["message"]


def test_a_body_that_does_not_say_how_long_it_is_is_refused_where_it_passes_the_limit(gateway: RunningGateway):
    """Chunks beyond the limit are a 413 as well; the worker holds no more of them than the limit."""
    (worker,) = gateway.top()["workers"]
    before = psutil.Process(worker["pid"]).memory_info().rss
    chunk = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
    with connect(gateway) as client:
        wire = head(PATHS[0]).replace(b"content-length: 0", b"transfer-encoding: chunked")
        client.sendall(wire)
        for _ in range(33):
            client.sendall(chunk)
        assert answer_of(client)[0] == 413
    assert psutil.Process(worker["pid"]).memory_info().rss - before < 80 << 20


@pytest.mark.parametrize("path", PATHS)
def test_headers_that_are_too_long_are_a_431_in_the_clients_envelope(gateway: RunningGateway, path: str):
    """Up to what the server's buffer holds; more than that, or than 100 headers, the server refuses without words."""
    before = outcomes(gateway)["validation"]
    status, _, body = asked(gateway, head(path, "x-long: " + "a" * 70_000))
    assert status == 431
    assert "max_header_kb" in body["error"]["message"]
    assert outcomes(gateway)["validation"] == before + 1
    status, _, body = asked(gateway, head(path, *(f"x-{number}: 1" for number in range(120))))
    assert (status, body) == (431, None)
    assert outcomes(gateway)["validation"] == before + 1


def test_headers_are_bounded_over_http_2_too(gateway: RunningGateway):
    """More than 100 of them, or more than 64 KiB, are a 431 in the client's envelope."""
    key = {"authorization": "Bearer key-of-any"}
    with httpx.Client(base_url=gateway.address, http1=False, http2=True) as client:
        for headers in ({f"x-{number}": "1" for number in range(120)}, {"x-long": "a" * 70_000}):
            answer = client.post("/v1/messages", headers=key | headers, content=b"{}")
            assert (answer.status_code, answer.json()["error"]["type"]) == (431, "invalid_request_error")


def test_a_client_that_reads_nothing_holds_its_provider_up(gateway: RunningGateway, upstream: Flood):
    """The provider can send no more than the sockets on the way hold, the worker does not grow, and all of it comes
    when the client reads on.
    """
    (worker,) = gateway.top()["workers"]
    process = psutil.Process(worker["pid"])
    before = process.memory_info().rss
    upstream.taken = 0
    with connect(gateway) as client:
        client.sendall(request(PATHS[0], "flood", stream=True))
        taken = stalled(upstream)
        assert 0 < taken < 32 << 20
        assert process.memory_info().rss - before < 16 << 20
        received, last = 0, b""
        while not last.endswith(b"0\r\n\r\n"):
            part = client.recv(1 << 20)
            assert part, "the stream broke off"
            received += len(part)
            last = (last + part)[-64:]
        # Less than a megabyte of it is framing that the gateway writes anew.
        assert received > (FLOOD_MB - 1) << 20
        assert b"[DONE]" in last
        assert process.memory_info().rss - before < 16 << 20


def stalled(upstream: Flood) -> int:
    """How many bytes the provider could send, once it has sent none for half a second."""
    seen = [(-1, 0.0)]

    def stands_still() -> bool:
        taken, since = seen[0]
        if upstream.taken != taken or not taken:
            seen[0] = (upstream.taken, time.monotonic())
            return False
        return time.monotonic() - since > 0.5

    eventually(stands_still, "the provider's standing still")
    return upstream.taken


@pytest.mark.parametrize("size", [1_000, 300_000, 8_000_000])
def test_a_refusal_reaches_a_client_that_goes_on_asking(gateway: RunningGateway, size: int):
    """The body of a refused request is not read, so its connection ends, and the client is told not to use it again."""
    with httpx.Client(base_url=gateway.address, headers={"x-api-key": "wrong"}) as client:
        answers = [client.post("/v1/messages", content=b"x" * size) for _ in range(20)]
    assert {(answer.status_code, answer.headers["connection"]) for answer in answers} == {(401, "close")}
