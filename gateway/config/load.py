"""Find the configuration file, and settle what counts: command line, `GATEWAY_*`, file, defaults, in this order."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.certificates import is_open_to_everyone, load_own_certificate
from gateway.config.document import Document, parse
from gateway.config.environment import likely_misspelt, providers_from_environment, settings_from_environment
from gateway.config.exposure import check_exposure
from gateway.config.resolve import Resolver
from gateway.config.schema import nearest, read
from gateway.config.settings import SECTIONS, ServerSettings, Settings
from gateway.errors import ConfigError


def load(*, path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, object], cwd: Path) -> Settings:
    """The settings of this process; raises ConfigError, whose text is one sentence with file, field and remedy.

    `path` is the file that the command line names. Without it the file is $GATEWAY_CONFIG, `gateway.toml` in `cwd`,
    or `gateway/gateway.toml` in $XDG_CONFIG_HOME (~/.config). `overrides` come from the command line and have dotted
    names: {"server.port": 9000, "no_auth": True}. The providers of OPENAI_API_KEY, ANTHROPIC_API_KEY and OLLAMA_HOST
    are there only if no file was found; the provider and the model `echo` are always there.
    """
    found = _read_file(path, environ, cwd)
    warnings = list(likely_misspelt(environ))
    if found is None:
        source, document = None, Document()
        providers, models = providers_from_environment(environ)
        keys: tuple[Any, ...] = ()
    else:
        file, content = found
        source = str(file)
        document = parse(content, source=source)
        resolver = Resolver(source=source, environ=environ, folder=file.parent)
        providers = resolver.providers(document)
        models = resolver.models(document, providers)
        keys = resolver.keys(document)
        warnings += resolver.warnings
        if not document.providers:
            unused = [name for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_HOST") if environ.get(name)]
            if unused:
                names = " and ".join(unused)
                warnings.append(
                    f"{source}: providers: there are none, and {names} is used only without a file; add them"
                )

    values: dict[str, Any] = {name: getattr(document, name) for name in (*SECTIONS, "no_auth")}
    if found is not None:
        values["server"] = _beside(file.parent, document.server)
    for variable, setting, text in settings_from_environment(environ):
        _override(values, setting, text, source=f"environment variable {variable}", strict=False)
    for setting, value in overrides.items():
        _override(values, setting, value, source="command line", strict=True)

    settings = Settings(**values, providers=providers, models=models, keys=keys, source=source)
    check_exposure(settings)
    settings = _check_tls(settings, cwd, warnings)
    return msgspec.structs.replace(settings, warnings=tuple(warnings))


def _beside(folder: Path, server: ServerSettings) -> ServerSettings:
    """Paths in a file are relative to that file; elsewhere to the working directory."""
    paths = {name: getattr(server, name) for name in ("tls_cert", "tls_key")}
    return msgspec.structs.replace(server, **{name: path and str(folder / path) for name, path in paths.items()})


def _check_tls(settings: Settings, cwd: Path, warnings: list[str]) -> Settings:
    """Return the settings with absolute paths; raises ConfigError if Granian could not serve with these files."""
    server = settings.server
    if server.tls_cert is None and server.tls_key is None:
        return settings
    source = settings.source or "settings"
    if server.tls_cert is None or server.tls_key is None:
        given, missing = ("tls_cert", "tls_key") if server.tls_cert else ("tls_key", "tls_cert")
        raise ConfigError(f"{source}: server.{given} needs server.{missing} beside it; give both or none")
    cert, key = cwd / server.tls_cert, cwd / server.tls_key
    try:
        load_own_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), cert, key)
    except ValueError as error:
        raise ConfigError(f"{source}: server.tls_cert and server.tls_key: {error}") from None
    if is_open_to_everyone(key):
        warnings.append(
            f"{source}: server.tls_key: every user of this machine can read {key}; chmod 600 keeps them out"
        )
    return msgspec.structs.replace(
        settings, server=msgspec.structs.replace(server, tls_cert=str(cert), tls_key=str(key))
    )


def _read_file(path: Path | None, environ: Mapping[str, str], cwd: Path) -> tuple[Path, bytes] | None:
    if path is not None:
        return _read_named(cwd / path, "-c")
    if environ.get("GATEWAY_CONFIG"):
        return _read_named(cwd / environ["GATEWAY_CONFIG"], "GATEWAY_CONFIG")
    for candidate in _candidates(environ, cwd):
        try:
            return candidate, candidate.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ConfigError(
                f"{candidate}: cannot be read ({error.strerror}); make it readable or remove it"
            ) from None
    return None


def _read_named(file: Path, named_by: str) -> tuple[Path, bytes]:
    try:
        return file, file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError(
            f"{file}: cannot be read ({reason}); correct {named_by}, or write one with `gateway init`"
        ) from None


def _candidates(environ: Mapping[str, str], cwd: Path) -> list[Path]:
    # The XDG base directory specification has relative paths ignored.
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = f"{environ['HOME']}/.config" if environ.get("HOME") else ""
    return [cwd / "gateway.toml", *([Path(base, "gateway", "gateway.toml")] if base else [])]


def _override(values: dict[str, Any], setting: str, value: object, *, source: str, strict: bool) -> None:
    if setting == "no_auth":
        values[setting] = read(value, bool, source=source, field=setting, strict=strict)
        return
    section, _, name = setting.partition(".")
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[section])} if section in SECTIONS else {}
    if name not in fields:
        raise ConfigError(f"{source}: {setting} is not a known setting; {nearest(name, fields)}")
    converted = read(value, fields[name].type, source=source, field=setting, strict=strict)
    values[section] = msgspec.structs.replace(values[section], **{name: converted})
