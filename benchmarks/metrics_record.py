"""What recording costs, by pyperf: calibrated, in fresh processes, as a multiple of an empty call.

usage: python benchmarks/metrics_record.py --fast
"""

import tempfile
from pathlib import Path

import pyperf

from gateway.metrics.collector import Collector
from gateway.metrics.outcome import Outcome
from gateway.metrics.worker_file import WorkerFile, worker_file_name


def empty(entry: int, outcome: Outcome, latency_ns: int, input_tokens: int, output_tokens: int) -> None:
    """What a call alone costs."""


def request(collector: Collector) -> None:
    """All that is counted of a request."""
    collector.started()
    collector.finished(collector.attribute("echo"), Outcome.OK, 123456789, 100, 50)


def main() -> None:
    """Measure the three, and print their ratios where pyperf has gathered them."""
    runner = pyperf.Runner()
    with tempfile.TemporaryDirectory() as folder:
        file = WorkerFile.open(Path(folder) / worker_file_name(0), slot=0, pid=1, process_started=0.0)
        collector = Collector(file)
        entry = collector.attribute("echo")
        base = runner.bench_func("empty call", empty, entry, Outcome.OK, 123456789, 100, 50)
        record = runner.bench_func("record", collector.finished, entry, Outcome.OK, 123456789, 100, 50)
        whole = runner.bench_func("whole request", request, collector)
        file.close()
    if base is not None and record is not None and whole is not None:
        print(f"a record costs {record.mean() / base.mean():.1f} empty calls, at most 25")
        print(f"a whole request costs {whole.mean() / base.mean():.1f} empty calls, at most 100")


if __name__ == "__main__":
    main()
