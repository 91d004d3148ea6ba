"""What a server meant is what comes out, however its bytes are cut."""

import itertools

import httpx
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.http1 import Answer

names = st.from_regex(rb"x-[a-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
values = st.from_regex(rb"([\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]{0,20}[\x21-\x7e\x80-\xff])?)?", fullmatch=True)
fields = st.lists(st.tuples(names, values), max_size=8)
payloads = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def chunked(pieces: list[bytes], extension: bytes, trailers: list[tuple[bytes, bytes]]) -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return chunks + b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in trailers) + b"\r\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


@given(
    status=st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    headers=fields,
    payload=payloads,
    framing=st.sampled_from(["length", "chunks", "end"]),
    extension=st.sampled_from([b"", b";a", b';a="b;c"']),
    trailers=fields,
    places=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_decoding_inverts_encoding_at_every_cut(
    status: int,
    headers: list[tuple[bytes, bytes]],
    payload: list[bytes],
    framing: str,
    extension: bytes,
    trailers: list[tuple[bytes, bytes]],
    places: list[int],
) -> None:
    """Status, headers and body survive every framing and every way to cut the bytes."""
    body = b"".join(payload)
    if framing == "length":
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        sent = body
    elif framing == "chunks":
        headers = [(b"transfer-encoding", b"chunked"), *headers]
        sent = chunked(payload, extension, trailers)
    else:
        sent = body
    head = b"HTTP/1.1 %d Some Reason\r\n" % status + b"".join(b"%b: %b\r\n" % field for field in headers) + b"\r\n"
    answer = Answer(bodiless=False)
    for piece in cut(head + sent, places):
        assert not answer.over
        answer.feed(piece)
    if framing == "end":
        assert not answer.over
        answer.eof()
    assert answer.over
    assert answer.failure is None
    assert (answer.status, answer.reason, answer.headers) == (status, b"Some Reason", headers)
    assert b"".join(answer.chunks) == body
    assert answer.reusable is (framing != "end")


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
def test_any_bytes_end_as_an_answer_or_as_an_error_of_the_upstream(data: bytes, start: bytes) -> None:
    """No input raises, and after the end of the connection every answer is over."""
    answer = Answer(bodiless=False)
    for piece in cut(start + data, [7, 50]):
        if not answer.over:
            answer.feed(piece)
    if not answer.over:
        answer.eof()
    assert answer.over
    assert answer.failure is None or answer.failure[0] is httpx.RemoteProtocolError
