"""A stream that goes silent, over a real connection, in every protocol and between any two."""

import asyncio

import pytest

from gateway.metrics.outcome import Outcome
from gateway.upstream.lean import LeanTransport
from tests.support.asgi import Gateway
from tests.support.grammar import check, frames
from tests.support.native import ANSWERS, STREAMS
from tests.support.scripted_provider import read_body, read_head
from tests.support.speaking import PATHS
from tests.unit.api.test_translated_relay import ask

CONFIG = """
[timeouts]
idle = 0.05
[[providers]]
name = "chat"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
protocols = ["chat"]
[[providers]]
name = "responses"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
protocols = ["responses"]
[[providers]]
name = "messages"
kind = "anthropic"
base_url = "http://127.0.0.1:{port}"
[[models]]
name = "chat"
targets = [{{ provider = "chat" }}]
[[models]]
name = "responses"
targets = [{{ provider = "responses" }}]
[[models]]
name = "messages"
targets = [{{ provider = "messages" }}]
"""


@pytest.mark.parametrize("provider", STREAMS)
@pytest.mark.parametrize("client", ["chat", "responses", "messages"])
async def test_a_stream_that_goes_silent_ends_with_an_error_and_counts_as_a_timeout(client: str, provider: str):
    """The client's grammar holds, nothing is made up, and the provider's connection is closed."""
    wire = STREAMS[provider](ANSWERS["parallel calls behind text"])
    left = asyncio.Event()

    async def stop_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, headers = await read_head(reader)
        await read_body(reader, headers)
        part = wire[: len(wire) // 2]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        assert await reader.read() == b""
        writer.close()
        left.set()

    server = await asyncio.start_server(stop_in_the_middle, "127.0.0.1", 0)
    gateway = Gateway(lambda _: ZeroDivisionError(), CONFIG.format(port=server.sockets[0].getsockname()[1]))
    async with LeanTransport() as lean:
        for upstream in gateway.services.upstreams.providers.values():
            upstream._transport = lean
        answer = await gateway.post(PATHS[client], ask(client, provider, stream=True))
        await left.wait()
    server.close()
    assert answer.complete
    if client == provider:
        whole = wire[: wire.rindex(b"\n\n", 0, len(wire) // 2) + 2]
        assert answer.body.startswith(whole)
        assert "silent for too long" in frames(answer.body.removeprefix(whole))[-1][1]
    else:
        assert check(client, answer.body).error is not None
    assert gateway.ledger.outcome is Outcome.TIMEOUT
