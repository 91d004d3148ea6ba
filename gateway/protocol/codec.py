"""What the three protocols have in common as streams: bytes to events, and events to bytes."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import msgspec

from gateway.protocol.conversation import Conversation
from gateway.protocol.events import End, Event, Failure, Stop
from gateway.protocol.sse import MAX_WHOLE_ANSWER_BYTES, SseEvent, SseSplitter, parse_event

BROKEN_OFF = "The provider's stream ended before the answer was complete."
UNREADABLE = "The provider sent an event that cannot be read."


class Context(msgspec.Struct, frozen=True):
    """What an encoder needs beside the events: the request, an id for an answer that has none, Unix seconds."""

    conversation: Conversation
    answer_id: str
    created: int


class StreamDecoder(ABC):
    """Decodes the stream of one answer; `answer_id` names it where the provider does not."""

    __slots__ = ("_splitter", "answer_id", "has_ended", "has_stopped")

    def __init__(self, answer_id: str) -> None:
        self._splitter = SseSplitter(MAX_WHOLE_ANSWER_BYTES)
        self.answer_id = answer_id
        self.has_stopped = False
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
        """Return what the end of the stream means: `End` after a stop, else `Failure`."""
        out: list[Event] = []
        if rest := self._splitter.rest():
            self._read(rest, out)
        if not self.has_ended:
            self.has_ended = True
            out.append(End() if self.has_stopped else Failure(502, BROKEN_OFF))
        return out

    def _read(self, raw: bytes, out: list[Event]) -> None:
        if self.has_ended:
            return
        event = parse_event(raw)
        if event.data:
            first = len(out)
            self.decode(event, out)
            for index in range(first, len(out)):
                if isinstance(out[index], Stop):
                    self.has_stopped = True
                elif isinstance(out[index], End | Failure):
                    self.has_ended = True
                    del out[index + 1 :]
                    return

    def end(self, out: list[Event]) -> None:
        """Append `End`, or `Failure` when the provider ends without having said why it stopped."""
        stopped = self.has_stopped or any(isinstance(event, Stop) for event in out)
        out.append(End() if stopped else Failure(502, BROKEN_OFF))

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
