"""Laws of the tail: whatever is written, set aside and read in which order, each record is read once or counted."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.logs.ring import RingWriter
from gateway.logs.tail import LogTail

CAPACITY, KEEP = 4, 6

WRITES = st.tuples(st.integers(0, 1), st.integers(1, 2 * CAPACITY))
DEEDS = st.lists(WRITES | st.sampled_from([0.0, 0.5, 1.0]) | st.just("poll"), max_size=12)


@settings(max_examples=150, deadline=None)
@given(DEEDS)
def test_each_record_is_read_once_or_lost_or_passed_over(deeds: list[tuple[int, int] | float | str]) -> None:
    """In the order of writing; and what was passed over had as many behind it as the tail keeps."""
    with TemporaryDirectory() as folder:
        run_dir = Path(folder)
        writers = [RingWriter.create(run_dir / f"worker-{slot}.log", pid=1, capacity=CAPACITY) for slot in range(2)]
        tail = LogTail(run_dir, keep=KEEP)
        # The first look maps the files; a reader begins with what is there.
        read = [record.time_ns for record in tail.poll()]
        written = told = 0
        for deed in [*deeds, "poll"]:
            if isinstance(deed, tuple):
                slot, amount = deed
                for _ in range(amount):
                    written += 1
                    writers[slot].append(written, "info", b'{"event":"request"}')
            elif isinstance(deed, float):
                full = tail.backlog > deed
                assert tail.set_aside(deed) == full
                assert tail.backlog <= deed
            else:
                new = [record.time_ns for record in tail.poll()]
                assert len(new) >= KEEP or tail.passed_over == told
                read, told = read + new, tail.passed_over
        assert read == sorted(set(read))
        assert len(read) + tail.lost + tail.passed_over == written
        tail.close()
