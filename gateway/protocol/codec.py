"""What the three protocols have in common as streams: bytes to events, and events to bytes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import msgspec

from gateway.protocol.conversation import Conversation
from gateway.protocol.events import End, Event, Failure
from gateway.protocol.sse import MAX_WHOLE_ANSWER_BYTES, SseEvent, SseSplitter, parse_event

UNREADABLE = "The provider sent an event that cannot be read."


class Context(msgspec.Struct, frozen=True):
    """What an encoder needs beside the events: the request, an id for an answer that has none, Unix seconds."""

    conversation: Conversation
    answer_id: str
    created: int


class StreamDecoder(ABC):
    """Decodes the stream of one answer; `answer_id` names it where the provider does not."""

    __slots__ = ("_splitter", "answer_id", "has_ended")

    def __init__(self, answer_id: str) -> None:
        self._splitter = SseSplitter(MAX_WHOLE_ANSWER_BYTES)
        self.answer_id = answer_id
        self.has_ended = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that `chunk` completes; nothing behind `End` or `Failure`."""
        out: list[Event] = []
        for raw in self._splitter.feed(chunk):
            if self._splitter.cut_inside_event and not self.has_ended:
                out.append(Failure(502, f"The provider sent an event of more than {MAX_WHOLE_ANSWER_BYTES:,} bytes."))
                self.has_ended = True
            self._read(raw, out)
        return out

    def finish(self) -> list[Event]:
        """Return the end of the stream; whether the answer is whole with it, the sequencer tells."""
        out: list[Event] = []
        if rest := self._splitter.rest():
            self._read(rest, out)
        if not self.has_ended:
            self.has_ended = True
            out.append(End())
        return out

    def _read(self, raw: bytes, out: list[Event]) -> None:
        if self.has_ended:
            return
        event = parse_event(raw)
        if event.data:
            first = len(out)
            self.decode(event, out)
            for index in range(first, len(out)):
                if isinstance(out[index], End | Failure):
                    self.has_ended = True
                    del out[index + 1 :]
                    return

    @abstractmethod
    def decode(self, event: SseEvent, out: list[Event]) -> None:
        """Append what one event with data says."""


class StreamEncoder(ABC):
    """Encodes the events of one answer, as `gateway.protocol.sequence` gives them, into a stream."""

    __slots__ = ()

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the bytes that tell `events`, all of them: nothing waits for the next call but what must."""
        return b"".join([self.tell(event) for event in events])

    @abstractmethod
    def tell(self, event: Event) -> bytes:
        """Return the bytes that tell one event."""
