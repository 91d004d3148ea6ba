"""When the next picture is due."""

from gateway.dashboard.pace import Pace

SPACING_S = 0.1


def test_after_a_rest_a_picture_is_due_at_once() -> None:
    """The first wish, and one that comes long after the last picture, is granted without a wait."""
    pace = Pace()
    assert not pace.is_due(5.0)
    pace.ask(5.0, SPACING_S)
    assert pace.is_due(5.0)
    pace.drawn(5.0)
    pace.ask(9.0, SPACING_S)
    assert pace.due == 9.0


def test_a_storm_of_wishes_is_one_picture_for_each_spacing() -> None:
    """A thousand wishes in a second make ten pictures, and the last wish is granted within the spacing."""
    pace, drawn = Pace(), []
    for millisecond in range(1000):
        now = millisecond / 1000
        pace.ask(now, SPACING_S)
        if pace.is_due(now):
            pace.drawn(now)
            drawn.append(now)
    assert len(drawn) == 10
    assert pace.due is not None
    assert pace.due <= 0.999 + SPACING_S


def test_the_most_impatient_wish_counts() -> None:
    """A wish that may come sooner is not held up by one that may not, whichever was first."""
    pace = Pace()
    pace.drawn(1.0)
    pace.ask(1.0, 10 * SPACING_S)
    pace.ask(1.0, SPACING_S)
    assert pace.due == 1.0 + SPACING_S
    pace.ask(1.01, 10 * SPACING_S)
    assert pace.due == 1.0 + SPACING_S


def test_one_picture_grants_every_wish() -> None:
    """Once it is drawn nothing is due until somebody asks again."""
    pace = Pace()
    pace.ask(1.0, SPACING_S)
    pace.ask(1.0, 0.0)
    pace.drawn(1.0)
    assert pace.due is None
