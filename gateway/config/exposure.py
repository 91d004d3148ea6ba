"""Who can reach an address, and whether that asks for client keys."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from gateway.config.settings import Settings
from gateway.errors import ConfigError

# Never delegated to anybody: RFC 6761, RFC 6762, and ICANN's reservation of .internal, which Docker uses.
_PRIVATE_DOMAINS: Final = frozenset({"localhost", "local", "internal", "test", "invalid"})


def check_exposure(settings: Settings) -> None:
    """Raise ConfigError if anyone on the network could use the providers' keys without a key of their own."""
    if settings.keys or settings.no_auth or is_loopback(settings.server.host):
        return
    raise ConfigError(
        f"{settings.source or 'settings'}: server.host {settings.server.host!r} is open to others and there are no "
        "client keys; add a [[keys]] entry, listen on 127.0.0.1, or say --no-auth"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`; a name other than localhost counts as reachable."""
    if host.lower() in ("localhost", "ip6-localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_public_name(host: str) -> bool:
    """Whether a host may be a name that anybody on the internet can register, and point to any address."""
    name = host.lower().rstrip(".")
    if "." not in name or name.rpartition(".")[2] in _PRIVATE_DOMAINS:
        return False
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return True
    return False


def is_sent_in_the_clear(url: str) -> bool:
    """Whether what is sent to this URL can be read on a network on the way."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
