"""What a client gets, and what is counted, for each way in which a provider's answer can go."""

import asyncio
import gzip
import json

import httpx
import pytest

from gateway.api.interruption import WATCH_AFTER_S, Reason
from gateway.metrics.outcome import Outcome
from gateway.upstream.http1 import ENCODED_HEAD
from tests.support.asgi import CONFIG, Answer, Gateway, event_stream, response
from tests.support.speaking import check_error

CHAT = "/v1/chat/completions"
PLAIN = b'{"model": "chatty", "messages": []}'
STREAMED = b'{"model": "chatty", "messages": [], "stream": true, "stream_options": {"include_usage": true}}'
CHUNK = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def error_of(answer: Answer) -> dict[str, object]:
    """The error member of a JSON answer."""
    error: dict[str, object] = json.loads(answer.body)["error"]
    return error


async def test_a_plain_answer_passes_byte_for_byte():
    """Padding and unknown members survive in both directions, and the tokens are read."""
    up = b'{ "x": [1 ,2],  "usage": {"prompt_tokens": 3, "completion_tokens": 4} }  '
    gateway = Gateway(lambda _: response(up[:9], up[9:], x_ratelimit_remaining_tokens="7", set_cookie="a=b"))
    body = b'{"model":"chatty",  "unknown": 1.50}'
    answer = await gateway.post(CHAT, body, parts=3)
    assert (answer.status, answer.body, answer.complete) == (200, up, True)
    assert gateway.transport.requests[0][1] == body
    assert answer.headers["x-ratelimit-remaining-tokens"] == "7"
    assert "set-cookie" not in answer.headers
    finish = gateway.ledger.finishes[0]
    assert (finish.outcome, finish.input_tokens, finish.output_tokens) == (Outcome.OK, 3, 4)


async def test_a_stream_passes_byte_for_byte():
    """Comments and framing survive, and the usage chunk reaches the client that asked for it."""
    wire = b": hi\r\n\r\n" + CHUNK + LAST + USAGE + DONE
    gateway = Gateway(lambda _: event_stream(wire[:30], wire[30:100], wire[100:]))
    answer = await gateway.post(CHAT, STREAMED)
    assert (answer.body, answer.complete) == (wire, True)
    assert gateway.ledger.outcome is Outcome.OK
    assert gateway.ledger.finishes[0].input_tokens == 5


async def test_usage_that_the_client_did_not_ask_for_is_counted_and_withheld():
    """The provider is asked for usage, the client gets the stream without it."""
    gateway = Gateway(lambda _: event_stream(CHUNK, LAST, USAGE, DONE))
    answer = await gateway.post(CHAT, b'{"model":"chatty","stream":true}')
    assert answer.body == CHUNK + LAST + DONE
    assert json.loads(gateway.transport.requests[0][1])["stream_options"] == {"include_usage": True}
    assert gateway.ledger.finishes[0].output_tokens == 2


async def test_a_target_renames_the_model_and_the_count_keeps_the_name_that_was_asked_for():
    """The provider sees its own name for the model, the metrics the client's."""
    gateway = Gateway(lambda _: response(b"{}"))
    await gateway.post(CHAT, b'{"model":"renamed"}')
    assert json.loads(gateway.transport.requests[0][1])["model"] == "real-name"
    assert gateway.ledger.models == ["renamed"]


async def test_the_gateway_key_stays_and_the_provider_key_goes_up():
    """Credentials, cookies and the encodings that the tap cannot read are replaced, everything else passes."""
    gateway = Gateway(lambda _: response(b"{}"))
    sent = {
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "cookie": "c",
        "accept-encoding": "br",
        "openai-beta": "b",
    }
    await gateway.post(CHAT, PLAIN, headers=sent | {"connection": "x-hop", "x-hop": "1"})
    headers = dict(gateway.transport.requests[0][0].headers)
    assert headers == {
        "openai-beta": "b",
        "host": "up.invalid",
        "accept-encoding": "identity",
        "authorization": "Bearer sk-provider-secret-0001",
    }
    assert gateway.transport.requests[0][1] == PLAIN


