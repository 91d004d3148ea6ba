"""The laws of shared memory on real processes that are killed with -9."""

from pathlib import Path

from benchmarks.metrics_torture import torture


def test_counts_never_decrease_and_what_was_published_is_visible(tmp_path: Path) -> None:
    """Law 32: in 2,000 snapshots of three workers that are killed all the time no figure shrinks or is missing."""
    report = torture(tmp_path, snapshots=2000, limit_s=20.0)
    assert report.kills > 5
    assert report.changes > 100
    assert report.finished > 0
