"""Client keys."""

import hashlib

import pytest

from gateway.api.auth import Authenticator
from gateway.config import ClientKey
from gateway.errors import AuthenticationError

KEYS = [ClientKey(name=name, digest=hashlib.sha256(key).digest()) for name, key in (("a", b"key-a"), ("b", b"key-b"))]
LOCAL = ("127.0.0.1", 5)


@pytest.mark.parametrize("client", [LOCAL, ("127.9.9.9", 5), ("::1", 5), ("::ffff:127.0.0.1", 5), None])
def test_without_keys_every_client_on_this_machine_is_let_in(client: tuple[str, int] | None):
    """Whatever it sends."""
    assert Authenticator([]).authenticate([(b"authorization", b"Bearer x")], client) is None


@pytest.mark.parametrize("client", [("192.0.2.7", 5), ("2001:db8::1", 5), ("nonsense", 5)])
def test_without_keys_clients_from_elsewhere_need_the_operators_word(client: tuple[str, int]):
    """A server that somebody else bound to every interface is no open door to the providers' keys."""
    with pytest.raises(AuthenticationError):
        Authenticator([]).authenticate([], client)
    assert Authenticator([], open_to_all=True).authenticate([], client) is None


@pytest.mark.parametrize(
    "header", [(b"authorization", b"Bearer key-b"), (b"authorization", b"bearer  key-b "), (b"x-api-key", b"key-b")]
)
def test_a_key_is_known_in_both_headers(header: tuple[bytes, bytes]):
    """The OpenAI SDK sends the one, the Anthropic SDK the other."""
    assert Authenticator(KEYS).authenticate([(b"accept", b"*/*"), header], None) == "b"


def test_one_good_key_among_two_headers_is_enough():
    """A coding agent may send its own token beside the key of the gateway."""
    headers = [(b"authorization", b"Bearer other"), (b"x-api-key", b"key-a")]
    assert Authenticator(KEYS).authenticate(headers, LOCAL) == "a"


@pytest.mark.parametrize(
    "headers", [[], [(b"authorization", b"Basic key-a")], [(b"x-api-key", b"key")], [(b"x-api-key", b"")]]
)
def test_a_missing_or_unknown_key_is_refused_without_being_repeated(headers: list[tuple[bytes, bytes]]):
    """The error does not quote what was sent."""
    with pytest.raises(AuthenticationError) as caught:
        Authenticator(KEYS).authenticate(headers, LOCAL)
    assert "key-a" not in caught.value.message
