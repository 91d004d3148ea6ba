"""The programs of docs/clients.md, run as they stand there against a gateway of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guide import blocks
from tests.support.process import PATIENCE_S, clean_environment, running_gateway

KEY = "the-key-of-the-guide-0123456789"
CONFIG = f"""
[[keys]]
name = "agents"
key = "{KEY}"
[[providers]]
name = "echo"
kind = "echo"
[[models]]
name = "*"
targets = [ {{ provider = "echo", model = "echo" }} ]
"""


@pytest.mark.parametrize(("title", "answers"), [("OpenAI SDK", 2), ("Anthropic SDK", 1)])
def test_the_programs_of_the_guide_are_answered(tmp_path: Path, title: str, answers: int):
    """With the gateway's key, whatever the model is called; echo says everything back."""
    with running_gateway(tmp_path, CONFIG) as gateway:
        ended = subprocess.run(
            [sys.executable, "-c", blocks()[title].replace("http://127.0.0.1:8000", gateway.address)],
            env=clean_environment(tmp_path) | {"GATEWAY_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (ended.stdout, ended.stderr) == ("hello there\n" * answers, "")
        assert gateway.settled()["lifetime"]["outcomes"]["ok"] == answers
