"""The SSE codec on its own."""

import tracemalloc

from gateway.protocol.sse import SseEvent, SseSplitter, encode_event, parse_event


def test_an_event_is_handed_on_when_its_blank_line_has_come():
    """Half an event yields nothing; its second half yields the whole."""
    splitter = SseSplitter()
    assert splitter.feed(b"data: one\n") == []
    assert splitter.feed(b"\ndata: tw") == [b"data: one\n\n"]
    assert splitter.rest() == b"data: tw"


def test_several_data_lines_are_joined_by_a_line_feed():
    """The data of an event with three data lines has two line feeds."""
    assert parse_event(b"data: a\ndata:b\ndata\n\n").data == b"a\nb\n"


def test_one_space_after_the_colon_is_dropped_and_no_more():
    """A second space belongs to the value."""
    assert parse_event(b"data:  x\n\n").data == b" x"


def test_comments_and_unknown_fields_are_ignored():
    """A keep-alive comment and an id do not show in the event."""
    assert parse_event(b": ping\nid: 7\nevent: x\ndata: y\n\n") == SseEvent("x", b"y")


def test_all_three_line_ends_are_understood():
    """LF, CRLF and CR give the same event."""
    parsed = {parse_event(f"event: e{end}data: d{end}{end}".encode()) for end in ("\n", "\r\n", "\r")}
    assert parsed == {SseEvent("e", b"d")}


def test_an_event_that_outgrows_the_bound_is_handed_on_in_pieces():
    """Memory stays bounded, no byte is lost, and the splitter tells that it cut inside an event."""
    splitter = SseSplitter(max_event_bytes=16)
    pieces = splitter.feed(b"data: " + b"x" * 20)
    assert pieces == [b"data: " + b"x" * 20]
    assert splitter.cut_inside_event
    assert splitter.feed(b"yz\n\n") == [b"yz\n\n"]
    assert not splitter.cut_inside_event


def test_a_piece_of_a_long_event_costs_no_copy_of_those_before_it():
    """An answer of megabytes, such as a picture, comes in hundreds of pieces; all of it is there at the end."""
    splitter = SseSplitter(8 << 20)
    assert splitter.feed(b"data: " + b"x" * (4 << 20)) == []
    tracemalloc.start()
    try:
        assert splitter.feed(b"y" * 1400) == []
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert splitter.feed(b"\n\n") == [b"data: " + b"x" * (4 << 20) + b"y" * 1400 + b"\n\n"]


def test_what_is_encoded_parses_back():
    """An encoded event has the name and the data that it was given."""
    assert parse_event(encode_event(b'{"a":1}', "message_start")) == SseEvent("message_start", b'{"a":1}')


def test_a_byte_order_mark_costs_nothing_of_the_first_event():
    """A stream may begin with one (WHATWG HTML, section 9.2.5)."""
    assert parse_event(b"\xef\xbb\xbfdata: x\n\n") == SseEvent("", b"x")
