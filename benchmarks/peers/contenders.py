"""Who is measured, and how each is started: the gateway, its peers where they are installed, and two floors.

The folder of the peers holds `rolter/` and `litellm/` (virtual environments) and `portkey/` (an npm project), as
`make peers-install` makes them; nginx comes from the system's packages. The floors know nothing of models: `nginx`
passes bytes on, `granian` is a bare ASGI application that answers by itself.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.cases import KEY, MODELS, Case

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Launch:
    """How to start a contender."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """One who is measured. `launch(folder, port, upstream)` writes the configuration and tells how to start it."""

    name: str
    version: str
    launch: Callable[[Path, int, int], Launch]
    headers: Callable[[Case, int], dict[str, str]] = lambda case, upstream: {}
    """Headers that tell the contender where the upstream is, for one that has no configuration file."""
    translates: bool = True
    on_terminal: bool = False
    """Whether it has a terminal to draw on; it is then stopped while it is not measured, for it never rests."""
    only: tuple[str, ...] = ()
    """The cases in which it takes part; all, if empty."""


def gateway_toml(upstream: int, port: int) -> str:
    """A configuration of the gateway: both kinds of provider, a model for each kind of answer."""
    models = "".join(
        f'[[models]]\nname = "{model}"\ntargets = [{{ provider = "{model.partition("-")[0]}" }}]\n' for model in MODELS
    )
    return (
        f"[server]\nport = {port}\n"
        f'[[providers]]\nname = "chat"\nkind = "openai"\nbase_url = "http://127.0.0.1:{upstream}/v1"\napi_key = "k"\n'
        f'[[providers]]\nname = "claude"\nkind = "anthropic"\nbase_url = "http://127.0.0.1:{upstream}"\napi_key = "k"\n'
        + models
    )


def gateway(name: str, python: str, *flags: str, more: str = "", only: tuple[str, ...] = ()) -> Contender:
    """The gateway of that Python, with flags for `serve` and more for its configuration."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        config = folder / "gateway.toml"
        config.write_text(gateway_toml(upstream, port) + more)
        environment = {"XDG_RUNTIME_DIR": str(folder), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        return Launch([python, "-m", "gateway", "serve", "-c", str(config), *flags], environment)

    version = output_of(python, "-c", "import gateway; print(gateway.__version__)", cwd="/")
    return Contender(name, version, launch, on_terminal="--dashboard" in flags, only=only)


def rolter(program: Path) -> Contender:
    """rolter, a gateway in Rust."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        config = folder / "rolter.toml"
        lines = [f'[server]\nhost = "127.0.0.1"\nport = {port}']
        for name, kind in (("chat", "openai_compatible"), ("claude", "anthropic")):
            lines.append(f'[[providers]]\nname = "{name}"\nkind = "{kind}"\napi_base = "http://127.0.0.1:{upstream}"')
            lines.append('api_key_env = "UPSTREAM_KEY"\nallow_custom_api_base = true')
        for model in MODELS:
            side = model.partition("-")[0]
            lines.append(f'[[routes]]\nmodel = "{model}"\nstrategy = "round_robin"')
            lines.append(f'[[routes.targets]]\nprovider = "{side}"\nmodel = "{model}"')
        lines.append(f'[[virtual_keys]]\nkey = "{KEY}"\nname = "bench"\nmodels = []')
        config.write_text("\n".join(lines))
        command = [str(program), "gateway", "--config", str(config)]
        return Launch(
            command, {"UPSTREAM_KEY": "k", "ROLTER_UPDATE_CHECK": "false", "ROLTER_TELEMETRY_ENABLED": "false"}
        )

    return Contender("rolter", output_of(str(program), "--version"), launch)


def litellm(program: Path) -> Contender:
    """LiteLLM's proxy, in Python."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        config = folder / "litellm.yaml"
        sides = {
            "chat": ("openai", f"http://127.0.0.1:{upstream}/v1"),
            "claude": ("anthropic", f"http://127.0.0.1:{upstream}"),
        }
        models = []
        for model in MODELS:
            provider, base = sides[model.partition("-")[0]]
            parameters = {"model": f"{provider}/{model}", "api_base": base, "api_key": "k"}
            models.append({"model_name": model, "litellm_params": parameters})
        # JSON is YAML.
        config.write_text(
            json.dumps(
                {
                    "model_list": models,
                    "general_settings": {"master_key": KEY},
                    "litellm_settings": {"telemetry": False},
                }
            )
        )
        environment = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES": "true",
            "LITELLM_LOG": "ERROR",
        }
        command = [
            str(program),
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--num_workers",
            "1",
        ]
        return Launch(command, environment)

    python = str(program.parent / "python")
    version = output_of(python, "-c", "from importlib.metadata import version; print(version('litellm'))")
    return Contender("litellm", version, launch)


