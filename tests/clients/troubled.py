"""The scripted provider on a bad day: some of its first answers to an agent are refused, break off or never end."""

import asyncio
from pathlib import Path

from tests.clients.heard import PATHS
from tests.clients.provider import AgentProvider
from tests.support.native import STREAMS, Spoken
from tests.support.upstream import head_of, piece_of

HALF_TEXT = "This is half of"
_REST = " an answer that nobody may take for a whole one. "
_OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded, says the provider"}}'
_REFUSED = b'{"type":"error","error":{"type":"invalid_request_error","message":"Never, says the provider"}}'


class TroubledProvider(AgentProvider):
    """Has a trouble with each of the first requests with tools, in the order of `troubles`.

    `overloaded` is answered with 503 or 529, `refused` with 400, `cut` breaks off within a stream, and `endless` is
    silent after half of it until the connection is closed, which sets `left`.
    """

    def __init__(self, folder: Path, *troubles: str) -> None:
        super().__init__(folder)
        self.troubles = list(troubles)
        self.left = asyncio.Event()

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        protocol = PATHS.get(path.partition("?")[0])
        if not (protocol and self.troubles and self.bodies[-1].get("tools")):
            await super().answer(path, model, stream, reader, writer)
            return
        trouble = self.troubles.pop(0)
        if trouble in ("overloaded", "refused"):
            status, body = (400, _REFUSED) if trouble == "refused" else (529 if protocol == "messages" else 503, _OVERLOADED)
            writer.write(head_of(status, b"application/json", len(body)) + body)
            await writer.drain()
            return
        wire = STREAMS[protocol](Spoken(text=(HALF_TEXT, _REST)))
        end = wire.index(b"\n\n", wire.index(HALF_TEXT.encode())) + 2
        writer.write(head_of(200, b"text/event-stream", None) + piece_of(wire[:end]))
        await writer.drain()
        self.streaming.set()
        if trouble == "endless":
            await reader.read(1)
            self.left.set()
        raise ConnectionResetError
