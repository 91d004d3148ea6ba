"""From a client's protocol to a provider's, and back: the one place where protocols meet.

    client's request ── decode ── Conversation ── encode ── provider's request
    provider's bytes ── decode ── Event ── sequence ── encode ── client's bytes

There are N protocols and N codecs, no translator for a pair. The parts of a codec are listed in `CODECS`.
"""

from collections.abc import Callable

import msgspec

from gateway.protocol.answer import Answer, collect
from gateway.protocol.chat import request_in as chat_request_in
from gateway.protocol.chat import request_out as chat_request_out
from gateway.protocol.chat import stream_in as chat_stream_in
from gateway.protocol.chat import stream_out as chat_stream_out
from gateway.protocol.codec import Context, StreamDecoder, StreamEncoder
from gateway.protocol.conversation import Conversation, Origin
from gateway.protocol.dialect import StreamTap
from gateway.protocol.events import Event, Failure, Stop, ToolCallStart, UsageReport
from gateway.protocol.failure import for_client
from gateway.protocol.identity import plain_name
from gateway.protocol.messages import request_in as messages_request_in
from gateway.protocol.messages import request_out as messages_request_out
from gateway.protocol.messages import stream_in as messages_stream_in
from gateway.protocol.messages import stream_out as messages_stream_out
from gateway.protocol.responses import request_in as responses_request_in
from gateway.protocol.responses import request_out as responses_request_out
from gateway.protocol.responses import stream_in as responses_stream_in
from gateway.protocol.responses import stream_out as responses_stream_out
from gateway.protocol.sequence import Sequencer
from gateway.protocol.usage import Usage


class Codec(msgspec.Struct, frozen=True):
    """One protocol, both ways."""

    decode_request: Callable[[bytes], Conversation]
    encode_request: Callable[[Conversation, str], bytes]
    stream_decoder: Callable[[str], StreamDecoder]
    stream_encoder: Callable[[Context], StreamEncoder]
    decode_body: Callable[[bytes, str], list[Event]]
    encode_body: Callable[[Answer, Context], bytes]


CODECS: dict[Origin, Codec] = {
    Origin.CHAT: Codec(
        chat_request_in.decode,
        chat_request_out.encode,
        chat_stream_in.ChatDecoder,
        chat_stream_out.ChatEncoder,
        chat_stream_in.decode_body,
        chat_stream_out.encode_body,
    ),
    Origin.MESSAGES: Codec(
        messages_request_in.decode,
        messages_request_out.encode,
        messages_stream_in.MessagesDecoder,
        messages_stream_out.MessagesEncoder,
        messages_stream_in.decode_body,
        messages_stream_out.encode_body,
    ),
    Origin.RESPONSES: Codec(
        responses_request_in.decode,
        responses_request_out.encode,
        responses_stream_in.ResponsesDecoder,
        responses_stream_out.ResponsesEncoder,
        responses_stream_in.decode_body,
        responses_stream_out.encode_body,
    ),
}


class Translation:
    """One request of a client, to be served by a provider of another protocol.

    `client` and `provider` are the names of their dialects ("chat", "messages", "responses"). `answer_id` is an id for
    an answer that has none, for example the request id; `created` is the time in Unix seconds. Raises MalformedRequest
    for a body that the client's protocol does not know, or that the provider's cannot say.
    """

    def __init__(self, client: str, provider: str, body: bytes, *, answer_id: str, created: int) -> None:
        self._client, self._provider = Origin(client), Origin(provider)
        self._conversation = CODECS[self._client].decode_request(body)
        self._context = Context(self._conversation, answer_id, created)

    @property
    def conversation(self) -> Conversation:
        """What the client asks for."""
        return self._conversation

    def request(self, model: str, *, ask_for_usage: bool = True) -> bytes:
        """Return the body for the provider, which knows the model as `model`. Raises MalformedRequest.

        `ask_for_usage` is False for a chat provider that does not know `stream_options`.
        """
        if self._provider is Origin.CHAT:
            return chat_request_out.encode(self._conversation, model, ask_for_usage=ask_for_usage)
        return CODECS[self._provider].encode_request(self._conversation, model)

    def stream(self) -> "StreamTranslation":
        """Return the tap that turns the provider's stream into the client's."""
        return StreamTranslation(self._client, self._provider, self._context)

    def body(self, body: bytes) -> tuple[bytes, Usage | None] | Failure:
        """Return the client's form of a whole answer and its usage; a Failure for what is none."""
        events = CODECS[self._provider].decode_body(body, self._context.answer_id)
        answer = collect(restored(Sequencer().feed(events), original_names(self._conversation)))
        if answer.failure is not None:
            return for_client(self._client, answer.failure)
        usage = answer.usage
        reported = any(isinstance(event, UsageReport) for event in events)
        return (
            CODECS[self._client].encode_body(answer, self._context),
            Usage(usage.input, usage.output) if reported else None,
        )


class StreamTranslation(StreamTap):
    """Turns the stream of a provider into that of a client, event by event; each leaves in the call that brings it.

    A stream that ends too early comes out with an error in the client's protocol, and `failed` is set: `failure` says
    why. After a stop reason the answer is `complete` although the stream goes on; `finish` then ends it well.
    """

    __slots__ = ("_decoder", "_encoder", "_names", "_sequencer")

    def __init__(self, client: Origin, provider: Origin, context: Context) -> None:
        super().__init__()
        self._decoder = CODECS[provider].stream_decoder(context.answer_id)
        self._encoder = CODECS[client].stream_encoder(context)
        self._sequencer = Sequencer()
        self._names = original_names(context.conversation)

    def feed(self, chunk: bytes) -> bytes:
        """Return the client's events for those that `chunk` completes."""
        return self._pass(self._decoder.feed(chunk))

    def finish(self) -> bytes:
        """Return the end of the client's stream: a good one after a stop reason, an error without."""
        return self._pass(self._decoder.finish())

    @property
    def cut_inside_event(self) -> bool:
        """Never: an encoder writes whole events."""
        return False

    def break_off(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
        """Return the error that ends the client's stream; nothing if it has ended."""
        return self._pass([Failure(status, message, code, param)])

    def _pass(self, events: list[Event]) -> bytes:
        if not events:
            return b""
        told = self._sequencer.feed(events)
        for event in told:
            match event:
                case UsageReport():
                    self.usage = Usage(event.input, event.output)
                case Stop():
                    self.complete = True
                case Failure():
                    self.failed, self.complete = True, False
                    self.failure = event
        self.ended = self._sequencer.has_ended
        return self._encoder.encode(restored(told, self._names))


def original_names(conversation: Conversation) -> dict[str, str]:
    """Return the client's names of the tools that a provider knows by another one."""
    return {plain: tool.name for tool in conversation.tools if (plain := plain_name(tool.name)) != tool.name}


def restored(events: list[Event], names: dict[str, str]) -> list[Event]:
    """Return the events with the client's own names of its tools."""
    if not names:
        return events
    return [
        ToolCallStart(event.call, event.id, names.get(event.name, event.name))
        if isinstance(event, ToolCallStart)
        else event
        for event in events
    ]
