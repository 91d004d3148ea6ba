"""A load whose every outcome is planned: the plan, and the clients that carry it out.

Theory of operation. A seeded plan says for each request what the client and the provider do, and therefore how the
request must end and which tokens the provider will have reported. Nothing is left to a race: a provider that a client
leaves never finishes its answer, a provider that is to be timed out never sends another byte, and everyone else is
faster than the time limits by orders of magnitude. Client and provider live in one event loop; the gateway is real.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from tests.support.scripted_provider import PATHS, Protocol, ScriptedProvider, read_body, read_head

KEY = "gw-load-key-0123456789"
PATIENCE_S = 60.0
"""How long one exchange may take on a machine that is busy with other things."""


class Reported(Enum):
    """How much of its usage the provider has reported when the request ends."""

    NOTHING = 0
    OPENING = 1  # what stands at the beginning of a stream: nothing in chat, the input tokens in messages
    WHOLE = 2


class Case(NamedTuple):
    """How a kind of request must end; `status` is what the client sees, if it sees any, and what is logged."""

    share: float  # of all requests
    outcome: str
    status: int | None
    reported: Reported = Reported.NOTHING
    streams: bool | None = None  # None: either way
    known_model: bool = True  # whether the request comes to be counted under its model


CASES: dict[str, Case] = {
    "answer": Case(0, "ok", 200, Reported.WHOLE),  # and all that the others leave
    "retried": Case(0.02, "ok", 200, Reported.WHOLE),
    "fallback": Case(0.02, "ok", 200, Reported.WHOLE),
    "refused": Case(0.02, "upstream", 502),
    "busy": Case(0.03, "upstream", 503),
    "reset": Case(0.02, "upstream", 502, streams=False),
    "cut": Case(0.03, "upstream", 200, Reported.OPENING, streams=True),
    "error": Case(0.03, "upstream", 200, Reported.OPENING, streams=True),
    "unended": Case(0.03, "upstream", 200, Reported.WHOLE, streams=True),
    "malformed": Case(0.02, "validation", 400, known_model=False),
    "unknown": Case(0.02, "validation", 404, known_model=False),
    "wrong key": Case(0.02, "auth", 401, known_model=False),
    "leaves sending": Case(0.02, "cancelled", 499, known_model=False),
    "leaves waiting": Case(0.03, "cancelled", None),
    "leaves streaming": Case(0.03, "cancelled", 200, Reported.OPENING, streams=True),
}
TIMEOUTS: dict[str, Case] = {
    "silent": Case(0, "timeout", 504),
    "stalled": Case(0, "timeout", 200, Reported.OPENING, streams=True),
}
"""Each of them takes as long as the time limit, so there are few, and they come first."""

MODEL_FAMILIES = ("small", "größe")
SPECIAL_FAMILIES = {"refused": ("dead",), "fallback": ("fallback",)}


@dataclass(frozen=True)
class Request:
    """One planned request; `input_tokens` are uncached, written to and read from the cache."""

    number: int
    name: str
    protocol: Protocol
    model: str
    stream: bool
    asks_for_usage: bool
    input_tokens: tuple[int, int, int]
    output_tokens: int
    delay_s: float

    @property
    def case(self) -> Case:
        """What must happen."""
        return CASES.get(self.name) or TIMEOUTS[self.name]

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens that must be counted."""
        match self.case.reported:
            case Reported.WHOLE:
                return sum(self.input_tokens), self.output_tokens
            case Reported.OPENING if self.protocol == "messages":
                return sum(self.input_tokens), 1
            case _:
                return 0, 0

    @property
    def least_s(self) -> float:
        """Seconds that the request takes at the least: the provider waits before each answer, refusals included."""
        if not self.case.known_model or self.name in ("refused", "silent", "leaves waiting"):
            return 0.0
        return self.delay_s * (2 if self.name in ("busy", "retried") else 1)

    @property
    def entry(self) -> str | None:
        """The model that it must be counted under, if any."""
        return self.model if self.case.known_model else None

    @property
    def facts(self) -> tuple[object, ...]:
        """What its line in the log must say."""
        model = self.model if self.case.known_model or self.name == "unknown" else None
        return PATHS[self.protocol], model, self.case.outcome, self.case.status, *self.tokens

    def wire(self) -> bytes:
        """The bytes that the client sends; the script for the provider travels in the body."""
        content: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": "one two three"}],
            "max_tokens": 100,
            "stream": self.stream,
            "metadata": {
                "number": self.number,
                "name": self.name,
                "input": self.input_tokens,
                "output": self.output_tokens,
                "delay_s": self.delay_s,
            },
        }
        if self.asks_for_usage:
            content["stream_options"] = {"include_usage": True}
        body = json.dumps(content).encode()
        key = "wrong" if self.name == "wrong key" else KEY
        headers = f"authorization: Bearer {key}" if self.protocol == "chat" else f"x-api-key: {key}"
        if self.name == "leaves sending":
            headers += "\r\nexpect: 100-continue"
        head = f"POST {PATHS[self.protocol]} HTTP/1.1\r\nhost: x\r\n{headers}\r\ncontent-length: {len(body)}\r\n\r\n"
        if self.name == "leaves sending":
            return head.encode()
        if self.name == "malformed":
            body = body[:-1] + b"]"
        return head.encode() + body