async def test_each_request_goes_up_with_its_own_headers_however_many_have_gone_before():
    """What was prepared for some headers serves the same ones only, and is not kept for ever."""
    gateway = Gateway(lambda _: response(b"{}"))
    ids = [str(number % 400) for number in range(1000)]
    for trace in ids:
        await gateway.post(CHAT, PLAIN, headers={"x-trace": trace, "openai-beta": "b"})
    assert [request.headers["x-trace"] for request, _ in gateway.transport.requests] == ids
    wires = [request.extensions[ENCODED_HEAD].wire for request, _ in gateway.transport.requests]
    assert all(f"x-trace: {trace}\r\n".encode() in wire for trace, wire in zip(ids, wires, strict=True))
    assert len(gateway.services.upstreams.providers["up"].prepared) < 400


async def test_an_anthropic_provider_gets_its_key_and_a_version():
    """The version is added only when the client sends none."""
    gateway = Gateway(lambda _: response(b"{}"))
    await gateway.post("/v1/messages", b'{"model":"wordy"}')
    await gateway.post("/v1/messages", b'{"model":"wordy"}', headers={"anthropic-version": "2099-01-01"})
    first, second = (dict(request.headers) for request, _ in gateway.transport.requests)
    assert (first["x-api-key"], first["anthropic-version"]) == ("sk-provider-secret-0002", "2023-06-01")
    assert second["anthropic-version"] == "2099-01-01"


async def test_the_providers_request_id_reaches_the_client():
    """When the provider sends none, the gateway's own is there."""
    gateway = Gateway(lambda _: response(b"{}", x_request_id="up-7"))
    assert (await gateway.post(CHAT, PLAIN)).headers["x-request-id"] == "up-7"
    gateway = Gateway(lambda _: response(b"{}"))
    assert (await gateway.post(CHAT, PLAIN)).headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, None),
        (b'{"model": 5}', 400, None),
        (b'{"model": "nobody"}', 404, "model_not_found"),
        (b'{"model": "wordy"}', 400, None),
    ],
)
async def test_a_request_that_cannot_be_served_is_refused_in_the_clients_envelope(body: bytes, status: int, code: str):
    """Malformed, unknown, or lacking what a translation needs: a 4xx, counted as validation; nothing goes upstream."""
    gateway = Gateway(lambda _: response(b"{}"))
    answer = await gateway.post(CHAT, body)
    assert (answer.status, error_of(answer)["code"]) == (status, code)
    assert gateway.ledger.outcome is Outcome.VALIDATION
    assert gateway.transport.requests == []


async def test_a_body_above_the_limit_is_a_413_whether_declared_or_not():
    """The limit holds for a content-length and for a body that just keeps coming."""
    gateway = Gateway(lambda _: response(b"{}"))
    gateway.services.body_limits.size = 100
    declared = await gateway.post(CHAT, PLAIN, headers={"content-length": "101"})
    undeclared = await gateway.post(CHAT, b'{"model":"chatty","x":"' + b"x" * 100 + b'"}', parts=9)
    assert (declared.status, undeclared.status) == (413, 413)


@pytest.mark.parametrize(
    ("failure", "status", "outcome", "tries"),
    [
        (httpx.ConnectError("refused"), 502, Outcome.UPSTREAM, 3),
        (httpx.ConnectTimeout("slow"), 504, Outcome.TIMEOUT, 3),
        (httpx.ReadTimeout("silent"), 504, Outcome.TIMEOUT, 1),
        (httpx.RemoteProtocolError("garbage"), 502, Outcome.UPSTREAM, 1),
        (httpx.ReadError("reset"), 502, Outcome.UPSTREAM, 1),
    ],
)
async def test_a_provider_that_does_not_answer_becomes_a_clean_error(
    failure: Exception, status: int, outcome: Outcome, tries: int
):
    """Only what was certainly not sent is tried again; the error names the provider and not its address or key."""
    gateway = Gateway(lambda _: failure)
    answer = await gateway.post(CHAT, PLAIN)
    assert answer.status == status
    assert "up" in str(error_of(answer)["message"])
    assert b"invalid/" not in answer.body
    assert b"secret" not in answer.body
    assert gateway.ledger.outcome is outcome
    assert len(gateway.transport.requests) == tries


