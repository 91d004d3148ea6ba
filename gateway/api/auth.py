"""Client keys: who may use the `/v1` routes.

Without keys whoever is on this machine is let in, and that is not only its users: a page in their browser can send
requests to 127.0.0.1 from any site (`origin` names the site), or under a name of its own that it has pointed there
(`host` names it; DNS rebinding). Neither may spend the providers' money.
"""

import hashlib
from collections.abc import Iterable
from urllib.parse import urlsplit

from gateway.config import ClientKey, is_loopback, is_public_name
from gateway.errors import AuthenticationError

RawHeader = tuple[bytes, bytes]

# The two that nearly every request comes from; any other address is parsed.
_OURSELVES = frozenset({"127.0.0.1", "::1"})
# Enough for the names of one machine; a stranger cannot fill the memory with others.
_MOST_KNOWN = 64


class Authenticator:
    """Knows only the digests of the keys; without any key every client on this machine is let in, web pages excepted.

    Digests are looked up, not keys compared: how long that takes depends on the SHA-256 of what was sent, which tells
    nothing about a key. `gateway serve` refuses to listen beyond this
    machine without keys; under another supervisor the address is not ours to choose, so the door is watched here too.
    """

    def __init__(self, keys: Iterable[ClientKey], *, open_to_all: bool = False) -> None:
        self._names = {key.digest: key.name for key in keys}
        self._open_to_all = open_to_all
        self._known_here: set[tuple[bytes, bytes]] = set()

    def authenticate(self, headers: Iterable[RawHeader], client: tuple[str, int] | None) -> str | None:
        """Return the name of the client's key, or None when the gateway has no keys.

        The key comes as `Authorization: Bearer KEY` or as `x-api-key: KEY`; `client` is the address and port that the
        request comes from, None over a Unix socket. Raises AuthenticationError.
        """
        if not self._names:
            if self._open_to_all:
                return None
            if client is None or client[0] in _OURSELVES or is_loopback(client[0]):
                self._check_no_web_page(headers)
                return None
            raise AuthenticationError("This gateway has no client keys, so it serves only clients on its own machine.")
        given = list(_keys_in(headers))
        for key in given:
            name = self._names.get(hashlib.sha256(key).digest())
            if name is not None:
                return name
        if given:
            raise AuthenticationError("The client key is not known to this gateway.")
        raise AuthenticationError(
            "A client key is needed: send it as `Authorization: Bearer KEY` or as `x-api-key: KEY`."
        )

    def _check_no_web_page(self, headers: Iterable[RawHeader]) -> None:
        known = self._known_here
        for header in headers:
            if (header[0] == b"host" or header[0] == b"origin") and header not in known:
                name, value = header[0].decode(), header[1].decode("latin-1")
                if _is_from_the_web(name, value):
                    raise AuthenticationError(
                        f"This gateway has no client keys, so it serves only its own machine, and the {name} "
                        f"{value:.100} is not of this machine; with a [[keys]] entry it serves whoever has the key."
                    )
                if len(known) < _MOST_KNOWN:
                    known.add(header)


def _is_from_the_web(name: str, value: str) -> bool:
    """Whether a `host` is a public name; or an `origin` a site with one, or one that hides where it is from."""
    try:
        parts = urlsplit(value if name == "origin" else f"//{value}")
        host = parts.hostname or ""
    except ValueError:
        return True
    if name == "origin" and parts.scheme not in ("http", "https"):
        # Those of desktop applications and browser extensions, which their user has installed.
        return value == "null"
    return is_public_name(host)


def _keys_in(headers: Iterable[RawHeader]) -> Iterable[bytes]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            yield value[7:].strip()
