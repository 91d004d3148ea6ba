"""The sink: whole lines out, or counted."""

import errno
import os
import pty
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.logs.sink import LineSink, wants_color


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            # The test closed it.
            continue


def read_all(fd: int) -> bytes:
    """Everything until the other end is closed."""
    content = b""
    while piece := os.read(fd, 65_536):
        content += piece
    return content


def test_lines_arrive_whole_and_in_order(pipe: tuple[int, int]) -> None:
    """All lines are written before close returns."""
    sink = LineSink(pipe[1])
    lines = [f"line {number}\n".encode() for number in range(1000)]
    for line in lines:
        sink.put(line)
    assert sink.close(10) is True
    os.close(pipe[1])
    assert read_all(pipe[0]) == b"".join(lines)
    assert sink.dropped == 0


def test_a_file_gets_every_line_too(tmp_path: Path) -> None:
    """Files are written in larger pieces, and a line that is longer than such a piece stays whole as well."""
    lines = [b"x" * length + b"\n" for length in (1, 100_000, 5_000, 70_000)] * 5
    with (tmp_path / "log").open("wb") as file:
        sink = LineSink(file.fileno())
        for line in lines:
            sink.put(line)
        assert sink.close(10) is True
    assert (tmp_path / "log").read_bytes() == b"".join(lines)
    assert sink.dropped == 0


def test_long_lines_and_slow_readers(pipe: tuple[int, int]) -> None:
    """Lines far longer than the pipe holds are written piece by piece as the reader reads, also without blocking."""
    os.set_blocking(pipe[1], False)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(read_all(pipe[0])))
    reader.start()
    sink = LineSink(pipe[1])
    lines = [bytes([65 + number]) * 300_000 + b"\n" for number in range(3)]
    for line in lines:
        sink.put(line)
    assert sink.close(10) is True
    os.close(pipe[1])
    reader.join(10)
    assert received == [b"".join(lines)]


def test_a_full_queue_drops_and_counts(pipe: tuple[int, int]) -> None:
    """When nobody reads, put returns at once, and every line is either written or counted."""
    reported: list[int] = []
    sink = LineSink(pipe[1], limit=10, on_dropped=reported.append)
    line = b"x" * 4095 + b"\n"
    for _ in range(100):
        sink.put(line)
    assert sink.dropped >= 100 - 10 - 17
    assert sink.close(0.0) is False
    os.close(pipe[1])
    written = read_all(pipe[0])
    assert len(written) % 4096 == 0
    assert len(written) // 4096 + sink.dropped == 100
    assert sum(reported) == sink.dropped


def test_a_closed_pipe_ends_the_writing(pipe: tuple[int, int]) -> None:
    """When the reader has gone, lines are dropped and counted, and nothing fails."""
    os.close(pipe[0])
    sink = LineSink(pipe[1])
    for _ in range(5):
        sink.put(b"lost\n")
    assert sink.close(10) is False
    sink.put(b"late\n")
    assert sink.dropped == 6


def test_a_disk_that_was_full_is_written_to_again(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not take is counted, half a line stays alone on its line, and later lines come whole."""
    write = os.write
    plan = [3, OSError(errno.ENOSPC, "full"), OSError(errno.ENOSPC, "full")]

    def limited(fd: int, data: bytes) -> int:
        if fd != pipe[1] or not plan:
            return write(fd, data)
        step = plan.pop(0)
        if isinstance(step, OSError):
            raise step
        return write(fd, data[:step])

    monkeypatch.setattr(os, "write", limited)
    sink = LineSink(pipe[1])
    dropped = []
    for number in (1, 2):
        sink.put(b"lost %d\n" % number)
        while sink.dropped < number:
            assert sink._thread.is_alive()
        dropped.append(sink.is_keeping_up)
    sink.put(b"whole\n")
    assert sink.close(10) is True
    os.close(pipe[1])
    assert read_all(pipe[0]) == b"los\nwhole\n"
    assert (sink.dropped, dropped) == (2, [False, False])


def test_colour_needs_a_terminal_that_wants_it(pipe: tuple[int, int]) -> None:
    """Colour is for terminals only, and neither for dumb ones nor against NO_COLOR."""
    leader, terminal = pty.openpty()
    try:
        assert wants_color(terminal, {})
        assert wants_color(terminal, {"NO_COLOR": ""})
        assert not wants_color(terminal, {"NO_COLOR": "1"})
        assert not wants_color(terminal, {"TERM": "dumb"})
        assert not wants_color(pipe[1], {})
    finally:
        os.close(leader)
        os.close(terminal)