async def test_an_overloaded_provider_is_tried_again_and_then_believed():
    """Two 503 and a good answer are one good request, after waits that back off; the client sees no trace of it."""
    answers = [response(b"{}", status=503), response(b"{}", status=503), response(b'{"ok":1}')]
    gateway = Gateway(lambda _: answers.pop(0))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.body) == (200, b'{"ok":1}')
    assert gateway.waits == [0.25, 0.5]
    assert gateway.ledger.outcome is Outcome.OK


async def test_an_error_of_the_provider_passes_and_says_that_it_was_retried():
    """The provider's text, its rate-limit headers and a word to the SDK not to multiply the tries."""
    wire = b'{"error":{"message":"slow down","type":"rate_limit"}}'
    gateway = Gateway(lambda _: response(wire, status=429, retry_after="1"))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.body) == (429, wire)
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "false")
    assert gateway.waits == [1.0, 1.0]
    assert gateway.ledger.outcome is Outcome.UPSTREAM


async def test_a_long_wait_is_the_clients_to_decide():
    """A retry-after of a minute is passed on at once."""
    gateway = Gateway(lambda _: response(b"{}", status=429, retry_after="60"))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, len(gateway.transport.requests), gateway.waits) == (429, 1, [])
    assert "x-should-retry" not in answer.headers


async def test_an_html_error_page_becomes_an_envelope():
    """A proxy's page in front of the provider is no answer for an SDK; the status stays."""
    gateway = Gateway(lambda _: response(b"<html>nope</html>", status=403, kind="text/html"))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, error_of(answer)["type"]) == (403, "permission_error")
    assert answer.headers["content-type"] == "application/json"


async def test_a_plain_text_of_the_provider_is_kept_in_an_envelope():
    """Also between a client and a provider of one protocol."""
    gateway = Gateway(lambda _: response(b"model is loading", status=400, kind="text/plain"))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, error_of(answer)["message"]) == (400, "model is loading")


OTHER_WORDS = [
    (CHAT, b"chatty", b'{"detail":"no such model"}', "no such model"),
    (CHAT, b"chatty", b'{"object":"error","message":"too long","type":"BadRequestError","code":400}', "too long"),
    ("/v1/messages", b"wordy", b'{"error":{"code":500,"message":"no messages","type":"server_error"}}', "no messages"),
    ("/v1/messages", b"wordy", b'{"errors":[{"code":"E7"}]}', '{"errors":[{"code":"E7"}]}'),
]


@pytest.mark.parametrize(("path", "model", "wire", "text"), OTHER_WORDS)
async def test_an_error_in_the_words_of_another_protocol_gets_the_clients_envelope(
    path: str, model: bytes, wire: bytes, text: str
):
    """FastAPI's and vLLM's to an OpenAI client, llama.cpp's to an Anthropic one: status and text stay."""
    gateway = Gateway(lambda _: response(wire, status=400))
    answer = await gateway.post(path, b'{"model":"' + model + b'"}')
    assert answer.status == 400
    assert check_error("messages" if path == "/v1/messages" else "chat", answer)["message"] == text


@pytest.mark.parametrize(
    ("path", "model", "wire"),
    [
        (CHAT, b"chatty", b'{ "error": {"message": "no", "code": 400, "more": 1} }'),
        ("/v1/messages", b"wordy", b'{ "type":"error", "error":{"type":"odd","message":"no","more":1} }'),
    ],
)
async def test_an_error_of_the_protocol_passes_byte_for_byte(path: str, model: bytes, wire: bytes):
    """Whatever else its provider writes into it."""
    gateway = Gateway(lambda _: response(wire, status=400))
    assert (await gateway.post(path, b'{"model":"' + model + b'"}')).body == wire


