"""Cells, cleaning and the formats of figures."""

import pytest

from gateway.dashboard import text


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc\x07", "a b·c·"),
        ("\x1b[31mred\x1b[0m \x1b[2J", "red "),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x9b31mred", "red"),
        ("a\u202eb\u200bc\ufeff", "a·b·c·"),
        ("[999]x [!link(a)]", "[999]x [!link(a)]"),
        ("👩\u200d💻 ✈\ufe0f 🇩🇪", "👩·💻 ✈· ··"),
        ("\udc80", "·"),
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
    ("value", "shown"),
    [
        *((None, "–"), (0, "0ms"), (0.4, "0.4ms"), (2.1, "2.1ms"), (640.2, "640ms"), (999.6, "1.0s"), (3_120, "3.1s")),
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
        (text.percent(0.31), "0.3%"),
        (text.percent(39.2), "39%"),
        (text.uptime(42), "42s"),
        (text.uptime(8_070), "2h14m"),
        (text.uptime(270_000), "3d03h"),
        (text.short(None), "–"),
    ],
)
def test_other_figures(shown: str, expected: str) -> None:
    """Counts, tokens, bytes, shares and spans of time are short and have their unit."""
    assert shown == expected
