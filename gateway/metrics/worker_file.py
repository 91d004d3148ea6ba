"""The counts of one worker in a memory-mapped file: written by that worker alone, read by anyone at any time.

Every cell only grows, so whatever a reader sees was true at some moment, and what is derived stays consistent by the
order of stores and loads:

- The writer counts a request as started, later as started under its model's entry, then its latency and tokens, and
  as the very last its outcome. A finish is published by its outcome.
- The reader goes the other way: outcomes, then everything else, the starts of the worker after those of its entries.
  So it sees the start, the latency and the tokens of every finish that it sees, and active = started - finished -
  abandoned is never negative. The starts come soon after the outcomes: what begins and ends between the two reads is
  shown as active.

Neither `finished` (the sum of the outcomes) nor the number of latencies (the sum of the cells) nor the starts without
a known model (those of the worker less those of the named entries) is stored, so no two cells can disagree about them.
A worker that is killed between two stores leaves a latency without an outcome; its request counts as abandoned.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.metrics.cells import CELLS
from gateway.metrics.directory import Directory
from gateway.metrics.entries import (
    ENTRIES,
    MAX_NAME_BYTES,
    NAMED,
    OTHER,
    OTHER_NAME,
    UNATTRIBUTED,
    EntryNames,
    cut_name,
)
from gateway.metrics.errors import WorkerFileError
from gateway.metrics.lanes import Distribution, counts, from_cells
from gateway.metrics.layout import IDENTITY, FileKind, MappedFile, Record
from gateway.metrics.outcome import OUTCOMES
from gateway.metrics.window import Totals, total

HEADER: Final = Record(
    **IDENTITY.runs,
    slot=1,
    pid=1,
    process_started=1,
    generation=1,  # how many processes have written this file
    started=1,
    log_dropped=1,
    invalid=1,  # figures that were out of range and have been clamped
)
ENTRY: Final = Record(
    name=1 + MAX_NAME_BYTES // 8,
    started=1,
    abandoned=1,  # active when their process died
    outcomes=len(OUTCOMES),
    input_tokens=1,
    output_tokens=1,
    cells=CELLS,
)
# How the providers do, which is another matter: gateway.metrics.health.
TARGET: Final = Record(name=1 + 2 * MAX_NAME_BYTES // 8, tries=1, failures=1, circuit=1)
TARGETS: Final = 64
KIND: Final = FileKind(b"gwworker", 2, ((HEADER, 1), (ENTRY, ENTRIES), (TARGET, TARGETS)), WorkerFileError)
_ZEROS: Final = memoryview(bytes(8 * CELLS))
_FILE_NAME = re.compile(r"worker-\d+\.metrics")


def worker_file_name(slot: int) -> str:
    """The name of a slot's file in the run directory."""
    return f"worker-{slot}.metrics"


def entry_offset(entry: int) -> int:
    """Where an entry starts, in cells."""
    return HEADER.cells + entry * ENTRY.cells


def target_offset(target: int) -> int:
    """Where the row of a target starts, in cells."""
    return entry_offset(ENTRIES) + target * TARGET.cells