@pytest.mark.parametrize(
    ("path", "model", "wire"),
    [
        (CHAT, b"chatty", b'{"error": {"message": "no credits", "code": 402}}'),
        ("/v1/embeddings", b"chatty", b'{"error": {"message": "no credits", "code": 402}}'),
        ("/v1/responses", b"chatty", b'{"status": "failed", "error": {"code": "server_error", "message": "no"}}'),
        ("/v1/messages", b"wordy", b'{"type": "error", "error": {"type": "api_error", "message": "no"}}'),
    ],
)
async def test_an_error_under_a_200_passes_and_counts_as_upstream(path: str, model: bytes, wire: bytes):
    """Some gateways answer like that; a count of successes must not be made of it."""
    gateway = Gateway(lambda _: response(wire))
    answer = await gateway.post(path, b'{"model":"' + model + b'"}')
    assert (answer.status, answer.body) == (200, wire)
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize("wire", [b'{"status": "completed", "error": null}', b'{"error": {}}', b"{}"])
async def test_an_answer_without_an_error_in_it_counts_as_ok(wire: bytes):
    """A response of the Responses protocol always has the member."""
    gateway = Gateway(lambda _: response(wire))
    answer = await gateway.post("/v1/responses", b'{"model":"chatty"}')
    assert (answer.body, gateway.ledger.outcome) == (wire, Outcome.OK)


async def test_an_answer_that_is_no_object_is_a_502():
    """A page of a proxy under a 200 is no answer, and nothing of it reaches the client."""
    gateway = Gateway(lambda _: response(b"<html>hello</html>", kind="text/html"))
    answer = await gateway.post(CHAT, PLAIN)
    assert answer.status == 502
    assert "JSON" in str(error_of(answer)["message"])
    assert gateway.ledger.outcome is Outcome.UPSTREAM


async def test_a_plain_answer_that_breaks_off_is_a_502():
    """Nothing of the half answer reaches the client."""
    gateway = Gateway(lambda _: response(b'{"half": ', httpx.RemoteProtocolError("truncated")))
    answer = await gateway.post(CHAT, PLAIN)
    assert answer.status == 502
    assert gateway.ledger.outcome is Outcome.UPSTREAM


@pytest.mark.parametrize(
    ("path", "model", "start"),
    [(CHAT, b"chatty", CHUNK), ("/v1/messages", b"wordy", b'event: message_start\ndata: {"type":"message_start"}\n\n')],
)
@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (httpx.RemoteProtocolError("truncated"), Outcome.UPSTREAM),
        (httpx.ReadTimeout("idle"), Outcome.TIMEOUT),
        (b"", Outcome.UPSTREAM),
    ],
)
async def test_a_stream_that_breaks_ends_with_an_in_band_error(
    path: str, model: bytes, start: bytes, ending: Exception | bytes, outcome: Outcome
):
    """Cut, silent or ended before its end: the client gets whole events, then the error, never a clean finish."""
    gateway = Gateway(lambda _: event_stream(start, b'data: {"half', ending))
    answer = await gateway.post(path, b'{"model":"' + model + b'","stream":true}')
    assert answer.complete
    assert answer.body.startswith(start)
    assert b'"half' not in answer.body or ending == b""
    assert answer.body.rstrip().endswith(b"}")
    assert b'"error"' in answer.body.removeprefix(start)
    assert b"[DONE]" not in answer.body
    assert gateway.ledger.outcome is outcome


async def test_an_error_that_the_provider_tells_in_its_stream_counts_as_upstream():
    """The provider's own words pass, and nothing is added."""
    wire = CHUNK + b'data: {"error":{"message":"overloaded"}}\n\n'
    gateway = Gateway(lambda _: event_stream(wire))
    answer = await gateway.post(CHAT, STREAMED)
    assert answer.body == wire
    assert gateway.ledger.outcome is Outcome.UPSTREAM


