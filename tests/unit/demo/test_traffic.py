"""The synthetic traffic: what is asked for, how often, and that nobody can take it for real."""

import itertools
import random

import pytest

from gateway.config import Settings
from gateway.demo import script
from gateway.demo.script import Script
from gateway.demo.settings import demo_settings
from gateway.demo.traffic import OPENING, PROFILES, Ask, asks, gap_s, per_second
from gateway.upstream.router import Router


def drawn(number: int) -> list[Ask]:
    """That many requests."""
    return list(itertools.islice(asks(random.Random(1)), number))


def configured() -> Settings:
    """The settings of a demo."""
    return demo_settings(1, 2)


def test_each_model_is_labelled_as_synthetic():
    """Every model and provider says what it is, but the built-in echo, which the demo's clients ask by another name."""
    assert {ask.model.partition("-")[0] for ask in drawn(2_000)} == {"synthetic"}
    names = {provider.name for provider in configured().providers} | {model.name for model in configured().models}
    assert {name.partition("-")[0] for name in names} == {"synthetic", "echo"}


def test_each_model_is_configured_but_for_the_one_that_is_to_be_unknown():
    """An error in the picture is one that was meant."""
    router = Router(configured().models)
    assert {ask.model for ask in drawn(2_000) if router.match(ask.model) is None} == {"synthetic-unknown"}
    assert {profile.model for profile in PROFILES} | {"echo"} == {model.name for model in configured().models}


def test_the_opening_has_something_for_every_panel():
    """Three protocols, streams and plain answers, each failure, a client that leaves and two wrong requests."""
    assert {ask.protocol for ask in OPENING} == {"chat", "messages", "responses"}
    assert {ask.stream for ask in OPENING} == {True, False}
    assert {ask.script.ending for ask in OPENING} == {"whole", "broken", "silent", "failed", "overloaded"}
    assert {ask.fault for ask in OPENING} == {None, "no model", "no messages"}
    assert any(ask.leaves_after_s for ask in OPENING)
    assert {profile.model for profile in PROFILES} <= {ask.model for ask in OPENING}


def test_the_mixture_has_everything_in_it_too():
    """What the opening shows once comes again, so that no panel dies down."""
    later = drawn(3_000)[len(OPENING) :]
    assert {ask.script.ending for ask in later} == {"whole", "broken", "silent", "failed", "overloaded"}
    assert {ask.fault for ask in later} == {None, "no model", "no messages"}
    assert 0.02 < sum(ask.leaves_after_s is not None for ask in later) / len(later) < 0.06


@pytest.mark.parametrize("elapsed_s", [0.0, 11.25, 33.75, 86_400.0])
def test_the_rate_is_bounded(elapsed_s: float):
    """Never more than seven requests a second on average, never a pause of more than two seconds."""
    assert 2.0 <= per_second(elapsed_s) <= 7.0
    dice = random.Random(1)
    gaps = [gap_s(elapsed_s, dice) for _ in range(2_000)]
    assert max(gaps) <= 2.0
    assert len(gaps) / sum(gaps) < 8.0


def test_no_answer_that_is_to_be_whole_runs_into_a_timeout():
    """The longest wait for a first byte, that of a plain answer included, stays below the demo's limit."""
    limit = configured().timeouts
    for ask in drawn(5_000):
        waited = ask.script.first_s + (0.0 if ask.stream else ask.script.pieces * ask.script.pause_s)
        assert waited < limit.first_byte - 0.5
        assert ask.script.pause_s < limit.idle / 10


def test_a_script_travels_in_a_message():
    """What a client writes the provider reads, whatever stands before it."""
    wanted = Script(pieces=3, ending="broken")
    assert script.read(["be brief", script.written(wanted)]) == wanted


@pytest.mark.parametrize("text", ["hello there", "", "{}x", '{"ending": "unheard of"}', "[1]"])
def test_what_people_write_gets_a_usual_answer(text: str):
    """A request of one's own in the middle of the demo is answered in whole, and its words are counted."""
    assert script.read([text]) == Script(input_tokens=len(text.split()))
