"""Images and documents: data URLs, and the media types that providers take."""

import re

from gateway.protocol.conversation import CacheMark, Document, Image
from gateway.protocol.errors import MalformedRequest

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)

# `image/jpg` is no registered type, but clients write it, and Anthropic refuses it.
_SPELLINGS = {"image/jpg": "image/jpeg"}
# All three protocols name these four.
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def image_type(media_type: str, field: str) -> str:
    """Return the registered name of an image type. Raises MalformedRequest for a type that no provider takes."""
    name = media_type.strip().lower()
    name = _SPELLINGS.get(name, name)
    if name not in _IMAGE_TYPES:
        raise MalformedRequest(f"`{field}` must be an image of type jpeg, png, gif or webp.", field)
    return name


def image_at(url: str, detail: str | None, field: str, cache: CacheMark | None = None) -> Image:
    """Return the image behind an http or a data URL. Raises MalformedRequest for another scheme, naming `field`."""
    if inline := _DATA_URL.match(url):
        return Image(image_type(inline[1], field), url[inline.end() :], detail=detail, cache=cache)
    if url.startswith(("https://", "http://")):
        return Image(url=url, detail=detail, cache=cache)
    raise MalformedRequest(f"`{field}` must be an http, https or base64 data URL.", field)


def document_in(data_url: str, name: str | None, field: str, cache: CacheMark | None = None) -> Document:
    """Return the document in a base64 data URL. Raises MalformedRequest for anything else, naming `field`."""
    inline = _DATA_URL.match(data_url)
    if inline is None:
        raise MalformedRequest(f"`{field}` must be a base64 data URL; the gateway stores no files.", field)
    return Document(inline[1], data_url[inline.end() :], name=name, cache=cache)


def url_of(media: Image | Document) -> str:
    """Return the http or data URL of an image or a document."""
    return media.url or f"data:{media.media_type};base64,{media.data}"