async def test_a_client_that_leaves_mid_stream_cancels_the_upstream_and_keeps_the_tokens():
    """The response is closed, the outcome is cancelled, and the usage that had been reported counts."""
    up = event_stream(USAGE, CHUNK, None)
    gateway = Gateway(lambda _: up)
    await gateway.post(CHAT, STREAMED, leave_after=3)
    assert gateway.ledger.outcome is Outcome.CANCELLED
    assert gateway.ledger.finishes[0].input_tokens == 5
    assert up.stream.closed  # type: ignore[union-attr]
    assert len(gateway.services.running) == 0


async def test_a_client_that_leaves_while_the_provider_is_silent_cancels_it_too():
    """Before any header has come there is nothing to send, and still the request ends at once."""
    up = response(None)
    gateway = Gateway(lambda _: up)
    answer = await gateway.post(CHAT, PLAIN, leave_after=0)
    assert answer.messages == []
    assert gateway.ledger.outcome is Outcome.CANCELLED
    assert up.stream.closed  # type: ignore[union-attr]


async def test_an_answer_that_comes_at_once_costs_no_watch_for_its_client():
    """The server is asked for the body, and for nothing else: a body of a known length is not asked for its end."""
    gateway = Gateway(lambda _: response(b"{}"), watch_after_s=WATCH_AFTER_S)
    answer = await gateway.post(CHAT, PLAIN, headers={"content-length": str(len(PLAIN))}, end_apart=True)
    assert (answer.status, answer.receives) == (200, 1)


async def test_a_body_over_http_2_is_read_to_its_end():
    """Its end comes apart from its bytes; the server would reset a stream on which nobody has waited for it."""
    gateway = Gateway(lambda _: response(b"{}"), watch_after_s=WATCH_AFTER_S)
    answer = await gateway.post(
        CHAT, PLAIN, headers={"content-length": str(len(PLAIN))}, http_version="2", end_apart=True
    )
    assert (answer.status, answer.receives) == (200, 2)


