"""From what the file says to what the gateway uses: secrets read, URLs normalised, names checked."""

import hashlib
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.config.certificates import is_open_to_everyone, load_authorities, load_own_certificate
from gateway.config.document import Document, KeyTable, ProviderTable
from gateway.config.exposure import is_sent_in_the_clear
from gateway.config.schema import nearest
from gateway.config.settings import ClientKey, Headers, Kind, Model, Protocol, Provider, Secret, Target
from gateway.errors import ConfigError
from gateway.logs.redaction import is_sensitive_name

ECHO: Final = "echo"
ECHO_PROVIDER: Final = Provider(name=ECHO, kind="echo")
ECHO_MODEL: Final = Model(name=ECHO, targets=(Target(provider=ECHO),))

DEFAULT_BASE_URL: Final[dict[Kind, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
}

# RFC 9110, section 5.6.2: the characters of a field name.
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These belong to the connection; a fixed value would break the framing of every request.
_FRAMING: Final = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})

# What people call their variables; anything else in an `*_env` field may be the key itself and is not repeated.
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_TLS_FILES: Final = ("ca_file", "client_cert", "client_key")
# No provider's key is near this; it keeps a path to a huge file or a device from being read whole.
_SECRET_FILE_BYTES: Final = 65_536


class Resolver:
    """Resolves the entries of one file, and gathers the warnings on the way.

    `folder` is what a relative `api_key_file` is relative to: the folder of the configuration file.
    """

    def __init__(self, *, source: str, environ: Mapping[str, str], folder: Path) -> None:
        self._source = source
        self._environ = environ
        self._folder = folder
        self.warnings: list[str] = []

    def providers(self, document: Document) -> tuple[Provider, ...]:
        """All providers of the file, and the built-in echo provider."""
        self._unique("providers", (table.name for table in document.providers))
        found = [self._provider(table, f"providers[{index}]") for index, table in enumerate(document.providers)]
        return tuple(found) if any(provider.name == ECHO for provider in found) else (*found, ECHO_PROVIDER)

    def models(self, document: Document, providers: Iterable[Provider]) -> tuple[Model, ...]:
        """All models of the file, each with targets that exist, and the built-in echo model."""
        known = [provider.name for provider in providers]
        self._unique("models", (model.name for model in document.models))
        for index, model in enumerate(document.models):
            if not model.targets:
                raise self._error(f"models[{index}].targets", 'is empty; write [{ provider = "…" }]')
            for place, target in enumerate(model.targets):
                if target.provider not in known:
                    field = f"models[{index}].targets[{place}].provider"
                    hint = nearest(target.provider, known)
                    raise self._error(field, f"names the unknown provider {target.provider!r}; {hint}")
        found = document.models
        return found if any(model.name == ECHO for model in found) else (*found, ECHO_MODEL)

    def keys(self, document: Document) -> tuple[ClientKey, ...]:
        """All client keys of the file, as digests."""
        self._unique("keys", (table.name for table in document.keys))
        return tuple(self._key(table, f"keys[{index}]") for index, table in enumerate(document.keys))

    def _provider(self, table: ProviderTable, field: str) -> Provider:
        if table.name == ECHO and table.kind != "echo":
            raise self._error(f"{field}.name", "echo is the name of the built-in provider; choose another")
        if table.kind == "echo":
            for setting in ("base_url", "api_key", "api_key_env", "api_key_file", "protocols", *_TLS_FILES):
                if getattr(table, setting) is not None:
                    raise self._error(f"{field}.{setting}", "means nothing to a provider of the kind echo; remove it")
            return Provider(name=table.name, kind="echo")
        api_key = self._api_key(table, field)
        if api_key is None and table.base_url is None and not any(map(is_sensitive_name, table.headers)):
            self._warn(field, f"{table.name} has no API key, and {DEFAULT_BASE_URL[table.kind]} asks for one")
        base_url, headers = self._base_url(table, field), self._headers(table, field)
        if (api_key or any(map(is_sensitive_name, headers))) and is_sent_in_the_clear(base_url):
            self._warn(f"{field}.base_url", "sends the key over the network unencrypted; https keeps it secret")
        return Provider(
            name=table.name,
            kind=table.kind,
            base_url=base_url,
            api_key=api_key,
            headers=headers,
            transport=table.transport,
            usage=table.usage,
            protocols=self._protocols(table, field),
            **self._tls_files(table, field, base_url),
        )

    def _tls_files(self, table: ProviderTable, field: str, base_url: str) -> dict[str, str | None]:
        given = {name: self._path(path) for name in _TLS_FILES if (path := getattr(table, name)) is not None}
        if given and not base_url.startswith("https:"):
            raise self._error(f"{field}.{next(iter(given))}", "means something for an https base_url only; remove it")
        if ("client_cert" in given) != ("client_key" in given):
            raise self._error(field, "has one of client_cert and client_key; give both or none")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if "ca_file" in given:
                load_authorities(context, given["ca_file"])
            if "client_key" in given:
                load_own_certificate(context, given["client_cert"], given["client_key"])
                self._warn_if_open(given["client_key"], f"{field}.client_key")
        except ValueError as error:
            raise self._error(field, f"{'client_cert' if 'client_key' in given else 'ca_file'}: {error}") from None
        return {name: str(path) for name, path in given.items()}

    def _protocols(self, table: ProviderTable, field: str) -> tuple[Protocol, ...]:
        if table.protocols is None:
            return ()
        if table.kind == "anthropic" and table.protocols != ("messages",):
            raise self._error(f"{field}.protocols", 'is always ["messages"] for the kind anthropic; remove it')
        if not table.protocols or len(set(table.protocols)) < len(table.protocols):
            raise self._error(f"{field}.protocols", 'must name each protocol once, such as ["chat", "responses"]')
        return table.protocols

    def _base_url(self, table: ProviderTable, field: str) -> str:
        try:
            return normalise_base_url(table.base_url or DEFAULT_BASE_URL[table.kind], table.kind)
        except ValueError as error:
            raise self._error(f"{field}.base_url", str(error)) from None

    def _headers(self, table: ProviderTable, field: str) -> Headers:
        for name, value in table.headers.items():
            if not _FIELD_NAME.fullmatch(name) or name.lower() in _FRAMING:
                raise self._error(f"{field}.headers", f"{name!r} cannot be sent as an extra header; remove it")
            if not _is_sendable(value):
                raise self._error(f"{field}.headers.{name}", "must be printable ASCII on one line")
        return Headers(table.headers)

    def _api_key(self, table: ProviderTable, field: str) -> Secret | None:
        given = [name for name in ("api_key", "api_key_env", "api_key_file") if getattr(table, name) is not None]
        if len(given) > 1:
            raise self._error(field, f"has {' and '.join(given)}; keep one of them")
        if table.api_key is not None:
            self._warn(f"{field}.api_key", "stands in the file; api_key_env or api_key_file keep it out")
            return self._secret(table.api_key, "inline", f"{field}.api_key")
        if table.api_key_env is not None:
            return self._secret_from_environment(table.api_key_env, f"{field}.api_key_env")
        if table.api_key_file is not None:
            return self._secret_from_file(table.api_key_file, f"{field}.api_key_file")
        return None

    def _key(self, table: KeyTable, field: str) -> ClientKey:
        given = [name for name in ("key", "key_env", "key_file", "sha256") if getattr(table, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no key"
            raise self._error(field, f"has {found}; give exactly one of key, key_env, key_file and sha256")
        if table.sha256 is not None:
            if not re.fullmatch(r"[0-9a-fA-F]{64}", table.sha256):
                raise self._error(f"{field}.sha256", "must be the 64 hexadecimal digits that sha256sum prints")
            return ClientKey(table.name, bytes.fromhex(table.sha256), table.max_concurrent)
        if table.key is not None:
            self._warn(f"{field}.key", "stands in the file; sha256, key_env or key_file keep it out")
            secret = self._secret(table.key, "inline", f"{field}.key")
        elif table.key_file is not None:
            secret = self._secret_from_file(table.key_file, f"{field}.key_file")
        else:
            secret = self._secret_from_environment(table.key_env or "", f"{field}.key_env")
        return ClientKey(table.name, hashlib.sha256(secret.reveal().encode()).digest(), table.max_concurrent)

    def _secret_from_environment(self, name: str, field: str) -> Secret:
        value = self._environ.get(name)
        if value is None:
            named = f"the environment variable {name}" if _VARIABLE.fullmatch(name) else "the variable that it names"
            raise self._error(field, f"{named} is not set; it takes the name of a variable that holds the key")
        return self._secret(value, f"env {name}", field)

    def _secret_from_file(self, name: str, field: str) -> Secret:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                content = file.read(_SECRET_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            # The path is not repeated: somebody may have put the key itself there.
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            raise self._error(field, f"the file that it names cannot be read ({reason})") from None
        if len(content) > _SECRET_FILE_BYTES:
            raise self._error(field, "the file that it names is too long for a key")
        self._warn_if_open(path, field)
        return self._secret(content.decode("utf-8", "replace"), f"file {path}", field)

    def _path(self, name: str) -> Path:
        home = self._environ.get("HOME")
        return Path(home, name[2:]) if home and name.startswith("~/") else self._folder / name

    def _warn_if_open(self, path: Path, field: str) -> None:
        if is_open_to_everyone(path):
            self._warn(field, f"every user of this machine can read {path}; chmod 600 keeps them out")

    def _secret(self, value: str, source: str, field: str) -> Secret:
        value = value.rstrip("\r\n")
        where = "" if source == "inline" else f" ({source})"
        if not value.strip():
            raise self._error(field, f"the key is empty{where}; put a key there or remove the setting")
        if not _is_sendable(value):
            raise self._error(field, f"the key must be printable ASCII on one line{where}")
        return Secret(value, source)

    def _unique(self, section: str, names: Iterable[str]) -> None:
        seen: dict[str, int] = {}
        for index, name in enumerate(names):
            if not name or not name.isprintable():
                raise self._error(f"{section}[{index}].name", "must be printable and not empty")
            if name in seen:
                raise self._error(
                    f"{section}[{index}].name", f"{name!r} is already {section}[{seen[name]}]; rename one"
                )
            seen[name] = index

    def _error(self, field: str, problem: str) -> ConfigError:
        return ConfigError(f"{self._source}: {field}: {problem}")

    def _warn(self, field: str, problem: str) -> None:
        self.warnings.append(f"{self._source}: {field}: {problem}")


def normalise_base_url(url: str, kind: Kind) -> str:
    """The URL without a trailing slash; for the kind anthropic it always ends in `/v1`.

    Anthropic's SDKs take the URL without `/v1` and OpenAI's take it with, so people write either for the former.
    Raises ValueError with the remedy; the URL itself is not repeated, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not _is_sendable(url) or " " in url:
        raise ValueError('must be a URL such as "https://api.example.com/v1"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or a password; use api_key_env or headers")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query or a fragment; end it before ? and #")
    url = url.rstrip("/?#")
    return f"{url}/v1" if kind == "anthropic" and not url.endswith("/v1") else url


def _is_sendable(value: str) -> bool:
    return value.isascii() and value.isprintable()
