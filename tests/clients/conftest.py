"""The agents, as far as they are installed."""

import pytest

from tests.clients.agents import AGENTS, Agent


@pytest.fixture(scope="module", params=AGENTS, ids="{0.name} ({0.protocol})".format)
def agent(request: pytest.FixtureRequest) -> Agent:
    """Each agent, in each protocol that it speaks."""
    chosen: Agent = request.param
    if chosen.find() is None:
        pytest.skip(f"{chosen.binary} is not installed: `make agents` gets {chosen.package}, with node and npm")
    return chosen
