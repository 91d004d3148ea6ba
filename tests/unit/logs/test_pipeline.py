"""The chain: structlog and the standard library end in one place, and no record is swallowed."""

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from gateway.logs.pipeline import LineSink, LogPipeline, choose_format, configure, render
from gateway.logs.ring import RingReader, RingWriter

SECRET = "configured-secret-0001"
TOUCHED = ("", "_granian", "granian.access", "litestar", "py.warnings", "some.package")


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the process's logging back as it was."""
    loggers = [logging.getLogger(name) for name in TOUCHED]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Output:
    """A ring and a sink over a pipe, and what went into them."""

    def __init__(self, path: Path) -> None:
        self.ring = RingWriter.create(path, pid=1)
        self._read_end, self._write_end = os.pipe()
        self.sink = LineSink(self._write_end)
        self._reader = RingReader.open(path)

    def lines(self) -> list[str]:
        """Close the sink and give what it wrote."""
        assert self.sink.close(10)
        os.close(self._write_end)
        with open(self._read_end, encoding="utf-8") as file:
            return file.read().splitlines()

    def records(self) -> list[tuple[str, str]]:
        """Level and event of what is new in the ring."""
        return [(record.level, record.event) for record in self._reader.read_new()]

    def rendered(self, **options: object) -> list[str]:
        """What is new in the ring, as lines."""
        return [render(record, **options) for record in self._reader.read_new()]  # type: ignore[arg-type]


@pytest.fixture
def output(tmp_path: Path, restored: None) -> Output:
    """Somewhere for records to go."""
    return Output(tmp_path / "worker-0.log")


