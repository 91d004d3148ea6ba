"""Laws of the canvas: what is flattened, cut and compared is the same, cell by cell, as what was painted."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from gateway.dashboard.canvas import Tile, changes, flatten
from gateway.dashboard.layout import Rect
from gateway.dashboard.text import Row, clean, fit, slice_cells

ROLES = st.sampled_from(["text", "strong", "errors"])
TEXTS = st.text("ab─⣿漢é \u0301", max_size=8)
WIDTH = 24


def rows(width: int = WIDTH) -> st.SearchStrategy[Row]:
    """Rows that have been fitted to a width."""
    return st.lists(st.tuples(ROLES, TEXTS.map(clean)), max_size=6).map(lambda row: fit(row, width))


def cells_of(row: Row) -> list[tuple[str, str]]:
    """Role and sign of every cell, counted without the code under test; the second cell of a wide one has no sign."""
    cells: list[tuple[str, str]] = []
    for role, text in row:
        for char in text:
            width = wcwidth(char)
            if width <= 0 and cells:
                base = -2 if cells[-1][1] == "" else -1
                cells[base] = (cells[base][0], cells[base][1] + char)
            elif width > 0:
                cells += [(role, char), *[(role, "")] * (width - 1)]
    return cells


@given(rows(), st.lists(st.integers(0, WIDTH), min_size=2, max_size=2).map(sorted))
def test_slices_of_a_row_have_their_widths_and_keep_what_they_do_not_cut(row: Row, cuts: list[int]) -> None:
    """The parts between any columns are as wide as the columns are apart; only a cut wide character is lost."""
    whole = cells_of(row)
    for start, stop in pairwise([0, *cuts, WIDTH]):
        part = cells_of(slice_cells(row, start, stop))
        assert len(part) == stop - start
        for was, now in zip(whole[start:stop], part, strict=True):
            assert now == was or now[1] == " " or now[1].startswith(was[1][:1])


@given(rows(), rows())
def test_writing_the_changed_spans_over_the_old_row_gives_the_new_one(old: Row, new: Row) -> None:
    """Whatever the two rows are, the spans cover all that differs, do not overlap, and cut no wide character."""
    cells, wanted = cells_of(old), cells_of(new)
    end = 0
    for start, part in changes(old, new):
        written = cells_of(part)
        assert end <= start < start + len(written) <= WIDTH
        cells[start : start + len(written)] = written
        end = start + len(written)
    assert [sign for _, sign in cells] == [sign for _, sign in wanted]
    assert cells == wanted


@given(rows())
def test_row_that_stays_has_no_changed_span(row: Row) -> None:
    """The same again is nothing to write."""
    assert list(changes(row, list(row))) == []


@given(
    rows(),
    st.lists(
        st.integers(0, WIDTH - 1).flatmap(
            lambda x: st.integers(1, WIDTH - x).flatmap(
                lambda width: rows(width).map(lambda row: (Rect(x, 0, width, 1), row))
            )
        ),
        max_size=3,
    ),
)
def test_flattened_tiles_look_as_if_painted_over_each_other(below: Row, above: list[tuple[Rect, Row]]) -> None:
    """Later tiles hide what lies below them, and only that; a wide character that is half hidden is gone."""
    tiles = [Tile("below", Rect(0, 0, WIDTH, 1), [below])]
    wanted = cells_of(below)
    for number, (rect, row) in enumerate(above):
        tiles.append(Tile(str(number), rect, [row]))
        for edge in (rect.x, rect.x + rect.width):
            if edge < WIDTH and wanted[edge][1] == "":
                wanted[edge - 1 : edge + 1] = [(role, " ") for role, _ in wanted[edge - 1 : edge + 1]]
        wanted[rect.x : rect.x + rect.width] = cells_of(row)
    assert cells_of(flatten(tiles)[0]) == wanted
