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

import msgspec

from gateway.protocol.conversation import Origin
from gateway.protocol.events import Failure
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
# The text of a provider's error is passed on up to this length; a longer one is a page, not a message.
_MAX_MESSAGE = 4000


class _Error(msgspec.Struct):
    message: str = ""
    type: str | None = None
    code: str | int | float | None = None


class _Envelope(msgspec.Struct):
    error: _Error | str | None = None
    message: str | None = None
    detail: str | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def failure_in(provider: Origin, data: bytes, status: int | None) -> Failure | None:
    """Return what an error body (with its HTTP status) or an in-band error (without) says; None if it is none."""
    envelope = decode_answer(_envelope, data)
    if envelope is None:
        return None
    error = envelope.error
    if isinstance(error, str):
        error = _Error(error)
    elif error is None:
        text = envelope.message or envelope.detail
        if not text:
            return None
        error = _Error(text)
    return failure_of(provider, error.message, error.type, error.code, status)


def failure_of(
    provider: Origin, message: str, kind: str | None, code: str | int | float | None, status: int | None = None
) -> Failure:
    """Return the failure with the status that `kind` or `code` stands for, unless HTTP has said it; else 502."""
    if status is None:
        known = _ANTHROPIC if provider is Origin.MESSAGES else _OPENAI
        number = int(code) if isinstance(code, int | float) else int(code) if code and code.isdecimal() else 0
        status = number if 400 <= number < 600 else known.get(str(code), known.get(str(kind), 502))
    text = message[:_MAX_MESSAGE] or f"The provider answered with an error of type {kind or code or 'unknown'}."
    is_overload = status in (503, 529) and (status == 529 or "overload" in f"{kind} {code} {message}".lower())
    return Failure(status, text, OVERLOADED if is_overload else code if isinstance(code, str) else None)


def failure_between(client: str, provider: str, status: int, body: bytes, *, otherwise: str) -> Failure:
    """Return what an error response of a provider says to a client, both by the names of their dialects.

    `otherwise` is the text for a body that has none.
    """
    origin = Origin(provider)
    said = failure_in(origin, body, status) or failure_of(origin, otherwise, None, None, status)
    return for_client(Origin(client), said)


def for_client(client: Origin, failure: Failure) -> Failure:
    """Return the failure with the status that says the same in the client's protocol."""
    if failure.code != OVERLOADED:
        return failure
    return Failure(529 if client is Origin.MESSAGES else 503, failure.message, OVERLOADED)
