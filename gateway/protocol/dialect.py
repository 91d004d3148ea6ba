"""A dialect is one wire protocol as the gateway needs to know it: its errors, its usage and the end of its streams."""

from abc import ABC, abstractmethod
from typing import ClassVar

from gateway.protocol.sse import SseSplitter
from gateway.protocol.usage import Usage


class StreamTap(ABC):
    """Listens in on a stream of server-sent events and lets whole events through as they came.

    A tap hands on complete events only: a stream that breaks inside an event can then end with an in-band error that
    the client is able to read. `usage` is what was reported so far; `complete` tells that the answer is whole, `ended`
    that its last event has come as well, and `failed` that the provider itself reported an error in the stream.
    """

    __slots__ = ("_splitter", "complete", "ended", "failed", "usage")

    def __init__(self) -> None:
        self._splitter = SseSplitter()
        self.usage: Usage | None = None
        self.complete = False
        self.ended = False
        self.failed = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to hand on now: the events that `chunk` completes, less any that are withheld."""
        return b"".join([raw for raw in self._splitter.feed(chunk) if self.observe(raw)])

    def finish(self) -> bytes:
        """Return what is left at a clean end of the stream: a last event may lack its blank line."""
        rest = self._splitter.rest()
        return rest if rest and self.observe(rest) else b""

    @property
    def cut_inside_event(self) -> bool:
        """Whether the client has been handed a piece of an event that has not ended."""
        return self._splitter.cut_inside_event

    @abstractmethod
    def observe(self, raw: bytes) -> bool:
        """Take note of one raw event; False withholds it from the client."""


class Dialect(ABC):
    """One wire protocol."""

    name: ClassVar[str]
    upstream_path: ClassVar[str]
    """The path of the operation below a provider's base URL."""
    request_id_header: ClassVar[bytes]
    """The response header under which a provider of this protocol sends its own id of a request."""

    @abstractmethod
    def error_body(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, request_id: str = ""
    ) -> bytes:
        """Return the JSON body of an error response."""

    @abstractmethod
    def error_event(self, status: int, message: str, *, code: str | None = None) -> bytes:
        """Return the event that tells an error inside a stream that has begun."""

    @abstractmethod
    def tap(self, *, withhold_usage: bool) -> StreamTap:
        """Return a fresh tap for one stream."""

    @abstractmethod
    def usage_of(self, body: bytes) -> Usage | None:
        """Return the usage that a whole response body reports, or None."""

    @abstractmethod
    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """Return the response headers that carry the request id."""
