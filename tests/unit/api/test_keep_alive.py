"""Frames in the silences of a stream: when they come, what they are, and what they never disturb."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest

from gateway.api.keep_alive import KeepAlive
from gateway.metrics.outcome import Outcome
from tests.support.asgi import CONFIG, Answer, Gateway, response
from tests.support.grammar import check
from tests.support.hurry import hurried
from tests.support.native import ANSWERS, STREAMS
from tests.support.speaking import MORE, PATHS
from tests.unit.api.test_translated_relay import ask

Messages = list[dict[str, Any]]
ON = "\n[timeouts]\nkeep_alive = 10\n"
FRAMES = {
    "chat": b": keep-alive\n\n",
    "messages": b'event: ping\ndata: {"type":"ping"}\n\n',
    "responses": b": keep-alive\n\n",
}
PART = {"type": "http.response.body", "body": b"x", "more_body": True}
LAST = {"type": "http.response.body", "body": b"", "more_body": False}
FRAME = {"type": "http.response.body", "body": b":\n\n", "more_body": True}


class Pauses(httpx.AsyncByteStream):
    """A response body in which a number is a pause in seconds."""

    def __init__(self, *steps: "bytes | float | Exception") -> None:
        self.steps = steps

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self.steps:
            if isinstance(step, bytes):
                yield step
            elif isinstance(step, Exception):
                raise step
            else:
                await asyncio.sleep(step)


def streaming(
    *steps: "bytes | float | Exception", status: int = 200, kind: str = "text/event-stream"
) -> httpx.Response:
    """A scripted answer with pauses."""
    return httpx.Response(status, headers={"content-type": kind}, stream=Pauses(*steps))


class Late(Gateway):
    """A gateway whose provider takes its time for the head of its answer."""

    def __init__(self, head_after_s: float, answer: httpx.Response | Exception, config: str = ON) -> None:
        super().__init__(lambda _: answer, CONFIG + MORE + config)
        answer_at_once = self.transport.handle_async_request

        async def late(request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(head_after_s)
            return await answer_at_once(request)

        self.transport.handle_async_request = late  # type: ignore[method-assign]


def answered(gateway: Callable[[], Gateway], client: str, model: str, **more: Any) -> tuple[Answer, Gateway]:
    """What a client gets for a streamed request, however long it takes."""
    got: list[tuple[Answer, Gateway]] = []

    async def main() -> None:
        made = gateway()
        got.append((await made.post(PATHS[client], ask(client, model, stream=True), **more), made))

    hurried(main)
    return got[0]


WAYS = [
    ("chat", "chatty", "chat"),
    ("chat", "wordy", "messages"),
    ("messages", "wordy", "messages"),
    ("messages", "chatty", "chat"),
    ("responses", "chatty", "responses"),
    ("responses", "wordy", "messages"),
]


@pytest.mark.parametrize(("client", "model", "provider"), WAYS)
def test_complaint_05_a_silence_is_filled_in_the_clients_protocol(client: str, model: str, provider: str):
    """Three frames in 35 seconds, after each 10; the stream keeps its grammar, passed on or translated."""
    wire = STREAMS[provider](ANSWERS["text"])
    half = wire.index(b"\n\n", len(wire) // 2) + 2
    answer, gateway = answered(lambda: Late(0, streaming(wire[:half], 35.0, wire[half:])), client, model)
    frame = FRAMES[client]
    assert answer.body.count(frame) == 3
    check(client, answer.body)
    if client == provider:
        assert answer.body.replace(frame, b"") == wire
    assert gateway.ledger.outcome is Outcome.OK


def test_without_the_setting_nothing_is_added():
    """It is off unless it is configured."""
    wire = STREAMS["chat"](ANSWERS["text"])
    answer, _ = answered(lambda: Late(100, streaming(wire[:200], 500.0, wire[200:]), ""), "chat", "chatty")
    assert FRAMES["chat"] not in answer.body


@pytest.mark.parametrize(("client", "model", "provider"), WAYS)
def test_a_provider_that_is_slow_to_answer_at_all_keeps_its_client(client: str, model: str, provider: str):
    """The response begins with the first frame, and the stream follows when it comes."""
    wire = STREAMS[provider](ANSWERS["reasoning"])
    answer, gateway = answered(lambda: Late(25, streaming(wire)), client, model)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.body.startswith(FRAMES[client] * 2)
    assert b"event: ping" not in answer.body.removeprefix(FRAMES[client] * 2) or provider == client
    check(client, answer.body)
    assert answer.headers["x-request-id"]
    assert gateway.ledger.outcome is Outcome.OK


@pytest.mark.parametrize(("client", "model"), [("chat", "chatty"), ("messages", "chatty"), ("responses", "wordy")])
@pytest.mark.parametrize(
    ("late", "words", "outcome"),
    [
        (response(b'{"error":{"message":"too many calls"}}', status=429, retry_after="60"), b"too many", "upstream"),
        (response(b"<html>", status=502, kind="text/html"), b"answered 502", "upstream"),
        (response(b'{"choices":[]}'), b"no stream", "upstream"),
        (response(b'{"error":{"message":"no credits"}}'), b"no credits", "upstream"),
        (httpx.ReadTimeout("silent"), b"silent for too long", "timeout"),
    ],
)
def test_an_error_behind_a_frame_is_told_inside_the_stream(
    client: str, model: str, late: httpx.Response | Exception, words: bytes, outcome: str
):
    """The status is gone; the error comes as an event, and the metrics know it."""
    config = ON + "[retry]\nattempts = 1\n"
    answer, gateway = answered(lambda: Late(15, late, config), client, model)
    assert (answer.status, answer.complete) == (200, True)
    error = check(client, answer.body.removeprefix(FRAMES[client])).error
    assert error is not None
    assert words.decode() in error["message"]
    assert gateway.ledger.outcome.label == outcome


def test_complaint_04_frames_do_not_keep_a_silent_provider_alive():
    """The provider's own timeout still ends the stream, with an error."""
    wire = STREAMS["messages"](ANSWERS["text"])
    cut = wire[: wire.index(b"\n\n", 500) + 2]
    up = streaming(cut, 55.0, httpx.ReadTimeout("idle"))
    answer, gateway = answered(lambda: Late(0, up), "chat", "wordy")
    assert answer.body.count(FRAMES["chat"]) == 5
    assert check("chat", answer.body).error is not None
    assert gateway.ledger.outcome is Outcome.TIMEOUT