class WorkerFile:
    """The writer's side. The caller makes sure that a slot has one living writer."""

    def __init__(self, file: MappedFile) -> None:
        self._file = file
        self.cells = file.cells

    @classmethod
    def open(cls, path: Path, *, slot: int, pid: int, process_started: float) -> Self:
        """Create the file, or take over that of a dead predecessor.

        Its counts go on and its active requests are abandoned. Readers see the new file from one moment to the next.
        Raises OSError, and WorkerFileError if `path` is not a worker file of this layout.
        """

        def fill(file: MappedFile) -> None:
            if predecessor is not None:
                counts = target_offset(0)
                file.cells[:counts] = predecessor.file.cells[:counts]
                for entry in predecessor.read(latencies=False).entries:
                    file.cells[entry_offset(entry.entry) + ENTRY["abandoned"]] += entry.active
            file.cells[HEADER["slot"]] = slot
            file.cells[HEADER["pid"]] = pid
            file.floats[HEADER["process_started"]] = process_started
            file.cells[HEADER["generation"]] += 1
            file.put_text(entry_offset(OTHER) + ENTRY["name"], OTHER_NAME)

        try:
            predecessor = WorkerFileReader(path)
        except FileNotFoundError:
            predecessor = None
        try:
            return cls(KIND.create(path, fill))
        finally:
            if predecessor is not None:
                predecessor.close()

    def names(self) -> list[str]:
        """The models that have an entry of their own, in the order of the entries."""
        names = (self._file.get_text(entry_offset(entry) + ENTRY["name"]) for entry in NAMED)
        return [name for name in names if name]

    def publish_name(self, entry: int, name: str) -> None:
        """Give an unused entry its name, of at most 128 bytes."""
        self._file.put_text(entry_offset(entry) + ENTRY["name"], name)

    def publish_target(self, target: int, name: str) -> None:
        """Give the next unused row of the targets its name, cut to 256 bytes."""
        self._file.put_text(target_offset(target) + TARGET["name"], cut_name(name, 2 * MAX_NAME_BYTES))

    def close(self) -> None:
        """Unmap; the collector must not be used any more. The file and its counts stay."""
        self._file.close()


class EntryReading(msgspec.Struct, frozen=True):
    """What a worker has counted under one entry.

    `active` requests are running, or were when their process died; `abandoned` ones were when an earlier one died.
    """

    entry: int
    name: str
    started: int
    abandoned: int
    active: int
    totals: Totals


class WorkerReading(msgspec.Struct, frozen=True):
    """What a worker has counted: the unattributed entry, the named ones and "other"."""

    started: int
    finished: int
    log_dropped: int
    invalid: int
    entries: list[EntryReading]

    @property
    def active(self) -> int:
        """Requests that are running, or were when their process died."""
        return sum(entry.active for entry in self.entries)

    def check_valid(self) -> None:
        """Assert what holds in every reading with latencies, however the reads and the writes were interleaved."""
        for entry in self.entries:
            assert entry.started == entry.totals.finished + entry.active + entry.abandoned
            assert sum(counts(entry.totals.latencies)[1]) >= entry.totals.finished
        assert self.started == sum(entry.started for entry in self.entries)
        assert self.finished == sum(entry.totals.finished for entry in self.entries)


