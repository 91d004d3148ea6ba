"""Who rests, in the status, in the line and in the report."""

import msgspec
import pytest

from gateway.dashboard import figures
from gateway.dashboard.layout import Rect
from gateway.dashboard.line import render_line
from gateway.dashboard.report import render_report
from gateway.dashboard.resting import rest_sentences, rest_words
from gateway.metrics.snapshot import ProviderFigures, Rest, Snapshot
from tests.support.dashboard_scene import make_scene, make_snapshot


def resting(*rests: Rest) -> Snapshot:
    """The scene with a provider of which this rests."""
    providers = [ProviderFigures("openai", 812, 37, list(rests)), ProviderFigures("echo", 31, 0)]
    return msgspec.structs.replace(make_snapshot(), providers=providers)


DOWN = Rest(None, 12.3, 5, "could not be reached", 2)
LIMITED = Rest("gpt-4.1\x1b[31m", 40.0, 9, "status 429", 1)
PROBED = Rest("gpt-5", 0.0, 5, "status 503", 1)


def test_the_longest_rest_is_told_and_the_others_are_counted() -> None:
    """In a few words; nothing while nobody rests. A model's name cannot write to the terminal."""
    told = [rest_words(resting(*rests)) for rests in ((), (DOWN,), (DOWN, LIMITED), (PROBED,))]
    assert told == ["", "openai rests 12s", "openai/gpt-4.1· rests 40s, 1 more", "openai/gpt-5 is probed"]


def test_each_rest_has_a_sentence_with_its_reason() -> None:
    """How long it lasts, how many tries in a row failed and how the last one did."""
    assert rest_sentences(resting(DOWN)) == [
        "openai rests 12s: the last 5 tries failed (could not be reached), 2 of 2 workers"
    ]


@pytest.mark.parametrize("size", [(80, 1), (80, 3), (120, 4)])
def test_the_status_tells_of_a_rest(size: tuple[int, int]) -> None:
    """Beside the address, at every width at which there is a status, and nothing is there otherwise."""
    for snapshot, shown in ((resting(DOWN), True), (resting(), False)):
        view = make_scene(snapshot=snapshot)
        rows = ["".join(text for _, text in row) for row in figures.status(Rect(0, 0, *size), view)]
        assert ("openai rests 12s" in rows[0]) is shown


def test_small_screens_and_the_line_tell_of_a_rest() -> None:
    """Where there is no room for a panel too."""
    view = make_scene(snapshot=resting(DOWN))
    for rows in (figures.compact(Rect(0, 0, 50, 9), view), figures.line_rows(Rect(0, 0, 60, 2), view)):
        assert any("openai rests 12s" in "".join(text for _, text in row) for row in rows)
    assert render_line(resting(DOWN)).startswith("openai rests 12s  active 44  ")


def test_the_report_has_a_table_of_providers_and_a_sentence_for_each_rest() -> None:
    """Between the models and the errors."""
    report = render_report(resting(DOWN))
    assert report.split("\n\n")[3].splitlines() == [
        "provider  tries  failed",
        "openai      812      37",
        "echo         31       0",
        "openai rests 12s: the last 5 tries failed (could not be reached), 2 of 2 workers",
    ]
