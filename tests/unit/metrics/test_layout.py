"""Mapped files: who may read them, when they appear, and what is refused."""

import os
import re
import stat
from pathlib import Path

import pytest

from gateway.metrics.errors import HistoryFileError, MetricsError, WorkerFileError
from gateway.metrics.layout import IDENTITY, FileKind, MappedFile, Record

HEADER = Record(**IDENTITY.runs, name=3, value=1)
KIND = FileKind(b"gwexampl", 3, ((HEADER, 1),), HistoryFileError)
SIZE = 8 * (3 + 3 + 1)


def nothing(file: MappedFile) -> None:
    """Leave all cells at zero."""


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """The mode is 0600."""
    KIND.create(tmp_path / "file", nothing).close()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """While it is being filled its name does not exist yet."""
    seen = []
    KIND.create(tmp_path / "file", lambda file: seen.append((tmp_path / "file").exists())).close()
    assert seen == [False]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_could_not_be_filled_does_not_appear(tmp_path: Path) -> None:
    """What was there before stays."""

    def fail(file: MappedFile) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        KIND.create(tmp_path / "file", fail)
    assert not (tmp_path / "file").exists()


def test_what_a_crash_left_half_made_is_not_in_the_next_file(tmp_path: Path) -> None:
    """A new file begins with zeros, even where a longer one of the same name had been begun."""
    (tmp_path / "file.new").write_bytes(b"x" * 1000)
    file = KIND.create(tmp_path / "file", nothing)
    assert list(file.cells[IDENTITY.cells :]) == [0] * (HEADER.cells - IDENTITY.cells)
    file.close()


def test_a_file_that_cannot_be_made_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is that of the system, and the descriptor is closed."""

    def fail(fd: int, size: int) -> None:
        opened.append(fd)
        raise OSError(28, "No space left on device")

    opened: list[int] = []
    monkeypatch.setattr(os, "ftruncate", fail)
    with pytest.raises(OSError, match="No space left"):
        KIND.create(tmp_path / "file", nothing)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_text_is_published_by_its_length(tmp_path: Path) -> None:
    """Before it is put it is empty, afterwards it is what was put, in as many bytes as it takes."""
    writer = KIND.create(tmp_path / "file", nothing)
    reader = KIND.open(tmp_path / "file")
    assert reader.get_text(HEADER["name"]) == ""
    writer.put_text(HEADER["name"], "clé à molette")
    assert reader.get_text(HEADER["name"]) == "clé à molette"
    assert reader.cells[HEADER["value"]] == 0
    writer.close()
    reader.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """Its mapping is read-only."""
    KIND.create(tmp_path / "file", nothing).close()
    reader = KIND.open(tmp_path / "file")
    with pytest.raises(TypeError, match="read-only"):
        reader.cells[HEADER["value"]] = 1
    reader.close()


@pytest.mark.parametrize(
    ("version", "times", "names"), [(4, 1, ("name", "value")), (3, 2, ("name", "value")), (3, 1, ("text", "value"))]
)
def test_another_layout_is_refused_in_one_sentence(
    tmp_path: Path, version: int, times: int, names: tuple[str, str]
) -> None:
    """Another version, length or name of a run is another layout; the text names the file and both layouts."""
    KIND.create(tmp_path / "file", nothing).close()
    header = Record(**IDENTITY.runs, **dict(zip(names, (3, 1), strict=True)))
    other = FileKind(b"gwexampl", version, ((header, times),), HistoryFileError)
    with pytest.raises(HistoryFileError) as caught:
        other.open(tmp_path / "file")
    assert isinstance(caught.value, MetricsError)
    assert caught.value.path == tmp_path / "file"
    assert re.fullmatch(
        rf"{tmp_path}/file has layout 3-[0-9a-f]{{8}} and this gateway reads {version}-[0-9a-f]{{8}}: "
        r"it was written by another version of the gateway\.",
        str(caught.value),
    )


def test_the_same_layout_is_the_same_kind_of_file(tmp_path: Path) -> None:
    """A kind that is made anew, as in another process, reads the files, and their size is that of all runs."""
    KIND.create(tmp_path / "file", nothing).close()
    header = Record(magic=1, version=1, checksum=1, name=3, value=1)
    assert (header.cells, header["magic"], header["name"], header["value"]) == (7, 0, 3, 6)
    reader = FileKind(b"gwexampl", 3, ((header, 1),), HistoryFileError).open(tmp_path / "file")
    assert len(reader.cells) == header.cells
    reader.close()
    assert (tmp_path / "file").stat().st_size == SIZE


def test_a_kind_has_a_magic_of_its_own(tmp_path: Path) -> None:
    """A file of another kind with the same layout is refused, and the error is that of the kind."""
    FileKind(b"gwanothr", 3, ((HEADER, 1),), WorkerFileError).create(tmp_path / "file", nothing).close()
    with pytest.raises(HistoryFileError, match="is not a metrics file of this kind"):
        KIND.open(tmp_path / "file")
    FileKind(b"gwanothr", 3, ((HEADER, 1),), WorkerFileError).open(tmp_path / "file").close()


def test_the_size_counts_every_repetition(tmp_path: Path) -> None:
    """Two records of which the second comes three times."""
    kind = FileKind(b"gwexampl", 1, ((HEADER, 1), (Record(pair=2), 3)), HistoryFileError)
    kind.create(tmp_path / "file", nothing).close()
    assert (tmp_path / "file").stat().st_size == SIZE + 8 * 2 * 3


@pytest.mark.parametrize("length", [0, 23, 24, SIZE - 1, SIZE + 1])
def test_a_file_of_the_wrong_length_is_refused_in_one_sentence(tmp_path: Path, length: int) -> None:
    """The text says how long it is and, if the header is there, how long it should be."""
    KIND.create(tmp_path / "file", nothing).close()
    content = (tmp_path / "file").read_bytes() + bytes(1)
    (tmp_path / "file").write_bytes(content[:length])
    with pytest.raises(HistoryFileError) as caught:
        KIND.open(tmp_path / "file")
    problem = (
        f"is only {length} bytes long: it is not a metrics file, or it is truncated."
        if length < 24
        else f"is {length} bytes long instead of {SIZE}: it is truncated."
    )
    assert str(caught.value) == f"{tmp_path}/file {problem}"


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    """FileNotFoundError, so that a reader can wait for it."""
    with pytest.raises(FileNotFoundError):
        KIND.open(tmp_path / "file")
