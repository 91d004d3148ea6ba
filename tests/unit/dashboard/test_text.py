"""Cells, cleaning and the formats of figures."""

import pytest

from gateway.dashboard import text


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc\x07", "a b·c·"),
        ("\x1b[31mred\x1b[0m \x1b[2J", "·red· ·"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "·link·"),
        ("\x9b31mred", "·red"),
        ("a\u202eb\u200bc\ufeff", "a·b·c·"),
        ("[999]x [!link(a)]", "[999]x [!link(a)]"),
        ("👩\u200d💻 ✈\ufe0f 🇩🇪", "👩·💻 ✈· ··"),
        ("\udc80", "·"),
        ("\x1b]0;never closed", "·0;never closed"),
        ("\x1b]0;a\x1b]0;b\x07c", "·0;a·c"),
        ("\x1b[3\x1b[1m1m", "·3·1m"),
        ("\x1bPpayload\x1b\\after", "·after"),
        ("e\u0301 가 가", "é 가 가"),
        ("\u0301a", "·a"),
        ("\u0301", "·"),
        ("\ue0b0 \u0378 \U000e0061 \U000f0000", "· · · ·"),
        ("नि", "नि"),
        ("שלום", "שלום"),
    ],
)
def test_foreign_text_is_made_safe(dirty: str, shown: str) -> None:
    """Escape sequences vanish, characters without a certain width become dots, and markup is just text."""
    assert text.clean(dirty) == shown


@pytest.mark.parametrize(
    ("string", "width", "shown"),
    [
        ("gpt", 5, "gpt"),
        ("gpt-4.1", 5, "gpt-…"),
        ("漢字", 4, "漢字"),
        ("漢字", 3, "漢…"),
        ("漢字", 2, "…"),
        ("abc", 0, ""),
    ],
)
def test_cut_respects_wide_characters(string: str, width: int, shown: str) -> None:
    """A cut text is never wider than its room and shows that it was cut."""
    assert text.cut(string, width) == shown


@pytest.mark.parametrize(
    ("string", "narrow"),
    [
        *(("plain", True), ("résumé Ω Я", True), ("╭─╮ ▁█ ░▒▓ ⠿ → ●", True), ("", True)),
        *(("漢", False), ("🙂", False), ("e\u0331", False), ("ก", False), ("ש", False)),
    ],
)
def test_narrow_text_is_what_every_terminal_draws_alike(string: str, narrow: bool) -> None:
    """Latin, Greek, Cyrillic and the signs of drawings are narrow; wide, combining and other scripts are not."""
    assert text.is_narrow(string) == narrow


@pytest.mark.parametrize(
    ("start", "stop", "part"),
    [
        (0, 9, [("p50", "ab漢"), ("text", "字"), ("dim", "cde")]),
        (1, 3, [("p50", "b ")]),
        (3, 5, [("p50", " "), ("text", " ")]),
        (4, 6, [("text", "字")]),
        (7, 9, [("dim", "de")]),
        (7, 99, [("dim", "de")]),
        (5, 5, []),
        (9, 12, []),
    ],
)
def test_slice_of_a_row_keeps_roles(start: int, stop: int, part: text.Row) -> None:
    """A part of a row is cut by cells; of a wide character on an edge a space is left, in its role."""
    row = [("p50", "ab漢"), ("text", "字"), ("dim", "cde")]
    assert text.slice_cells(row, start, stop) == part


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(
            (None, "–"),
            (0, "0ms"),
            (0.03, "<0.1ms"),
            (0.4, "0.4ms"),
            (2.1, "2.1ms"),
            (640.2, "640ms"),
            (999.6, "1.0s"),
            (3_120, "3.1s"),
        ),
        *((12_000, "12s"), (119_400, "119s"), (119_600, "2m00s"), (4_000_000, "1h06m")),
    ],
)
def test_latencies(value: float | None, shown: str) -> None:
    """A latency has two or three digits and the unit that fits."""
    assert text.duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0/s"),
        (0.001, "<0.01/s"),
        (0.04, "0.04/s"),
        (0.4, "0.4/s"),
        (45.4, "45.4/s"),
        (381.2, "381/s"),
        (5_120, "5.1k/s"),
    ],
)
def test_rates(value: float | None, shown: str) -> None:
    """A rate that is not zero is never shown as zero, down to one in a hundred seconds."""
    assert text.rate(value) == shown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.count(12_074), "12,074"),
        (text.short(372), "372"),
        (text.short(999.7), "1k"),
        (text.short(812_000), "812k"),
        (text.short(15_200_000), "15.2M"),
        (text.size(432_000_000), "412M"),
        (text.size(1_300_000_000), "1.2G"),
        (text.size(3 * 1024**5), "3P"),
        (text.percent(0.0), "0.0%"),
        (text.percent(0.02), "<0.1%"),
        (text.percent(0.31), "0.3%"),
        (text.percent(39.2), "39%"),
        (text.uptime(42), "42s"),
        (text.uptime(8_070), "2h14m"),
        (text.uptime(270_000), "3d03h"),
        (text.short(None), "–"),
        (text.rate_tick(0), "0"),
        (text.rate_tick(0.5), "0.5/s"),
        (text.rate_tick(1_500), "1.5k/s"),
        (text.duration_tick(0), "0"),
        (text.duration_tick(0.05), "50µs"),
        (text.duration_tick(340), "340ms"),
        (text.duration_tick(100_000), "100s"),
    ],
)
def test_other_figures(shown: str, expected: str) -> None:
    """Counts, tokens, bytes, shares and spans of time are short and have their unit."""
    assert shown == expected
