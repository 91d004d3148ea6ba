"""Laws of the worker files: what is written is read, by however many workers, and garbage is refused."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.metrics.cells import CELLS, MAX_MICROSECONDS, index
from gateway.metrics.collector import MAX_TOKENS, Collector
from gateway.metrics.entries import ENTRIES, NAMED, OTHER, EntryNames, cut_name
from gateway.metrics.errors import WorkerFileError
from gateway.metrics.outcome import OUTCOMES, Outcome
from gateway.metrics.window import Totals
from gateway.metrics.worker_file import WorkerFile, WorkerFileReader, WorkerReading, roll_up, worker_file_name
from tests.support.metrics import cells_of, of_latencies

MODELS = st.sampled_from(["echo", "gpt", "clé", "模型" * 30, "other", "x" * 127 + "é", "x" * 127 + "è"])
REQUESTS = st.tuples(
    st.none() | MODELS,
    st.sampled_from(OUTCOMES) | st.none(),  # None: still running
    st.integers(0, 10**12),
    st.integers(0, 10**5),
    st.integers(0, 10**5),
)
Request = tuple[str | None, Outcome | None, int, int, int]


@contextmanager
def run_directory() -> Iterator[Path]:
    """A new folder for one example."""
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


def open_worker(run_dir: Path, slot: int = 0) -> Collector:
    """The collector of a worker whose file is never closed."""
    return Collector(WorkerFile.open(run_dir / worker_file_name(slot), slot=slot, pid=7, process_started=1.5))


def read(run_dir: Path, slot: int = 0) -> WorkerReading:
    """One valid reading by a new reader."""
    reader = WorkerFileReader(run_dir / worker_file_name(slot))
    reading = reader.read()
    reading.check_valid()
    reader.close()
    return reading


def record(collector: Collector, request: Request) -> None:
    """A whole request."""
    model, outcome, latency_ns, input_tokens, output_tokens = request
    collector.started()
    entry = collector.UNATTRIBUTED if model is None else collector.attribute(model)
    if outcome is not None:
        collector.finished(entry, outcome, latency_ns, input_tokens, output_tokens)


@given(st.lists(REQUESTS, max_size=15))
def test_what_is_recorded_is_read(requests: list[Request]) -> None:
    """Law 23: a reader sees exactly the counts, tokens and latencies of every model."""
    with run_directory() as run_dir:
        collector = open_worker(run_dir)
        for request in requests:
            record(collector, request)
        reading = read(run_dir)
    for entry in reading.entries:
        mine = [r for r in requests if ("" if r[0] is None else cut_name(r[0])) == entry.name]
        done = [r for r in mine if r[1] is not None]
        cells = [0] * CELLS
        for _, _, latency_ns, _, _ in done:
            cells[index(min(latency_ns // 1000, MAX_MICROSECONDS))] += 1
        assert entry.started == len(mine)
        assert entry.active == len(mine) - len(done)
        assert entry.totals.outcomes == tuple(sum(r[1] is outcome for r in done) for outcome in OUTCOMES)
        assert (entry.totals.input_tokens, entry.totals.output_tokens) == (
            sum(r[3] for r in done),
            sum(r[4] for r in done),
        )
        assert cells_of(entry.totals.latencies) == cells
    assert reading.started == len(requests)


@given(st.lists(st.tuples(st.integers(0, 2), REQUESTS), max_size=20))
def test_any_split_over_workers_equals_one_worker(requests: list[tuple[int, Request]]) -> None:
    """Law 20: three workers in any interleaving add up to one; they may number the models differently."""
    with run_directory() as together, run_directory() as apart:
        one = open_worker(together)
        several = [open_worker(apart, slot) for slot in range(3)]
        for slot, request in requests:
            record(one, request)
            record(several[slot], request)
        expected, parts = read(together), [read(apart, slot) for slot in range(3)]
    names = EntryNames(())
    assert roll_up(parts, names) == roll_up([expected], names)
    assert sum(part.started for part in parts) == expected.started
    assert sum(part.active for part in parts) == expected.active


@given(st.lists(REQUESTS, max_size=6), st.lists(REQUESTS, max_size=6))
def test_a_successor_continues_the_counts(before: list[Request], after: list[Request]) -> None:
    """Law 33: totals go on over a kill and a restart, and started = finished + active + abandoned in each process."""
    with run_directory() as run_dir:
        for requests in (before, after):
            collector = open_worker(run_dir)
            for request in requests:
                record(collector, request)
        reading = read(run_dir)
    abandoned = sum(entry.abandoned for entry in reading.entries)
    finished = sum(entry.totals.finished for entry in reading.entries)
    assert abandoned == sum(request[1] is None for request in before)
    assert reading.active == sum(request[1] is None for request in after)
    assert reading.started == finished + reading.active + abandoned == len(before) + len(after)


@given(st.lists(st.text(max_size=3) | st.sampled_from(["é" * 65, "x" * 200]), max_size=40))
@example([f"model-{number}" for number in range(20)])
@example(["", "\ud800", "other", "é" * 65])
def test_no_client_can_grow_the_names(models: list[str]) -> None:
    """At most sixteen models get an entry, each always the same one, and the rest fall under "other"."""
    published: dict[int, str] = {}
    names = EntryNames((), published.__setitem__)
    first = [names[model] for model in models]
    assert [names[model] for model in models] == first
    assert list(published) == list(NAMED[: len(published)])
    assert len(names) == len(published) + 1
    assert all(0 < len(name.encode()) <= 128 for name in published.values())
    for model, entry in zip(models, first, strict=True):
        assert entry == OTHER or published[entry] == cut_name(model)
    assert EntryNames(published.values()) == names


NUMBERS = (
    st.integers()
    | st.integers(-1, 1).map(lambda delta: MAX_TOKENS + delta)
    | st.integers(-1, 1).map(lambda delta: (MAX_MICROSECONDS + delta) * 1000)
    | st.sampled_from([float("nan"), float("inf"), float("-inf"), -0.5e9, 1e30])
)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_impossible_figures_are_clamped_and_counted(
    latency_ns: float, input_tokens: float, output_tokens: float
) -> None:
    """Law 6: negative, huge, infinite and undefined figures never raise: each is clamped and counted as invalid."""
    with run_directory() as run_dir:
        collector = open_worker(run_dir)
        collector.started()
        collector.finished(0, Outcome.OK, latency_ns, input_tokens, output_tokens)  # type: ignore[arg-type]
        reading = read(run_dir)
    totals = reading.entries[0].totals
    figures = ((latency_ns // 1000, MAX_MICROSECONDS), (input_tokens, MAX_TOKENS), (output_tokens, MAX_TOKENS))
    assert reading.invalid == sum(not 0 <= figure <= limit for figure, limit in figures)
    microseconds, *tokens = (figure if 0 <= figure <= limit else limit * (figure > limit) for figure, limit in figures)
    assert totals.finished == 1
    assert totals.latencies == of_latencies([int(microseconds)])
    assert [totals.input_tokens, totals.output_tokens] == tokens


@pytest.fixture(scope="module")
def intact() -> bytes:
    """The bytes of a good worker file."""
    with run_directory() as run_dir:
        record(open_worker(run_dir), ("echo", Outcome.OK, 10**6, 1, 2))
        return (run_dir / worker_file_name(0)).read_bytes()


@given(data=st.data())
@settings(max_examples=max(10, settings.default.max_examples // 2))
def test_foreign_or_truncated_files_are_refused(intact: bytes, data: st.DataObject) -> None:
    """Law 23: a file that is cut, too long or of another layout is a WorkerFileError, for readers and writers."""
    damage = data.draw(st.sampled_from(["cut", "longer", "identity", "garbage"]))
    if damage == "cut":
        content = intact[: data.draw(st.integers(0, len(intact) - 1))]
    elif damage == "longer":
        content = intact + bytes(data.draw(st.integers(1, 100)))
    elif damage == "identity":
        place = data.draw(st.integers(0, 23))
        content = intact[:place] + bytes([intact[place] ^ data.draw(st.integers(1, 255))]) + intact[place + 1 :]
    else:
        content = data.draw(st.binary(max_size=200))
    with run_directory() as run_dir:
        path = run_dir / worker_file_name(0)
        path.write_bytes(content)
        with pytest.raises(WorkerFileError, match=str(path)):
            WorkerFileReader(path)
        with pytest.raises(WorkerFileError):
            open_worker(run_dir)
        assert path.read_bytes() == content


def test_an_entry_per_model_and_two_more() -> None:
    """Sixteen models by name, those that are unknown and all others make eighteen entries."""
    assert len({0, *NAMED, OTHER}) == ENTRIES
    assert Totals() == roll_up([], EntryNames(()))[0]
