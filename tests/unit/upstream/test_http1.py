"""Requests as bytes, and answers from bytes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.upstream.http1 import ENCODED_HEAD, MAX_HEAD, MAX_HEADERS, Answer, Head, encode

URL = "http://upstream.test:8080/v1/chat?x=1"


def answer_to(*pieces: bytes, bodiless: bool = False) -> Answer:
    answer = Answer(bodiless=bodiless)
    for piece in pieces:
        if not answer.over:
            answer.feed(piece)
    return answer


def body_of(answer: Answer) -> bytes:
    return b"".join(answer.chunks)


def wire(method: str = "POST", body: bytes = b"hi", headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    request = httpx.Request(method, URL, headers=headers or [], stream=httpx.ByteStream(body))
    return encode(request).wire


def test_headers_go_out_exactly_as_given_plus_host_and_length() -> None:
    """Names keep their case, order and number, and only Host and Content-Length are added."""
    assert wire(headers=[(b"X-B", b"1"), (b"x-a", b" 2"), (b"X-B", b"3")]) == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nHost: upstream.test:8080\r\n"
        b"X-B: 1\r\nx-a:  2\r\nX-B: 3\r\nContent-Length: 2\r\n\r\nhi"
    )


def test_given_host_and_framing_are_not_repeated() -> None:
    """A request that names its host and length goes out untouched."""
    assert wire(headers=[(b"host", b"other"), (b"content-length", b"2")]) == (
        b"POST /v1/chat?x=1 HTTP/1.1\r\nhost: other\r\ncontent-length: 2\r\n\r\nhi"
    )


def test_a_head_that_was_kept_gives_the_same_bytes_with_every_body() -> None:
    """It is encoded once, and each body brings its own length."""
    headers = [(b"host", b"other"), (b"x-a", b"1")]
    kept = {ENCODED_HEAD: Head("POST", httpx.URL(URL), headers)}
    for body in (b"", b"hi", b"x" * 1000):
        request = httpx.Request("POST", URL, headers=headers, stream=httpx.ByteStream(body), extensions=kept)
        assert encode(request).wire == wire(body=body, headers=headers)


def test_get_without_body_has_no_framing() -> None:
    """A GET without a body carries no length, an empty POST says that it is empty."""
    assert b"ontent-" not in wire("GET", b"")
    assert b"Content-Length: 0\r\n" in wire("POST", b"")


def test_bytes_with_chunked_framing_become_one_chunk() -> None:
    """A caller that asks for chunks gets them."""
    assert wire(headers=[(b"Transfer-Encoding", b"chunked")]).endswith(b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x", b"a\r\nevil: 1")],
        [(b"x", b"a\nevil: 1")],
        [(b"x", b"a\0")],
        [(b"x\r\nevil", b"1")],
        [(b"x y", b"1")],
        [(b"x:", b"1")],
        [(b"", b"1")],
        [(b"content-length", b"3")],
        [(b"content-length", b"+2")],
        [(b"content-length", b"2"), (b"Content-Length", b"2")],
        [(b"content-length", b"2"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"gzip")],
        [(b"host", b"a"), (b"host", b"b")],
    ],
)
def test_what_could_smuggle_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """Line ends, NUL, illegal names and contradictory framing are the caller's error and are never sent."""
    with pytest.raises(httpx.LocalProtocolError):
        wire(headers=headers)


@pytest.mark.parametrize("target", [b"/a b", b"/a\r\nx: y", b"/a\0"])
def test_target_with_a_line_end_or_space_is_refused(target: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request line cannot be split through its target."""
    monkeypatch.setattr(httpx.URL, "raw_path", target)
    with pytest.raises(httpx.LocalProtocolError):
        wire()


def test_method_with_a_line_end_is_refused() -> None:
    """The request line cannot be split through its method."""
    with pytest.raises(httpx.LocalProtocolError):
        wire("GET / HTTP/1.1\r\nx: y\r\n\r\nGET")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_streamed_body_is_chunked() -> None:
    """A body of unknown length goes out in chunks, and an empty piece does not end it."""
    outgoing = encode(httpx.Request("POST", URL, content=pieces(b"ab", b"", b"c")))
    assert outgoing.wire.lower().endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert outgoing.rest is not None
    assert [piece async for piece in outgoing.rest] == [b"2\r\nab\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize("length", [b"2", b"4"])
async def test_streamed_body_of_another_length_than_declared_is_refused(length: bytes) -> None:
    """A declared length is kept or the request fails; more than was declared never leaves."""
    outgoing = encode(httpx.Request("POST", URL, headers=[(b"content-length", length)], content=pieces(b"ab", b"c")))
    assert outgoing.rest is not None
    sent: list[bytes] = []

    async def send(rest: AsyncIterator[bytes]) -> None:
        async for piece in rest:
            sent.append(piece)

    with pytest.raises(httpx.LocalProtocolError):
        await send(outgoing.rest)
    assert len(b"".join(sent)) <= int(length)


def test_answer_is_complete_with_its_last_byte() -> None:
    """Status, reason, headers and body come out as they were sent."""
    answer = answer_to(b"HTTP/1.1 404 Not There\r\nA: 1 \r\na: 2\r\ncontent-length: 2\r\n\r\nhi")
    assert (answer.status, answer.reason, answer.version) == (404, b"Not There", b"HTTP/1.1")
    assert answer.headers == [(b"A", b"1"), (b"a", b"2"), (b"content-length", b"2")]
    assert body_of(answer) == b"hi"
    assert answer.over
    assert answer.reusable


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_skipped(interim: bytes) -> None:
    """Only the final answer is seen."""
    answer = answer_to(
        b"HTTP/1.1 " + interim + b"\r\nlink: x\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"
    )
    assert (answer.status, answer.reason, answer.headers) == (200, b"OK", [(b"content-length", b"1")])
    assert answer.reusable


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body_end_at_the_head(status: int) -> None:
    """204 and 304 have no body, whatever their headers say."""
    answer = answer_to(b"HTTP/1.1 %d X\r\ncontent-length: 5\r\n\r\n" % status)
    assert answer.over
    assert answer.reusable


def test_answer_to_head_ends_at_the_head() -> None:
    """The length in an answer to HEAD is that of a body that does not come."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", bodiless=True)
    assert answer.over
    assert answer.reusable
    assert not answer.chunks


