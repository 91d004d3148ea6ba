"""What following the logs costs: a new record, and a look that finds nothing new.

Run it as `python benchmarks/log_tail.py`; it ends with 1 when a limit is not kept. The limits are in decodings of the
record's JSON, so that they carry over to other machines.
"""

import os
import statistics
import sys
import tempfile
import time
import timeit
from pathlib import Path

import msgspec

from gateway.logs.ring import RingWriter
from gateway.logs.tail import LogTail

WORKERS = 8
RECORDS = 10
"""Per worker and look: 320 in a second."""
RECORD = msgspec.json.encode(
    {
        "event": "request",
        "method": "POST",
        "path": "/v1/chat/completions",
        "model": "gpt-4.1-mini",
        "provider": "openai",
        "status": 200,
        "outcome": "ok",
        "ms": 412.3,
        "input_tokens": 812,
        "output_tokens": 131,
        "attempts": 1,
        "request_id": "req_0123456789abcdef0123456789",
    }
)


def main() -> int:
    """0 if both limits are kept."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        run_dir = Path(folder)
        writers = [RingWriter.create(run_dir / f"worker-{slot}.log", pid=slot) for slot in range(WORKERS)]
        # As some seconds after the start.
        os.utime(run_dir, (0, 0))
        tail = LogTail(run_dir)
        tail.poll()
        record_us, idle_us = [], []
        for _ in range(200):
            for writer in writers * RECORDS:
                writer.append(time.time_ns(), "info", RECORD)
            begin = time.process_time_ns()
            new = tail.poll()
            between = time.process_time_ns()
            tail.poll()
            idle_us.append((time.process_time_ns() - between) / 1e3)
            record_us.append((between - begin) / 1e3 / len(new))
        tail.close()
    decoding_us = min(timeit.repeat(lambda: msgspec.json.decode(RECORD), number=10_000, repeat=5)) / 10_000 * 1e6
    kept = True
    for name, samples, limit in (("a new record", record_us, 3.0), ("a look that finds nothing", idle_us, 20.0)):
        cost_us = statistics.median(samples)
        kept = kept and cost_us <= limit * decoding_us
        print(f"{name:<28}{cost_us / decoding_us:8.2f} x   at most {limit:<6g}{cost_us:8.2f} us")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
