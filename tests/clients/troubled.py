"""The scripted provider on a bad day: some of its first answers to an agent are refusals, break off, or never end."""

import asyncio
import threading
from pathlib import Path

from tests.clients.heard import PATHS
from tests.clients.provider import AgentProvider
from tests.support.native import STREAMS, Spoken
from tests.support.upstream import head_of, piece_of

WORDS = "These are the words of the provider: größer ✓"
HALF = ("This is half of", " an answer")


class TroubledProvider(AgentProvider):
    """Has a trouble with each of the first requests with tools, in the order of `troubles`.

    `overloaded` is answered with 503 or 529 and `refused` with 400, both with `WORDS`. `cut` and `endless` get
    half of a text; then the one is cut off, and the other gets nothing until its client leaves, which sets `left`.
    """

    def __init__(self, folder: Path, *troubles: str) -> None:
        super().__init__(folder)
        self.troubles = list(troubles)
        self.left = threading.Event()

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        protocol = PATHS.get(path.partition("?")[0])
        if protocol is None or not self.troubles or not self.bodies[-1].get("tools"):
            await super().answer(path, model, stream, reader, writer)
            return
        trouble = self.troubles.pop(0)
        if trouble in ("cut", "endless"):
            wire = STREAMS[protocol](Spoken(text=HALF))
            writer.write(head_of(200, b"text/event-stream", None) + piece_of(wire[: wire.index(HALF[1].encode())]))
            await writer.drain()
            if trouble == "endless":
                self.streaming.set()
                await reader.read(1)
                self.left.set()
            raise ConnectionResetError
        status = 400 if trouble == "refused" else 529 if protocol == "messages" else 503
        kind = "invalid_request_error" if trouble == "refused" else "overloaded_error"
        said = f'{{"type":"error","error":{{"type":"{kind}","message":"{WORDS}"}}}}'.encode()
        writer.write(head_of(status, b"application/json", len(said)) + said)
        await writer.drain()
