"""Laws of text in cells: whatever others wrote, it is harmless, and no operation loses or gains a cell."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise

import pyte
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from wcwidth import wcwidth

from gateway.dashboard import text
from gateway.dashboard.names import cut_apart
from gateway.dashboard.theme import INKS, Theme, make_theme, plain

# Drawn far more often than among all characters: what terminals obey, and what they disagree on.
TROUBLE = (
    *(
        "\x00",
        "\x07",
        "\t",
        "\n",
        "\x1b",
        "\x1b[31m",
        "\x1b[2J",
        "\x1b]8;;http://x\x07",
        "\x1b]0;t\x1b\\",
        "\x1bP",
        "\x18",
    ),
    *("\x1b[", "\x1b]52;c;", "\x9b5m", "\x9d0;t\x9c", "\x9b", "\x90", "\x9c", "\x85", "[31m", "]0;", "\\"),
    *(
        "\u200b",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\xad",
        "\u202e",
        "\u2066",
        "\u061c",
        "\u2028",
        "\u034f",
        "\ufe0f",
        "\U000e0041",
    ),
    *(
        "漢",
        "字",
        "ｱ",
        "Ａ",
        "가",
        "ᄀ",
        "ᅡ",
        "\u11a8",
        "\u3164",
        "\u3000",
        "🙂",
        "👩",
        "✈",
        "🇩",
        "🇪",
        "🏽",
        "\U0001fae8",
    ),
    *("\u0301", "\u0323", "\u20dd", "\u0488", "e\u0301", "\u093f", "\u0903", "\u0bbe", "ש", "ب", "\u0600", "ก\u0e33"),
    *("\ud800", "\udfff", "\ue000", "\U000f0000", "\u0378", "\U0003ffff", "\ufffd", "é", "─", "…", "⠿", "a", " "),
)
FOREIGN = st.lists(st.sampled_from(TROUBLE) | st.characters(codec=None), max_size=24).map("".join)
CLEANED = FOREIGN.map(text.clean)
ROLES = sorted(INKS["dark"])
ROWS = st.lists(st.tuples(st.sampled_from(ROLES), CLEANED), max_size=6)
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
UTF8 = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
THEMES = [make_theme("dark", {**UTF8, **more}) for more in ({}, {"TERM": "linux"}, {"LANG": "C"})]


def width_of(string: str) -> int:
    """The width of a text, counted without the code under test."""
    return sum(max(0, wcwidth(char)) for char in string)


def text_of(row: text.Row) -> str:
    return "".join(string for _, string in row)


@given(FOREIGN)
@example("\x1b\x1b[0m[31m")
@example("\x1b[0\x1b[0mm")
@example("\x1b]0;a\x1b]0;b\x07")
@example("\x9d\x9d\x1b")
@example("\u0301\u0323")
@example("ᄀ\x1b[mᅡ")
def test_cleaned_text_is_harmless(string: str) -> None:
    """No control, bidirectional, shapeless, private or unassigned character is left; cleaning again does nothing."""
    cleaned = text.clean(string)
    assert text.clean(cleaned) == cleaned
    assert not BIDI.search(cleaned)
    assert not {unicodedata.category(char) for char in cleaned} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    # A mark at the beginning would be drawn on what stands to the left.
    assert not cleaned or wcwidth(cleaned[0]) > 0


@given(FOREIGN, FOREIGN)
def test_cleaning_hides_only_whole_sequences(before: str, after: str) -> None:
    """A string sequence that is opened and never closed hides nothing of what follows it."""
    assume(not re.search("[\x07\x9c]|\x1b\\\\", after))
    word = "visible!"
    assert word in text.clean(f"{before}\x18\x1b]0;{word}{after}")


@given(CLEANED)
def test_cells_are_what_the_terminal_counts(string: str) -> None:
    """The width is the sum over the characters; narrow text has one cell for each."""
    assert text.cells(string) == width_of(string)
    assert not text.is_narrow(string) or all(wcwidth(char) == 1 for char in string)


def test_narrow_characters_have_one_cell() -> None:
    """Each character that counts as narrow is clean, one cell wide, no mark, and not wide in East Asia."""
    for char in map(chr, range(0x110000)):
        if text.is_narrow(char) and char.isprintable():
            assert wcwidth(char) == 1
            assert unicodedata.normalize("NFC", char) == char
            assert unicodedata.category(char)[0] not in "MC"
            assert unicodedata.east_asian_width(char) not in "WF"


@given(CLEANED, st.integers(0, 30))
@example("漢", 1)
@example("é漢", 2)
def test_cut_text_fits_and_is_a_beginning(string: str, width: int) -> None:
    """A cut text is the longest beginning that leaves room for the ellipsis; what fits is not cut."""
    shown = text.cut(string, width)
    assert width_of(shown) <= width
    if width_of(string) <= width:
        assert shown == string
    elif width > 0:
        assert shown.endswith(text.ELLIPSIS)
        assert string.startswith(shown[:-1])
        following = string[len(shown) - 1]
        # The next character would not have fitted, so nothing is left off without need.
        assert width_of(shown[:-1] + following) > width - 1
    assert text.cells(text.left(string, width)) == text.cells(text.right(string, width)) == width


@given(CLEANED, st.integers(0, 30))
@example("漢漢漢", 4)
@example("é漢e\u0301", 2)
@example("claude-sonnet-4-5-20250929", 20)
def test_a_name_that_is_cut_keeps_both_ends(string: str, width: int) -> None:
    """It fits, has its width where it is padded, and neither end could have kept one more sign of its share."""
    shown = text.cut_middle(string, width)
    assert width_of(shown) <= width
    if width_of(string) <= width:
        assert shown == string
    elif width > 0:
        stop, start = text.ends(string, width)
        head, tail = string[:stop], string[start:]
        assert shown == f"{head}{text.ELLIPSIS}{tail}"
        assert stop < start
        # Half for each, and the beginning has the odd one; no mark stands without its base.
        assert width_of(head) <= width // 2 < width_of(string[: stop + 1])
        assert width_of(tail) <= (width - 1) // 2 < width_of(string[start - 1 :]) + (wcwidth(string[start - 1]) == 0)
        assert not tail or wcwidth(tail[0]) > 0


PARTS = st.sampled_from(
    ["", "gpt", "claude-sonnet", "-eu-", "-us-", "漢字" * 4, "e\u0331" * 6, "1", "2", text.ELLIPSIS]
)
NAMES = st.frozensets(st.lists(PARTS, max_size=8).map("".join).map(text.clean) | CLEANED, max_size=18)


@given(NAMES, st.integers(0, 40))
@example(frozenset({"claude-sonnet-4-5", "claude…t-4-5"}), 12)
@example(frozenset({"gpt", "gpt1"}), 0)
@example(frozenset(f"{'x' * 20}{one}{'y' * 20}{two}{'z' * 20}" for one in "abcd" for two in "abcd"), 3)
def test_names_that_are_cut_stay_apart(names: frozenset[str], width: int) -> None:
    """Each fits, what has room is whole, no mark loses its base, and no two are the same where a number has room."""
    shown = cut_apart(names, width)
    assert shown.keys() == names
    for name, cut in shown.items():
        assert width_of(cut) <= width
        assert cut == name or width_of(name) > width
        assert not cut or wcwidth(cut[0]) > 0
        assert all(wcwidth(mark) > 0 or base + mark in name for base, mark in pairwise(cut))
    if width > len(str(len(names))):
        assert len(set(shown.values())) == len(names)


@given(ROWS, st.integers(0, 40))
def test_fitted_row_has_its_width(row: text.Row, width: int) -> None:
    """Cut or padded, a row takes exactly its cells."""
    assert width_of(text_of(text.fit(row, width))) == width


@given(ROWS, st.integers(0, 40), st.integers(0, 45), st.integers(0, 45))
@example([("text", "漢字")], 4, 1, 2)
@example([("p99", "漢"), ("text", "e\u0331")], 3, 2, 3)
def test_slice_of_a_row_is_the_slice_of_its_cells(row: text.Row, width: int, one: int, other: int) -> None:
    """Between any two columns stand the same cells as in the row; half of a wide character is a space in its role."""
    fitted = text.fit(row, width)
    first, second = sorted((one, other))
    for start, stop in ((0, first), (first, second), (second, width)):
        part = text.slice_cells(fitted, start, stop)
        assert cells_of(part) == slice_of(cells_of(fitted), start, stop)
        assert all(string for _, string in part)
        assert width_of(text_of(part)) == max(0, min(stop, width) - start)


def cells_of(row: text.Row) -> list[tuple[str, str]]:
    """Each cell of a row as its role and its character with the marks on it; the second half of a wide one is empty."""
    drawn: list[tuple[str, str]] = []
    base = 0
    for role, string in row:
        for char in string:
            if wcwidth(char) > 0:
                base = len(drawn)
                drawn += [(role, char), (role, "")][: wcwidth(char)]
            else:
                drawn[base] = (drawn[base][0], drawn[base][1] + char)
    return drawn


def slice_of(drawn: list[tuple[str, str]], start: int, stop: int) -> list[tuple[str, str]]:
    part = drawn[start:stop]
    if part and not part[0][1]:
        part[0] = (part[0][0], " ")
    if part and stop < len(drawn) and not drawn[stop][1]:
        part[-1] = (part[-1][0], " ")
    return part


@given(ROWS, st.integers(0, 40), st.sampled_from(THEMES))
def test_painted_row_has_its_width_in_every_character_set(row: text.Row, width: int, theme: Theme) -> None:
    """Painted whole or by segments, with whatever signs, a row takes exactly its cells and holds no control."""
    whole = plain(theme.paint(row, width, width + 1))
    assert width_of(whole) == width
    fitted = text.fit(row, width)
    assert plain("".join(theme.painted(role, string) for role, string in fitted)) == whole
    for role, string in fitted:
        assert width_of(plain(theme.painted(role, string))) == width_of(string)
    assert whole.isascii() or theme.charset != "ascii"
    assert not any(unicodedata.category(char) == "Cc" for char in whole)


@given(ROWS, st.integers(1, 40), st.sampled_from(THEMES))
@example([("text", "漢字🙂e\u0331é")], 9, THEMES[0])
def test_painted_row_fills_its_cells_on_a_terminal(row: text.Row, width: int, theme: Theme) -> None:
    """On an emulator the border stands right after the row, and the row left no cell of its own untouched."""
    # The emulator drops the rest of a text after a mark that has no combining class, such as many vowels of India.
    assume(all(unicodedata.combining(char) or wcwidth(char) for _, string in row for char in string))
    screen = pyte.Screen(width + 2, 2)
    stream = pyte.Stream(screen)
    stream.feed(f"\x1b[1;1H{'~' * width}\x1b[1;1H{theme.paint(row, width, width + 1)}|")
    line = screen.buffer[0]
    assert (line[width].data, line[width + 1].data, screen.cursor.x) == ("|", " ", width + 1)
    drawn = "".join(line[x].data for x in range(width))
    assert drawn == unicodedata.normalize("NFC", plain(theme.paint(row, width)))
    assert screen.display[1].isspace()


STEPS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
RATES = {f"{unit}/s": size for unit, size in STEPS.items()}
SHARES = {f"{unit}%": size for unit, size in STEPS.items()}
TIMES = {"µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3, "d": 86_400e3}
BYTES = {unit: 1024.0**power for power, unit in enumerate("BKMGTPE")}
# Where a format changes its unit or its digits.
EDGES = [
    unit * step
    for units in (STEPS, TIMES, BYTES)
    for unit in units.values()
    for step in (0.005, 0.05, 0.095, 9.95, 59.5, 99.5, 119.5, 999.5)
]


def read(figure: str, units: Mapping[str, float]) -> float:
    """The value that a figure says; what is below the least figure is half of that."""
    bare = figure.removeprefix("<")
    parts = re.findall(r"([0-9.]+)([^0-9.]*)", bare)
    assert "".join(digits + unit for digits, unit in parts) == bare
    return sum(float(digits) * units[unit] for digits, unit in parts) / (1 if bare == figure else 2)


@pytest.mark.parametrize(
    ("shown", "units", "top"),
    [
        (text.short, STEPS, 1e18),
        (text.size, BYTES, 1e18),
        (text.rate, RATES, 1e18),
        (text.percent, SHARES, 1e9),
        (text.duration, TIMES, 1e11),
    ],
)
@given(draw=st.data())
def test_larger_figures_never_read_as_smaller(
    shown: Callable[[float], str], units: Mapping[str, float], top: float, draw: st.DataObject
) -> None:
    """A format is monotone, near the value and at most eight cells wide, and zero is the only value shown as zero."""
    edges = st.builds(lambda edge, factor: edge * factor, st.sampled_from(EDGES), st.floats(0.98, 1.02))
    pair = [min(top, draw.draw(st.floats(0, top) | st.floats(0, 200) | edges)) for _ in range(2)]
    if shown in (text.short, text.size):
        pair = [float(round(value)) for value in pair]
    figures = [shown(value) for value in sorted(pair)]
    assert all(text.cells(figure) <= 8 for figure in figures)
    smaller, larger = (read(figure, units) for figure in figures)
    assert smaller <= larger * (1 + 1e-12)
    for value, said in zip(sorted(pair), (smaller, larger), strict=True):
        assert (said == 0) == (value == 0)
        # Two digits, or one where a unit has no smaller one; the parts of a long time are cut, not rounded.
        assert said == pytest.approx(value, rel=0.06) or abs(said - value) <= 0.5 or value < 0.1


@pytest.mark.parametrize(("shown", "units"), [(text.rate_tick, RATES), (text.duration_tick, TIMES)])
@given(digits=st.integers(0, 99), power=st.integers(-3, 5))
def test_ticks_read_as_their_value(
    shown: Callable[[float], str], units: Mapping[str, float], digits: int, power: int
) -> None:
    """A tick of two digits is written in full, in at most eight cells."""
    value = digits * 10.0**power
    tick = shown(value)
    assert text.cells(tick) <= 8
    assert read(tick, {**units, "": 0}) == pytest.approx(value)
