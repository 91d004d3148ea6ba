"""The run directory: where an instance keeps what its viewers read.

It lives on tmpfs where there is one, is readable by its owner only, and is removed at a clean exit. What a crash left
behind is swept at the next start: a directory whose process is gone belongs to nobody.

Some of the folders that may hold it are open to every user, who may have put something there first: what is no
directory of ours, or is a link to one, is neither used nor read.
"""

import contextlib
import datetime
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from gateway import __version__
from gateway.errors import ServeError
from gateway.serving.processes import is_alive, process_started

INSTANCE_FILE = "instance.json"
_SLOT_LOCKS = "slots.lock"
# A rolling replacement runs the old and the new workers side by side, so there are more slots than workers.
_MOST_SLOTS = 256
_SAMPLER = _MOST_SLOTS
_DEPARTURE = _SAMPLER + 1
# History, and figures and log of one worker, take 4 MB.
_ROOM_BYTES = 8 << 20


class Instance(msgspec.Struct, frozen=True):
    """One running gateway; `process_started` is in seconds since boot, `started_at` is UTC in ISO 8601.

    `label` says what its viewers should not take its figures for, as those of a demo.
    """

    pid: int
    process_started: float
    version: str
    address: str
    started_at: str
    workers: int
    run_dir: Path
    label: str = ""


def base_candidates(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders that may hold run directories, the best first."""
    runtime = environ.get("XDG_RUNTIME_DIR")
    own = f"gateway-{os.getuid()}"
    candidates = [Path(runtime) / "gateway"] if runtime else []
    return [*candidates, Path("/dev/shm") / own, Path(tempfile.gettempdir()) / own]


def create(environ: Mapping[str, str], pid: int) -> Path:
    """Create the run directory of the process `pid`, which lives, and return it; raises ServeError.

    The same process always gets the same directory, so that workers without a supervisor of ours find each other.
    """
    started = process_started(pid)
    if started is None:
        raise ServeError(f"The process {pid} is gone; a run directory would belong to nobody.")
    reasons = []
    for base in base_candidates(environ):
        try:
            base.mkdir(mode=0o700, exist_ok=True)
            if not _is_our_folder(base):
                raise PermissionError(f"{base} is not a folder of this user")
            # It may be older than the gateway, or made by hand.
            base.chmod(0o700)
            run_dir = base / f"{pid}-{started:.2f}"
            run_dir.mkdir(mode=0o700, exist_ok=True)
            try:
                _check_room(run_dir)
            except OSError:
                # Another worker may have its files there already.
                with contextlib.suppress(OSError):
                    run_dir.rmdir()
                raise
        except OSError as error:
            reasons.append(f"{base}: {error.strerror}" if error.strerror else str(error))
        else:
            return run_dir
    raise ServeError(f"No run directory can be made: {'; '.join(reasons)}. Set XDG_RUNTIME_DIR to a writable folder.")


def _check_room(run_dir: Path) -> None:
    """Raise OSError if the files of a small instance do not fit, instead of when they are half written."""
    probe = run_dir / f".room.{os.getpid()}"
    fd = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, _ROOM_BYTES)
    finally:
        os.close(fd)
        probe.unlink()


def _is_our_folder(folder: Path) -> bool:
    """Whether it is a directory of this user and no link to one."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def announce(run_dir: Path, *, pid: int, address: str, workers: int, now: float, label: str = "") -> Instance:
    """Write `instance.json`, from which on viewers find the instance; `now` is in Unix seconds."""
    started_at = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    started = process_started(pid)
    instance = Instance(
        pid, started if started is not None else 0.0, __version__, address, started_at, workers, run_dir, label
    )
    # A reader sees the whole file or none.
    draft = run_dir / f".{INSTANCE_FILE}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.encode(instance, enc_hook=str))
    draft.replace(run_dir / INSTANCE_FILE)
    return instance


def read_instance(run_dir: Path) -> Instance | None:
    """Return the instance that a run directory belongs to, or None when it tells of none that can be read."""
    try:
        return msgspec.json.decode(
            (run_dir / INSTANCE_FILE).read_bytes(), type=Instance, dec_hook=lambda kind, value: kind(value)
        )
    except (OSError, msgspec.DecodeError):
        return None


def running_instances(environ: Mapping[str, str], *, beside: Path | None = None) -> list[Instance]:
    """Return the instances of this user that run, the newest first; those beside a run directory are looked at, too."""
    found = [read_instance(run_dir) for run_dir in _run_dirs(environ)]
    if beside is not None and beside.parent.is_dir() and beside.parent not in base_candidates(environ):
        found += [read_instance(run_dir) for run_dir in beside.parent.iterdir()]
    alive = [
        instance for instance in found if instance is not None and is_alive(instance.pid, instance.process_started)
    ]
    return sorted(alive, key=lambda instance: -instance.process_started)


def sweep(environ: Mapping[str, str]) -> None:
    """Remove the run directories of processes that are gone."""
    for run_dir in _run_dirs(environ):
        pid, _, started = run_dir.name.partition("-")
        try:
            gone = not is_alive(int(pid), float(started))
        except ValueError:
            continue
        if gone:
            remove(run_dir)


def remove(run_dir: Path) -> None:
    """Remove a run directory; one that is gone already is fine."""
    shutil.rmtree(run_dir, ignore_errors=True)


def _run_dirs(environ: Mapping[str, str]) -> Iterable[Path]:
    for base in base_candidates(environ):
        if _is_our_folder(base):
            yield from filter(_is_our_folder, base.iterdir())


class Claim:
    """A byte of a lock file that this process holds until it ends, by whatever death: the kernel lets go of it."""

    def __init__(self, run_dir: Path) -> None:
        # Closing any other descriptor of this file in this process would drop the locks: only this one is ever open.
        self._fd = os.open(run_dir / _SLOT_LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def slot(self) -> int:
        """Claim and return the lowest free slot, so that a replacement continues the slot of a dead worker."""
        for slot in range(_MOST_SLOTS):
            if self._try(slot):
                return slot
        raise ServeError(f"All {_MOST_SLOTS} worker slots are taken.")

    def sampler(self) -> bool:
        """Claim the right to sample; False when another process has it."""
        return self._try(_SAMPLER)

    def leave(self) -> bool:
        """Let go of everything; True for the last process that leaves.

        Leaving is one at a time: of two that leave together the second finds that the first has gone.
        """
        fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, _DEPARTURE)
        fcntl.lockf(self._fd, fcntl.LOCK_UN, _DEPARTURE, 0)
        last = self._try(0, _DEPARTURE)
        fcntl.lockf(self._fd, fcntl.LOCK_UN, _DEPARTURE + 1, 0)
        return last

    def _try(self, first: int, count: int = 1) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
        except (BlockingIOError, PermissionError):
            return False
        return True
