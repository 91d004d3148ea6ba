"""Laws of the SSE splitter and of the taps over it."""

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol.anthropic_messages import MESSAGES
from gateway.protocol.openai_chat import CHAT
from gateway.protocol.sse import SseEvent, SseSplitter, parse_event
from gateway.protocol.usage import Usage

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
VALUES = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=8)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[SseEvent]]:
    """A stream with one kind of line end, and the events in it."""
    end = draw(LINE_ENDS)
    wire, events = b"", []
    for name, values in draw(st.lists(st.tuples(VALUES, st.lists(VALUES, min_size=1, max_size=3)), max_size=5)):
        wire += b"event: " + name.encode() + end
        wire += b"".join(b"data: " + value.encode() + end for value in values) + end
        events.append(SseEvent(name, b"\n".join(value.encode() for value in values)))
    return wire, events


def parsed(pieces: list[bytes]) -> list[SseEvent]:
    """The events in raw pieces, less the empty line that a CR cut from its LF leaves behind."""
    return [parse_event(piece) for piece in pieces if piece.strip(b"\r\n")]


@given(streams())
@example((b"event: a\r\ndata: b\r\n\r\n", [SseEvent("a", b"b")]))
def test_decoding_does_not_depend_on_where_the_stream_is_split(stream: tuple[bytes, list[SseEvent]]) -> None:
    """Cut in two at every byte, a stream gives the same events and keeps every byte."""
    wire, events = stream
    for cut in range(len(wire) + 1):
        splitter = SseSplitter()
        pieces = [*splitter.feed(wire[:cut]), *splitter.feed(wire[cut:])]
        rest = splitter.rest()
        assert b"".join(pieces) + rest == wire
        assert parsed(pieces) == events
        assert rest in (b"", b"\n")


@given(streams())
def test_decoding_byte_by_byte_equals_decoding_whole(stream: tuple[bytes, list[SseEvent]]) -> None:
    """A stream that comes in single bytes gives the same events."""
    wire, events = stream
    splitter = SseSplitter()
    pieces = [piece for index in range(len(wire)) for piece in splitter.feed(wire[index : index + 1])]
    assert parsed(pieces) == events


PIECES = st.sampled_from(
    [b"data: ", b"data", b"event: x", b" y", b"\n", b"\n\n", b"\r", b":", b"[DONE]", b'{"usage":{}}']
)


@given(st.lists(PIECES, max_size=10).map(b"".join))
@example(b"data: {}\n\n\n")
@example(b"data: {}\n\n\n\n")
@example(b"data: {}\n\ndata: []\n\n")
def test_the_lines_of_a_chunk_are_its_events(chunk: bytes) -> None:
    """Where the splitter has a short way, it finds the events that it would have found the long way."""
    lines = SseSplitter().lines(chunk)
    if lines is not None:
        splitter = SseSplitter()
        assert [line + b"\n\n" for line in lines] == splitter.feed(chunk)
        assert splitter.rest() == b""


CHAT_STREAM = (
    'data: {"choices":[{"index":0,"delta":{"content":"päö"},"finish_reason":null}],"usage":null}\n\n'
    'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
    "data: [DONE]\n\n"
).encode()
MESSAGES_STREAM = (
    'event: message_start\ndata: {"type":"message_start","message":{"usage":'
    '{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}    }\n\n'
    'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"\\"usage\\" 漢"}}\n\n'
    'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":3}}\n\n'
    'event: message_stop\ndata: {"type":"message_stop"}\n\n'
).encode()


def test_tokens_are_conserved_at_every_split_point() -> None:
    """Both taps report the same usage, and pass every byte, wherever the stream is cut."""
    for dialect, wire in ((CHAT, CHAT_STREAM), (MESSAGES, MESSAGES_STREAM)):
        for cut in range(len(wire) + 1):
            tap = dialect.tap(withhold_usage=False)
            passed = tap.feed(wire[:cut]) + tap.feed(wire[cut:]) + tap.finish()
            assert passed == wire
            assert tap.usage == Usage(7, 3)
            assert tap.complete
            assert not tap.failed


def test_a_withheld_usage_chunk_is_missing_and_nothing_else_at_every_split_point() -> None:
    """The client sees the stream without the one chunk that it did not ask for."""
    events = SseSplitter().feed(CHAT_STREAM)
    expected = b"".join([*events[:2], events[3]])
    for cut in range(len(CHAT_STREAM) + 1):
        tap = CHAT.tap(withhold_usage=True)
        assert tap.feed(CHAT_STREAM[:cut]) + tap.feed(CHAT_STREAM[cut:]) + tap.finish() == expected
        assert tap.usage == Usage(7, 3)


@given(st.integers(0, len(MESSAGES_STREAM) - 1))
def test_a_stream_cut_short_never_looks_complete(length: int) -> None:
    """Whatever is missing from the end, even one byte of the last event's data, the tap is not complete."""
    tap = MESSAGES.tap(withhold_usage=False)
    passed = tap.feed(MESSAGES_STREAM[:length])
    assert MESSAGES_STREAM.startswith(passed)
    if length < len(MESSAGES_STREAM) - 2:
        tap.finish()
        assert not tap.complete


@given(st.binary(max_size=200))
def test_garbage_passes_through_unharmed(garbage: bytes) -> None:
    """Bytes that are no event stream at all come out as they went in, and no tap raises."""
    for dialect in (CHAT, MESSAGES):
        tap = dialect.tap(withhold_usage=False)
        assert tap.feed(garbage) + tap.finish() == garbage
