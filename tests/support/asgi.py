"""Driving the application in-process: a fake ASGI server, a scripted provider, and a collector that keeps a list."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog

from gateway.api.context import Services
from gateway.app import create_app
from gateway.config import load
from gateway.metrics.outcome import Outcome
from gateway.upstream.client import Upstreams
from gateway.upstream.echo import EchoTransport

structlog.configure(processors=[structlog.testing.LogCapture()])

CONFIG = """
[[providers]]
name = "up"
kind = "openai"
base_url = "http://up.invalid/v1"
api_key = "sk-provider-secret-0001"
[[providers]]
name = "down"
kind = "anthropic"
base_url = "http://down.invalid"
api_key = "sk-provider-secret-0002"
[[models]]
name = "chatty"
targets = [ { provider = "up" } ]
[[models]]
name = "renamed"
targets = [ { provider = "up", model = "real-name" } ]
[[models]]
name = "wordy"
targets = [ { provider = "down" } ]
"""


@dataclass
class Finish:
    """One call of `finished`."""

    entry: int
    outcome: Outcome
    latency_ns: int
    input_tokens: int
    output_tokens: int


@dataclass
class Ledger:
    """A collector that remembers."""

    starts: int = 0
    models: list[str] = field(default_factory=list)
    finishes: list[Finish] = field(default_factory=list)

    def started(self) -> None:
        """Count a start."""
        self.starts += 1

    def knows(self, model: str) -> bool:
        """Whether the model was remembered."""
        return model in self.models

    def attribute(self, model: str) -> int:
        """Remember the model; entries are numbered from 1."""
        self.models.append(model)
        return len(self.models)

    def finished(self, entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
        """Remember a finish."""
        self.finishes.append(Finish(entry, outcome, latency_ns, input_tokens, output_tokens))

    @property
    def outcome(self) -> Outcome:
        """The outcome of the only request."""
        assert self.starts == len(self.finishes) == 1, self
        return self.finishes[0].outcome


Script = Callable[[httpx.Request], "httpx.Response | Exception"]


class ScriptedTransport(httpx.AsyncBaseTransport):
    """Answers by a script, and remembers the requests and whether each response was closed."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[tuple[httpx.Request, bytes]] = []
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return or raise what the script says."""
        self.requests.append((request, await request.aread()))
        answer = self.script(request)
        if isinstance(answer, Exception):
            raise anew(answer)
        return answer


def anew(error: Exception) -> Exception:
    """An error like that one: who raises what is kept somewhere keeps all that it comes through, too."""
    return type(error)(*error.args)


class Body(httpx.AsyncByteStream):
    """A response body from steps: bytes are chunks, an exception is raised, None waits for ever."""

    def __init__(self, *steps: bytes | Exception | None) -> None:
        self.steps = steps
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            if step is None:
                await asyncio.Event().wait()
            elif isinstance(step, Exception):
                raise anew(step)
            else:
                await asyncio.sleep(0)
                yield step

    async def aclose(self) -> None:
        self.closed = True


def response(
    *steps: bytes | Exception | None, status: int = 200, kind: str = "application/json", **headers: str
) -> httpx.Response:
    """Return a scripted response; header names have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()} | {"content-type": kind}
    return httpx.Response(status, headers=named, stream=Body(*steps))


def event_stream(*steps: bytes | Exception | None, **headers: str) -> httpx.Response:
    """Return a scripted stream of server-sent events."""
    return response(*steps, kind="text/event-stream", **headers)


class Gateway:
    """An application over a scripted provider; `waits` are the pauses between tries, which pass on `time_s` at once.

    It watches for a client's leaving from the start of a request, so that no test has to wait for it.
    """

    def __init__(self, script: Script, config: str = CONFIG, *, watch_after_s: float = 0.0) -> None:
        self.ledger = Ledger()
        self.break_send_at: int | None = None
        self.transport = ScriptedTransport(script)
        self.waits: list[float] = []
        self.now = 1000.0
        self.time_s = 0.0
        self.sleeps_for_ever = False

        async def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            self.time_s += seconds
            if self.sleeps_for_ever:
                await asyncio.Event().wait()

        settings = settings_from(config)
        self.services = Services(
            settings,
            self.ledger,
            Upstreams(
                settings,
                lambda provider: EchoTransport(clock=lambda: 1.0) if provider.kind == "echo" else self.transport,
                sleep=sleep,
                draw=lambda: 0.5,
                now=lambda: self.now,
                clock=lambda: self.time_s,
            ),
            watch_after_s=watch_after_s,
        )
        self.app = create_app(self.services)

    async def post(self, path: str, body: bytes, **more: Any) -> "Answer":
        """Send a POST request and return what the application sent."""
        return await self.request("POST", path, body, **more)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        leave_after: int | None = None,
        parts: int = 1,
        http_version: str = "1.1",
        end_apart: bool = False,
        end_missing: bool = False,
    ) -> "Answer":
        """Send a request; the client leaves when `leave_after` messages have been sent to it (0: while it waits)."""
        answer = Answer()
        left = asyncio.Event()
        if leave_after == 0:
            left.set()
        size = max(1, -(-len(body) // parts))
        pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        messages = [
            {"type": "http.request", "body": piece, "more_body": index + 1 < len(pieces)}
            for index, piece in enumerate(pieces)
        ]

        if end_missing:
            messages[-1]["more_body"] = True
        if end_apart:
            messages[-1]["more_body"] = True
            messages.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:
            answer.receives += 1
            if messages:
                return messages.pop(0)
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if self.break_send_at is not None and len(answer.messages) >= self.break_send_at:
                raise ConnectionResetError("the server lost its client")
            answer.messages.append(message)
            if leave_after is not None and len(answer.messages) >= leave_after:
                left.set()
            if message["type"] != "http.response.start":
                # Granian keeps the head for the first piece of the body: to send it takes no turn of the loop.
                await asyncio.sleep(0)

        path_only, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": http_version,
            "method": method,
            "scheme": "http",
            "path": path_only,
            "raw_path": path_only.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return answer


@dataclass
class Answer:
    """The messages that a client got, and how often the application asked for a message of the client's."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    receives: int = 0

    @property
    def status(self) -> int:
        """The status of the response."""
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        """The response headers."""
        return {name.decode(): value.decode("latin-1") for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        """The bytes of the body so far."""
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def complete(self) -> bool:
        """Whether the body was ended."""
        return bool(self.messages) and self.messages[-1].get("more_body") is False


def settings_from(config: str) -> Any:
    """Load settings from TOML text."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        return load(path=Path(file.name), environ={}, overrides={}, cwd=Path("/"))
