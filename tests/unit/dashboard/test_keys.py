"""The decoder of terminal input."""

import pytest

from gateway.dashboard.keys import ESCAPE_S, PASTE_S, REPLY_S, KeyDecoder


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


def test_an_esc_that_no_answer_follows_is_one() -> None:
    """On a terminal that answers nothing, what is typed a moment behind Esc is a key of its own, another Esc too."""
    for typed, keys in ((b"q", ["esc", "q"]), (b"\x1b", ["esc"]), (b"\x03", ["esc", "ctrl-c"])):
        decoder = asked()
        assert decoder.feed(b"\x1b", 0) == []
        assert decoder.feed(typed, ESCAPE_S) == keys
    decoder = asked()
    assert decoder.feed(b"\x1bq", 0) == ["alt-q"]


ANSWERS = [
    b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?64;1;2;6;9c",
    b"\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?1;2c",
    b"\x1b[?6c",
    b"\x1b]11;\xff hello, 1 5 0 q \x00\x07\x1b[?6c",
]


def asked() -> KeyDecoder:
    """A decoder of a terminal that was asked for its ground."""
    decoder = KeyDecoder()
    decoder.expects_reply = True
    return decoder


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_of_the_terminal_is_no_key(answer: bytes) -> None:
    """Split at any byte, with a pause that is longer than an Esc, an answer is taken in and never typed."""
    ground = answer.partition(b"]11;")[2].partition(b"\x1b")[0].partition(b"\x07")[0].decode("utf-8", "replace")
    for cut in range(len(answer) + 1):
        decoder = asked()
        assert decoder.feed(answer[:cut], 0) == []
        assert decoder.feed(b"", 10 * ESCAPE_S) == []
        assert decoder.feed(answer[cut:] + b"q", 10 * ESCAPE_S) == ["q"]
        assert decoder.take_ground() == (ground or None)
        assert decoder.take_ground() is None
        assert not decoder.expects_reply


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_comes_byte_by_byte_is_no_key(answer: bytes) -> None:
    """Also between keys, which are read."""
    decoder = asked()
    assert decoder.feed(b"a", 0) == ["a"]
    assert [key for byte in answer for key in decoder.feed(bytes([byte]), 0.9 * REPLY_S)] == []
    assert decoder.feed(b"b", 0) == ["b"]


def test_an_answer_that_nobody_expects_any_more_is_no_key() -> None:
    """It may come when the question is long forgotten."""
    assert KeyDecoder().feed(b"q" + ANSWERS[0] + b"q", 0) == ["q", "q"]


def test_a_key_in_an_answer_that_is_cut_short_is_read() -> None:
    """What has come of the answer is no key, and what comes after it is."""
    decoder = asked()
    assert decoder.feed(b"\x1b]11;rgb:ffff/ff", 0) == []
    assert decoder.feed(b"\x1b[Aq", 0) == ["up", "q"]


def test_keys_are_read_while_an_answer_is_expected() -> None:
    """Esc takes a second then, for it might be a beginning; everything else is read at once."""
    decoder = asked()
    assert decoder.feed(b"q\x1b[A\x1bx\x1b]\x1b", 0) == ["q", "up", "alt-x", "alt-]"]
    assert decoder.timeout_s == REPLY_S
    assert decoder.feed(b"", REPLY_S) == ["esc"]
    assert decoder.feed(b"\x1b\x1b", 0) == ["esc"]
    assert decoder.feed(b"", REPLY_S) == ["esc"]
