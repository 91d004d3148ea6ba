"""What the agents make of refusals, and the gateway of agents that are not let in or that leave."""

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path

import pytest

from tests.clients.agents import CLAUDE_CODE, Agent
from tests.clients.provider import FINAL_TEXT, AgentProvider
from tests.clients.trial import ANTHROPIC, CHAT_ONLY, Kind, Trial, trial_of
from tests.clients.troubled import HALF, WORDS, TroubledProvider
from tests.support.process import PATIENCE_S

KEY = "not-the-key-of-anybody-0123456789"


def foreign(agent: Agent) -> Kind:
    """A kind of provider that the agent needs a translation for."""
    return CHAT_ONLY if agent.protocol == "messages" else ANTHROPIC


def outcomes(trial: Trial) -> Counter[str]:
    """How the requests ended, as the gateway counts it, when none is active any more."""
    counts = trial.gateway.settled()["lifetime"]["outcomes"]
    return Counter({outcome: count for outcome, count in counts.items() if count})


def with_troubles(*troubles: str) -> Callable[[Path], TroubledProvider]:
    """A provider that has these with the first requests of an agent in the folder."""
    return lambda folder: TroubledProvider(folder, *troubles)


@pytest.mark.parametrize("kind", [ANTHROPIC, CHAT_ONLY], ids=attrgetter("provider"))
def test_an_overload_is_tried_again_by_the_agent(agent: Agent, kind: Kind, tmp_path: Path):
    """Whoever is overloaded: the agent is told what it knows as an overload, and ends its task all the same."""
    once = "[retry]\nattempts = 1\n"
    with trial_of(agent, kind, tmp_path, provider_in=with_troubles("overloaded"), settings=once) as trial:
        assert trial.run.said().text == FINAL_TEXT
        assert outcomes(trial) == {"upstream": 1, "ok": len(trial.provider.spoken)}


@pytest.mark.parametrize("kind", [ANTHROPIC, CHAT_ONLY], ids=attrgetter("provider"))
def test_a_stream_that_breaks_off_is_never_taken_for_an_answer(agent: Agent, kind: Kind, tmp_path: Path):
    """The agent asks again, or ends with an error that says what happened, as it does without a gateway."""
    with trial_of(agent, kind, tmp_path, provider_in=partial(AgentProvider, cuts=1)) as trial:
        counts = outcomes(trial)
        assert (counts["upstream"], counts["ok"]) == (1, len(trial.provider.bodies) - 1)
        if agent.asks_again:
            assert trial.run.said().text == FINAL_TEXT
        else:
            assert trial.run.status != 0
            assert f"The answer of the provider {kind.provider} broke off." in trial.run.stdout


@pytest.mark.parametrize("agent", [CLAUDE_CODE], indirect=True, ids=["Claude Code"])
@pytest.mark.parametrize("kind", [ANTHROPIC, CHAT_ONLY], ids=attrgetter("provider"))
def test_an_answer_in_one_piece_is_as_good_as_the_stream_that_broke_off(agent: Agent, kind: Kind, tmp_path: Path):
    """Claude Code asks for one where the stream broke off within its first words, which nobody sees again."""
    with trial_of(agent, kind, tmp_path, provider_in=with_troubles("cut")) as trial:
        assert trial.run.said().text == FINAL_TEXT
        assert HALF[0] not in trial.run.stdout
        assert [bool(body.get("stream")) for body in trial.provider.bodies][:2] == [True, False]
        assert outcomes(trial) == {"upstream": 1, "ok": len(trial.provider.spoken)}


def test_a_refusal_reaches_the_user_in_the_words_of_the_provider(agent: Agent, tmp_path: Path):
    """It is not tried again, by the gateway or by the agent."""
    with trial_of(agent, foreign(agent), tmp_path, provider_in=with_troubles("refused", "refused")) as trial:
        assert trial.run.status != 0
        assert WORDS in trial.run.stdout + trial.run.stderr
        assert outcomes(trial)["upstream"] == 1
        assert trial.provider.heard == []


def test_an_agent_with_a_wrong_key_is_told_so(agent: Agent, tmp_path: Path):
    """At once and in the gateway's words: nobody tries again, and the provider hears nothing."""
    with trial_of(agent, foreign(agent), tmp_path, key=KEY) as trial:
        assert trial.run.status != 0
        assert "The client key is not known to this gateway." in trial.run.stdout + trial.run.stderr
        assert set(outcomes(trial)) == {"auth"}
        assert trial.provider.bodies == []


def test_nothing_is_left_of_an_agent_that_is_interrupted(agent: Agent, tmp_path: Path):
    """Ctrl-C within an answer: the gateway closes the provider's stream, and counts one that left."""

    def interrupt(provider: AgentProvider, process: "subprocess.Popen[str]") -> None:
        assert provider.streaming.wait(PATIENCE_S)
        os.killpg(process.pid, signal.SIGINT)

    endless = with_troubles("endless")
    with trial_of(agent, foreign(agent), tmp_path, provider_in=endless, meanwhile=interrupt) as trial:
        assert isinstance(trial.provider, TroubledProvider)
        assert trial.provider.left.wait(PATIENCE_S)
        assert outcomes(trial)["cancelled"] == 1
        assert trial.gateway.settled()["active"] == 0
