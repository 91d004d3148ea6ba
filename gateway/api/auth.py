"""Client keys: who may use the `/v1` routes."""

import hashlib
from collections.abc import Iterable

from gateway.config import ClientKey
from gateway.errors import AuthenticationError

RawHeader = tuple[bytes, bytes]


class Authenticator:
    """Knows only the digests of the keys; without any key every client is let in.

    The look-up is by digest, so its time tells nothing about a key.
    """

    def __init__(self, keys: Iterable[ClientKey]) -> None:
        self._names = {key.digest: key.name for key in keys}

    def authenticate(self, headers: Iterable[RawHeader]) -> str | None:
        """Return the name of the client's key, or None when the gateway has no keys.

        The key comes as `Authorization: Bearer KEY` or as `x-api-key: KEY`. Raises AuthenticationError.
        """
        if not self._names:
            return None
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
