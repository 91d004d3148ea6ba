"""Reasoning in chat: the extensions `reasoning_content` (DeepSeek, llama.cpp) and `reasoning_details` (OpenRouter).

`reasoning_content` and `reasoning` are text alone. `reasoning_details` also carries signatures and encrypted reasoning,
with a `format` that names their maker. A client's details therefore tell whose they are (`ORIGINS`); those of a chat
provider are the provider's own whatever they say, and keep their format, so that they go back unchanged.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from gateway.protocol.conversation import Origin, Reasoning, Signature
from gateway.protocol.signature import WRAPPED

_FORMATS = {Origin.MESSAGES: "anthropic-claude-v1", Origin.RESPONSES: "openai-responses-v1"}
ORIGINS: Mapping[str, Origin] = {name: origin for origin, name in _FORMATS.items()}


class Detail(msgspec.Struct):
    """One of `reasoning_details`."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    format: str | None = None


def reasoning_of(details: Iterable[Detail] | None, text: str | None, origins: Mapping[str, Origin]) -> list[Reasoning]:
    """Return the reasoning of a message: its details, or without them its plain text.

    `origins` names the maker of a signature by its format; a format that is not in it is a chat provider's.
    """
    found = [part for detail in details or () for part in _reasoning(detail, origins)]
    return found or ([Reasoning(text)] if text else [])


def _reasoning(detail: Detail, origins: Mapping[str, Origin]) -> list[Reasoning]:
    redacted = detail.type == "reasoning.encrypted"
    text = "" if redacted else detail.text or detail.summary or ""
    value = detail.data if redacted else detail.signature
    if not value:
        return [Reasoning(text)] if text else []
    origin = origins.get(detail.format or "", Origin.CHAT)
    carried = f"{detail.format or 'unknown'} {value}" if origin is Origin.CHAT else value
    return [Reasoning(text, Signature(origin, carried, redacted))]


def detail_of(text: str, signature: Signature, index: int) -> dict[str, Any]:
    """Return the member of `reasoning_details` that carries `signature`, of the reasoning `text`."""
    form, value = _FORMATS.get(signature.origin), signature.value
    said: dict[str, Any] = {}
    if form is None:
        form, _, value = value.partition(" ")
    else:
        # The id tells it from a detail of the same format that a chat provider gave, and gets back.
        said["id"] = f"{WRAPPED}{signature.origin}"
    if signature.redacted:
        return said | {"type": "reasoning.encrypted", "data": value, "format": form, "index": index}
    return said | {"type": "reasoning.text", "text": text, "signature": value, "format": form, "index": index}
