"""What routing needs to know of a request body, and the two changes that passing it on may need."""

from typing import Any

import msgspec

from gateway.protocol.errors import MalformedRequest

# The longest names in use, fine-tuned models of hosting providers, have about a hundred characters.
MAX_MODEL_LENGTH = 256


class RequestHead(msgspec.Struct, frozen=True):
    """The members that decide the way of a request; all others are the provider's business."""

    model: str
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None

    @property
    def asks_for_usage(self) -> bool:
        """Whether the client of an OpenAI stream wants the usage chunk."""
        return self.stream_options is not None and self.stream_options.get("include_usage") is True


_head_decoder = msgspec.json.Decoder(RequestHead)
_members_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def parse_head(body: bytes) -> RequestHead:
    """Read the head of a JSON request body.

    Raises MalformedRequest when the body is not JSON, or when `model` is missing, empty or not a string.
    """
    if not body.strip():
        raise MalformedRequest("The request body is empty; a JSON object with a `model` is needed.")
    try:
        head = _head_decoder.decode(body)
    except msgspec.ValidationError as error:
        field = _field_of(str(error))
        raise MalformedRequest(f"The request body is not valid: {error}.", field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequest(f"The request body is not valid JSON: {error}.") from None
    except RecursionError:
        raise MalformedRequest("The request body is nested too deeply.") from None
    if not 0 < len(head.model) <= MAX_MODEL_LENGTH:
        raise MalformedRequest(f"`model` must have 1 to {MAX_MODEL_LENGTH} characters.", "model")
    return head


def rewrite(body: bytes, *, model: str | None = None, include_usage: bool = False) -> bytes:
    """Return `body` with another model name, or with the usage chunk asked for.

    Every other member keeps its bytes and its place; only white space between the top-level members is lost.
    """
    members = _members_decoder.decode(body)
    if model is not None:
        members["model"] = msgspec.Raw(_encoder.encode(model))
    if include_usage:
        options = msgspec.json.decode(members.get("stream_options", b"null"), type=dict[str, msgspec.Raw] | None) or {}
        options["include_usage"] = msgspec.Raw(b"true")
        members["stream_options"] = msgspec.Raw(_encoder.encode(options))
    return _encoder.encode(members)


def _field_of(message: str) -> str | None:
    """The field that a msgspec message is about: "... missing required field `model`" or "... - at `$.model`"."""
    _, _, field = message.partition("`$.")
    if not field and "required field `" in message:
        field = message.partition("required field `")[2]
    return field.partition("`")[0] or None