def start(output: Output, level: str = "info", format: str = "json") -> structlog.stdlib.BoundLogger:  # noqa: A002
    """Configure the process's logging and give a logger."""
    configure(
        level=level,
        format=format,  # type: ignore[arg-type]
        ring=output.ring,
        sink=output.sink,
        secrets=[SECRET],
        on_dropped=None,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


def test_a_structlog_record_reaches_ring_and_sink(output: Output) -> None:
    """A record keeps the order of its fields, gets the bound context behind them, and hides secrets."""
    log = start(output)
    structlog.contextvars.bind_contextvars(request_id="r1", worker=3)
    log.info("request", path=f"/{SECRET}", request_id="r2", error=None)
    [line] = output.lines()
    decoded = msgspec.json.decode(line)
    assert list(decoded) == ["time", "level", "source", "event", "path", "request_id", "worker"]
    assert (decoded["source"], decoded["path"], decoded["request_id"]) == ("worker-0", "/‹hidden›", "r2")
    assert output.rendered(format="json", color=False) == [line]


@pytest.mark.parametrize("format", ["console", "json"])
def test_the_ring_renders_to_the_line_that_the_sink_printed(output: Output, format: str) -> None:  # noqa: A002
    """A record from the ring gives the same line as the process that wrote it."""
    log = start(output, format=format)
    log.info(
        "request", path="/v1/messages", model="m", status=200, outcome="ok", ms=1.5, attempts=1, extra=float("nan")
    )
    log.warning("odd", values=[1, ("a", None)], text="two words", number=2**80)
    assert output.rendered(format=format, color=False) == output.lines()


def test_library_records_go_through_the_same_chain(output: Output) -> None:
    """Granian's records, other libraries' warnings and Python warnings arrive; other libraries' chatter does not."""
    start(output)
    logging.getLogger("_granian").info("Started worker-%d", 1)
    logging.getLogger("granian.access").info("GET /")
    logging.getLogger("some.package").info("chatter")
    logging.getLogger("some.package").warning("token %s", SECRET)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    records = output.records()
    assert records[:3] == [("info", "Started worker-1"), ("info", "GET /"), ("warning", "token ‹hidden›")]
    assert records[3][0] == "warning"
    assert "DeprecationWarning: old" in records[3][1]
    assert len(output.lines()) == 4


def test_a_record_with_wrong_arguments_is_kept(output: Output) -> None:
    """A message whose arguments do not fit is logged as it is, and says so."""
    start(output)
    logging.getLogger("some.package").error("%d items", "many")
    [line] = output.lines()
    decoded = msgspec.json.decode(line)
    assert (decoded["event"], decoded["arguments"]) == ("%d items", ["many"])
    assert "TypeError" in decoded["error"]


def test_exceptions_are_one_redacted_line(output: Output) -> None:
    """A traceback stands in the field `exception`, without secrets, from structlog as from the standard library."""
    log = start(output)
    try:
        raise ValueError(f"bad\nkey {SECRET}")
    except ValueError as error:
        log.exception("first")
        log.error("second", exc_info=error)
        logging.getLogger("some.package").exception("third")
    log.error("fourth", exc_info=True)
    lines = output.lines()
    exceptions = [msgspec.json.decode(line).get("exception") for line in lines]
    for text in exceptions[:3]:
        assert text.startswith("Traceback (most recent call last)")
        assert text.endswith("ValueError: bad\nkey ‹hidden›")
    assert exceptions[3] is None
    assert len(lines) == 4


class Hostile(dict[str, object]):
    """A mapping that fails when it is looked at."""

    def items(self) -> object:  # type: ignore[override]
        raise RuntimeError("no")


def test_a_record_that_cannot_be_rendered_is_not_swallowed(output: Output) -> None:
    """A record whose values fail is replaced by one that says so."""
    log = start(output)
    log.info("fine", value=Hostile(a=1))
    [line] = output.lines()
    decoded = msgspec.json.decode(line)
    assert decoded["event"] == "a log record could not be rendered"
    assert (decoded["record"], decoded["error"], decoded["fields"]) == ("fine", "RuntimeError", ["value"])
    assert output.records() == [("info", decoded["event"])]


def test_the_ring_gets_info_whatever_the_sink_shows(output: Output) -> None:
    """The sink shows the configured level and above, the ring info and above."""
    log = start(output, level="error")
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    assert [level for level, _ in output.records()] == ["info", "warning", "error"]
    assert len(output.lines()) == 1


def test_debug_goes_to_the_sink_only(output: Output) -> None:
    """At level debug the sink shows everything, and the ring is not filled with it."""
    log = start(output, level="debug")
    log.debug("x")
    assert output.records() == []
    assert len(output.lines()) == 1


def test_without_a_sink_the_ring_still_fills(output: Output) -> None:
    """While a dashboard owns the terminal, records go into the ring only."""
    configure(level="info", format="json", ring=output.ring, sink=None, secrets=[], on_dropped=None)
    structlog.get_logger().info("x")
    assert output.records() == [("info", "x")]


def test_records_after_the_end_harm_nobody(output: Output) -> None:
    """While the process stops, a record that comes after ring and sink were closed is counted and raises nothing."""
    log = start(output)
    output.ring.close()
    assert output.lines() == []
    log.info("late")
    assert output.sink.dropped == 1


def test_the_clock_is_asked_once_per_record(tmp_path: Path) -> None:
    """A record carries the time of the given clock, in the ring as in the line."""
    ring = RingWriter.create(tmp_path / "w.log", pid=1)
    times = iter([5, 7])
    pipeline = LogPipeline(level="info", format="json", ring=ring, sink=None, secrets=[], clock=lambda: next(times))
    pipeline.emit("info", "a", {})
    pipeline.emit("info", "b", {})
    assert [record.time_ns for record in RingReader.open(tmp_path / "w.log").read_new()] == [5, 7]


def test_a_record_that_is_written_late_keeps_its_own_time(tmp_path: Path) -> None:
    """The field `time_ns` becomes the time of the record and is no field of it; nonsense in it is ignored."""
    ring = RingWriter.create(tmp_path / "w.log", pid=1)
    pipeline = LogPipeline(level="info", format="json", ring=ring, sink=None, secrets=[], clock=lambda: 9)
    pipeline.emit("info", "a", {"time_ns": 3, "b": 1})
    pipeline.emit("info", "a", {"time_ns": "yesterday"})
    records = RingReader.open(tmp_path / "w.log").read_new()
    assert [(record.time_ns, record.fields) for record in records] == [(3, {"b": 1}), (9, {})]


def test_a_log_with_a_hole_says_so(output: Output) -> None:
    """Once it takes lines again, one record tells how many were dropped meanwhile."""
    log = start(output)
    output.sink.dropped = 3  # as a reader that was away would have made it
    log.info("back")
    log.info("and on")
    events = [msgspec.json.decode(line) for line in output.lines()]
    assert [(event["event"], event.get("count")) for event in events] == [
        ("back", None),
        ("log lines were dropped because they could not be written in time", 3),
        ("and on", None),
    ]


@pytest.mark.parametrize(("count", "limit"), [(50, 3)])
def test_drops_are_reported(output: Output, count: int, limit: int) -> None:
    """Lines that the sink drops are reported where configure was told to."""
    dropped: list[int] = []
    read_end, write_end = os.pipe()
    os.close(read_end)
    sink = LineSink(write_end, limit=limit)
    configure(level="info", format="json", ring=None, sink=sink, secrets=[], on_dropped=dropped.append)
    for _ in range(count):
        structlog.get_logger().info("x")
    sink.close(10)
    os.close(write_end)
    assert sum(dropped) == count == sink.dropped


def test_auto_is_json_where_there_is_no_terminal(tmp_path: Path) -> None:
    """The format auto depends on the terminal, the others do not."""
    with open(tmp_path / "file", "w") as file:
        chosen: list[str] = [choose_format(setting, file.fileno()) for setting in ("auto", "console", "json")]
    assert chosen == ["json", "console", "json"]
