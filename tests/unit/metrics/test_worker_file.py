"""Worker files: taking over, following, and what a reader makes of them."""

import os
from pathlib import Path

import pytest

from gateway.metrics.collector import Collector
from gateway.metrics.entries import OTHER
from gateway.metrics.errors import WorkerFileError
from gateway.metrics.outcome import Outcome
from gateway.metrics.window import Totals
from gateway.metrics.worker_file import (
    EntryReading,
    WorkerFile,
    WorkerFileReader,
    WorkerFiles,
    WorkerReading,
    worker_file_name,
)
from tests.support.metrics import of_latencies


def open_worker(run_dir: Path, slot: int = 0, pid: int = 10) -> WorkerFile:
    """A worker's file as the worker opens it."""
    return WorkerFile.open(run_dir / worker_file_name(slot), slot=slot, pid=pid, process_started=pid + 0.25)


def test_a_reader_knows_whose_file_it_is(tmp_path: Path) -> None:
    """Slot, pid and start time come from the header."""
    open_worker(tmp_path, slot=3, pid=42)
    reader = WorkerFileReader(tmp_path / "worker-3.metrics")
    assert (reader.slot, reader.pid, reader.process_started, reader.generation) == (3, 42, 42.25, 1)


def test_a_request_is_active_from_its_head_to_its_end(tmp_path: Path) -> None:
    """It counts as unattributed first and under its model as soon as that is known."""
    collector = Collector(open_worker(tmp_path))
    reader = WorkerFileReader(tmp_path / "worker-0.metrics")

    def active() -> dict[str, int]:
        return {entry.name: entry.active for entry in reader.read().entries if entry.active}

    collector.started()
    assert active() == {"": 1}
    entry = collector.attribute("echo")
    assert active() == {"echo": 1}
    collector.finished(entry, Outcome.OK, 5_000_000, 3, 4)
    assert active() == {}
    assert reader.read().active == 0


def test_a_successor_does_not_inherit_active_requests(tmp_path: Path) -> None:
    """What ran when the process died is abandoned, by model, and everything else goes on."""
    first = Collector(open_worker(tmp_path, pid=10))
    for model in ("echo", "echo", "gpt"):
        first.started()
        entry = first.attribute(model)
    first.finished(entry, Outcome.OK, 1000, 1, 1)
    first.started()
    successor = Collector(open_worker(tmp_path, pid=11))
    reader = WorkerFileReader(tmp_path / "worker-0.metrics")
    reading = reader.read()
    reading.check_valid()
    assert (reader.pid, reader.generation) == (11, 2)
    assert {entry.name: entry.abandoned for entry in reading.entries if entry.abandoned} == {"": 1, "echo": 2}
    assert (reading.started, reading.active) == (4, 0)
    assert successor.attribute("gpt") == 2


def test_followers_see_a_new_process_in_a_slot(tmp_path: Path) -> None:
    """The old reading stays valid until the next refresh, which maps the successor's file."""
    files = WorkerFiles(tmp_path)
    assert files.refresh() == []
    open_worker(tmp_path, slot=10, pid=1)
    open_worker(tmp_path, slot=9, pid=2)
    assert [reader.slot for reader in files.refresh()] == [9, 10]
    before = files.refresh()[0]
    assert files.refresh()[0] is before
    open_worker(tmp_path, slot=9, pid=3)
    assert before.read().started == 0
    assert [reader.pid for reader in files.refresh()] == [3, 1]


def test_an_unchanged_directory_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known files are returned without looking for others, and a successor in a slot is still found."""
    open_worker(tmp_path, pid=1)
    os.utime(tmp_path, (0, 0))
    files = WorkerFiles(tmp_path)
    first = files.refresh()
    with monkeypatch.context() as patch:
        patch.delattr(os, "listdir")
        assert files.refresh() == first
    open_worker(tmp_path, pid=2)
    assert [reader.pid for reader in files.refresh()] == [2]


def test_counts_outlive_the_run_directory(tmp_path: Path) -> None:
    """A viewer that is open while the gateway removes its files at exit keeps the last figures."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    Collector(open_worker(run_dir)).started()
    files = WorkerFiles(run_dir)
    files.refresh()
    (run_dir / "worker-0.metrics").unlink()
    run_dir.rmdir()
    assert [reader.read().started for reader in files.refresh()] == [1]


def test_only_worker_files_are_read(tmp_path: Path) -> None:
    """Half-made files, logs and the history have other names."""
    for name in ("worker-0.metrics.new", "worker-0.log", "history", "worker-x.metrics", "instance.json"):
        (tmp_path / name).write_bytes(b"?")
    assert WorkerFiles(tmp_path).refresh() == []


def test_an_unreadable_file_is_reported_or_skipped(tmp_path: Path) -> None:
    """A viewer says what is wrong; the sampler goes on with the other workers."""
    open_worker(tmp_path, slot=1)
    (tmp_path / "worker-0.metrics").write_bytes(b"")
    files = WorkerFiles(tmp_path)
    assert [reader.slot for reader in files.refresh(skip_invalid=True)] == [1]
    with pytest.raises(WorkerFileError, match=r"worker-0\.metrics is only 0 bytes long"):
        files.refresh()


