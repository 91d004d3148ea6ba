"""Client keys: who may use the `/v1` routes."""

import hashlib
from collections.abc import Iterable

from gateway.config import ClientKey, is_loopback
from gateway.errors import AuthenticationError

RawHeader = tuple[bytes, bytes]

# The two that nearly every request comes from; any other address is parsed.
_OURSELVES = frozenset({"127.0.0.1", "::1"})


class Authenticator:
    """Knows only the digests of the keys; without any key every client on this machine is let in.

    The look-up is by digest, so its time tells nothing about a key. `gateway serve` refuses to listen beyond this
    machine without keys; under another supervisor the address is not ours to choose, so the door is watched here too.
    """

    def __init__(self, keys: Iterable[ClientKey], *, open_to_all: bool = False) -> None:
        self._names = {key.digest: key.name for key in keys}
        self._open_to_all = open_to_all

    def authenticate(self, headers: Iterable[RawHeader], client: tuple[str, int] | None) -> str | None:
        """Return the name of the client's key, or None when the gateway has no keys.

        The key comes as `Authorization: Bearer KEY` or as `x-api-key: KEY`; `client` is the address and port that the
        request comes from, None over a Unix socket. Raises AuthenticationError.
        """
        if not self._names:
            if self._open_to_all or client is None or client[0] in _OURSELVES or is_loopback(client[0]):
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


def _keys_in(headers: Iterable[RawHeader]) -> Iterable[bytes]:
    for name, value in headers:
        if name == b"x-api-key":
            yield value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            yield value[7:].strip()