def test_a_client_that_leaves_during_a_silence_is_noticed_at_once():
    """At its third message, which is a frame: nothing is sent behind it, and the provider's answer is closed."""
    wire = STREAMS["chat"](ANSWERS["text"])
    start = wire[: wire.index(b"\n\n") + 2]
    answer, gateway = answered(lambda: Late(0, streaming(start, 500.0)), "chat", "chatty", leave_after=3)
    assert [message.get("body") for message in answer.messages[1:]] == [start, FRAMES["chat"]]
    assert gateway.ledger.outcome is Outcome.CANCELLED


def test_no_frame_comes_into_half_an_event():
    """An event too long to be held is passed on in pieces; the silence inside it stays a silence."""
    long = b"data: " + b"x" * (2 << 20)
    end = b"\n\n" + STREAMS["chat"](ANSWERS["text"])
    answer, _ = answered(lambda: Late(0, streaming(long, 100.0, end)), "chat", "chatty")
    assert answer.body.startswith(long + b"\n\n")
    assert FRAMES["chat"] not in answer.body


def test_a_plain_answer_is_left_alone():
    """Nothing can be put into a JSON body."""
    config = CONFIG + ON
    body = b'{"choices":[]}'

    async def main() -> None:
        gateway = Gateway(lambda _: streaming(body[:5], 100.0, body[5:], kind="application/json"), config)
        answer = await gateway.post(PATHS["chat"], ask("chat", "chatty"))
        assert answer.body == body

    assert hurried(main) >= 100


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run without waiting, and without leaving anything behind."""

    async def checked() -> None:
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    hurried(checked)


def test_a_message_waits_for_the_frame_that_is_under_way():
    """A slow client: the frame and the message never mix, and the frame comes first."""
    sent: Messages = []

    async def slow(message: Any) -> None:
        await asyncio.sleep(5)
        sent.append(message)

    async def main() -> None:
        send = KeepAlive(slow, 10, lambda: [FRAME, FRAME])
        await asyncio.sleep(12)
        await send(PART)
        await send(LAST)
        await asyncio.sleep(100)

    run(main)
    assert sent == [FRAME, FRAME, PART, LAST]


def test_no_frame_begins_while_a_message_is_under_way():
    """A client that takes a minute for a message is not silent, it is slow."""
    sent: Messages = []

    async def slow(message: Any) -> None:
        await asyncio.sleep(60)
        sent.append(message)

    async def main() -> None:
        send = KeepAlive(slow, 10, lambda: [FRAME])
        await send(PART)
        await send(LAST)

    run(main)
    assert sent == [PART, LAST]


def test_a_message_that_is_cancelled_leaves_the_frame_whole():
    """What follows, an error event for example, comes behind it."""
    sent: Messages = []

    async def slow(message: Any) -> None:
        await asyncio.sleep(5)
        sent.append(message)

    async def main() -> None:
        send = KeepAlive(slow, 10, lambda: [FRAME])
        await asyncio.sleep(11)
        waiting = asyncio.create_task(send(PART))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await send(LAST)

    run(main)
    assert sent == [FRAME, LAST]


def test_a_frame_that_cannot_be_sent_is_told_to_the_next_message():
    """The server has lost its client."""

    async def broken(_: Any) -> None:
        raise ConnectionResetError

    async def main() -> None:
        send = KeepAlive(broken, 10, lambda: [FRAME])
        await asyncio.sleep(25)
        with pytest.raises(ConnectionResetError):
            await send(PART)
        send.cancel()

    run(main)


def test_the_frame_under_way_is_given_up_with_everything_else():
    """After `cancel` nothing is sent, and no task is left."""
    sent: Messages = []

    async def stuck(message: Any) -> None:
        await asyncio.sleep(1000)
        sent.append(message)

    async def main() -> None:
        send = KeepAlive(stuck, 10, lambda: [FRAME])
        await asyncio.sleep(11)
        send.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    run(main)
    assert sent == []
