"""JSON in and out of the wire: typed decoding whose every error names the field.

Requests are decoded in layers: the top level into a typed struct, its lists into raw items, each item into a struct of
its own. The path to an item is therefore known when it is wrong, and what no protocol decoder reads (the schema of a
tool) is passed on as the bytes that it was.

JSON allows escapes of half a surrogate pair, which no UTF-8 text can hold. In a request that is refused. In an answer
it is replaced: a provider that cuts its text between the two halves of an emoji must not cost the client its answer.
"""

import re
from typing import Annotated, TypeVar

import msgspec

from gateway.protocol.errors import MalformedRequest, shortened

T = TypeVar("T")

# Whole tokens of any model fit; a number that does not fit into four bytes is a mistake.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Real = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

encode = msgspec.json.Encoder().encode

# What msgspec says without quoting the client is shorter.
_MAX_REASON_LENGTH = 120

_SURROGATE = re.compile(rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F]..")


def decode_request(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a whole request body. Raises MalformedRequest."""
    try:
        str(body, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The request body is not valid UTF-8 at byte {error.start}.") from None
    return decode_at(decoder, body, "")


def decode_at(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw, path: str) -> T:
    """Decode the value that stands at `path` of a request. Raises MalformedRequest, which names the field in it."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        said_whole = str(error)
        # The place is at the end; before it stands what the client wrote, of any length.
        reason, has_place, inner = said_whole.rpartition(" - at `$")
        reason = shortened(reason if has_place else said_whole, _MAX_REASON_LENGTH)
        field = path + inner.rstrip("`") if has_place else path
        if "required field `" in reason:
            field += "." + reason.partition("required field `")[2].partition("`")[0]
        field = field.lstrip(".")
        where = f"`{field}`" if field else "The request body"
        raise MalformedRequest(f"{where} is not valid: {reason}.", field or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = f"`{path}`" if path else "The request body"
        raise MalformedRequest(f"{where} is not valid JSON: {error}.", path or None) from None
    except RecursionError:
        where = f"`{path}`" if path else "The request body"
        raise MalformedRequest(f"{where} is nested too deeply.", path or None) from None


def said(raw: bytes | msgspec.Raw) -> bool:
    """Whether an optional member is there and not null."""
    return bytes(raw) not in (b"", b"null")


def decode_answer(decoder: msgspec.json.Decoder[T], data: bytes) -> T | None:
    """Decode what a provider sent; None if it cannot be read."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        repaired = _SURROGATE.sub(lambda match: match[1] or rb"\ufffd", data)
        try:
            return decoder.decode(repaired.decode("utf-8", "replace"))
        except (msgspec.DecodeError, RecursionError):
            return None


_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def object_text(text: str) -> str | None:
    """Return `text` if it is a JSON object, `{}` for an empty one (a call without arguments), else None."""
    if not text.strip():
        return "{}"
    try:
        _object_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return text


def is_object(data: bytes) -> bool:
    """Whether what a provider sent is a JSON object in UTF-8."""
    try:
        str(data, "utf-8")
        _object_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