async def test_a_body_in_a_transfer_coding_is_read_to_its_end_whatever_length_is_declared():
    """The coding frames the body (RFC 9112, section 6.3), so that a length that lies cuts nothing off."""
    gateway = Gateway(lambda _: response(b"{}"))
    headers = {"content-length": str(len(PLAIN) // 2), "transfer-encoding": "chunked"}
    await gateway.post(CHAT, PLAIN, headers=headers, parts=2)
    assert gateway.transport.requests[0][1] == PLAIN


async def test_a_client_that_left_at_the_very_beginning_is_noticed_when_the_watch_begins():
    """The watch begins late, and the server has not forgotten."""
    up = response(None)
    gateway = Gateway(lambda _: up, watch_after_s=WATCH_AFTER_S)
    await gateway.post(CHAT, PLAIN, leave_after=0)
    assert gateway.ledger.outcome is Outcome.CANCELLED
    assert up.stream.closed  # type: ignore[union-attr]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_shutdown_ends_a_running_request_with_an_error(streamed: bool):
    """A stream gets an in-band error, a plain request that still waits a 500; both count as internal."""
    gateway = Gateway(lambda _: event_stream(CHUNK, None) if streamed else response(None))
    request = asyncio.create_task(gateway.post(CHAT, STREAMED if streamed else PLAIN))
    while not (gateway.services.running and gateway.transport.requests):
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    gateway.services.running.interrupt_all(Reason.SHUTDOWN)
    answer = await request
    assert answer.complete
    assert b"shutting down" in answer.body
    assert answer.body.startswith(CHUNK) == streamed
    assert gateway.ledger.outcome is Outcome.INTERNAL


async def test_a_bug_in_the_gateway_is_a_500_and_counts_as_internal():
    """An exception that nobody expected neither hangs the client nor escapes the count."""

    def broken(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    gateway = Gateway(broken)
    answer = await gateway.post(CHAT, PLAIN)
    assert answer.status == 500
    assert error_of(answer)["type"] == "server_error"
    assert gateway.ledger.outcome is Outcome.INTERNAL


@pytest.mark.parametrize(
    "afterwards", [httpx.RemoteProtocolError("no final chunk"), httpx.ReadTimeout("idle"), b": bye\n\n"]
)
@pytest.mark.parametrize(
    ("path", "model", "last"),
    [(CHAT, b"chatty", DONE), ("/v1/messages", b"wordy", b'event: message_stop\ndata: {"type":"message_stop"}\n\n')],
)
async def test_what_goes_wrong_behind_the_last_event_takes_nothing_from_the_answer(
    path: str, model: bytes, last: bytes, afterwards: Exception | bytes
):
    """A provider that ends its connection carelessly has answered all the same."""
    up = event_stream(CHUNK, last, afterwards)
    gateway = Gateway(lambda _: up)
    answer = await gateway.post(path, b'{"model":"' + model + b'","stream":true}')
    assert (answer.body, answer.complete) == (CHUNK + last, True)
    assert gateway.ledger.outcome is Outcome.OK
    assert up.stream.closed  # type: ignore[union-attr]


async def test_an_answer_with_a_finish_reason_is_whole_if_its_connection_then_ends_well():
    """Not every server sends `[DONE]`."""
    gateway = Gateway(lambda _: event_stream(CHUNK, LAST))
    answer = await gateway.post(CHAT, STREAMED)
    assert (answer.body, answer.complete) == (CHUNK + LAST, True)
    assert gateway.ledger.outcome is Outcome.OK


async def test_a_connection_that_breaks_behind_the_finish_reason_is_an_error():
    """The usage may be missing, and whatever else was still to come."""
    gateway = Gateway(lambda _: event_stream(CHUNK, LAST, httpx.ReadError("reset")))
    answer = await gateway.post(CHAT, STREAMED)
    assert answer.body.startswith(CHUNK + LAST + b'data: {"error":')
    assert gateway.ledger.outcome is Outcome.UPSTREAM


FALLBACK = """
[[providers]]
name = "first"
kind = "openai"
base_url = "http://first.invalid/v1"
[[providers]]
name = "second"
kind = "openai"
base_url = "http://second.invalid/v1"
[[models]]
name = "chatty"
targets = [ { provider = "first" }, { provider = "second" } ]
"""


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("silent"), httpx.ReadError("reset"), 503]
)
async def test_another_target_gets_what_the_first_did_not_answer(failure: Exception | int):
    """At once, and the first is asked once only."""

    def script(request: httpx.Request) -> httpx.Response | Exception:
        if request.url.host == "second.invalid":
            return response(b'{"ok":1}')
        return response(b"{}", status=failure) if isinstance(failure, int) else failure

    gateway = Gateway(script, FALLBACK)
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.body) == (200, b'{"ok":1}')
    assert [request.url.host for request, _ in gateway.transport.requests] == ["first.invalid", "second.invalid"]
    assert gateway.waits == []


async def test_two_targets_that_both_ask_for_a_long_wait_are_not_waited_for():
    """The client gets the last answer at once, with the wait in it."""
    gateway = Gateway(lambda _: response(b"{}", status=429, retry_after="60"), FALLBACK)
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.headers["retry-after"], gateway.waits) == (429, "60", [])
    assert "x-should-retry" not in answer.headers
    assert len(gateway.transport.requests) == 2


async def test_a_provider_that_says_not_to_retry_is_not_asked_again_and_another_is():
    """As the official SDKs do."""
    gateway = Gateway(lambda _: response(b"{}", status=429, x_should_retry="false"), FALLBACK)
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.headers["x-should-retry"]) == (429, "false")
    assert [request.url.host for request, _ in gateway.transport.requests] == ["first.invalid", "second.invalid"]


