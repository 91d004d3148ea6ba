"""Clients that leave at every moment of a request: what is theirs ends with them, in the gateway and at the provider.

The real server, real sockets and the real transport, in one event loop with clients and provider, so that every task
and every open file of the process can be counted.
"""

import asyncio
import gc
import json
import os
from collections import Counter
from dataclasses import dataclass

from gateway.metrics.outcome import Outcome
from tests.support.embedded import Embedded, until
from tests.support.faulty_provider import Exchange, Fault, FaultyProvider, then_silent, written
from tests.support.upstream import piece_of

LEAVERS = 1000
LANES = 50
USAGE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":2}}}\n\n'
)


async def endless(exchange: Exchange) -> None:
    """Stream until the gateway goes."""
    exchange.write(exchange.head + piece_of(USAGE))
    gone = asyncio.create_task(exchange.reader.read(1))
    while not gone.done():
        exchange.write(piece_of(b"event: ping\ndata: {}\n\n"))
        await asyncio.wait([gone], timeout=0.01)


FAULTS: dict[str, Fault] = {
    "silent": then_silent(lambda _: b""),
    "silent stream": then_silent(lambda exchange: exchange.head + piece_of(USAGE)),
    "endless": endless,
    "half a body": then_silent(lambda exchange: exchange.head + exchange.good[:50]),
    "busy": written(lambda exchange: exchange.error(503)),
}


@dataclass(frozen=True)
class Moment:
    """When a client leaves, and what is counted for it."""

    fault: str
    share: int
    stream: bool = False
    tokens: int = 0


MOMENTS = {
    "while its body is coming": Moment("silent", 140),
    "before the headers": Moment("silent", 140),
    "before the headers of a stream": Moment("silent", 140, stream=True),
    "within a stream": Moment("endless", 140, stream=True, tokens=7),
    "while the provider is silent": Moment("silent stream", 140, stream=True, tokens=7),
    "while it reads nothing": Moment("flood", 20, stream=True, tokens=7),
    "within a plain answer": Moment("half a body", 140),
    "between two tries": Moment("busy", 140),
}


class World:
    """A provider and a gateway, and what is known of the requests that are under way."""

    def __init__(self) -> None:
        self.blocked: set[str] = set()
        self.sleeping = 0
        self.provider = FaultyProvider(FAULTS | {"flood": self._flood})
        self.gateway: Embedded

    async def _flood(self, exchange: Exchange) -> None:
        """Stream as fast as the gateway takes it, and take note when it takes nothing more."""
        exchange.write(exchange.head + piece_of(USAGE))
        while True:
            exchange.write(piece_of(b"event: ping\ndata: %s\n\n" % (b"x" * 65_536)))
            if exchange.writer.transport.get_write_buffer_size():
                self.blocked.add(exchange.model)
            await exchange.writer.drain()

    async def sleep(self, seconds: float) -> None:
        """What the gateway does between two tries; only a cancellation ends it."""
        self.sleeping += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.sleeping -= 1

    async def leave(self, name: str, number: int) -> None:
        """Send a request and go away at the moment of that name."""
        moment, model = MOMENTS[name], f"{number}/{MOMENTS[name].fault}"
        asked = {"model": model, "stream": moment.stream, "max_tokens": 9, "messages": []}
        body = json.dumps(asked).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body))
        if name == "while its body is coming":
            writer.write(body[:-1])
            await until(lambda: self.gateway.services.admission.of_worker.taken > 0, "the request's arrival")
        else:
            writer.write(body)
            await until(lambda: model in self.provider.asked, "the provider's being asked")
        if moment.tokens:
            await reader.readuntil(b"message_start")
        if name == "while it reads nothing":
            await until(lambda: model in self.blocked, "the provider's being held up")
        if name == "between two tries":
            await until(lambda: self.sleeping > 0, "the wait between two tries")
        # A reset: after an end in good order the port would be taken for a minute.
        writer.transport.abort()

    def is_idle(self) -> bool:
        """Whether nothing of any request is left, at the gateway or at the provider."""
        services, ledger = self.gateway.services, self.gateway.ledger
        return (
            len(services.running) == services.admission.of_worker.taken == self.sleeping == 0
            and ledger.starts == len(ledger.finishes)
            and self.provider.open_connections == 0
        )


def configuration(port: int) -> str:
    """One provider, with a wait between two tries; nothing times out meanwhile."""
    return (
        '[retry]\nattempts = 2\n[[providers]]\nname = "up"\nkind = "anthropic"\n'
        f'base_url = "http://127.0.0.1:{port}"\n[[models]]\nname = "*"\ntargets = [{{ provider = "up" }}]\n'
    )


def possessions() -> tuple[Counter[str], int]:
    """The tasks of this loop by their coroutines, and the number of this process' open files."""
    gc.collect()
    tasks = Counter(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return tasks, len(os.listdir("/proc/self/fd"))


async def test_a_thousand_clients_that_leave_leave_nothing_behind():
    """No task, open file, connection to the provider or active request; each is counted once, with its tokens."""
    world = World()
    async with world.provider.listening():
        world.gateway = Embedded(configuration(world.provider.port), sleep=world.sleep)
        async with world.gateway.listening():
            # The first ones make what stays: connections of the server's own, caches.
            await asyncio.gather(*[world.leave(name, -1 - place) for place, name in enumerate(MOMENTS)])
            await until(world.is_idle, "the end of the first requests")
            before = possessions()
            lanes = asyncio.Semaphore(LANES)

            async def one(name: str, number: int) -> None:
                async with lanes:
                    await world.leave(name, number)

            names = [name for name, moment in MOMENTS.items() for _ in range(moment.share)]
            # Each moment beside all others.
            names = [names[number * 7 % len(names)] for number in range(len(names))]
            assert len(names) == LEAVERS
            await asyncio.gather(*[one(name, number) for number, name in enumerate(names)])
            await until(world.is_idle, "the end of the last request")
            await until(lambda: possessions() == before, f"as few possessions as {before}")
            ledger = world.gateway.ledger
            assert {finish.outcome for finish in ledger.finishes} == {Outcome.CANCELLED}
            assert len(ledger.finishes) == len(world.gateway.lines) == LEAVERS + len(MOMENTS)
            tokens = sum((moment.share + 1) * moment.tokens for moment in MOMENTS.values())
            assert sum(finish.input_tokens for finish in ledger.finishes) == tokens
