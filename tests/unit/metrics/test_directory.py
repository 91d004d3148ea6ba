"""When a directory is listed again."""

import os
from pathlib import Path

import pytest

from gateway.metrics.clock import ManualClock
from gateway.metrics.directory import Directory

CHANGED_NS = 10**18


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory with one name, last changed at CHANGED_NS."""
    path = tmp_path / "run"
    path.mkdir()
    touch(path, "a", at_ns=CHANGED_NS)
    return path


def touch(path: Path, name: str, at_ns: int) -> None:
    """Add a name at a time of the wall clock."""
    (path / name).touch()
    os.utime(path, ns=(at_ns, at_ns))


def test_an_unchanged_directory_is_listed_once(path: Path) -> None:
    """Its names come once, and None says that they are still the same."""
    directory = Directory(path, wall_clock=ManualClock(CHANGED_NS + 3 * 10**9))
    assert directory.names_if_changed() == ["a"]
    assert directory.names_if_changed() is None
    assert directory.names_if_changed() is None


def test_a_later_change_is_seen(path: Path) -> None:
    """A name that is added, or replaced by a rename, makes a new listing."""
    clock = ManualClock(CHANGED_NS + 3 * 10**9)
    directory = Directory(path, wall_clock=clock)
    directory.names_if_changed()
    touch(path, "b", at_ns=clock())
    assert sorted(directory.names_if_changed() or []) == ["a", "b"]
    clock.advance(3.0)
    directory.names_if_changed()
    (path / "b").rename(path / "a")
    assert directory.names_if_changed() == ["a"]


@pytest.mark.parametrize("age_ns", [0, 2 * 10**9, -(10**9)], ids=["now", "a coarse tick ago", "in the future"])
def test_a_change_in_the_same_tick_as_the_listing_is_seen(path: Path, age_ns: int) -> None:
    """While the last change is so young that another one may have the same time, every call lists."""
    directory = Directory(path, wall_clock=ManualClock(CHANGED_NS + age_ns))
    assert directory.names_if_changed() == ["a"]
    touch(path, "b", at_ns=CHANGED_NS)
    assert sorted(directory.names_if_changed() or []) == ["a", "b"]


def test_a_directory_may_come_go_and_come_again(path: Path, tmp_path: Path) -> None:
    """A missing one has no names, and another one in its place is another one, even if it is as old."""
    clock = ManualClock(CHANGED_NS + 3 * 10**9)
    directory = Directory(tmp_path / "place", wall_clock=clock)
    assert directory.names_if_changed() == []
    assert directory.names_if_changed() is None
    path.rename(tmp_path / "place")
    assert directory.names_if_changed() == ["a"]
    (tmp_path / "place").rename(tmp_path / "gone")
    assert directory.names_if_changed() == []
    (tmp_path / "place").mkdir()
    touch(tmp_path / "place", "c", at_ns=CHANGED_NS)
    assert directory.names_if_changed() == ["c"]
    assert directory.names_if_changed() is None