async def test_the_tries_end_with_their_budget():
    """A provider that is slow to fail is believed when the time is over, however many tries are left."""

    def script(_: httpx.Request) -> httpx.Response:
        gateway.time_s += 20.0
        return response(b"{}", status=503)

    gateway = Gateway(script, CONFIG + "[retry]\nattempts = 10\nbudget_s = 50\n")
    assert (await gateway.post(CHAT, PLAIN)).status == 503
    assert len(gateway.transport.requests) == 3


async def test_a_client_that_leaves_during_a_wait_ends_it_at_once():
    """Nothing more is tried, and the request counts as cancelled."""
    gateway = Gateway(lambda _: response(b"{}", status=503))
    gateway.sleeps_for_ever = True
    answer = await gateway.post(CHAT, PLAIN, leave_after=0)
    assert (answer.messages, gateway.ledger.outcome) == ([], Outcome.CANCELLED)
    assert len(gateway.transport.requests) == 1


def hosts(gateway: Gateway) -> list[str]:
    """Where the requests went since the last call."""
    seen = [request.url.host.removesuffix(".invalid") for request, _ in gateway.transport.requests]
    gateway.transport.requests.clear()
    return seen


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("silent"), 503, 429])
async def test_a_target_that_keeps_failing_rests_and_is_probed_by_one_request(failure: Exception | int):
    """The other target alone is asked meanwhile; when the first works again it is the first again."""
    works = False

    def script(request: httpx.Request) -> httpx.Response | Exception:
        if works or request.url.host == "second.invalid":
            return response(b"{}")
        return response(b"{}", status=failure) if isinstance(failure, int) else failure

    gateway = Gateway(script, FALLBACK + "[cooldown]\nfailures = 2\nrest_s = 10\n")
    for _ in range(4):
        await gateway.post(CHAT, PLAIN)
    assert hosts(gateway) == ["first", "second", "first", "second", "second", "second"]
    gateway.time_s += 10.0
    for _ in range(2):
        await gateway.post(CHAT, PLAIN)
    assert hosts(gateway) == ["first", "second", "second"]
    works = True
    gateway.time_s += 20.0
    for _ in range(2):
        await gateway.post(CHAT, PLAIN)
    assert hosts(gateway) == ["first", "first"]


async def test_targets_that_all_rest_are_tried_all_the_same():
    """Our own bookkeeping alone refuses nobody."""
    gateway = Gateway(
        lambda _: response(b"{}", status=503), FALLBACK + "[cooldown]\nfailures = 1\n[retry]\nattempts = 2\n"
    )
    for _ in range(2):
        await gateway.post(CHAT, PLAIN)
    assert hosts(gateway) == ["first", "second", "first", "second"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_refusal_that_is_the_requests_fault_never_makes_a_target_rest(status: int):
    """One client's mistakes are not the provider's."""
    gateway = Gateway(lambda _: response(b"{}", status=status), FALLBACK + "[cooldown]\nfailures = 1\n")
    for _ in range(3):
        await gateway.post(CHAT, PLAIN)
    assert hosts(gateway) == ["first"] * 3


async def test_a_client_that_leaves_never_makes_a_target_rest():
    """Nor does it keep the place of the probe."""
    gateway = Gateway(lambda _: httpx.ConnectError("refused"), FALLBACK + "[cooldown]\nfailures = 1\nrest_s = 10\n")
    await gateway.post(CHAT, PLAIN)
    gateway.time_s += 10.0
    waiting = asyncio.Event()

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            gateway.transport.requests.append((request, b""))
            await waiting.wait()
            raise AssertionError("it is cancelled")

    gateway.transport.requests.clear()
    for provider in gateway.services.upstreams.providers.values():
        provider._transport = Silent()
    for _ in range(3):
        await gateway.post(CHAT, PLAIN, leave_after=0)
    assert hosts(gateway) == ["first"] * 3


async def test_a_request_that_was_sent_is_never_repeated_at_the_same_target():
    """Both broke off without an answer: two tries, although three are allowed."""
    gateway = Gateway(lambda _: httpx.ReadError("reset"), FALLBACK)
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, len(gateway.transport.requests)) == (502, 2)


