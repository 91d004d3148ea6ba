"""How a protocol carries the reasoning signature of a provider of another one.

A signature is a string that only its maker can check. Towards a client it is wrapped,
`SIGNED-BY-ANOTHER-PROVIDER.<origin>.<value>`, in the place where the client's protocol has its own signatures, so that
it comes back with the next request; a signature that is not wrapped is native. Towards a provider only the provider's
own go: a foreign one is refused by it ("Invalid signature in thinking block"), so the encoders of requests drop that
block of reasoning, and `foreign` takes it out of a request that is passed on.
"""

from gateway.protocol.conversation import Origin, Signature

WRAPPED = "SIGNED-BY-ANOTHER-PROVIDER."
"""How a wrapped signature begins. Every body that is passed on is searched for it: a long mark is found, or not, in a
third of the time of a short one, because the search skips as many bytes at a time; capitals are rare in what it skips.
"""
_REDACTED = "+redacted"
_ORIGINS = {str(origin): origin for origin in Origin}


def wrap(signature: Signature, native: Origin) -> str:
    """Return the string that carries `signature` in the protocol `native`."""
    if signature.origin is native:
        return signature.value
    redacted = _REDACTED if signature.redacted else ""
    return f"{WRAPPED}{signature.origin}{redacted}.{signature.value}"


def unwrap(carried: str, native: Origin, *, redacted: bool = False) -> Signature:
    """Return the signature in a string of the protocol `native`; `redacted` holds for a native one."""
    if carried.startswith(WRAPPED):
        label, _, value = carried.removeprefix(WRAPPED).partition(".")
        origin = _ORIGINS.get(label.removesuffix(_REDACTED))
        if origin is not None:
            return Signature(origin, value, redacted=label.endswith(_REDACTED))
    return Signature(native, carried, redacted=redacted)
