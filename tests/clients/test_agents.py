"""Real coding agents through a real gateway, each with providers of every protocol: nothing but loopback is asked.

They need node and the packages of `package.json` beside this file (`make agents`); what is missing is skipped.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pytest

from tests.clients.agents import AGENTS, CLIENT_KEY, Agent, Run
from tests.clients.heard import PATHS, Heard
from tests.clients.provider import FINAL_TEXT, SHELL_OUTPUT, WRITTEN, AgentProvider
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

SIGNATURES = {"messages": "c2ln", "responses": "ZW5j"}
"""What the scripted provider writes below its reasoning, in the protocols that have such a thing."""


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


@pytest.fixture(scope="module", params=AGENTS, ids="{0.name} ({0.protocol})".format)
def agent(request: pytest.FixtureRequest) -> Agent:
    """Each agent, in each protocol that it speaks."""
    chosen: Agent = request.param
    if chosen.find() is None:
        pytest.skip(f"{chosen.binary} is not installed: `make agents` gets {chosen.package}, with node and npm")
    return chosen


@contextmanager
def trial_of(agent: Agent, kind: Kind, place: Path) -> Iterator[Trial]:
    """Run the agent in a new folder with a new home."""
    home, folder, around = place / "home", place / "work", place / "gateway"
    for made in (home, folder, around):
        made.mkdir()
    (folder / agent.rules).write_text(RULE)
    with (
        running_upstream(lambda: AgentProvider(folder)) as provider,
        running_gateway(around, configuration(provider.port, kind, agent.protocol)) as gateway,
        witness() as watching,
    ):
        run = agent.run(TASK, home=home, folder=folder, address=gateway.address, proxy=watching.url)
        yield Trial(agent, kind, folder, provider, gateway, watching, run)


@pytest.fixture(scope="module", params=[ANTHROPIC, OPENAI, CHAT_ONLY, RESPONSES_ONLY], ids=attrgetter("provider"))
def trial(request: pytest.FixtureRequest, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """Each agent with each kind of provider, once for all tests."""
    with trial_of(agent, request.param, tmp_path_factory.mktemp("trial")) as ended:
        yield ended


def test_the_agent_ends_its_task_with_the_words_of_the_provider(trial: Trial):
    """The last text comes out whole, and the files that the provider asked for are there, byte for byte."""
    assert trial.run.said().text == FINAL_TEXT
    made = {file.name: file.read_text() for file in trial.folder.iterdir() if file.suffix == ".txt"}
    assert made == {"shell.txt": f"{SHELL_OUTPUT}\n", "second.txt": f"{SHELL_OUTPUT}\n", "written.txt": WRITTEN}


def test_the_provider_hears_the_instructions_of_the_agent_the_rules_of_the_project_and_the_task(trial: Trial):
    """None of them is lost, whatever place the provider's protocol has for it."""
    for told in trial.provider.heard:
        assert trial.agent.identity in "\n".join(told.system)
        assert RULE in "\n".join(told.system + told.user)
        assert sum(TASK in text for text in told.user) == 1


def test_the_provider_is_offered_the_same_tools_in_every_turn(trial: Trial):
    """Each has a schema, or takes a plain text where the provider knows such tools."""
    first, *others = (told.tools for told in trial.provider.heard)
    assert first
    assert all(tools == first for tools in others)
    assert all(schema.get("type") == "object" for name, schema in first.items() if name != "apply_patch")


def test_calls_and_their_results_come_back_to_the_provider_as_they_were(trial: Trial):
    """In three turns: the calls under their ids, with their arguments, and a result for each."""
    assert [len(told.results) for told in trial.provider.heard] == [0, 1, 3]
    asked = [call for spoken in trial.provider.spoken for call in spoken.calls]
    assert [(call_id, name) for call_id, name, _ in trial.last.calls] == [(call.id, call.name) for call in asked]
    for call, (_, _, arguments) in zip(asked, trial.last.calls, strict=True):
        assert arguments == (call.arguments if call.is_custom else json.loads(call.arguments))
    assert {call_id for call_id, _ in trial.last.results} == {call.id for call in asked}
    shells = [text for call_id, text in trial.last.results if call_id.endswith("_a")]
    assert len(shells) == 2
    assert all(SHELL_OUTPUT in text for text in shells)


def test_the_reasoning_comes_back_with_the_signature_of_its_maker(trial: Trial):
    """Also through a client of another protocol, which has it in the place of its own signatures."""
    protocol = PATHS[trial.provider.paths[-1]]
    expected = [SIGNATURES[protocol]] * 2 if protocol in SIGNATURES and trial.agent.keeps_reasoning else []
    assert trial.last.signatures == expected


def test_the_gateway_counts_what_the_provider_and_the_agent_counted(trial: Trial):
    """Every request is ok and none is active; the tokens are those of all answers, and the agent has the same."""
    snapshot = trial.gateway.settled()
    answers = trial.provider.spoken
    spent = {name: sum(answer.usage[name] for answer in answers) for name in ("input", "output")}
    assert snapshot["active"] == 0
    assert snapshot["lifetime"]["tokens"] == spent
    outcomes = {outcome: count for outcome, count in snapshot["lifetime"]["outcomes"].items() if count}
    assert outcomes == {"ok": len(trial.provider.bodies)}
    assert snapshot["lifetime"]["started"] == snapshot["lifetime"]["finished"] == len(trial.provider.bodies)
    said = trial.run.said()
    turns = answers[-len(trial.provider.heard) :]
    assert (said.inputs, said.outputs) == tuple(
        sum(answer.usage[name] for answer in turns) for name in ("input", "output")
    )


def test_keys_stay_on_their_side(trial: Trial):
    """The provider gets its own key, if it has one, with every request, and never that of the client."""
    for head in trial.provider.heads:
        assert (PROVIDER_KEY.encode() in head) == (trial.kind is not CHAT_ONLY)
        assert CLIENT_KEY.encode() not in head


def test_nothing_but_loopback_is_asked(trial: Trial):
    """The proxy that the agent would take to anywhere else sees no request."""
    assert trial.witness.asked == []


def test_the_echo_provider_answers_the_agent(agent: Agent, tmp_path: Path):
    """It says the task back, and the gateway counts its words."""
    with trial_of(agent, ECHO, tmp_path) as ended:
        said = ended.run.said()
        assert TASK in said.text
        lifetime = ended.gateway.settled()["lifetime"]
        assert lifetime["outcomes"]["ok"] == lifetime["finished"] >= 1
        assert lifetime["tokens"]["output"] >= said.outputs == len(said.text.split())
        assert ended.witness.asked == []