def make_plan(count: int, *, seed: int, timeouts: int) -> list[Request]:
    """`count` requests, at least 100; every case at least twice, `timeouts` of each slow one, which come first."""
    numbers = random.Random(seed)
    slow = list(TIMEOUTS) * timeouts
    names = [name for name, case in CASES.items() for _ in range(max(2, round(case.share * count)))]
    names += ["answer"] * (count - len(names) - len(slow))
    numbers.shuffle(names)
    return [_request(number, name, numbers) for number, name in enumerate(slow + names)]


def _request(number: int, name: str, numbers: random.Random) -> Request:
    case = CASES.get(name) or TIMEOUTS[name]
    protocol: Protocol = numbers.choice(("chat", "messages"))
    family = numbers.choice(SPECIAL_FAMILIES.get(name, MODEL_FAMILIES))
    stream = numbers.random() < 0.5 if case.streams is None else case.streams
    return Request(
        number,
        name,
        protocol,
        "nobody-knows-me" if name == "unknown" else f"{family}-{protocol}",
        stream,
        stream and protocol == "chat" and numbers.random() < 0.5,
        (numbers.randrange(10_000), numbers.randrange(1000), numbers.randrange(100_000)),
        numbers.randrange(1, 8000),
        min(0.1, numbers.expovariate(1 / 0.004)),  # most take a few milliseconds, some tens
    )


def configuration(upstream_port: int, dead_port: int, *, limit_s: float) -> str:
    """A gateway for the plan: every model has two targets, so that a second try needs no wait."""
    parts = [
        f"[timeouts]\nfirst_byte = {limit_s}\nidle = {limit_s}\n[retry]\nattempts = 2\n[cooldown]\nfailures = 0\n"
        f'[[keys]]\nname = "load"\nkey = "{KEY}"\n'
    ]
    for protocol, kind in (("chat", "openai"), ("messages", "anthropic")):
        up, dead = f"up-{protocol}", f"dead-{protocol}"
        for provider, port in ((up, upstream_port), (dead, dead_port)):
            parts.append(
                f'[[providers]]\nname = "{provider}"\nkind = "{kind}"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
            )
        ways = {"dead": (dead, dead), "fallback": (dead, up)} | dict.fromkeys(MODEL_FAMILIES, (up, up))
        for family, (first, second) in ways.items():
            targets = f'[{{ provider = "{first}" }}, {{ provider = "{second}" }}]'
            parts.append(f'[[models]]\nname = "{family}-{protocol}"\ntargets = {targets}\n')
    return "".join(parts)


@dataclass(eq=False)
class Connection:
    """A client's connection; `lasted` if it was open and idle when the load ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    lasted: bool = False


@dataclass(eq=False)
class Seen:
    """What the client saw of a request that it has sent; `broken` if the gateway's end was lost."""

    request: Request
    connection: Connection
    status: int | None = None
    request_id: str | None = None
    broken: bool = False


class Load:
    """The clients, and their log."""

    def __init__(self, provider: ScriptedProvider, address: str) -> None:
        self.seen: list[Seen] = []
        self._provider = provider
        self._host, _, self._port = address.removeprefix("http://").rpartition(":")

    async def run(
        self, plan: Iterable[Request], *, lanes: int, on_request: Callable[[Request], None] = lambda request: None
    ) -> None:
        """Send the requests over `lanes` connections at a time; `on_request` is told each before it is sent."""
        requests = iter(plan)
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane(requests, on_request))

    async def _lane(self, requests: Iterator[Request], on_request: Callable[[Request], None]) -> None:
        connection: Connection | None = None
        for request in requests:
            if connection is None:
                connection = await self._connect()
            seen = Seen(request, connection)
            self.seen.append(seen)
            on_request(request)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    reusable = await self._perform(seen, connection)
            except (asyncio.IncompleteReadError, ConnectionError):
                seen.broken, reusable = True, False
            if not reusable:
                connection.writer.close()
                connection = None
        if connection is not None:
            connection.lasted = not connection.reader.at_eof()
            connection.writer.close()

    async def _connect(self) -> Connection:
        """A new connection; one that a killed worker has not accepted any more is reset, and no request was on it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return Connection(*await asyncio.open_connection(self._host, int(self._port)))
                except ConnectionError:
                    await asyncio.sleep(0.01)

    async def _perform(self, seen: Seen, connection: Connection) -> bool:
        """Send a request and do what the plan says; whether the connection can be used again."""
        request, reader = seen.request, connection.reader
        connection.writer.write(request.wire())
        if request.name == "leaves waiting":
            await self._wait_for_arrival(request.number, reader)
            return False
        start, headers = await read_head(reader)
        if request.name == "leaves sending":
            # "100 Continue" says that the gateway waits for the body.
            assert b" 100 " in start, start
            return False
        seen.status = int(start.split()[1])
        seen.request_id = headers[b"x-request-id"].decode()
        if request.name == "leaves streaming":
            await reader.readline()
            return False
        await read_body(reader, headers)
        # A server may close a connection whose request it has refused unread.
        return request.name != "wrong key"

    async def _wait_for_arrival(self, number: int, reader: asyncio.StreamReader) -> None:
        arrival = asyncio.ensure_future(self._provider.arrival(number))
        lost = asyncio.create_task(reader.read(1))
        await asyncio.wait((arrival, lost), return_when=asyncio.FIRST_COMPLETED)
        if not arrival.done():
            raise ConnectionResetError
        lost.cancel()
