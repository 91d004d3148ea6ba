"""What there is to see of one gateway: its figures, its history and its log, read from its run directory."""

import time
from datetime import UTC, datetime

import msgspec

from gateway.dashboard.life import Life
from gateway.dashboard.logview import KEPT_LINES
from gateway.logs.ring import LogRecord
from gateway.logs.tail import LogTail
from gateway.metrics.clock import boottime_ns
from gateway.metrics.snapshot import ChartData, InstanceInfo, Snapshot, State
from gateway.metrics.view import MetricsView
from gateway.serving.liveness import Liveness
from gateway.serving.processes import is_alive, is_suspended
from gateway.serving.run_dir import Instance

# The share of a ring that a reader who has time leaves unread.
_UNHURRIED = 0.2


class FiguresReader:
    """Snapshots of one gateway, stamped with the wall clock."""

    def __init__(self, instance: Instance) -> None:
        self._liveness = Liveness()
        self.metrics = MetricsView(instance.run_dir, clock=boottime_ns, is_alive=self._liveness)
        self._process_started = instance.process_started
        self._info = InstanceInfo(
            instance.pid, instance.version, instance.address, instance.started_at, label=instance.label
        )

    def snapshot(self) -> Snapshot:
        """The figures of this moment; raises MetricsError."""
        taken_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self.metrics.snapshot(self._info, taken_at)

    def snapshot_with_state(self) -> Snapshot:
        """The same, and whether the gateway runs; raises MetricsError."""
        snapshot = self.snapshot()
        # Afterwards: of a gateway that ends between the two these are the last figures.
        if not is_alive(self._info.pid, self._process_started):
            state: State = "stopped"
        else:
            state = "suspended" if is_suspended(self._info.pid) else "running"
        return msgspec.structs.replace(snapshot, instance=msgspec.structs.replace(self._info, state=state))

    def close(self) -> None:
        """Unmap the files, and let go of the processes."""
        self.metrics.close()
        self._liveness.close()


class Source:
    """A gateway as its viewer reads it; it can go on with the gateway that follows."""

    def __init__(self, instance: Instance) -> None:
        """Reads the figures of `instance`; raises MetricsError if they are of another version."""
        self.lost = 0
        """Log records that were overwritten before they could be read, of all gateways so far."""
        self.passed_over = 0
        """Log records that were set aside and never asked for, as so many newer ones followed, of all gateways."""
        self._before = (0, 0)
        self._open(instance)

    def _open(self, instance: Instance) -> None:
        reader = FiguresReader(instance)
        self.figures: tuple[Snapshot, ChartData] = (reader.snapshot(), reader.metrics.chart())
        """The figures and the history as they were read last, while the gateway lived."""
        self.instance, self._reader = instance, reader
        self._tail = LogTail(instance.run_dir, keep=KEPT_LINES)
        self.life = Life(instance.pid, instance.process_started)

    def read_figures(self) -> None:
        """Read the figures and the history anew, unless the gateway has gone: the last ones of its life stay."""
        figures = self._reader.snapshot(), self._reader.metrics.chart()
        if not self.life.is_over():
            self.figures = figures

    def read_log(self) -> list[LogRecord]:
        """Read the new log records, and return them."""
        records = self._tail.poll()
        self.lost, self.passed_over = self._before[0] + self._tail.lost, self._before[1] + self._tail.passed_over
        return records

    def set_log_aside(self) -> bool:
        """Keep the new log records, for `read_log`, from being overwritten; whether that was urgent."""
        return self._tail.set_aside(_UNHURRIED)

    def follow(self, successor: Instance) -> list[LogRecord]:
        """Go on with another gateway: its figures, and its log after what is there and a line that says so.

        Returns the new lines. Raises MetricsError, and stays with what it has, if the successor is of another version.
        """
        before, reader, tail, life = self.instance, self._reader, self._tail, self.life
        records = self.read_log()
        self._open(successor)
        self._before = self.lost, self.passed_over
        reader.close()
        tail.close()
        life.close()
        event = f"the gateway with pid {before.pid} has ended, pid {successor.pid} took its place"
        fields = {"address": successor.address, "version": successor.version, "started_at": successor.started_at}
        note = LogRecord(0, time.time_ns(), "warning", event, "top", fields)
        return [*records, note, *self.read_log()]
