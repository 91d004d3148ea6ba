"""The one chain of every log record: context, redaction, the tee into the ring, rendering to the sink.

structlog's loggers and the standard library's (Granian's, Litestar's, any library's warnings) both end here.
"""

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final, Literal

import structlog

from gateway.logs.redaction import Redactor
from gateway.logs.render import Format, console_line, json_line, json_payload, render
from gateway.logs.ring import RingWriter
from gateway.logs.sink import LineSink, wants_color

__all__ = ["LineSink", "LogPipeline", "choose_format", "configure", "render", "wants_color"]

_NUMBERS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_RING_FROM: Final = _NUMBERS["info"]
# Granian's loggers have handlers of their own, which write to stdout past the chain.
_SERVER_LOGGERS: Final = ("_granian", "granian.access", "litestar")
# The innermost frames say where it broke; a recursion has a thousand more.
_TRACEBACK_FRAMES: Final = -30


def choose_format(setting: Literal["auto", "console", "json"], fd: int) -> Format:
    """What `log.format` means for output to `fd`: auto is console on a terminal, and json otherwise."""
    if setting == "auto":
        return "console" if os.isatty(fd) else "json"
    return setting


class LogPipeline:
    """Takes records from anywhere in the process; no record is ever swallowed, and none raises.

    Records of level info and above go into the ring, those of `level` and above to the sink.
    """

    def __init__(
        self,
        *,
        level: str,
        format: Format,  # noqa: A002 - the name of the setting
        ring: RingWriter | None,
        sink: LineSink | None,
        secrets: Iterable[str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._redactor = Redactor(secrets)
        self._ring = ring
        self._sink = sink
        self._source = ring.source if ring is not None else ""
        self._sink_from = _NUMBERS[level]
        self._dropped_told = 0
        self._json = format == "json"
        self._clock = clock

    @property
    def threshold(self) -> int:
        """The lowest level that goes anywhere, as a number of the standard library's."""
        return min(self._sink_from, _RING_FROM) if self._ring is not None else self._sink_from

    def __call__(self, logger: Any, method_name: str, record: MutableMapping[str, Any]) -> str:
        """The whole chain as one structlog processor; the text that it returns goes to a logger that ignores it."""
        self.emit(method_name, record.pop("event", ""), record)
        return ""

    def emit(self, level: str, event: object, fields: MutableMapping[str, Any]) -> None:
        """Send one record on its way; a field `time_ns` says when it happened, if that was a moment ago."""
        given = fields.pop("time_ns", None)
        time_ns = given if type(given) is int else self._clock()
        try:
            for name, value in structlog.contextvars.get_contextvars().items():
                fields.setdefault(name, value)
            if "exc_info" in fields:
                _format_exception(fields)
            clean = self._redactor.record(event, fields)
            payload = json_payload(clean)
        except Exception as error:  # noqa: BLE001 - a foreign value may raise anything; the record must not be lost
            name = event if isinstance(event, str) else type(event).__name__
            reason = {"record": name, "error": type(error).__name__, "fields": list(fields)}
            clean = self._redactor.record("a log record could not be rendered", reason)
            payload = json_payload(clean)
        number = _NUMBERS.get(level, _NUMBERS["info"])
        if self._ring is not None and number >= _RING_FROM:
            self._ring.append(time_ns, level, payload)
        if self._sink is not None and number >= self._sink_from:
            if self._json:
                line = json_line(time_ns, level, self._source, payload)
            else:
                line = console_line(time_ns, level, clean.pop("event"), clean, color=self._sink.color).encode()
            self._sink.put(line + b"\n")
            if self._sink.dropped != self._dropped_told and self._sink.is_keeping_up:
                self._tell_dropped(self._sink.dropped)

    def _tell_dropped(self, dropped: int) -> None:
        """Say in the log itself that it has a hole, once it takes lines again."""
        count, self._dropped_told = dropped - self._dropped_told, dropped
        self.emit("warning", "log lines were dropped because they could not be written in time", {"count": count})


def configure(
    *,
    level: str,
    format: Format,  # noqa: A002 - the name of the setting
    ring: RingWriter | None,
    sink: LineSink | None,
    secrets: Iterable[str],
    on_dropped: Callable[[int], None] | None,
) -> None:
    """Send all logging of this process through one chain; a later call replaces the chain for loggers not yet used.

    `on_dropped` gets the number of lines that the sink has just dropped. Granian sets up its loggers when a worker
    starts, before it loads the application: call this after that.
    """
    if sink is not None:
        sink.on_dropped = on_dropped
    pipeline = LogPipeline(level=level, format=format, ring=ring, sink=sink, secrets=secrets)
    structlog.configure(
        processors=[pipeline],
        wrapper_class=_logger_class(pipeline),
        logger_factory=_Nowhere,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_ChainHandler(pipeline)]
    # httpx logs a line per request at info.
    root.setLevel(logging.WARNING)
    for name in _SERVER_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(pipeline.threshold)
    # A warning on stderr would tear the dashboard.
    logging.captureWarnings(True)


def _logger_class(pipeline: LogPipeline) -> type[Any]:
    """structlog's loggers for the levels that go anywhere, with the chain called directly.

    The detour through a list of processors and a logger behind them would cost a request line a third more.
    """
    filtering: type[Any] = structlog.make_filtering_bound_logger(pipeline.threshold)

    class DirectLogger(filtering):  # type: ignore[misc]
        def _proxy_to_logger(self, method_name: str, event: str | None = None, **fields: Any) -> None:
            if self._context:
                fields = {**self._context, **fields}
            pipeline.emit(method_name, event, fields)

    return DirectLogger


class _ChainHandler(logging.Handler):
    """Hands the records of the standard library's loggers to the chain."""

    def __init__(self, pipeline: LogPipeline) -> None:
        super().__init__()
        self._pipeline = pipeline

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        try:
            event: object = record.getMessage()
        except Exception as error:  # noqa: BLE001 - arguments that do not fit the message must not lose it
            event = record.msg
            fields |= {"arguments": record.args, "error": f"arguments do not fit: {type(error).__name__}"}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        number = record.levelno
        level = next((name for name in reversed(_NUMBERS) if number >= _NUMBERS[name]), "debug")
        self._pipeline.emit(level, event, fields)


class _Nowhere:
    """The logger behind structlog's: the chain has written the record already."""

    def __init__(self, *args: object) -> None:
        pass

    def _ignore(self, text: str) -> None:
        pass

    debug = info = warning = error = critical = _ignore


def _format_exception(fields: MutableMapping[str, Any]) -> None:
    found = fields.pop("exc_info")
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        fields["exception"] = "".join(traceback.format_exception(error, limit=_TRACEBACK_FRAMES)).rstrip()
