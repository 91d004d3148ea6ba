"""Whatever a client sends is served or refused in its own protocol; nothing that it writes is the gateway's fault."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core import NotSet

from tests.support.asgi import Answer
from tests.support.requests import REAL, damaged
from tests.support.speaking import MODELS, PATHS, SpeakingGateway, check_error, check_served_or_refused

Json = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _running() -> Iterator[None]:
    """One event loop for all examples, since an application belongs to one."""
    with asyncio.Runner() as runner:
        loops.append(runner)
        yield
        loops.clear()
        gateway.cache_clear()


loops: list[asyncio.Runner] = []


@cache
def gateway() -> SpeakingGateway:
    """One application for all examples."""
    return SpeakingGateway()


def send(method: str, path: str, body: bytes) -> Answer:
    """Send one request and return its answer."""
    return loops[0].run(gateway().request(method, path, body))


@cache
def document() -> Json:
    """The gateway's own description of itself."""
    document: Json = json.loads(send("GET", "/openapi.json", b"").body)
    return document


@cache
def validator(name: str) -> Any:
    """What checks an answer against a schema of the document."""
    whole = {"components": document()["components"], "$ref": f"#/components/schemas/{name}"}
    return jsonschema_rs.validator_for(whole)


def drawn(path: str, *modes: GenerationMode) -> st.SearchStrategy[Any]:
    """Requests to a route as the document describes them, or as it forbids them."""
    operation = schemathesis.openapi.from_dict(document())[path]["POST"]
    return st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))


ANSWERS = {
    "chat": "ChatCompletion",
    "messages": "Message",
    "responses": "Response",
    "embeddings": "Embeddings",
    "count_tokens": "TokenCount",
}
# What a provider of the client's protocol is sent as it came; what it thinks of it is its own business.
NATIVE = {
    "chat": "chatty",
    "messages": "wordy",
    "responses": "chatty",
    "embeddings": "chatty",
    "count_tokens": "wordy",
}


@pytest.mark.parametrize("operation", PATHS)
@given(data=st.data())
@settings(max_examples=12)
def test_what_the_document_allows_is_served_natively(operation: str, data: st.DataObject):
    """Every request that fits the document reaches a provider of its protocol, and its answer fits the document too."""
    case = data.draw(drawn(PATHS[operation], GenerationMode.POSITIVE))
    answer = send("POST", PATHS[operation], json.dumps({**case.body, "model": NATIVE[operation]}).encode())
    assert check_served_or_refused(gateway(), operation, NATIVE[operation], answer)
    if answer.headers["content-type"] == "application/json":
        validator(ANSWERS[operation]).validate(json.loads(answer.body))


@pytest.mark.parametrize("operation", PATHS)
@given(data=st.data())
@settings(max_examples=20)
def test_what_the_document_describes_or_forbids_is_served_or_refused(operation: str, data: st.DataObject):
    """By every kind of provider, translated or not: a good answer, or a 4xx in the client's envelope."""
    case = data.draw(drawn(PATHS[operation], GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
    model = data.draw(st.sampled_from(MODELS))
    body = case.body
    if isinstance(body, dict):
        body = {**body, "model": model}
    wire = b"" if isinstance(body, NotSet) else body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = send("POST", PATHS[operation], wire)
    if not check_served_or_refused(gateway(), operation, model, answer):
        error = "OpenAIError" if operation in ("chat", "responses", "embeddings") else "AnthropicError"
        validator(error).validate(json.loads(answer.body))
    elif answer.headers["content-type"] == "application/json":
        validator(ANSWERS[operation]).validate(json.loads(answer.body))


@pytest.mark.parametrize("operation", ["chat", "messages", "responses", "count_tokens"])
@given(data=st.data())
@settings(max_examples=40)
def test_a_damaged_request_is_served_or_refused(operation: str, data: st.DataObject):
    """Real requests of coding agents, with wrong shapes, unknown types, half surrogates and deep nesting in them."""
    body = data.draw(damaged("messages" if operation == "count_tokens" else operation))
    model = data.draw(st.sampled_from(MODELS))
    was = json.dumps(REAL["messages" if operation == "count_tokens" else operation]["model"]).encode()
    body = body.replace(was, json.dumps(model).encode(), 1)
    check_served_or_refused(gateway(), operation, model, send("POST", PATHS[operation], body))


GARBAGE = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: json.dumps(text).encode()),
    st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 100_000, b'{"model":"\\ud800"}', b'{"model":1e999}', b"\xef\xbb\xbf{}"]
    ),
)


@pytest.mark.parametrize("operation", PATHS)
@given(body=GARBAGE)
def test_garbage_is_refused(operation: str, body: bytes):
    """What is no request at all is a 400 in the client's envelope."""
    answer = send("POST", PATHS[operation], body)
    assert answer.status == 400
    check_error(operation, answer)


# Every value of a request, replaced in turn by something that no protocol knows.
ODD: list[Any] = ["\ud800", [[[[]]]], {"type": "\udfff"}, 1e300, -1, 2**70, True, None, "", {"type": "blob"}]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("operation", ["chat", "messages", "responses"])
@given(odd=st.sampled_from(ODD), name=st.data())
@settings(max_examples=20)
def test_an_odd_value_in_any_member_is_served_or_refused(operation: str, model: str, odd: Any, name: st.DataObject):
    """Lone surrogates, huge numbers, wrong types: in any member of a real request, for any provider."""
    body = {**REAL[operation], "model": model}
    body[name.draw(st.sampled_from(sorted(set(body) - {"model"})))] = odd
    answer = send("POST", PATHS[operation], json.dumps(body).encode())
    check_served_or_refused(gateway(), operation, model, answer)
