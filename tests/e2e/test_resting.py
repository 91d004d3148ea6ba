"""A provider that is down, as its clients and its operator see it."""

import json
import urllib.request
from pathlib import Path

from tests.support.process import PATIENCE_S, running_gateway
from tests.support.scripted_provider import refusing_port

ECHO = json.dumps({"model": "any", "messages": [{"role": "user", "content": "one two three"}]}).encode()
CONFIG = """
[[providers]]
name = "down"
kind = "openai"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
name = "any"
targets = [{{ provider = "down" }}, {{ provider = "echo" }}]
"""


def test_a_provider_that_is_down_costs_no_answer_and_is_shown_at_rest(tmp_path: Path):
    """The other target answers; after five tries nobody asks it any more, and `top` and the log say so."""
    with refusing_port() as port, running_gateway(tmp_path, CONFIG.format(port=port)) as gateway:
        for _ in range(8):
            request = urllib.request.Request(f"{gateway.base_url}/chat/completions", ECHO)
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                assert b"one two three" in answer.read()
        snapshot = gateway.settled()
        log = gateway.log.read_text()
    down, echo = snapshot["providers"]
    (rest,) = down.pop("rests")
    assert down == {"name": "down", "tries": 5, "failures": 5}
    assert echo == {"name": "echo", "tries": 8, "failures": 0, "rests": []}
    assert 0 <= rest.pop("seconds") <= 10
    assert rest == {"model": None, "failed_in_a_row": 5, "cause": "could not be reached", "workers": 1}
    assert snapshot["lifetime"]["outcomes"]["ok"] == 8
    lines = [json.loads(line) for line in log.splitlines() if '"event":"rests"' in line.replace(": ", ":")]
    assert [(line["provider"], line["failed_in_a_row"]) for line in lines] == [("down", 5)]
