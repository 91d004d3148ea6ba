"""The shape of a configuration file, before secrets are read and names are resolved."""

import tomllib
from typing import Any

import msgspec

from gateway.config.schema import read
from gateway.config.settings import (
    Concurrency,
    CooldownSettings,
    Kind,
    LogSettings,
    Model,
    Protocol,
    RetrySettings,
    ServerSettings,
    Text,
    TimeoutSettings,
    Transport,
)
from gateway.errors import ConfigError


class ProviderTable(msgspec.Struct, frozen=True):
    """One `[[providers]]` entry as it is written."""

    name: Text
    kind: Kind
    base_url: Text | None = None
    api_key: str | None = None
    api_key_env: Text | None = None
    api_key_file: Text | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    transport: Transport = "lean"
    usage: bool = True
    protocols: tuple[Protocol, ...] | None = None
    ca_file: Text | None = None
    client_cert: Text | None = None
    client_key: Text | None = None


class KeyTable(msgspec.Struct, frozen=True):
    """One `[[keys]]` entry as it is written."""

    name: Text
    key: str | None = None
    key_env: Text | None = None
    key_file: Text | None = None
    sha256: str | None = None
    max_concurrent: Concurrency | None = None


class Document(msgspec.Struct, frozen=True):
    """A whole configuration file."""

    server: ServerSettings = ServerSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    retry: RetrySettings = RetrySettings()
    cooldown: CooldownSettings = CooldownSettings()
    log: LogSettings = LogSettings()
    providers: tuple[ProviderTable, ...] = ()
    models: tuple[Model, ...] = ()
    keys: tuple[KeyTable, ...] = ()
    no_auth: bool = False


def parse(content: bytes, *, source: str) -> Document:
    """The document that a file's bytes hold; raises ConfigError, with the line for a syntax error."""
    try:
        # Some editors begin a file with a byte order mark, which TOML does not know.
        data: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}: line {line} is not UTF-8; save the file in that encoding") from None
    except RecursionError:
        raise ConfigError(f"{source}: the values are nested too deeply; flatten them") from None
    except ValueError as error:
        # tomllib raises a plain ValueError for numbers of thousands of digits.
        raise ConfigError(f"{source}: not valid TOML, correct it there: {error}") from None
    document: Document = read(data, Document, source=source)
    return document