class WorkerFileReader:
    """A reader's side. Identity is read once: a new process comes with a new file."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, or WorkerFileError if this is not a worker file of this layout."""
        self.file = KIND.open(path)
        self.slot = self.file.cells[HEADER["slot"]]
        self.pid = self.file.cells[HEADER["pid"]]
        self.process_started = self.file.floats[HEADER["process_started"]]
        self.generation = self.file.cells[HEADER["generation"]]
        # One cell of every entry: eighteen loads in one call.
        self._outcomes = [self._column("outcomes", outcome) for outcome in OUTCOMES]
        self._tokens = [self._column("input_tokens"), self._column("output_tokens")]
        self._started = self._column("started")
        self._abandoned = self._column("abandoned")
        self._names = [""]
        self._targets: list[str] = []
        self._known = [Totals() for _ in range(ENTRIES)]
        self._first_cells = [entry_offset(entry) + ENTRY["cells"] for entry in range(ENTRIES)]
        self._unused = [_ZEROS] * ENTRIES

    def read(self, *, latencies: bool = True) -> WorkerReading:
        """Everything that was published before the call; without `latencies` the totals have none."""
        memory = self.file.cells
        self._read_new_names()
        outcomes = [column.tolist() for column in self._outcomes]
        tokens = [column.tolist() for column in self._tokens]
        started = self._started.tolist()
        abandoned = self._abandoned.tolist()
        worker_started = memory[HEADER["started"]]
        log_dropped, invalid = memory[HEADER["log_dropped"]], memory[HEADER["invalid"]]
        used = [*range(len(self._names)), OTHER]
        started[UNATTRIBUTED] = worker_started - sum([started[entry] for entry in used])
        finished = list(map(sum, zip(*outcomes, strict=True)))
        counters = list(zip(*outcomes, *tokens, strict=True))
        if latencies:
            totals = self._known
            for entry in used:
                # Without a new outcome no new latency is published either.
                if counters[entry] != totals[entry].counters:
                    totals[entry] = Totals(counters[entry], self._distribution(entry))
        else:
            totals = list(map(Totals, counters))
        entries = [
            EntryReading(
                entry,
                name,
                started[entry],
                abandoned[entry],
                # Not negative even after a finish too many.
                max(0, started[entry] - finished[entry] - abandoned[entry]),
                totals[entry],
            )
            for entry, name in zip(used, [*self._names, OTHER_NAME], strict=True)
        ]
        return WorkerReading(worker_started, sum([finished[entry] for entry in used]), log_dropped, invalid, entries)

    def target_names(self) -> list[str]:
        """The names of the targets' rows that are in use."""
        while (target := len(self._targets)) < TARGETS:
            name = self.file.get_text(target_offset(target) + TARGET["name"])
            if not name:
                break
            self._targets.append(name)
        return self._targets

    def close(self) -> None:
        """Unmap."""
        for column in (*self._outcomes, *self._tokens, self._started, self._abandoned):
            column.release()
        self.file.close()

    def _column(self, run: str, offset: int = 0) -> "memoryview[int]":
        return self.file.cells[entry_offset(0) + ENTRY[run] + offset :: ENTRY.cells]

    def _read_new_names(self) -> None:
        """Names are given to the entries in their order, and stay."""
        while (entry := len(self._names)) in NAMED:
            name = self.file.get_text(entry_offset(entry) + ENTRY["name"])
            if not name:
                return
            self._names.append(name)

    def _distribution(self, entry: int) -> Distribution:
        """The latencies of an entry. High ones are rare: only the bytes up to the last one in use are decoded."""
        octets = self.file.copy(self._first_cells[entry], CELLS)
        if not octets.endswith(self._unused[entry]):
            self._unused[entry] = _ZEROS[len(octets.rstrip(b"\0")) :]
        return from_cells(octets, len(octets) - len(self._unused[entry]))


class WorkerFiles:
    """The worker files of a run directory; those that disappear with it stay mapped, so that their counts remain."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._directory = Directory(run_dir)
        self._readers: dict[str, WorkerFileReader] = {}
        self._by_slot: list[WorkerFileReader] = []
        # Listed, but not looked at yet, or not readable.
        self._pending: set[str] = set()

    def refresh(self, *, skip_invalid: bool = False) -> list[WorkerFileReader]:
        """Map what is new or has been taken over, and return all by slot; raises WorkerFileError."""
        names = self._directory.names_if_changed()
        if names is not None:
            self._pending = set(filter(_FILE_NAME.fullmatch, names))
        for name in sorted(self._pending):
            try:
                self._follow(name)
            except WorkerFileError:
                if not skip_invalid:
                    raise
                continue
            except FileNotFoundError:
                # Gone since it was listed.
                pass
            self._pending.remove(name)
        return self._by_slot

    def close(self) -> None:
        """Unmap all."""
        for reader in self._readers.values():
            reader.close()

    def _follow(self, name: str) -> None:
        path = self._run_dir / name
        known = self._readers.get(name)
        if known is None or known.file.inode != path.stat().st_ino:
            self._readers[name] = WorkerFileReader(path)
            self._by_slot = sorted(self._readers.values(), key=lambda reader: reader.slot)
            if known is not None:
                known.close()


def roll_up(readings: Iterable[WorkerReading], names: EntryNames) -> list[Totals]:
    """The totals of all workers by the entries of the instance: workers number the same models differently."""
    parts: list[list[Totals]] = [[] for _ in range(ENTRIES)]
    for reading in readings:
        for entry in reading.entries:
            parts[instance_entry(entry, names)].append(entry.totals)
    return list(map(total, parts))


def instance_entry(entry: EntryReading, names: EntryNames) -> int:
    """The entry of the instance for that of a worker."""
    return names[entry.name] if entry.name else UNATTRIBUTED
