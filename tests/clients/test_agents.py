"""Real coding agents through a real gateway, each with providers of every protocol: nothing but loopback is asked.

They need node and the packages of `package.json` beside this file (`make agents`); what is missing is skipped.
"""

import json
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

from tests.clients.agents import CLIENT_KEY, Agent
from tests.clients.heard import PATHS
from tests.clients.provider import FINAL_TEXT, SHELL_OUTPUT, WRITTEN
from tests.clients.trial import (
    ANTHROPIC,
    CHAT_ONLY,
    ECHO,
    OPENAI,
    PROVIDER_KEY,
    RESPONSES_ONLY,
    RULE,
    TASK,
    Trial,
    trial_of,
)

SIGNATURES = {"messages": "c2ln", "responses": "ZW5j"}
"""What the scripted provider writes below its reasoning, in the protocols that have such a thing."""


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