def portkey(folder: Path) -> Contender:
    """Portkey's gateway, in JavaScript; each request says itself where it goes."""
    package = folder / "node_modules/@portkey-ai/gateway"

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        script = str(package / "build/start-server.js")
        return Launch(["node", script, f"--port={port}", "--headless"], {"NODE_ENV": "production"})

    def headers(case: Case, upstream: int) -> dict[str, str]:
        provider = "openai" if case.model.startswith("chat-") else "anthropic"
        return {"x-portkey-provider": provider, "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}

    version = json.loads((package / "package.json").read_text())["version"]
    return Contender("portkey", str(version), launch, headers)


def nginx(program: str) -> Contender:
    """A proxy that knows nothing of language models."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        config = folder / "nginx.conf"
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;\n"
            "worker_rlimit_nofile 16384; events { worker_connections 16000; }\n"
            f"http {{ access_log off; {paths} client_max_body_size 32m; client_body_buffer_size 256k;\n"
            f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 10000000; }}\n"
            f"server {{ listen 127.0.0.1:{port}; keepalive_requests 10000000; location / {{ proxy_pass http://up;\n"
            'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }\n'
        )
        return Launch([program, "-c", str(config), "-p", str(folder), "-e", str(folder / "nginx.log")])

    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr.partition("/")[2]
    return Contender("nginx", version.strip(), launch, translates=False)


def bare_granian() -> Contender:
    """Granian with the least that Python can do behind it: no upstream, the answer is made on the spot."""

    def launch(folder: Path, port: int, upstream: int) -> Launch:
        program = str(Path(sys.executable).parent / "granian")
        flags = ["--interface", "asgi", "--loop", "uvloop", "--no-ws", "--port", str(port), "--working-dir", str(ROOT)]
        return Launch([program, *flags, "benchmarks.peers.floor:answer"])

    version = output_of(sys.executable, "-c", "from importlib.metadata import version; print(version('granian'))")
    return Contender("granian", version, launch, translates=False)


def output_of(*command: str, cwd: str | None = None) -> str:
    """What a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout.strip()


def find(peers: Path, python: str, other: str | None) -> tuple[list[Contender], dict[str, str]]:
    """Everybody who is installed, and why the others are not measured.

    `python` has the gateway; `other`, if given, has another one that is measured beside it, as `other`.
    """
    found = [gateway("gateway", python), gateway("dashboard", python, "--dashboard", only=("plain", "stream-36"))]
    if other:
        found.append(gateway("other", other))
    missing = {}
    hint = f"not in {peers.name}/: `make peers-install`"
    if (program := peers / "rolter/bin/rolter").exists():
        found.append(rolter(program))
    else:
        missing["rolter"] = hint
    if (program := peers / "litellm/bin/litellm").exists():
        found.append(litellm(program))
    else:
        missing["litellm"] = hint
    if not shutil.which("node"):
        missing["portkey"] = "no node on the path"
    elif (peers / "portkey/node_modules/@portkey-ai/gateway").exists():
        found.append(portkey(peers / "portkey"))
    else:
        missing["portkey"] = hint
    if server := shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"):
        found.append(nginx(server))
    else:
        missing["nginx"] = "not on the path; it comes from the system's packages"
    found.append(bare_granian())
    return found, missing
