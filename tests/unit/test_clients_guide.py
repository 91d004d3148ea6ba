"""docs/clients.md: what people copy from it is what the gateway and the agents read."""

import json
import tomllib
from pathlib import Path

from gateway.config import load
from tests.support.guide import blocks

ADDRESS = "http://127.0.0.1:8000"
KEYS = dict.fromkeys(("GATEWAY_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"), "a-key-of-at-least-sixteen-characters")


def test_the_gateway_loads_its_blocks_as_one_file(tmp_path: Path):
    """Each agent's model is there, and goes to a provider that is configured."""
    written = blocks()
    (tmp_path / "gateway.toml").write_text(written["gateway.toml"] + written["models of gateway.toml"])
    settings = load(path=None, environ=KEYS, overrides={}, cwd=tmp_path)
    assert [model.name for model in settings.models][:3] == ["claude-*", "gpt-*", "coder"]
    assert [key.name for key in settings.keys] == ["agents"]


def test_each_agent_is_pointed_at_the_gateway_and_takes_its_key_from_the_environment():
    """Claude Code at the address alone, the others at its /v1; no key stands in a file."""
    written = blocks()
    assert f"ANTHROPIC_BASE_URL={ADDRESS}\n" in written["claude"]
    assert "ANTHROPIC_AUTH_TOKEN=$GATEWAY_KEY\n" in written["claude"]
    codex = tomllib.loads(written["~/.codex/config.toml"])
    provider = codex["model_providers"][codex["model_provider"]]
    assert (provider["base_url"], provider["env_key"]) == (f"{ADDRESS}/v1", "GATEWAY_KEY")
    opencode = json.loads(written["~/.config/opencode/opencode.json"])
    options = [entry["options"] for entry in opencode["provider"].values()]
    assert options == [{"baseURL": f"{ADDRESS}/v1", "apiKey": "{env:GATEWAY_KEY}"}] * 3
