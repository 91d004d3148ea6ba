"""Find the configuration file, and settle what counts: command line, `GATEWAY_*`, file, defaults, in this order."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.config.document import Document, parse
from gateway.config.environment import likely_misspelt, providers_from_environment, settings_from_environment
from gateway.config.resolve import Resolver
from gateway.config.schema import nearest, read
from gateway.config.settings import SECTIONS, Settings
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
    for variable, setting, text in settings_from_environment(environ):
        _override(values, setting, text, source=f"environment variable {variable}", strict=False)
    for setting, value in overrides.items():
        _override(values, setting, value, source="command line", strict=True)

    settings = Settings(
        **values, providers=providers, models=models, keys=keys, source=source, warnings=tuple(warnings)
    )
    check_exposure(settings)
    return settings


def check_exposure(settings: Settings) -> None:
    """Raise ConfigError if anyone on the network could use the providers' keys without a key of their own."""
    if settings.keys or settings.no_auth or is_loopback(settings.server.host):
        return
    raise ConfigError(
        f"{settings.source or 'settings'}: server.host {settings.server.host!r} is open to others and there are no "
        "client keys; add a [[keys]] entry, listen on 127.0.0.1, or say --no-auth"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`; a name other than localhost counts as reachable."""
    if host.lower() in ("localhost", "ip6-localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


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
