"""The figures of the benchmarks beside the peers."""

from typing import Any

import pytest

from benchmarks.peers.cases import CASES
from benchmarks.peers.summary import added, ratio, ratios, regressions, report
from benchmarks.peers.upstream import bursts, plain_answer


def run_of(**cpu_us: list[float]) -> dict[str, Any]:
    """A run of the plain case at 32 connections, with the CPU of each contender round by round."""
    slices = [
        {
            "round": number,
            "contender": name,
            "case": "plain",
            "connections": 32,
            "cpu_us": value,
            "rate": 1e6 / value,
            "p50_ms": value / 100,
            "p99_ms": value / 10,
            "rss": 1 << 20,
        }
        for name, values in cpu_us.items()
        for number, value in enumerate(values)
    ]
    return {
        "machine": {"processor": "one", "cores": 2, "python": "3.11.7"},
        "taken_at": "2026-01-01",
        "rounds": 3,
        "versions": dict.fromkeys(cpu_us, "1"),
        "slices": slices,
        "forwarding": [],
        "ready_cpu_s": {name: [0.4] for name in cpu_us},
        "ready_s": {name: [0.5] for name in cpu_us},
        "idle_rss": {name: [1 << 20] for name in cpu_us},
    }


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which everything takes three times as long leaves the ratio as it is."""
    found = ratio(run_of(gateway=[200, 600, 200], rolter=[100, 300, 100]), "gateway", "rolter", "plain")
    assert found is not None
    assert (found.lowest, found.median, found.highest) == (2, 2, 2)


def test_rounds_that_one_side_lacks_are_left_out() -> None:
    """A contender that failed in a round is compared in the other rounds."""
    run = run_of(gateway=[200, 200, 900], rolter=[100, 100])
    found = ratio(run, "gateway", "rolter", "plain")
    assert found is not None
    assert found.highest == 2
    assert ratio(run, "gateway", "portkey", "plain") is None


def test_added_latency_is_over_direct_calls() -> None:
    """What a direct call takes is not the contender's."""
    found = added(run_of(gateway=[300], direct=[100]), "gateway", "plain", 32, "p50_ms")
    assert found is not None
    assert found.median == pytest.approx(2)


def test_the_guard_keeps_ratios_to_others_only() -> None:
    """Neither direct calls nor the gateway with its dashboard are a measure for the gateway."""
    assert ratios(run_of(direct=[10], gateway=[200], dashboard=[210], rolter=[100])) == {"plain": {"rolter": 2}}


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        ({"plain": {"rolter": 2.4}}, 0),
        ({"plain": {"rolter": 2.41}}, 1),
        ({"plain": {"granian": 9.0}}, 0),
        ({"other": {"rolter": 1.0}}, 1),
    ],
    ids=["within tolerance", "above", "contender not installed", "case no longer served"],
)
def test_the_guard_finds_what_became_dearer(now: dict[str, dict[str, float]], sentences: int) -> None:
    """A ratio may be a fifth worse; a peer may be missing, a case that the peer still serves may not."""
    assert len(regressions(now, {"plain": {"rolter": 2.0}}, 0.2)) == sentences


def test_a_report_tells_what_was_skipped() -> None:
    """Who is missing, and which cases a contender refused, stand above the tables."""
    run = run_of(direct=[10], gateway=[200], rolter=[100])
    run |= {"missing": {"nginx": "not on the path"}, "skipped": {"rolter": {"stream-36": "answers 500"}}}
    text = report(run)
    assert "not measured: nginx, not on the path" in text
    assert "rolter skips stream-36: answers 500" in text
    assert "2.000 [2.000..2.000]" in text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_scripted_upstream_gives_a_whole_answer(case: Any) -> None:
    """What the upstream writes for a direct call is what the case takes for a whole answer."""
    if not case.streamed:
        assert case.is_answered_by(plain_answer(case.path))
        return
    events = int(case.model.rpartition("-")[2])
    whole = b"".join(bursts(case.path, events))
    assert case.is_answered_by(whole)
    assert whole.count(b"data: ") == events
