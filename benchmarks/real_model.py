"""Try the gateway against a real model server: both SDKs, plain and streamed, reconciled with `gateway top`.

The server must speak OpenAI chat completions and Anthropic messages, as llama.cpp's does. Each answer's reported usage
is added up here and compared with what the gateway counted; then clients hang up mid-stream, and the time is taken
until the provider has freed its slot.

usage: python benchmarks/real_model.py --url http://127.0.0.1:18080 --model smollm2-135m
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import anthropic
import openai

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.process import RunningGateway, eventually, running_gateway

CONFIG = """
[[providers]]
name = "local"
kind = "openai"
base_url = "{url}/v1"
[[providers]]
name = "local-anthropic"
kind = "anthropic"
base_url = "{url}"
[[models]]
name = "{model}"
targets = [ {{ provider = "local" }}, {{ provider = "local-anthropic" }} ]
"""

QUESTIONS = ["Say hi.", "What is the capital of France?", "Name three colours."]


def busy_slots(url: str) -> int:
    """How many requests a llama.cpp server is working on."""
    with urllib.request.urlopen(f"{url}/slots", timeout=10) as answer:
        return sum(1 for slot in json.loads(answer.read()) if slot["is_processing"])


def exercise(gateway: RunningGateway, model: str) -> tuple[int, int, int]:
    """Ask every question in four ways; returns requests, input tokens and output tokens as the SDKs saw them."""
    chat = openai.OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0)
    claude = anthropic.Anthropic(base_url=gateway.address, api_key="unused", max_retries=0)
    requests = inputs = outputs = 0
    for question in QUESTIONS:
        ask: Any = [{"role": "user", "content": question}]
        plain = chat.chat.completions.create(model=model, messages=ask, max_tokens=24)
        assert plain.usage
        *chunks, last = chat.chat.completions.create(
            model=model, messages=ask, max_tokens=24, stream=True, stream_options={"include_usage": True}
        )
        assert last.usage
        assert chunks
        message = claude.messages.create(model=model, messages=ask, max_tokens=24)
        with claude.messages.stream(model=model, messages=ask, max_tokens=24) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        print(f"  {question!r}: {text!r}")
        inputs += plain.usage.prompt_tokens + last.usage.prompt_tokens
        outputs += plain.usage.completion_tokens + last.usage.completion_tokens
        for usage in (message.usage, final.usage):
            inputs += usage.input_tokens + (usage.cache_read_input_tokens or 0)
            inputs += usage.cache_creation_input_tokens or 0
            outputs += usage.output_tokens
        requests += 4
    return requests, inputs, outputs


def hang_up(gateway: RunningGateway, url: str, model: str) -> float:
    """Leave mid-stream; returns the milliseconds until the model server was idle again."""
    chat = openai.OpenAI(base_url=gateway.base_url, api_key="unused", max_retries=0)
    ask: Any = [{"role": "user", "content": "Tell me a long story."}]
    stream = chat.chat.completions.create(model=model, messages=ask, max_tokens=900, stream=True)
    next(iter(stream))
    assert busy_slots(url) == 1
    started = time.monotonic()
    stream.close()
    eventually(lambda: busy_slots(url) == 0, "the end of the generation")
    return (time.monotonic() - started) * 1000


def main() -> None:
    """Run everything once and print what was found; a difference is a failed assertion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:18080")
    parser.add_argument("--model", default="smollm2-135m")
    options = parser.parse_args()
    config = CONFIG.format(url=options.url, model=options.model)
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder), config) as gateway:
        requests, inputs, outputs = exercise(gateway, options.model)
        counted = gateway.settled()["lifetime"]
        print(f"SDKs:    {requests} requests, {inputs} input and {outputs} output tokens")
        print(f"gateway: {counted}")
        assert counted["outcomes"]["ok"] == counted["finished"] == requests
        assert counted["tokens"] == {"input": inputs, "output": outputs}
        times = [hang_up(gateway, options.url, options.model) for _ in range(3)]
        print(f"hang-ups: the server was idle after {', '.join(f'{ms:.0f} ms' for ms in times)}")
        after = gateway.settled()
        assert after["lifetime"]["outcomes"]["cancelled"] == 3
        print(f"active {after['active']}, cancelled {after['lifetime']['outcomes']['cancelled']}")


if __name__ == "__main__":
    main()
