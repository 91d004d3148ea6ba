"""From model names to targets."""

import pytest

from gateway.config import Model, Target
from gateway.upstream.router import Router, order_targets

A, B, C = (Target(provider=name, weight=weight) for name, weight in (("a", 1), ("b", 3), ("c", 1)))


@pytest.mark.parametrize(
    ("asked", "served_by"),
    [("gpt-4.1", "gpt-4.1"), ("gpt-4.1-mini", "gpt-4*"), ("gpt-5", "gpt-*"), ("claude", "*"), ("GPT-5", "*")],
)
def test_an_exact_name_wins_over_the_longest_matching_glob(asked: str, served_by: str):
    """The order in which models are configured does not matter, upper and lower case do."""
    names = ["*", "gpt-*", "gpt-4*", "gpt-4.1"]
    model = Router([Model(name=name, targets=(A,)) for name in names]).match(asked)
    assert model is not None
    assert model.name == served_by


def test_a_name_that_matches_nothing_is_none():
    """Without a catch-all an unknown name is unknown."""
    assert Router([Model(name="gpt-*", targets=(A,))]).match("claude") is None


def nobody(_: Target) -> bool:
    """Nobody rests."""
    return False


def test_ordered_targets_keep_their_order():
    """The first configured target is the first tried."""
    assert order_targets(Model(name="m", targets=(A, B, C)), lambda: 0.99, nobody) == [A, B, C]


@pytest.mark.parametrize(("draw", "order"), [(0.0, [A, B, C]), (0.2, [B, A, C]), (0.79, [B, A, C]), (0.8, [C, A, B])])
def test_weighted_targets_are_drawn_by_weight_and_the_rest_follow(draw: float, order: list[Target]):
    """With weights 1, 3, 1 the second is first in three fifths of the draws."""
    assert order_targets(Model(name="m", targets=(A, B, C), strategy="weighted"), lambda: draw, nobody) == order


@pytest.mark.parametrize(
    ("resting", "draw", "order"),
    [
        ([A], 0.0, [B, C, A]),
        ([B], 0.49, [A, C, B]),
        ([B], 0.51, [C, A, B]),
        ([A, B, C], 0.2, [B, A, C]),
    ],
)
def test_targets_that_rest_come_last_and_take_no_part_in_the_draw(
    resting: list[Target], draw: float, order: list[Target]
):
    """Their share goes to the others by weight; if all rest, nothing changes."""
    model = Model(name="m", targets=(A, B, C), strategy="weighted")
    assert order_targets(model, lambda: draw, lambda target: target in resting) == order


def test_an_ordered_target_that_rests_comes_last():
    """The others keep their order."""
    assert order_targets(Model(name="m", targets=(A, B, C)), lambda: 0.0, lambda target: target is A) == [B, C, A]
