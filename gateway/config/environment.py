"""What the environment says: `GATEWAY_*` settings, and the providers that are there without any file."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.config.resolve import DEFAULT_BASE_URL, ECHO_MODEL, ECHO_PROVIDER, normalise_base_url
from gateway.config.settings import SECTIONS, Kind, Model, Provider, Secret, Target
from gateway.errors import ConfigError

# Variable -> dotted setting. `GATEWAY_PORT` and `GATEWAY_SERVER_PORT` are the same; the short name wins.
VARIABLES: Final[dict[str, str]] = {
    **{
        f"GATEWAY_{section}_{field.name}".upper(): f"{section}.{field.name}"
        for section, shape in SECTIONS.items()
        for field in msgspec.structs.fields(shape)
    },
    **{f"GATEWAY_{field.name}".upper(): f"server.{field.name}" for field in msgspec.structs.fields(SECTIONS["server"])},
    "GATEWAY_NO_AUTH": "no_auth",
}

OPENAI_GLOBS: Final = ("gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "codex-*", "text-embedding-*")
ANTHROPIC_GLOBS: Final = ("claude-*",)
OLLAMA_GLOBS: Final = ("*",)


def settings_from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(variable, dotted setting, value) of each setting that is present; an empty variable counts as absent."""
    for variable, setting in VARIABLES.items():
        value = environ.get(variable, "")
        if value and not _is_kubernetes_link(variable, value):
            yield variable, setting, value


def likely_misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """A warning for each variable that is nearly one of ours.

    Others are left alone: `GATEWAY_` is a common prefix, and client keys have names of the user's choice.
    """
    ours = (*VARIABLES, "GATEWAY_CONFIG")
    for variable in environ:
        if variable.startswith("GATEWAY_") and variable not in ours:
            # At 0.85 GATEWAY_PROT is caught and GATEWAY_KEY is not.
            close = difflib.get_close_matches(variable, ours, n=1, cutoff=0.85)
            if close:
                yield f"environment variable {variable} is not used; did you mean {close[0]}?"
    for variable in ("GATEWAY_PORT", "GATEWAY_SERVER_PORT"):
        if _is_kubernetes_link(variable, environ.get(variable, "")):
            yield f"environment variable {variable} is a Kubernetes service link and is not used; name the port with -p"


def providers_from_environment(environ: Mapping[str, str]) -> tuple[tuple[Provider, ...], tuple[Model, ...]]:
    """The providers and models that are there when no configuration file is: echo last, and always.

    Raises ConfigError that names the variable.
    """
    providers: list[Provider] = []
    models: list[Model] = []

    def add(provider: Provider, globs: tuple[str, ...]) -> None:
        providers.append(provider)
        models.extend(Model(name=glob, targets=(Target(provider=provider.name),)) for glob in globs)

    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (("openai", OPENAI_GLOBS), ("anthropic", ANTHROPIC_GLOBS))
    for kind, globs in kinds:
        key = environ.get(f"{kind.upper()}_API_KEY", "").strip()
        if key:
            if not (key.isascii() and key.isprintable()):
                raise ConfigError(f"environment variable {kind.upper()}_API_KEY must be printable ASCII on one line")
            url = _base_url(environ, f"{kind.upper()}_BASE_URL", DEFAULT_BASE_URL[kind], kind)
            secret = Secret(key, f"env {kind.upper()}_API_KEY")
            add(Provider(name=kind, kind=kind, base_url=url, api_key=secret), globs)
    ollama = environ.get("OLLAMA_HOST", "").strip()
    if ollama:
        url = _base_url({"OLLAMA_HOST": ollama_url(ollama)}, "OLLAMA_HOST", "", "openai")
        # Older versions have no `/responses`; translated to chat, its clients are served by all of them.
        add(Provider(name="ollama", kind="openai", base_url=url, protocols=("chat",)), OLLAMA_GLOBS)
    return (*providers, ECHO_PROVIDER), (*models, ECHO_MODEL)


def ollama_url(host: str) -> str:
    """The OpenAI-compatible URL of an Ollama server from its OLLAMA_HOST: a host, host:port, :port or URL.

    As in Ollama itself the port is 11434, or that of the scheme if there is one, and a server's wildcard address is
    reached on loopback.
    """
    scheme, separator, rest = host.rpartition("://")
    authority, _, path = rest.partition("/")
    if authority.count(":") > 1 and not authority.startswith("["):
        authority = f"[{authority}]"
    name, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        name, port = authority, ""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)
    if not port and not separator:
        port = "11434"
    path = path.strip("/").removesuffix("v1").rstrip("/")
    return f"{scheme or 'http'}://{name}{':' if port else ''}{port}{'/' if path else ''}{path}/v1"


def _base_url(environ: Mapping[str, str], variable: str, default: str, kind: Kind) -> str:
    try:
        return normalise_base_url(environ.get(variable, "").strip() or default, kind)
    except ValueError as error:
        raise ConfigError(f"environment variable {variable} {error}") from None


def _is_kubernetes_link(variable: str, value: str) -> bool:
    # Kubernetes gives every pod NAME_PORT=tcp://ip:port for each service: one called "gateway" makes GATEWAY_PORT.
    return variable.endswith("_PORT") and value.startswith(("tcp://", "udp://"))
