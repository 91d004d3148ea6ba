"""Laws of the layout, for every size of terminal and whatever the user has dropped."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.dashboard.layout import PANELS, Kind, Layout, Rect, arrange

# What a panel needs to say what it is for, within its border: a head or an axis, and a few rows; the status is a line.
LEAST = {
    "requests": (31, 4),
    "latency": (36, 4),
    "errors": (20, 5),
    "tokens": (26, 4),
    "workers": (21, 3),
    "models": (36, 4),
    "log": (36, 3),
}
RANKS: tuple[Kind, ...] = ("too small", "line", "compact")
SIZES = st.tuples(st.integers(1, 400), st.integers(1, 150)) | st.tuples(st.integers(1, 110), st.integers(1, 45))
DROPPED = st.frozensets(st.sampled_from(PANELS))


def assert_tiles(layout: Layout, columns: int, rows: int) -> None:
    """The panels cover every cell of the terminal exactly once, and each has at least its least size."""
    panels = list(layout.panels.items())
    assert sum(rect.width * rect.height for _, rect in panels) == columns * rows
    for name, rect in panels:
        assert 0 <= rect.x <= rect.x + rect.width <= columns
        assert 0 <= rect.y <= rect.y + rect.height <= rows
        if layout.kind not in ("line", "too small", "zoom"):
            width, height = LEAST.get(name, (1, -1))
            assert rect.inner_width >= width, name
            assert rect.inner_height >= height, name
    for number, (_, one) in enumerate(panels):
        assert not any(overlap(one, other) for _, other in panels[number + 1 :])


def overlap(one: Rect, other: Rect) -> bool:
    """Whether two rectangles share a cell."""
    apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
    apart_y = one.y + one.height <= other.y or other.y + other.height <= one.y
    return not (apart_x or apart_y)


def shows_no_less(larger: Layout, smaller: Layout) -> bool:
    """Whether the larger terminal shows all that the smaller one shows."""
    ranks = [RANKS.index(layout.kind) if layout.kind in RANKS else len(RANKS) for layout in (larger, smaller)]
    return ranks[0] > ranks[1] or (ranks[0] == ranks[1] and set(larger.focusable) >= set(smaller.focusable))


def test_panels_tile_the_terminal_at_every_size() -> None:
    """At sizes from 1x1 to 400x150 nothing overlaps, nothing is outside, and every panel has its least size."""
    for columns in (*range(1, 150), *range(150, 401, 10)):
        for rows in (*range(1, 50), *range(50, 151, 10)):
            assert_tiles(arrange(columns, rows, models=(columns * rows) % 18, workers=rows % 9), columns, rows)


def test_a_larger_terminal_never_shows_less() -> None:
    """One more column or one more row keeps every panel that was there."""
    layouts = {
        (columns, rows): arrange(columns, rows, models=5, workers=2)
        for columns in range(1, 161)
        for rows in range(1, 61)
    }
    for (columns, rows), layout in layouts.items():
        for larger in ((columns + 1, rows), (columns, rows + 1)):
            assert larger not in layouts or shows_no_less(layouts[larger], layout), (columns, rows)


@given(SIZES, DROPPED, st.integers(0, 17), st.integers(0, 12), st.none() | st.sampled_from(PANELS))
def test_panels_tile_whatever_is_dropped_or_zoomed(
    size: tuple[int, int], dropped: frozenset[str], models: int, workers: int, zoomed: str | None
) -> None:
    """Dropping and zooming leave no hole, and a dropped panel is not there unless it is zoomed."""
    layout = arrange(*size, models=models, workers=workers, dropped=dropped, zoomed=zoomed)
    assert_tiles(layout, *size)
    assert not set(layout.panels) & (dropped - {zoomed})


@given(SIZES, DROPPED, st.integers(0, 9), st.integers(0, 9))
def test_a_larger_terminal_never_shows_less_whatever_is_dropped(
    size: tuple[int, int], dropped: frozenset[str], wider: int, higher: int
) -> None:
    """More room in either direction keeps every panel that was there."""
    smaller = arrange(*size, models=5, workers=2, dropped=dropped)
    larger = arrange(size[0] + wider, size[1] + higher, models=5, workers=2, dropped=dropped)
    assert shows_no_less(larger, smaller)
