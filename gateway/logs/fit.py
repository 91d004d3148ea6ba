"""Shorten a JSON object to a number of bytes, so that it stays valid JSON and says where it was cut."""

from typing import Any, Final

import msgspec

CUT: Final = "…"


def fit(payload: bytes, room: int) -> bytes:
    """The JSON object `payload` in at most `room` bytes (at least 64): its longest strings are cut and end in "…".

    An object that does not fit even without its texts keeps its event only, and so does one that is not JSON.
    """
    if len(payload) <= room:
        return payload
    try:
        record: dict[str, Any] = msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return msgspec.json.encode({"event": "a record that is not JSON was too long for the ring"})
    # All strings longer than one common limit are cut to it: the largest limit that fits, by bisection.
    shortened = _largest(record, room, high=room)
    return shortened or _largest({"event": str(record.get("event", ""))}, room, high=room) or b'{"event":""}'


def _largest(record: dict[str, Any], room: int, *, high: int) -> bytes | None:
    best = None
    low = 0
    while low <= high:
        middle = (low + high) // 2
        encoded = msgspec.json.encode(_cut(record, middle))
        if len(encoded) <= room:
            best, low = encoded, middle + 1
        else:
            high = middle - 1
    return best


def _cut(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else value[:limit] + CUT
    if isinstance(value, dict):
        return {name: _cut(entry, limit) for name, entry in value.items()}
    if isinstance(value, list):
        return [_cut(entry, limit) for entry in value]
    return value