def test_what_was_left_out_after_an_error_is_still_found(tmp_path: Path) -> None:
    """Files that are listed after a foreign one are not forgotten, and the foreign one is reported every time."""
    open_worker(tmp_path, slot=1)
    (tmp_path / "worker-0.metrics").write_bytes(b"")
    os.utime(tmp_path, (0, 0))
    files = WorkerFiles(tmp_path)
    for _ in range(2):
        with pytest.raises(WorkerFileError):
            files.refresh()
    assert [reader.slot for reader in files.refresh(skip_invalid=True)] == [1]
    files.close()


def test_a_latency_above_all_earlier_ones_is_seen(tmp_path: Path) -> None:
    """A reader that knows which cells were in use notices a new highest and a new lowest one."""
    collector = Collector(open_worker(tmp_path))
    reader = WorkerFileReader(tmp_path / "worker-0.metrics")
    latencies_us = [70_000, 60_000, 3_000_000_000, 5, 70_000, 2**32 - 1]
    for count, latency_us in enumerate(latencies_us, start=1):
        collector.started()
        collector.finished(0, Outcome.OK, latency_us * 1000, 0, 0)
        assert reader.read().entries[0].totals.latencies == of_latencies(latencies_us[:count])


def test_an_end_without_a_start_is_not_shown_as_a_negative_number(tmp_path: Path) -> None:
    """A finish too many leaves active at zero."""
    collector = Collector(open_worker(tmp_path))
    collector.started()
    collector.finished(0, Outcome.OK, 0, 0, 0)
    collector.finished(0, Outcome.OK, 0, 0, 0)
    assert WorkerFileReader(tmp_path / "worker-0.metrics").read().active == 0


def test_a_model_name_is_cut_at_a_character_boundary(tmp_path: Path) -> None:
    """A name of 200 bytes whose 128th is inside a character keeps 127 bytes and can be read."""
    collector = Collector(open_worker(tmp_path))
    collector.attribute("x" + "é" * 100)
    names = [entry.name for entry in WorkerFileReader(tmp_path / "worker-0.metrics").read().entries]
    assert names == ["", "x" + "é" * 63, "other"]


def test_the_seventeenth_model_is_other(tmp_path: Path) -> None:
    """As is a model that is called so."""
    collector = Collector(open_worker(tmp_path))
    entries = [collector.attribute(f"model-{number}") for number in range(18)]
    assert entries == [*range(1, 17), OTHER, OTHER]
    assert collector.attribute("other") == OTHER


def test_dropped_log_records_are_counted(tmp_path: Path) -> None:
    """One by one or many at once."""
    collector = Collector(open_worker(tmp_path))
    collector.log_dropped()
    collector.log_dropped(4)
    assert WorkerFileReader(tmp_path / "worker-0.metrics").read().log_dropped == 5


def test_a_file_that_vanishes_while_it_is_looked_for_hides_no_other(tmp_path: Path) -> None:
    """The run directory may be removed file by file under a viewer."""
    for slot in range(0, 16, 2):
        open_worker(tmp_path, slot=slot)
        (tmp_path / worker_file_name(slot + 1)).symlink_to(tmp_path / "gone")
    assert [reader.slot for reader in WorkerFiles(tmp_path).refresh()] == list(range(0, 16, 2))


def test_latencies_are_read_on_demand(tmp_path: Path) -> None:
    """Four times a second the counters are enough, and the latencies are left alone."""
    collector = Collector(open_worker(tmp_path))
    collector.started()
    collector.finished(0, Outcome.OK, 1000, 0, 0)
    reader = WorkerFileReader(tmp_path / "worker-0.metrics")
    assert reader.read(latencies=False).entries[0].totals.latencies == 0
    assert reader.read().entries[0].totals.latencies == of_latencies([1])


@pytest.mark.parametrize(
    ("started", "finished", "latencies"),
    [(2, 1, 1), (1, 1, 0)],
    ids=["a start of no entry", "a finish without a latency"],
)
def test_a_reading_that_cannot_be_is_noticed(started: int, finished: int, latencies: int) -> None:
    """`check_valid`, on which the property tests rely, fails where figures disagree."""
    totals = Totals((finished, *Totals().counters[1:]), of_latencies([1] * latencies))
    entry = EntryReading(0, "", started=1, abandoned=0, active=0, totals=totals)
    with pytest.raises(AssertionError):
        WorkerReading(started, finished, log_dropped=0, invalid=0, entries=[entry]).check_valid()
    totals = Totals((1, *Totals().counters[1:]), of_latencies([1]))
    WorkerReading(1, 1, 0, 0, [EntryReading(0, "", 1, 0, 0, totals)]).check_valid()


def test_a_model_is_known_from_its_first_request_on_and_in_every_later_life(tmp_path: Path) -> None:
    """A successor of the worker knows what its file knows."""
    collector = Collector(open_worker(tmp_path))
    assert not collector.knows("tiny")
    collector.attribute("tiny")
    assert collector.knows("tiny")
    assert Collector(open_worker(tmp_path, pid=11)).knows("tiny")
