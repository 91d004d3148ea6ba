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
    "header",
    [
        (b"host", b"evil.example"),
        (b"host", b"127.0.0.1.evil.example:8000"),
        (b"host", b"localhost.evil.example"),
        (b"host", b"[::1"),
        (b"origin", b"https://evil.example"),
        (b"origin", b"http://evil.example.:8000"),
        (b"origin", b"null"),
    ],
)
def test_without_keys_no_web_page_is_let_in(header: tuple[bytes, bytes]):
    """Neither from another site nor under a name that was pointed here; with the operator's word it is."""
    for headers in ([header], [(b"host", b"localhost:8000"), header]):
        with pytest.raises(AuthenticationError):
            Authenticator([]).authenticate(headers, LOCAL)
        assert Authenticator([], open_to_all=True).authenticate(headers, LOCAL) is None
    assert Authenticator(KEYS).authenticate([header, (b"x-api-key", b"key-a")], LOCAL) == "a"


@pytest.mark.parametrize(
    "header",
    [
        (b"host", b"127.0.0.1:8000"),
        (b"host", b"[::1]:8000"),
        (b"host", b"localhost"),
        (b"host", b"gateway"),
        (b"host", b"host.docker.internal:8000"),
        (b"host", b""),
        (b"origin", b"http://localhost:3000"),
        (b"origin", b"http://app.localhost"),
        (b"origin", b"vscode-file://vscode-app"),
    ],
)
def test_without_keys_names_of_this_machine_are_let_in(header: tuple[bytes, bytes]):
    """Containers, local web interfaces and desktop applications, again and again."""
    authenticator = Authenticator([])
    for _ in range(2):
        assert authenticator.authenticate([header], LOCAL) is None
    for number in range(1000):
        authenticator.authenticate([(b"host", b"127.0.0.1:%d" % number)], LOCAL)
    assert len(authenticator._known_here) <= 64


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
