"""Failures between protocols: what a provider's error says, and the status that says it to a client.

| meaning        | Anthropic                  | OpenAI                                            |
|----------------|----------------------------|---------------------------------------------------|
| too many calls | 429 rate_limit_error       | 429 rate_limit_error                              |
| overloaded     | 529 overloaded_error       | 503 server_error, code `overloaded`               |
| too slow       | 504 timeout_error (or 408) | 504 server_error                                  |
| too large      | 413 request_too_large      | 413 invalid_request_error                         |
| its own fault  | 500 api_error              | 500 server_error                                  |

Other statuses mean the same in all protocols. Inside a stream there is no status: Anthropic's error types name it, and
OpenAI's in-band errors carry a code, which some servers (llama.cpp) give as a number.
"""

from typing import Any

import msgspec

from gateway.protocol.conversation import Origin
from gateway.protocol.events import Failure
from gateway.protocol.sse import parse_event
from gateway.protocol.wire import decode_answer

OVERLOADED = "overloaded"

_ANTHROPIC = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_OPENAI = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "overloaded_error": 503,
    OVERLOADED: 503,
}
# The text of a provider's error is passed on up to this length, in characters.
_MAX_MESSAGE = 4000
_MAX_PLAIN_TEXT = 1000


class _Error(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None


_json = msgspec.json.Decoder()


def failure_in(provider: Origin, data: bytes, status: int | None) -> Failure | None:
    """Return what an error body (with its HTTP status) or an in-band error (without) says; None if it is none."""
    said = decode_answer(_json, data)
    error = _error_in(said)
    if error is None and status is not None:
        error = _plain_text(data, is_object=isinstance(said, dict) and bool(said))
    if error is None:
        return None
    return failure_of(provider, error.message, error.type, error.code, status, param=error.param)


def failure_in_event(provider: Origin, raw: bytes) -> Failure | None:
    """Return what a raw event says if it is an error, None for any other."""
    # No error goes without the word, and hardly any other event that begins a stream has it.
    return failure_in(provider, parse_event(raw).data, None) if b"error" in raw else None


def _error_in(said: Any) -> _Error | None:
    """Read the shapes of OpenAI and Anthropic, vLLM (the members at the top), FastAPI (`detail`), Google (a list)."""
    match said:
        case [dict(first), *_]:
            return _error_in(first)
        case {"error": str(text)} if text:
            return _Error(text)
        case {"error": dict(error)} if error:
            return _members(error)
        case {"message": str(text)} if text:
            return _members(said)
        case {"detail": str(text)} if text:
            return _Error(text)
        case {"detail": [*faults]} if texts := [text for fault in faults if (text := _fault(fault))]:
            return _Error("; ".join(texts))
        case {"detail": {"error": dict(inner)}} | {"detail": {"message": str()} as inner}:
            return _members(inner)
    return None


def _members(error: dict[str, Any]) -> _Error:
    text, kind, code, param = error.get("message"), error.get("type"), error.get("code"), error.get("param")
    return _Error(
        text if isinstance(text, str) else "",
        kind if isinstance(kind, str) else None,
        code if isinstance(code, str | int | float) else None,
        param if isinstance(param, str) else None,
    )


def _fault(fault: Any) -> str:
    """Return one of FastAPI's findings, behind the path of the field."""
    match fault:
        case {"loc": [*path], "msg": str(text)}:
            return f"{'.'.join([str(step) for step in path])}: {text}"
        case {"msg": str(text)} | str(text):
            return text
    return ""


def _plain_text(data: bytes, *, is_object: bool) -> _Error | None:
    """Return the text of a body that is no page and not binary, and of JSON only an object of an unknown shape."""
    try:
        text = str(data, "utf-8").strip()
    except UnicodeDecodeError:
        return None
    if (
        not text
        or (text[0] in '<{["' and not is_object)
        or not text.replace("\n", " ").replace("\r", " ").replace("\t", " ").isprintable()
    ):
        return None
    return _Error(text[:_MAX_PLAIN_TEXT])


def failure_of(
    provider: Origin,
    message: str,
    kind: str | None,
    code: str | int | float | None,
    status: int | None = None,
    *,
    param: str | None = None,
) -> Failure:
    """Return the failure with the status that `kind` or `code` stands for, unless HTTP has said it; else 502."""
    if status is None:
        known = _ANTHROPIC if provider is Origin.MESSAGES else _OPENAI
        number = int(code) if isinstance(code, int | float) else int(code) if code and code.isdecimal() else 0
        status = number if 400 <= number < 600 else known.get(str(code), known.get(str(kind), 502))
    text = message[:_MAX_MESSAGE] or f"The provider answered with an error of type {kind or code or 'unknown'}."
    is_overload = status in (503, 529) and (status == 529 or "overload" in f"{kind} {code} {message}".lower())
    return Failure(status, text, OVERLOADED if is_overload else code if isinstance(code, str) else None, param)


def failure_between(client: str, provider: str, status: int, body: bytes, *, otherwise: str) -> Failure:
    """Return what an error response of a provider says to a client, both by the names of their dialects.

    `otherwise` is the text for a body that has none.
    """
    origin = Origin(provider)
    said = failure_in(origin, body, status) or failure_of(origin, otherwise, None, None, status)
    return for_client(Origin(client), said)


def failure_told(client: str, provider: str, body: bytes) -> Failure | None:
    """Return what the error says that a provider sent under a 200, by the names of dialects; None for no error."""
    said = failure_in(Origin(provider), body, None)
    return for_client(Origin(client), said) if said is not None else None


def for_client(client: Origin, failure: Failure) -> Failure:
    """Return the failure with the status that says the same in the client's protocol."""
    if failure.code != OVERLOADED:
        return failure
    return msgspec.structs.replace(failure, status=529 if client is Origin.MESSAGES else 503)
