"""Shortening a record to its slot."""

import msgspec

from gateway.logs.fit import fit


def test_what_fits_is_left_alone() -> None:
    """A payload that has room is the same object."""
    payload = b'{"event":"x"}'
    assert fit(payload, len(payload)) is payload


def test_the_longest_string_is_cut_at_a_character() -> None:
    """Only long strings are cut, between characters, and the result is marked and uses the room."""
    record = {"event": "e", "short": "kept", "list": ["é" * 300], "n": 7}
    fitted = fit(msgspec.json.encode(record), 100)
    decoded = msgspec.json.decode(fitted)
    assert 96 <= len(fitted) <= 100
    assert (decoded["short"], decoded["n"]) == ("kept", 7)
    assert decoded["list"][0].strip("é") == "…"


def test_escapes_are_not_cut_apart() -> None:
    """A string of characters that JSON escapes is cut between escapes."""
    fitted = fit(msgspec.json.encode({"event": '"\n\x01' * 100}), 80)
    assert len(fitted) <= 80
    assert msgspec.json.decode(fitted)["event"].endswith("…")


def test_too_many_fields_leave_the_event() -> None:
    """What does not fit without its texts keeps the event."""
    record = {"event": "many", **{f"field{n}": n for n in range(100)}}
    assert msgspec.json.decode(fit(msgspec.json.encode(record), 64)) == {"event": "many"}


def test_what_is_not_json_is_named() -> None:
    """A payload that is no JSON object is replaced by a record that says so."""
    for payload in (b"x" * 200, b"[" + b"1," * 100 + b"1]"):
        assert "not JSON" in msgspec.json.decode(fit(payload, 100))["event"]
