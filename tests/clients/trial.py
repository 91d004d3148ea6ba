"""One task of an agent, through a gateway with the configuration of docs/clients.md, with one kind of provider."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.agents import CLIENT_KEY, Agent, Run
from tests.clients.heard import Heard
from tests.clients.provider import AgentProvider
from tests.clients.witness import Witness, witness
from tests.support.guide import blocks
from tests.support.process import RunningGateway, running_gateway
from tests.support.upstream import running_upstream

TASK = "Do what has to be done: größer ✓ 'task-7'."
RULE = "The rule of this project is größer ✓ 'rule-7'."
PROVIDER_KEY = "sk-key-of-the-provider-0123456789"


@dataclass(frozen=True)
class Kind:
    """A provider of docs/clients.md, or one more."""

    provider: str
    protocols: tuple[str, ...]
    model: str
    """What it knows its model by."""


ANTHROPIC = Kind("anthropic", ("messages",), "claude-sonnet-4-6")
OPENAI = Kind("openai", ("chat", "responses"), "gpt-5.5")
CHAT_ONLY = Kind("local", ("chat",), "qwen3-coder")
RESPONSES_ONLY = Kind("responses-only", ("responses",), "gpt-5.5")
ECHO = Kind("echo", (), "echo")

MORE_PROVIDERS = """
[[providers]]
name = "responses-only"
kind = "openai"
base_url = "https://unused/v1"
api_key_env = "OPENAI_API_KEY"
protocols = ["responses"]
[[providers]]
name = "echo"
kind = "echo"
"""


def configuration(port: int, kind: Kind, protocol: str) -> str:
    """The page's configuration with this provider behind every name, and the scripted one behind every provider.

    The model is renamed only where the answer is translated: one that passes byte for byte bears the provider's name of
    it, and Claude Code does not send back the reasoning of an answer under another name.
    """
    renamed = "" if protocol in kind.protocols else f', model = "{kind.model}"'
    written = blocks()["gateway.toml"] + MORE_PROVIDERS
    written = re.sub(r'base_url = "https?://[^/"]+', f'base_url = "http://127.0.0.1:{port}', written)
    written = written.replace('api_key_env = "', f'api_key = "{PROVIDER_KEY}" # "')
    written = written.replace('key_env = "', f'key = "{CLIENT_KEY}" # "')
    return f'{written}\n[[models]]\nname = "*"\ntargets = [{{ provider = "{kind.provider}"{renamed} }}]\n'


@dataclass
class Trial:
    """A task that an agent has ended with one provider."""

    agent: Agent
    kind: Kind
    folder: Path
    provider: AgentProvider
    gateway: RunningGateway
    witness: Witness
    run: Run

    @property
    def last(self) -> Heard:
        """The last request of the task, which holds the whole conversation."""
        return self.provider.heard[-1]


def _nothing(provider: AgentProvider, process: "subprocess.Popen[str]") -> None:
    pass


@contextmanager
def trial_of(
    agent: Agent,
    kind: Kind,
    place: Path,
    *,
    provider_in: Callable[[Path], AgentProvider] = AgentProvider,
    settings: str = "",
    key: str = CLIENT_KEY,
    meanwhile: Callable[[AgentProvider, "subprocess.Popen[str]"], None] = _nothing,
) -> Iterator[Trial]:
    """Run the agent in a new folder with a new home; `settings` are the gateway's, and `meanwhile` is done then."""
    home, folder, around = place / "home", place / "work", place / "gateway"
    for made in (home, folder, around):
        made.mkdir()
    (folder / agent.rules).write_text(RULE)
    with (
        running_upstream(lambda: provider_in(folder)) as provider,
        running_gateway(around, settings + configuration(provider.port, kind, agent.protocol)) as gateway,
        witness() as watching,
    ):
        process = agent.start(TASK, home=home, folder=folder, address=gateway.address, proxy=watching.url, key=key)
        meanwhile(provider, process)
        yield Trial(agent, kind, folder, provider, gateway, watching, agent.finish(process))
