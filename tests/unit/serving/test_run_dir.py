"""Run directories, claims, and the identity of processes."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ServeError
from gateway.serving import run_dir as run_dir_module
from gateway.serving.processes import is_alive, process_started
from gateway.serving.run_dir import Claim, announce, create, read_instance, running_instances, sweep


def environment(folder: Path) -> dict[str, str]:
    """Run directories in `folder` only."""
    return {"XDG_RUNTIME_DIR": str(folder)}


def test_a_run_directory_is_private_and_the_same_for_the_same_process(tmp_path: Path):
    """Mode 0700, and workers that share a parent find each other."""
    run_dir = create(environment(tmp_path), os.getpid())
    assert run_dir == create(environment(tmp_path), os.getpid())
    assert stat.S_IMODE(run_dir.stat().st_mode) == 0o700
    assert run_dir.parent.parent == tmp_path


def test_an_announced_instance_is_found_while_its_process_lives(tmp_path: Path):
    """What is announced is read back; a foreign or broken file tells of no instance."""
    run_dir = create(environment(tmp_path), os.getpid())
    assert read_instance(run_dir) is None
    instance = announce(run_dir, pid=os.getpid(), address="http://127.0.0.1:1", workers=2, now=0.0)
    assert instance.started_at == "1970-01-01T00:00:00Z"
    assert read_instance(run_dir) == instance
    assert instance in running_instances(environment(tmp_path))
    (run_dir / "instance.json").write_text("{")
    assert read_instance(run_dir) is None


def test_instances_beside_a_run_directory_are_found_wherever_it_is(tmp_path: Path) -> None:
    """A viewer that was given a directory of another environment finds the gateways that stand beside it."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    run_dir = create(environment(there), os.getpid())
    instance = announce(run_dir, pid=os.getpid(), address="http://127.0.0.1:1", workers=2, now=0.0)
    assert instance not in running_instances(environment(here))
    assert instance in running_instances(environment(here), beside=run_dir.parent / "1-1.00")


def test_sweeping_removes_what_dead_processes_left_and_nothing_else(tmp_path: Path):
    """A directory whose pid now belongs to another process is stale too; an unrelated folder is not ours."""
    mine = create(environment(tmp_path), os.getpid())
    reused = mine.parent / f"{os.getpid()}-0.00"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = mine.parent / f"{ended.pid}-1.00"
    unrelated = mine.parent / "notes"
    for folder in (reused, dead, unrelated):
        folder.mkdir()
    sweep(environment(tmp_path))
    assert [path.exists() for path in (mine, reused, dead, unrelated)] == [True, False, False, True]


@pytest.mark.parametrize("planted", ["a link to a folder", "a link to nothing", "a file"])
def test_what_somebody_else_has_put_there_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """Neither a link nor a file becomes the home of a run directory, and nothing is read or removed through one."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "1-0.00").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    base = tmp_path / "run" / "gateway"
    if planted == "a file":
        base.touch()
    else:
        base.symlink_to(elsewhere if planted == "a link to a folder" else tmp_path / "nowhere")
    fallback = tmp_path / "fallback"
    monkeypatch.setattr(run_dir_module, "base_candidates", lambda environ: [base, fallback])
    sweep({})
    assert create({}, os.getpid()).parent == fallback
    assert [path.name for path in elsewhere.iterdir()] == ["1-0.00"]
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if it may be written to."""
    base, fallback = tmp_path / "gateway", tmp_path / "fallback"
    monkeypatch.setattr(run_dir_module, "base_candidates", lambda environ: [base, fallback])
    theirs = create({}, os.getpid())
    announce(theirs, pid=os.getpid(), address="http://127.0.0.1:1", workers=1, now=0.0)
    monkeypatch.setattr(os, "getuid", lambda: base.stat().st_uid + 1)
    assert running_instances({}) == []
    with pytest.raises(ServeError, match="not a folder of this user"):
        # The one beside it is no better, since nothing here belongs to that user.
        create({}, os.getpid())


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    """Somebody made it by hand, or with another mask."""
    (tmp_path / "gateway").mkdir(mode=0o777)
    run_dir = create(environment(tmp_path), os.getpid())
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (run_dir.parent, run_dir)] == [0o700, 0o700]


def test_a_full_disk_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next folder is tried, and what was begun there does not stay; with none left it is one sentence."""
    full, other = tmp_path / "full", tmp_path / "other"
    monkeypatch.setattr(run_dir_module, "base_candidates", lambda environ: [full, other])
    reserve = os.posix_fallocate

    def posix_fallocate(fd: int, start: int, length: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{fd}")).is_relative_to(full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        reserve(fd, start, length)

    monkeypatch.setattr(os, "posix_fallocate", posix_fallocate)
    assert create({}, os.getpid()).parent == other
    assert list(full.iterdir()) == []
    monkeypatch.setattr(run_dir_module, "base_candidates", lambda environ: [full])
    with pytest.raises(ServeError, match=r"No space left on device\. Set XDG_RUNTIME_DIR"):
        create({}, os.getpid())


def test_no_run_directory_for_a_process_that_is_gone(tmp_path: Path):
    """It would belong to nobody."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(ServeError):
        create(environment(tmp_path), ended.pid)


def test_a_process_is_known_by_its_pid_and_its_start(tmp_path: Path):
    """The same pid with another start time is another process."""
    started = process_started(os.getpid())
    assert started is not None
    assert is_alive(os.getpid(), started)
    assert not is_alive(os.getpid(), started - 10)


CLAIMER = """
import sys
from pathlib import Path
from gateway.serving.run_dir import Claim
claim = Claim(Path(sys.argv[1]))
print(claim.slot(), claim.sampler(), flush=True)
sys.stdin.read(1)
print(claim.leave(), flush=True)
"""


def claimer(folder: Path) -> "subprocess.Popen[str]":
    """Another process that claims, and leaves when it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIMER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def line(process: "subprocess.Popen[str]") -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_slots_are_never_shared_and_a_dead_workers_slot_is_the_next_to_be_claimed(tmp_path: Path):
    """Three processes, one killed with -9: its slot goes to the next; one of them samples; the last to leave knows."""
    first, second = claimer(tmp_path), claimer(tmp_path)
    claims = sorted([line(first), line(second)])
    assert claims in (["0 False", "1 True"], ["0 True", "1 False"])
    first.kill()
    first.wait()
    third = claimer(tmp_path)
    taken = {int(claims[0].split()[0]), int(claims[1].split()[0])}
    assert int(line(third).split()[0]) in taken
    ends = []
    for process in (second, third):
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
        ends.append(line(process))
        process.stdin.close()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.close()
    first.stdout.close()
    assert ends == ["False", "True"]
    assert Claim(tmp_path).slot() == 0
