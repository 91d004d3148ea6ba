"""What a reader sees of a worker's providers, however its loads and the worker's stores are interleaved."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.health import HealthBoard, read_targets
from gateway.metrics.worker_file import WorkerFile, WorkerFileReader, worker_file_name

PLACES = st.tuples(st.sampled_from(["p", "q"]), st.sampled_from([None, "m", "n"]))
CIRCUITS = st.tuples(st.integers(0, 9), st.sampled_from([1, 4, 429, 503]), st.integers(0, 90).map(lambda s: s / 10))
STEPS = st.lists(st.one_of(st.sampled_from(["try p", "fail p", "try q", "fail q"]), st.tuples(PLACES, CIRCUITS)))


class Writing:
    """The cells of a reader, who is overtaken by so many steps of the writer before each load."""

    def __init__(self, cells: Any, steps: Iterator[Any], pace: Iterator[int]) -> None:
        self._cells = cells
        self._steps = steps
        self._pace = pace

    def __getitem__(self, at: int) -> int:
        for _ in range(next(self._pace, 0)):
            next(self._steps, None)
        value: int = self._cells[at]
        return value


@given(steps=STEPS, pace=st.lists(st.integers(0, 3)))
def test_a_reading_is_whole_between_any_two_stores(steps: list[Any], pace: list[int]) -> None:
    """Never more failures than tries, each circuit as it was shown at some moment, and at the end what is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, worker_file_name(0))
        board = HealthBoard(WorkerFile.open(path, slot=0, pid=1, process_started=0.5), ["p", "q"])
        reader = WorkerFileReader(path)
        shown: dict[tuple[str, str | None], list[tuple[int, int, float]]] = {}
        counted = {"try p": 0, "fail p": 0, "try q": 0, "fail q": 0}

        def write() -> Iterator[None]:
            for step in steps:
                if isinstance(step, tuple):
                    place, (failures, cause, until) = step
                    if until or place in shown or place[1] is None:
                        shown.setdefault(place, []).append((failures, cause, until))
                    board.show(*place, failures=failures, cause=cause, rests_until_s=until)
                elif step.startswith("try"):
                    counted[step] += 1
                    board.tried(step[-1])
                elif counted[step] < counted[f"try {step[-1]}"]:
                    counted[step] += 1
                    board.failed(step[-1])
                yield

        writing = write()
        cells = Writing(reader.file.cells, writing, iter(pace))
        overtaken: Any = SimpleNamespace(file=SimpleNamespace(cells=cells), target_names=reader.target_names)
        for target in read_targets(overtaken):
            assert target.failures <= target.tries
            seen = (target.in_a_row, target.cause, target.until_s)
            assert seen in [(0, 0, 0.0), *shown.get((target.provider, target.model), [])]
        for _ in writing:
            pass
        final = {(target.provider, target.model): target for target in read_targets(reader)}
        for place, circuits in shown.items():
            assert (final[place].in_a_row, final[place].cause, final[place].until_s) == circuits[-1]
        assert [final[name, None].tries for name in "pq"] == [counted["try p"], counted["try q"]]
        reader.close()
