"""Mapped files: who may read them, when they appear, and what is refused."""

import stat
from pathlib import Path

import pytest

from gateway.metrics.errors import HistoryFileError, MetricsError
from gateway.metrics.layout import IDENTITY, FileKind, MappedFile, Record

HEADER = Record(**IDENTITY.runs, name=3, value=1)
KIND = FileKind(b"gwexampl", 3, ((HEADER, 1),), HistoryFileError)
LATER = FileKind(b"gwexampl", 4, ((HEADER, 1),), HistoryFileError)
WIDER = FileKind(b"gwexampl", 3, ((HEADER, 2),), HistoryFileError)


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


@pytest.mark.parametrize("other", [LATER, WIDER])
def test_another_layout_is_refused_in_one_sentence(tmp_path: Path, other: FileKind) -> None:
    """The text names the file and both layouts."""
    KIND.create(tmp_path / "file", nothing).close()
    with pytest.raises(HistoryFileError) as caught:
        other.open(tmp_path / "file")
    assert isinstance(caught.value, MetricsError)
    assert caught.value.path == tmp_path / "file"
    assert str(caught.value).startswith(f"{tmp_path}/file has layout 3-")
    assert str(caught.value).endswith("it was written by another version of the gateway.")


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    """FileNotFoundError, so that a reader can wait for it."""
    with pytest.raises(FileNotFoundError):
        KIND.open(tmp_path / "file")
