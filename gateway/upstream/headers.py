"""Which headers go up to a provider and which come down to a client."""

from collections.abc import Iterable

RawHeaders = list[tuple[bytes, bytes]]

# RFC 9110, section 7.6.1, with the two that older agents still send.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_NEVER_UP = _HOP_BY_HOP | {
    # Written anew for the upstream request.
    b"host",
    b"content-length",
    b"expect",
    # The tap reads what comes back, so it has to come back as it is.
    b"accept-encoding",
    # The client's key is for the gateway only; a browser's cookies are nobody else's business.
    b"authorization",
    b"x-api-key",
    b"cookie",
    # Some providers take their key in these as well, and the client is not to choose it.
    b"api-key",
    b"x-goog-api-key",
    # Who stands behind the gateway is not the provider's concern, and what these say it might believe.
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-forwarded-server",
    b"x-real-ip",
    b"true-client-ip",
    b"cf-connecting-ip",
    # Some servers let these change the request that they have read.
    b"x-host",
    b"x-original-host",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
}

_NEVER_DOWN = _HOP_BY_HOP | {
    # The server in front of the client writes its own.
    b"content-length",
    b"date",
    b"server",
    # A provider that echoes what it was sent must not hand out its key.
    b"authorization",
    b"x-api-key",
    # A provider's cookies and transport promises belong to the connection between it and the gateway.
    b"set-cookie",
    b"alt-svc",
    b"strict-transport-security",
}


# The body is written anew.
_OF_THE_BODY = frozenset({b"content-type", b"content-encoding", b"content-digest", b"content-md5", b"etag", b"digest"})


def for_provider(client_headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return the client's headers that are passed on; names are lower case, as ASGI gives them."""
    return _filtered(list(client_headers), _NEVER_UP)


# What only a provider of the client's own protocol understands, and the SDK's account of itself.
_OF_A_PROTOCOL = (b"anthropic-", b"openai-", b"x-stainless-")


def for_other_protocol(headers: RawHeaders) -> RawHeaders:
    """Return what `for_provider` gave, as it fits a translated body for a provider of another protocol."""
    kept = [header for header in headers if not header[0].startswith(_OF_A_PROTOCOL) and header[0] not in _OF_THE_BODY]
    return [*kept, (b"content-type", b"application/json")]


def for_client(provider_headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
    """Return the provider's headers that are passed on, with their names in lower case, as ASGI wants them."""
    return _filtered([(name.lower(), value) for name, value in provider_headers], _NEVER_DOWN)


def without_body_headers(headers: RawHeaders) -> RawHeaders:
    """Return what `for_client` gave without what describes a body that the client does not get."""
    return [header for header in headers if header[0] not in _OF_THE_BODY]


def _filtered(headers: list[tuple[bytes, bytes]], dropped: frozenset[bytes]) -> RawHeaders:
    kept = [header for header in headers if header[0] not in dropped]
    connection = [value for name, value in headers if name == b"connection"]
    if connection:
        named_by_connection = {token.strip().lower() for value in connection for token in value.split(b",")}
        kept = [header for header in kept if header[0] not in named_by_connection]
    return kept


def is_event_stream(provider_headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the headers of a response announce server-sent events."""
    kind = next((value for name, value in provider_headers if name.lower() == b"content-type"), b"")
    return kind.lower().startswith(b"text/event-stream")
