"""The trial of the memory: where it runs, what it finds, and what it says."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.metrics import self_test
from gateway.metrics.errors import MemoryOrderError, MetricsError
from gateway.metrics.self_test import FILE_NAME, observe, store, two_processes, verify_memory, verify_this_machine


class Memory(list[int]):
    """What a reader loads one after the other, wherever it looks; then the last number for ever."""

    def __init__(self, *loads: int) -> None:
        super().__init__(loads)
        self.looks = 0

    def __getitem__(self, place: object) -> int:  # type: ignore[override]
        self.looks += 1
        return super().__getitem__(min(self.looks, len(self)) - 1)


def both(number: int) -> int:
    """The number in both halves."""
    return number << 32 | number


def for_ever() -> bool:
    """There is always time."""
    return True


def test_a_trusted_machine_is_not_tried(tmp_path: Path) -> None:
    """On x86-64 nothing is started."""

    def fail(path: Path) -> str | None:
        raise AssertionError

    for machine in ("x86_64", "AMD64"):
        verify_memory(tmp_path, machine=machine, trial=fail)


def test_a_machine_that_passes_leaves_nothing_behind(tmp_path: Path) -> None:
    """The trial gets a path in the folder, and its file is removed."""

    def trial(path: Path) -> str | None:
        assert path == tmp_path / FILE_NAME
        path.touch()
        return None

    verify_memory(tmp_path, machine="aarch64", trial=trial)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_fails_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """The error names the file, what was seen and the processor."""
    with pytest.raises(MemoryOrderError) as caught:
        verify_memory(tmp_path, machine="riscv64", trial=lambda path: "shows two stores in the wrong order")
    assert isinstance(caught.value, MetricsError)
    assert str(caught.value) == (
        f"{tmp_path}/self-test shows two stores in the wrong order on this processor (riscv64): "
        "its numbers could not be trusted."
    )


def test_stores_in_order_pass() -> None:
    """The first number may be ahead or equal, and both may grow."""
    memory = Memory(*[0] * 201, both(1), both(1), both(1), both(1), both(9))
    assert observe(memory, for_ever, loads=201) is None
    # In hundreds of two loads each; the first, in which nothing had been stored, does not count.
    assert memory.looks == 2 * 400
    memory = Memory(both(1))
    assert observe(memory, for_ever, loads=200) is None
    assert memory.looks == 2 * 200


def test_a_second_store_that_is_seen_first_is_found() -> None:
    """However late in the trial it happens."""
    order = "shows two stores in the wrong order"
    assert observe(Memory(both(1), 0), for_ever, loads=100) == order
    early = [both(1)] * 250
    assert observe(Memory(*early, both(2), both(1)), for_ever, loads=200) == order


@pytest.mark.parametrize("torn", [(1 << 32, both(1)), (0, 1 << 32), (0, 2), (both(1), both(3) - 1)])
def test_a_number_of_unequal_halves_is_found(torn: tuple[int, int]) -> None:
    """In either of the two numbers."""
    assert observe(Memory(*torn), for_ever, loads=100) == "shows a number that is half-written"


@pytest.mark.parametrize(("number", "verdict"), [(both(1), None), (0, "shows no store of another process")])
def test_a_trial_ends_when_its_time_is_over(number: int, verdict: str | None) -> None:
    """A writer that is starved does not hold up the start, and one that never comes is not taken for a good one."""
    turns: Iterator[bool] = iter([True, True, False])
    memory = Memory(number)
    assert observe(memory, lambda: next(turns), loads=1000) == verdict
    assert memory.looks == 2 * 200


def test_a_writer_stores_the_first_number_first() -> None:
    """Both halves of both numbers are equal."""
    stores: list[tuple[int, int]] = []

    class Cells:
        def __setitem__(self, place: int, number: int) -> None:
            stores.append((place, number))

    store(Cells(), range(1, 3))  # type: ignore[arg-type]
    first, second = stores[0][0], stores[1][0]
    assert stores == [(first, both(1)), (second, both(1)), (first, both(2)), (second, both(2))]
    assert second - first == 16


def test_two_real_processes_agree(tmp_path: Path) -> None:
    """On a machine where everything else here works the trial finds nothing, and the other process is gone."""
    assert two_processes(tmp_path / "trial") is None


def test_the_trial_takes_its_processor_from_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown one is tried with two processes, and the error says what they saw."""
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    monkeypatch.setattr(self_test, "two_processes", lambda path: f"fails at {path.name}")
    with pytest.raises(MemoryOrderError, match=r"self-test fails at self-test on this processor \(vax\)"):
        verify_this_machine(tmp_path)


def test_a_writer_that_cannot_start_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds of the clock the trial is over, and has found out nothing."""
    monkeypatch.setattr(sys, "executable", "/bin/true" if sys.platform == "linux" else "true")
    moments = iter([0, 9_999_999_999, 10_000_000_000])
    assert two_processes(tmp_path / "trial", clock=lambda: next(moments)) == "shows no store of another process"
    assert next(moments, None) is None


def test_a_big_endian_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions are read from the bytes of their cells, and would be other ones there."""
    monkeypatch.setattr(sys, "byteorder", "big")
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    with pytest.raises(MemoryOrderError, match=r"self-test cannot be used on this processor \(s390x\)"):
        verify_this_machine(tmp_path)
