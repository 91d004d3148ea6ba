"""How a worker shows its providers, and what a viewer makes of several workers."""

from pathlib import Path

import pytest

from gateway.metrics.entries import MAX_NAME_BYTES
from gateway.metrics.health import Cause, HealthBoard, TargetReading, provider_figures, read_targets, words_for
from gateway.metrics.snapshot import ProviderFigures, Rest
from gateway.metrics.worker_file import TARGETS, WorkerFile, WorkerFileReader, worker_file_name
from tests.support.metrics import INFO, START_NS, Instance


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of a worker belongs."""
    return tmp_path / worker_file_name(0)


def write(path: Path) -> WorkerFile:
    """The file of a process in that slot."""
    return WorkerFile.open(path, slot=0, pid=1, process_started=0.5)


def test_a_reader_sees_what_was_shown(path: Path):
    """Tries and failures by provider, and for each circuit when its rest ends and why."""
    board = HealthBoard(write(path), ["p", "q"])
    board.tried("p")
    board.tried("p")
    board.failed("p")
    board.show("p", None, failures=5, cause=Cause.UNREACHABLE, rests_until_s=1234.56)
    board.show("q", "some/model", failures=7, cause=503, rests_until_s=9.0)
    assert read_targets(WorkerFileReader(path)) == [
        TargetReading("p", None, 2, 1, 5, 1, 1234.6),
        TargetReading("q", None, 0, 0, 0, 0, 0.0),
        TargetReading("q", "some/model", 0, 0, 7, 503, 9.0),
    ]


def test_a_model_has_a_row_from_its_first_rest_on(path: Path):
    """Failures before are nobody's business, and the row stays when the rest is over."""
    board = HealthBoard(write(path), ["p"])
    reader = WorkerFileReader(path)
    seen = []
    for until in (0.0, 10.0, 0.0):
        board.show("p", "m", failures=1, cause=500, rests_until_s=until)
        seen.append([(target.model, target.until_s) for target in read_targets(reader)[1:]])
    assert seen == [[], [("m", 10.0)], [("m", 0.0)]]


def test_what_finds_no_row_is_not_shown_and_does_no_harm(path: Path):
    """There are sixty-four rows, however many names clients make up, and a name may be of any length."""
    board = HealthBoard(write(path), ["p"])
    for number in range(100):
        board.show("p", f"{number}" + "é" * 300, failures=1, cause=500, rests_until_s=1.0)
    targets = read_targets(WorkerFileReader(path))
    assert len(targets) == TARGETS
    assert targets[-1].model is not None
    assert targets[-1].model.startswith(f"{TARGETS - 2}é")
    crowded = HealthBoard(write(path), [f"p{number}" for number in range(100)])
    crowded.tried("p99")
    crowded.failed("p99")


def test_figures_that_do_not_fit_are_clamped(path: Path):
    """A rest until the end of time and a million failures are shown as large, and nothing beside them changes."""
    board = HealthBoard(write(path), ["p", "q"])
    board.show("p", None, failures=10**6, cause=10**6, rests_until_s=10.0**12)
    first, second = read_targets(WorkerFileReader(path))
    assert (first.in_a_row, first.cause, first.until_s) == (65_535, 65_535, (2**32 - 1) / 10)
    assert (second.in_a_row, second.cause, second.until_s) == (0, 0, 0.0)


def test_a_successor_begins_anew(path: Path):
    """It knows nothing of what its predecessor found out, and may have other providers."""
    board = HealthBoard(write(path), ["p", "q"])
    board.tried("p")
    board.show("p", None, failures=5, cause=503, rests_until_s=10.0)
    HealthBoard(write(path), ["q"])
    assert read_targets(WorkerFileReader(path)) == [TargetReading("q", None, 0, 0, 0, 0, 0.0)]


def test_the_workers_counts_add_up_and_the_longest_rest_is_told():
    """With its own failures and cause, and with how many workers rest."""
    workers = [
        [TargetReading("p", None, 5, 2, 0, 0, 0.0), TargetReading("p", "m", 0, 0, 5, 429, 107.0)],
        [TargetReading("p", None, 7, 7, 7, 1, 99.0), TargetReading("p", "m", 0, 0, 9, 503, 112.0)],
    ]
    assert provider_figures(workers, 100.0) == [
        ProviderFigures(
            "p", 12, 9, [Rest("m", 12.0, 9, "status 503", 2), Rest(None, 0.0, 7, "could not be reached", 1)]
        )
    ]


def test_each_rest_is_told_on_its_own_in_tenths_of_a_second():
    """That of a model does not make that of the provider longer, and of two workers the longer one counts."""
    workers = [
        [TargetReading("p", None, 0, 0, 1, 503, 190.0), TargetReading("p", "m", 0, 0, 2, 503, 101.26)],
        [TargetReading("p", "m", 0, 0, 3, 503, 101.16), TargetReading("q", None, 1, 0, 0, 0, 0.0)],
    ]
    assert provider_figures(workers, 100.0) == [
        ProviderFigures("p", 0, 0, [Rest(None, 90.0, 1, "status 503", 1), Rest("m", 1.3, 2, "status 503", 2)]),
        ProviderFigures("q", 1, 0, []),
    ]


def test_a_row_has_room_for_two_names(path: Path):
    """That of a provider and that of a model, each as long as a name is shown at most."""
    board = HealthBoard(write(path), ["p" * MAX_NAME_BYTES])
    board.show("p" * MAX_NAME_BYTES, "m" * 100, failures=1, cause=500, rests_until_s=1.0)
    assert read_targets(WorkerFileReader(path))[1].model == "m" * 100


def test_every_failure_counts(path: Path):
    """Two are two."""
    board = HealthBoard(write(path), ["p"])
    for _ in range(2):
        board.tried("p")
        board.failed("p")
    [target] = read_targets(WorkerFileReader(path))
    assert (target.tries, target.failures) == (2, 2)


def test_every_cause_has_words():
    """Those without an answer, and every status."""
    assert all(words_for(cause) for cause in (*Cause, 408, 429, 503))
    assert (words_for(100), words_for(529)) == ("status 100", "status 529")


def test_a_snapshot_shows_the_providers_of_living_workers(tmp_path: Path):
    """What a dead worker knew is gone with it."""
    instance = Instance(tmp_path)
    for slot in range(2):
        instance.start_worker(slot)
        board = HealthBoard(instance.files[slot], ["p"])
        board.tried("p")
        board.failed("p")
        board.show("p", None, failures=5, cause=Cause.SILENT, rests_until_s=START_NS / 1e9 + 30)
    instance.clock.advance(18.0)
    rest = Rest(None, 12.0, 5, "silent for too long", 2)
    assert instance.view.snapshot(INFO, "now").providers == [ProviderFigures("p", 2, 2, [rest])]
    instance.kill_worker(1)
    assert [found.tries for found in instance.view.snapshot(INFO, "now").providers] == [1]