async def test_a_redirect_is_never_passed_on():
    """A client that followed it would send its prompt past the gateway."""
    gateway = Gateway(lambda _: response(b"", status=307, location="http://elsewhere.invalid/"))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, "location" in answer.headers) == (502, False)
    assert gateway.ledger.outcome is Outcome.UPSTREAM


async def test_the_providers_key_does_not_come_down():
    """Neither in the text of an error nor in a header that echoes the request; another try would have the same key."""
    key = "sk-provider-secret-0001"
    wire = f'{{"error":{{"message":"Incorrect API key provided: {key}"}}}}'.encode()
    gateway = Gateway(lambda _: response(wire, status=401, authorization=f"Bearer {key}", x_api_key=key))
    answer = await gateway.post(CHAT, PLAIN)
    assert (answer.status, answer.headers["x-should-retry"]) == (401, "false")
    assert key not in answer.body.decode() + str(answer.headers)


async def test_the_providers_key_does_not_come_down_with_an_error_in_a_stream_or_in_a_header():
    """Behind the first event, where nothing can be tried again, as in its place; and whatever the header's name."""
    key = "sk-provider-secret-0001"
    event = f'data: {{"error":{{"message":"bad {key}","type":"server_error"}}}}\n\n'.encode()
    for events in ([event], [CHUNK, event], [CHUNK + event]):
        gateway = Gateway(lambda _, events=events: event_stream(*events))
        answer = await gateway.post(CHAT, STREAMED)
        assert b"bad ***" in answer.body
        assert key.encode() not in answer.body
    other = (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"bad sk-provider-secret-0002"}}\n\n'
    )
    spoken = b'{"model": "wordy", "messages": [{"role": "user", "content": "x"}], "stream": true}'
    answer = await Gateway(lambda _: event_stream(other)).post(CHAT, spoken)
    assert b"bad ***" in answer.body
    gateway = Gateway(lambda _: response(b"no", status=401, x_echo=f"of {key}"))
    assert (await gateway.post(CHAT, PLAIN)).headers["x-echo"] == "of ***"


async def test_a_compressed_stream_is_refused_with_its_reason():
    """It was asked for as it is; what the gateway cannot read it cannot vouch for."""
    gateway = Gateway(lambda _: event_stream(b"\x1f\x8b", content_encoding="gzip"))
    answer = await gateway.post(CHAT, STREAMED)
    assert answer.status == 502
    assert "gzip" in str(error_of(answer)["message"])


async def test_a_name_that_only_a_pattern_matches_gets_a_row_once_a_provider_knows_it():
    """Invented names cannot fill the table of models; what happened to them still counts in the totals."""
    pattern = CONFIG + '[[models]]\nname = "*"\ntargets = [ { provider = "up" } ]\n'
    answers = [response(b"{}", status=404), response(b"{}"), response(b"{}", status=404)]
    gateway = Gateway(lambda _: answers.pop(0), pattern)
    for name in ("invented", "real", "real"):
        await gateway.post(CHAT, json.dumps({"model": name}).encode())
    assert gateway.ledger.models == ["real", "real"]
    assert [finish.entry for finish in gateway.ledger.finishes] == [0, 1, 2]


async def test_a_compressed_request_body_is_refused_and_the_refusal_says_so():
    """The gateway reads bodies as they are; it does not take a compressed one for broken JSON."""
    gateway = Gateway(lambda _: response(b"{}"))
    body = gzip.compress(b'{"model":"gpt"}')
    answer = await gateway.post("/v1/chat/completions", body, headers={"content-encoding": "gzip"})
    assert answer.status == 400
    assert b"content-encoding gzip" in answer.body
    assert gateway.transport.requests == []
