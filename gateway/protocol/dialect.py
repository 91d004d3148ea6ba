"""A dialect is one wire protocol as the gateway needs to know it: its errors, its usage and the end of its streams."""

from abc import ABC, abstractmethod
from typing import ClassVar

from gateway.protocol.events import Failure
from gateway.protocol.sse import MAX_EVENT_BYTES, SseSplitter
from gateway.protocol.usage import Usage


class StreamTap(ABC):
    """Listens in on one stream on its way to the client: bytes of the provider in, bytes for the client out.

    What it hands on are complete events: a stream that breaks can then end with an in-band error that the client is
    able to read. `usage` is what was reported so far; `complete` tells that the answer is whole, `ended` that its last
    event has come as well, and `failed` that the provider itself reported an error in the stream, or broke off where
    only a translation notices, which then says in `failure` what it was.
    """

    __slots__ = ("complete", "ended", "failed", "failure", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.complete = False
        self.ended = False
        self.failed = False
        self.failure: Failure | None = None

    @abstractmethod
    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to hand on now."""

    @abstractmethod
    def finish(self) -> bytes:
        """Return what is left to hand on at a clean end of the stream."""

    @property
    @abstractmethod
    def cut_inside_event(self) -> bool:
        """Whether the client has been handed a piece of an event that has not ended."""

    @abstractmethod
    def break_off(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return the event that ends the client's stream with an error; behind a cut event it needs a blank line."""


class EventTap(StreamTap):
    """Lets whole events through as they came."""

    __slots__ = ("_splitter",)

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        super().__init__()
        self._splitter = SseSplitter(max_event_bytes)

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that `chunk` completes, less any that are withheld."""
        return b"".join([raw for raw in self._splitter.feed(chunk) if self.observe(raw)])

    def finish(self) -> bytes:
        """Return what is left: a last event may lack its blank line."""
        rest = self._splitter.rest()
        return rest if rest and self.observe(rest) else b""

    @property
    def cut_inside_event(self) -> bool:
        """Whether an event was too long to be handed on whole, and has not ended."""
        return self._splitter.cut_inside_event

    @abstractmethod
    def observe(self, raw: bytes) -> bool:
        """Take note of one raw event; False withholds it from the client."""


class Dialect(ABC):
    """One wire protocol."""

    name: ClassVar[str]
    is_conversation: ClassVar[bool] = True
    """Whether it can be translated: it asks for an answer to a conversation, which all such protocols have."""
    upstream_path: ClassVar[str]
    """The path of the operation below a provider's base URL."""
    keep_alive: ClassVar[bytes] = b": keep-alive\n\n"
    """What may be sent during a long silence of a stream that has begun; every SSE client skips a comment."""
    absent_statuses: ClassVar[frozenset[int]] = frozenset()
    """The statuses that tell that a provider has no such operation, where the gateway has an answer instead."""
    request_id_header: ClassVar[bytes]
    """The response header under which a provider of this protocol sends its own id of a request."""

    def passed_on(self, body: bytes) -> bytes:
        """Return a client's body as it goes to a provider of this protocol: without what a provider of another made."""
        return body

    @abstractmethod
    def error_body(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, request_id: str = ""
    ) -> bytes:
        """Return the JSON body of an error response."""

    @abstractmethod
    def is_error_body(self, body: bytes) -> bool:
        """Whether a provider's error has the envelope of the protocol; some have one of their own."""

    @abstractmethod
    def error_event(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return the event that tells an error inside a stream that has begun."""

    @abstractmethod
    def tap(self, *, withhold_usage: bool) -> StreamTap:
        """Return a fresh tap for one stream."""

    @abstractmethod
    def usage_of(self, body: bytes) -> Usage | None:
        """Return the usage that a whole response body reports, or None."""

    def answer_without_provider(self, body: bytes) -> bytes | None:
        """Return the gateway's own answer to a request whose provider has none, or None. Raises MalformedRequest."""
        return None

    def is_absent(self, status: int, body: bytes, model: str) -> bool:
        """Whether a provider's error tells that it has no such operation; one that names the model is about that."""
        return status in self.absent_statuses and model.encode() not in body

    @abstractmethod
    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return the response headers that carry the request id."""