def test_body_after_an_answer_to_head_spoils_the_connection() -> None:
    """A server that sends a body to HEAD is out of step: the body is dropped and the connection not reused."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", bodiless=True)
    assert answer.failure is None
    assert not answer.chunks
    assert not answer.reusable


def test_chunk_extensions_and_trailers_are_dropped() -> None:
    """Neither extensions nor trailers reach the body or the headers."""
    answer = answer_to(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhel", b"lo\r\n0;z\r\nfoo: bar\r\n\r\n"
    )
    assert body_of(answer) == b"hello"
    assert answer.headers == [(b"transfer-encoding", b"chunked")]
    assert answer.reusable


def test_body_without_framing_ends_with_the_connection() -> None:
    """An answer without length or chunks is complete when the connection ends, and only then."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert not answer.over
    answer.eof()
    assert answer.over
    assert answer.failure is None
    assert body_of(answer) == b"hello"
    assert not answer.reusable


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
)
def test_early_end_of_the_connection_is_an_error(start: bytes) -> None:
    """Nothing that is framed is made complete by the end of the connection."""
    answer = answer_to(start) if start else answer_to()
    answer.eof()
    assert answer.failure is not None
    assert answer.failure[0] is httpx.RemoteProtocolError


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 099 No\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: 1\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD + b"\r\n\r\n",
    ],
)
def test_what_is_not_one_clear_answer_is_an_error(data: bytes) -> None:
    """Garbage, ambiguous framing, protocol switches and oversized heads fail before a status is shown."""
    answer = answer_to(data)
    assert answer.failure is not None
    assert answer.failure[0] is httpx.RemoteProtocolError
    assert answer.status == 0


def test_malformed_chunk_in_the_segment_of_the_head_still_shows_the_head() -> None:
    """The status is known although the body breaks at once."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n")
    assert answer.status == 200
    assert answer.failure is not None


@pytest.mark.parametrize(
    "endless",
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: 1\r\n" * 500),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 4096),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"e" * 4096),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"t: 1\r\n" * 500),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nt: ", b"1" * 4096),
    ],
)
def test_bytes_without_payload_are_bounded(endless: tuple[bytes, bytes]) -> None:
    """No part of an answer that is not payload can grow for ever."""
    start, more = endless
    answer = answer_to(start) if start else answer_to()
    fed = 0
    while not answer.over:
        answer.feed(more)
        fed += len(more)
        assert fed <= MAX_HEAD + len(more)
    assert answer.failure is not None


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: keep-alive, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: upgrade\r\nupgrade: h2c\r\n", True),
    ],
)
def test_reuse_follows_version_and_connection_header(head: bytes, reusable: bool) -> None:
    """The connection is kept as HTTP/1.1 and HTTP/1.0 say, and an offered upgrade changes nothing."""
    answer = answer_to(head + b"content-length: 2\r\n\r\nhi")
    assert body_of(answer) == b"hi"
    assert answer.reusable is reusable


@pytest.mark.parametrize("extra", [b"garbage", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", b"HTTP/1.1 1"])
def test_bytes_after_a_complete_answer_spoil_only_the_connection(extra: bytes) -> None:
    """The answer stands, a second one is not mixed into it, and the connection is not reused."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi" + extra)
    assert answer.failure is None
    assert body_of(answer) == b"hi"
    assert not answer.reusable


@pytest.mark.parametrize("rest", [b"zz\r\nhello", b"5\r\nhelloo\r\n", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"])
def test_an_answer_that_breaks_the_grammar_in_its_body_spoils_the_connection(rest: bytes) -> None:
    """Nobody knows where the next answer would begin, so that what is left of this one could be taken for it."""
    answer = answer_to(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", rest)
    assert answer.failure is not None
    assert answer.over
    assert not answer.reusable
