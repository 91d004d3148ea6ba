"""Make the pictures of README and docs: a real gateway with two workers, real load of some minutes, real screens.

    python docs/make_pictures.py [--minutes 5] [--only dashboard-dark]

The provider is a little server in this process that answers as several models do, each at its own pace; some of it goes
wrong on purpose. Everything stays on the loopback interface, and the number of requests is bounded.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent


class Model(NamedTuple):
    """How a model answers: its share of the requests, its median latency in seconds, its tokens in and out."""

    share: float
    median_s: float
    tokens: tuple[int, int]


MODELS = {
    "gpt-4.1-mini": Model(0.62, 0.35, (800, 220)),
    "claude-sonnet-4": Model(0.17, 1.1, (4400, 560)),
    "gpt-4.1": Model(0.12, 0.9, (1200, 310)),
    "claude-opus-4": Model(0.05, 2.8, (9100, 420)),
    "echo": Model(0.04, 0.0, (0, 0)),
}
# How often a request of any model goes wrong, and how.
FAULTS = {"429": 0.012, "cut": 0.006, "wrong key": 0.004, "malformed": 0.006, "leaves": 0.02}
KEY = "picture-key"


class Picture(NamedTuple):
    """One screen: its size, the keys that make it, and whether the terminal around it is light."""

    size: str
    keys: str
    light: bool = False


PICTURES = {
    "dashboard": Picture("140x40", "5"),
    "dashboard-light": Picture("140x40", "t5", light=True),
    "dashboard-80x24": Picture("80x24", "5"),
    "dashboard-80x24-light": Picture("80x24", "t5", light=True),
    "heat-map": Picture("100x30", "5hLL<tab><left><left><left><left>"),
    "keys": Picture("80x24", "?"),
}


class Provider:
    """Answers chat completions and messages with the pace, the tokens and the faults that the request asks for."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                asked = json.loads(await reader.readexactly(int(length.split(b":")[1])))
                await self.answer(writer, asked)
        writer.close()

    async def answer(self, writer: asyncio.StreamWriter, asked: dict[str, object]) -> None:
        """One answer: a stream of a few events, a plain error, or a stream that breaks off."""
        model, fault = MODELS[str(asked["model"])], asked.get("user")
        if fault == "429":
            await asyncio.sleep(0.02)
            body = b'{"error": {"message": "rate limited", "type": "rate_limit_error", "code": null, "param": null}}'
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            return
        tokens = [max(1, int(amount * self.dice.lognormvariate(0, 0.4))) for amount in model.tokens]
        took_s = model.median_s * self.dice.lognormvariate(0, 0.55)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(4):
            await asyncio.sleep(took_s / 4)
            if fault == "cut" and number == 2:
                writer.close()
                return
            delta: dict[str, object] = {"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]}
            if number == 3:
                delta["choices"] = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
            chunk(writer, b"data: " + json.dumps(delta).encode() + b"\n\n")
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
        chunk(writer, b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write one chunk of a chunked body."""
    writer.write(b"%x\r\n" % len(data) + data + b"\r\n")


async def request(port: int, dice: random.Random) -> None:
    """One request of a client, and whatever it gets."""
    model = dice.choices(list(MODELS), [model.share for model in MODELS.values()])[0]
    draw, fault = dice.random(), ""
    for name, share in FAULTS.items():
        if draw < share and not fault:
            fault = name
        draw -= share
    body = {"model": model, "messages": [{"role": "user", "content": "tell me more"}], "stream": True, "user": fault}
    data = json.dumps(body).encode() if fault != "malformed" else b'{"model": '
    key = KEY if fault != "wrong key" else "another-key"
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
            f"content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode()
            + data
        )
        if fault == "leaves":
            await asyncio.sleep(MODELS[model].median_s / 3)
        else:
            await reader.read()
        writer.close()


async def load(port: int, seconds: float, dice: random.Random) -> None:
    """Requests whose rate swells and falls, one task each, a hundred running at most."""
    begin = time.monotonic()
    running: set[asyncio.Task[None]] = set()
    while (at := time.monotonic() - begin) < seconds:
        rate = 14 + 9 * math.sin(at / 47) + 3 * math.sin(at / 9)
        if len(running) < 100:
            task = asyncio.create_task(request(port, dice))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.sleep(dice.expovariate(rate))
    await asyncio.gather(*running)


@contextlib.asynccontextmanager
async def gateway(folder: Path, provider_port: int) -> AsyncIterator[tuple[int, dict[str, str]]]:
    """A gateway with two workers in front of the provider; its port and the environment in which `top` finds it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    models = "\n".join(
        f'[[models]]\nname = "{name}"\ntargets = [{{ provider = "models" }}]' for name in MODELS if name != "echo"
    )
    config = folder / "gateway.toml"
    config.write_text(
        f"[server]\nport = {port}\nworkers = 2\n[retry]\nattempts = 1\n"
        f'[[providers]]\nname = "models"\nkind = "openai"\nbase_url = "http://127.0.0.1:{provider_port}/v1"\n'
        f'{models}\n[[keys]]\nname = "pictures"\nkey = "{KEY}"\n',
        encoding="utf-8",
    )
    config.chmod(0o600)
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ |= {"XDG_RUNTIME_DIR": str(folder), "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "gateway", "serve", "-c", str(config)]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=quiet, stderr=quiet)
    try:
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield port, environ
    finally:
        process.terminate()
        await process.wait()


async def make(minutes: float, names: list[str]) -> None:
    """Let it run, then look at it once for each picture while it goes on."""
    dice = random.Random(3)
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_server(Provider(dice).serve, "127.0.0.1", 0)
        provider_port = server.sockets[0].getsockname()[1]
        async with server, gateway(Path(folder), provider_port) as (port, environ):
            running = asyncio.create_task(load(port, minutes * 60 + 8 * len(names), dice))
            await asyncio.sleep(minutes * 60)
            for name in names:
                wanted = PICTURES[name]
                command = [sys.executable, str(DOCS / "make_picture.py"), "--size", wanted.size, "--seconds", "4"]
                command += ["--keys", wanted.keys, "--out", str(DOCS / f"{name}.svg")]
                command += ["--light"] * wanted.light
                drawing = await asyncio.create_subprocess_exec(
                    *command, "--", sys.executable, "-m", "gateway", "top", env=environ
                )
                await drawing.wait()
                print(f"docs/{name}.svg")
            await running


def main() -> None:
    """Read the arguments and make the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.5, help="how long the load runs before the first picture")
    parser.add_argument("--only", action="append", choices=PICTURES, help="one of the pictures")
    arguments = parser.parse_args()
    asyncio.run(make(arguments.minutes, arguments.only or list(PICTURES)))


if __name__ == "__main__":
    main()
