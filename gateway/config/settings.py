"""The resolved settings: frozen, picklable structs whose text forms never show a secret."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from gateway.logs.redaction import is_sensitive_name

# A day: a longer timeout is a slip of the keyboard, and `inf` must not reach a timer.
_DAY_S: Final = 86_400

Port = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=_DAY_S)]
Text = Annotated[str, Meta(min_length=1)]
Concurrency = Annotated[int, Meta(ge=1, le=1_000_000)]

Kind = Literal["openai", "anthropic", "echo"]
Transport = Literal["lean", "httpcore"]
Strategy = Literal["ordered", "weighted"]
Protocol = Literal["chat", "responses", "messages"]


class Secret:
    """A secret value that shows at most its last four characters, and none of them if it has fewer than twelve.

    `source` says where it came from: "env NAME", "file PATH" or "inline".
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __str__(self) -> str:
        return f"…{self._value[-4:]}" if len(self._value) >= 12 else "…"

    def __repr__(self) -> str:
        return f"Secret({self}, {self.source})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.source) == (other._value, other.source)

    def __hash__(self) -> int:
        return hash((self._value, self.source))


class Headers(dict[str, str]):
    """Extra request headers; the text form hides every value, since any of them may be a credential."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: …" for name in self) + "}"


class ServerSettings(msgspec.Struct, frozen=True):
    """Where to listen, with how many workers; port 0 lets the system choose, `grace_s` is in seconds.

    `max_concurrent` is the number of requests that each worker has open at the most; `tls_cert` and `tls_key` are files
    in PEM format, both or none. With `http2` the port speaks HTTP/2 too, and then a client that is slow to say which
    keeps its connection.
    """

    host: Text = "127.0.0.1"
    port: Port = 8000
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    max_body_mb: Annotated[int, Meta(ge=1, le=1024)] = 32
    # The server itself refuses what does not fit its buffer of 408 KiB, with a bare 431.
    max_header_kb: Annotated[int, Meta(ge=1, le=256)] = 64
    # Half of the connections that a worker takes: whoever is turned away, and a probe, need one for that.
    max_concurrent: Concurrency = 8192
    grace_s: Annotated[float, Meta(ge=0, le=_DAY_S)] = 30.0
    http2: bool = False
    tls_cert: Text | None = None
    tls_key: Text | None = None


class TimeoutSettings(msgspec.Struct, frozen=True):
    """In seconds. `connect`, `first_byte` and `idle`, the longest silence between two chunks, are a provider's.

    `request_head`, `request_idle`, the longest silence within a body, and `request_body` as a whole are a client's.
    `keep_alive` is how long a client's stream may be silent before it gets a frame that says nothing; 0: for ever.
    """

    connect: Seconds = 5.0
    first_byte: Seconds = 120.0
    idle: Seconds = 60.0
    # The server takes whole milliseconds from 1 s to 60 s, and it counts idle connections too.
    request_head: Annotated[float, Meta(ge=1, le=60)] = 30.0
    request_idle: Seconds = 30.0
    # 32 MB, the longest body by default, need 256 s at 1 Mbit/s.
    request_body: Seconds = 300.0
    keep_alive: Annotated[float, Meta(ge=0, le=_DAY_S)] = 0.0


class RetrySettings(msgspec.Struct, frozen=True):
    """Tries in all, per request, over all targets; none begins later than `budget_s` after the first.

    `max_wait_s` is the longest wait between two, and the longest that a provider's `retry-after` is obeyed.
    """

    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    # Room for one more target after one that was silent for the default of first_byte.
    budget_s: Seconds = 150.0
    # The official SDKs stop at 8 s.
    max_wait_s: Seconds = 8.0


class CooldownSettings(msgspec.Struct, frozen=True):
    """A target that failed `failures` times in a row rests for `rest_s` seconds, then twice as long and so on.

    Never longer than `max_rest_s`. `failures = 0`: never.
    """

    # Few enough to spare the clients of a target that is down, and more than one request tries.
    failures: Annotated[int, Meta(ge=0, le=1000)] = 5
    rest_s: Seconds = 10.0
    max_rest_s: Seconds = 120.0


class LogSettings(msgspec.Struct, frozen=True):
    """Level and format of the log; `ring` is the number of records kept per worker for the dashboard."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    # A record takes 1 KiB of shared memory: 100,000 of them are 100 MB per worker.
    ring: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class Provider(msgspec.Struct, frozen=True):
    """An upstream; `base_url` has no trailing slash and, for the kind anthropic, always ends in `/v1`.

    `protocols` are those that it speaks; clients of others are translated to the first. Empty: what its kind speaks.
    `ca_file` holds the authorities that its certificate is checked against, in place of the public ones; `client_cert`
    and `client_key` are what it is shown. They are absolute paths of PEM files.
    """

    name: str
    kind: Kind
    base_url: str = ""
    api_key: Secret | None = None
    headers: Headers = msgspec.field(default_factory=Headers)
    transport: Transport = "lean"
    usage: bool = True
    protocols: tuple[Protocol, ...] = ()
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Target(msgspec.Struct, frozen=True):
    """One place that can serve a model; `model` renames it there, None keeps the client's name."""

    provider: str
    model: Text | None = None
    weight: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Model(msgspec.Struct, frozen=True):
    """What clients ask for: an exact name or a glob, and the targets that serve it."""

    name: str
    targets: tuple[Target, ...]
    strategy: Strategy = "ordered"


class ClientKey(msgspec.Struct, frozen=True):
    """A key that lets a client in, kept as its SHA-256 digest only.

    `max_concurrent` is the number of requests that it may have open in each worker; None: as many as the worker.
    """

    name: str
    digest: bytes
    max_concurrent: int | None = None


class Settings(msgspec.Struct, frozen=True):
    """Everything that a process needs to know; `source` is the file that was read, if any."""

    server: ServerSettings = ServerSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    retry: RetrySettings = RetrySettings()
    cooldown: CooldownSettings = CooldownSettings()
    log: LogSettings = LogSettings()
    providers: tuple[Provider, ...] = ()
    models: tuple[Model, ...] = ()
    keys: tuple[ClientKey, ...] = ()
    no_auth: bool = False
    source: str | None = None
    warnings: tuple[str, ...] = ()

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the redaction of the log."""
        return tuple(
            secret
            for provider in self.providers
            for secret in (
                *([provider.api_key.reveal()] if provider.api_key else []),
                *(value for name, value in provider.headers.items() if is_sensitive_name(name)),
            )
        )


SECTIONS: Final[dict[str, type[Any]]] = {
    "server": ServerSettings,
    "timeouts": TimeoutSettings,
    "retry": RetrySettings,
    "cooldown": CooldownSettings,
    "log": LogSettings,
}
