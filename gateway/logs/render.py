"""One record as one line: JSON for machines, columns for people.

Nothing in a value can end the line or reach the terminal as a command: control characters are written as escapes.
"""

import functools
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from gateway.logs.ring import LogRecord

Format = Literal["console", "json"]

REQUEST_EVENT: Final = "request"

# The words of the routes, at most as wide as their column.
ROUTE_WORDS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "count",
    "/v1/responses": "responses",
    "/v1/embeddings": "embed",
}
LEVEL_WORDS: Final = {"warning": "warn", "critical": "crit"}
_LEVEL_COLOURS: Final = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31"}
_DIM: Final = "2"

# C0, DEL and C1; the line and paragraph separators, which some readers break lines at; the characters that turn the
# direction of text around; lone surrogates, which no encoding takes.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# The same in UTF-8, apart from C0, which JSON escapes anyway, and surrogates, which UTF-8 cannot hold.
_UNPRINTABLE_UTF8: Final = re.compile(b"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
_SHORT_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_encode: Final = msgspec.json.Encoder().encode

_PLAIN_VALUE: Final = re.compile(r'[^\s"=]+')


def render(record: LogRecord, format: Format, *, color: bool) -> str:  # noqa: A002 - the name of the setting
    """The line, without its end, that the process that wrote the record prints for it."""
    if format == "json":
        payload = json_payload({"event": record.event, **record.fields})
        return json_line(record.time_ns, record.level, record.source, payload).decode()
    return console_line(record.time_ns, record.level, record.event, record.fields, color=color)


def json_payload(fields: Mapping[str, Any]) -> bytes:
    """The fields as a JSON object in UTF-8, on one line and without control characters."""
    payload = _encode(fields)
    if payload.isascii() and b"\x7f" not in payload:
        return payload
    return _UNPRINTABLE_UTF8.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), payload)


def json_line(time_ns: int, level: str, source: str, payload: bytes) -> bytes:
    """The payload of a record with time (UTC), level and source before its own fields."""
    stamp = f'{{"time":"{_utc_second(time_ns // 1_000_000_000)}.{time_ns // 1_000_000 % 1000:03d}Z","level":"{level}",'
    origin = f'"source":"{source}",' if source else ""
    return (stamp + origin).encode() + payload[1:]


def console_line(time_ns: int, level: str, event: str, fields: Mapping[str, Any], *, color: bool) -> str:
    """Time (local), level, and the columns of a request or the event with its `key=value` pairs."""
    paint = _paint if color else _leave
    stamp = f"{_local_second(time_ns // 1_000_000_000)}.{time_ns // 1_000_000 % 1000:03d}"
    colour = _LEVEL_COLOURS.get(level, "")
    start = f"{paint(stamp, _DIM)} {paint(f'{LEVEL_WORDS.get(level, level):<5}', colour)} "
    if event == REQUEST_EVENT and "path" in fields:
        return start + _request_columns(fields, "" if level == "info" else colour, paint)
    return start + " ".join([visible(event), *_pairs(fields)])


def visible(text: str) -> str:
    """The text with every control character written as an escape."""
    # All of them are unprintable in the eyes of Python, which looks five times as fast.
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape, text)


def _request_columns(fields: Mapping[str, Any], colour: str, paint: Callable[[str, str], str]) -> str:
    rest = dict(fields)
    rest.pop("method", None)
    path = str(rest.pop("path"))
    route = ROUTE_WORDS.get(path, path)
    model = rest.pop("model", None) or "–"
    provider = rest.pop("provider", None) or "–"
    outcome = f"{rest.pop('status', None) or '–':<3} {rest.pop('outcome', None) or '–':<10}"
    took = _duration(rest.pop("ms", None))
    tokens_in = _tokens(rest.pop("input_tokens", None), "↑")
    tokens_out = _tokens(rest.pop("output_tokens", None), "↓")
    request_id = rest.pop("request_id", None) or "–"
    error = rest.pop("error", None)
    # Its outcome and its error say as much.
    rest.pop("unattributed", None)
    if rest.get("attempts") in (0, 1):
        del rest["attempts"]
    columns = (
        f"{visible(route):<9} {visible(str(model)):<20} → {visible(str(provider)):<10} "
        f"{paint(visible(outcome), colour)} {took:>7} {tokens_in:>8} {tokens_out:>7}  "
        f"{paint(visible(str(request_id)), _DIM)}"
    )
    ending = [visible(str(error))] if error else []
    return "  ".join([columns, *ending, *(_pairs(rest) if rest else [])])


def _pairs(fields: Mapping[str, Any]) -> list[str]:
    return [f"{visible(name)}={_value(value)}" for name, value in fields.items()]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json_payload(value).decode()
    text = visible(text)
    return text if not isinstance(value, str) or _PLAIN_VALUE.fullmatch(text) else '"' + text.replace('"', '\\"') + '"'


def _duration(milliseconds: Any) -> str:
    if not isinstance(milliseconds, (int, float)):
        return "–"
    # Three digits: a request that the gateway answers by itself takes less than a millisecond.
    return f"{milliseconds:.3g}ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.2f}s"


def _tokens(count: Any, arrow: str) -> str:
    return f"{count:,}{arrow}" if isinstance(count, int) else "–"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _paint(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def _leave(text: str, colour: str) -> str:
    return text


# Log lines come in order, so that one remembered second is nearly always the right one.
@functools.lru_cache(maxsize=8)
def _utc_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@functools.lru_cache(maxsize=8)
def _local_second(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))
