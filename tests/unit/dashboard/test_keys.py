"""The decoder of terminal input."""

import pytest

from gateway.dashboard.keys import ESCAPE_S, PASTE_S, KeyDecoder


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"q", ["q"]),
        ("é漢".encode(), ["é", "漢"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA", ["up"]),
        (b"\x1b[H\x1bOH\x1b[1~\x1b[7~", ["home"] * 4),
        (b"\x1b[F\x1bOF\x1b[4~\x1b[8~", ["end"] * 4),
        (b"\x1b[5~\x1b[6~", ["pgup", "pgdn"]),
        (b"\x1b[1;5A", ["up"]),
        (b"\r\n\t\x7f", ["enter", "enter", "tab", "backspace"]),
        (b"\x1b[Z", ["shift-tab"]),
        (b"\x03\x1a\x1c", ["ctrl-c", "ctrl-z", "ctrl-\\"]),
        (b"\x1bx", ["alt-x"]),
        (b"\x1b\x1b[A", ["esc", "up"]),
        (b"\x1b[<0;10;10M\x1b[99~", []),
        (b"\xff\x00", []),
        ("\x1b[é".encode(), ["é"]),
    ],
)
def test_bytes_become_key_names(data: bytes, keys: list[str]) -> None:
    """Every form in which terminals send a key has its one name, and unknown sequences have none."""
    assert KeyDecoder().feed(data, 0) == keys


def test_lone_escape_is_a_key_after_its_time() -> None:
    """An ESC that stays alone is the Esc key when its time is over, and not before."""
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b", 0) == []
    assert decoder.timeout_s == ESCAPE_S
    assert decoder.feed(b"", ESCAPE_S / 2) == []
    assert decoder.feed(b"", ESCAPE_S) == ["esc"]
    assert decoder.timeout_s is None


def test_sequence_split_within_the_time_is_one_key() -> None:
    """An arrow whose bytes come 30 ms apart is an arrow and no Esc."""
    decoder = KeyDecoder()
    assert [key for byte in b"\x1b[A" for key in decoder.feed(bytes([byte]), 0.03)] == ["up"]


def test_late_rest_of_a_sequence_is_not_lost_with_it() -> None:
    """A key after an unfinished sequence that timed out is read; the unfinished one is no key."""
    decoder = KeyDecoder()
    assert decoder.feed(b"\x1b[1;", 0) == []
    assert decoder.feed(b"q", ESCAPE_S) == ["q"]


def test_paste_is_dropped() -> None:
    """Nothing between the marks of a paste acts as a key, however it is cut."""
    decoder = KeyDecoder()
    assert decoder.feed(b"a\x1b[200~q\x03\x1b[A\x1b[20", 0) == ["a"]
    assert decoder.feed(b"1~b", 0) == ["b"]


def test_paste_without_an_end_does_not_deafen() -> None:
    """A paste whose end mark never comes is over after a silence."""
    decoder = KeyDecoder()
    decoder.feed(b"\x1b[200~abc", 0)
    assert decoder.feed(b"q", PASTE_S) == ["q"]
