"""Try the gateway against a real model server: both SDKs, plain and streamed, reconciled with `gateway top`.

The server must speak OpenAI chat completions and responses and Anthropic messages, as llama.cpp's does. Each answer's
reported usage is added up here and compared with what the gateway counted. The model itself is the oracle of the
translation: at temperature 0 it must say the same, end for the same reason and count the same tokens in whatever
protocol it is asked, and in whichever the gateway asks it instead. Then clients hang up mid-stream, and the time is
taken until the provider has freed its slot.

usage: python benchmarks/real_model.py --url http://127.0.0.1:18080 --model smollm2-135m
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, replace
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

# The server as one that speaks a single protocol, behind a name of its own.
SPEAKING_ONLY = """
[[providers]]
name = "{protocol}"
kind = "{kind}"
base_url = "{url}"
protocols = ["{protocol}"]
[[models]]
name = "in-{protocol}"
targets = [ {{ provider = "{protocol}", model = "{model}" }} ]
"""
KINDS = {"chat": "openai", "messages": "anthropic", "responses": "openai"}

QUESTIONS = ["Say hi.", "What is the capital of France?", "Name three colours."]


@dataclass(frozen=True)
class Prompt:
    """A conversation that ends with the user's turn, and the most tokens that its answer may have."""

    turns: tuple[str, ...]
    limit: int
    system: str = ""
    stop: str = ""

    @property
    def messages(self) -> list[Any]:
        """The turns, of the user and the assistant by turns."""
        return [{"role": ("user", "assistant")[index % 2], "content": turn} for index, turn in enumerate(self.turns)]

    @property
    def items(self) -> list[Any]:
        """The turns as llama.cpp wants them in the Responses API: with all that the SDK lets one leave out."""
        kinds = {"user": "input_text", "assistant": "output_text"}
        return [
            {"type": "message", "status": "completed", "role": role, "content": [{"type": kinds[role], "text": text}]}
            for role, text in ((message["role"], message["content"]) for message in self.messages)
        ]


@dataclass(frozen=True)
class Answer:
    """What the model said, whether the limit cut it off, and the tokens of the prompt and of the answer."""

    text: str
    cut: bool
    inputs: int
    outputs: int


PROMPTS = [
    Prompt(("What is the capital of France?",), 24),
    Prompt(("Tell me a long story.",), 16),
    Prompt(
        ("My name is Zoë \N{WAVING HAND SIGN}.", "Hello Zoë!", "What is my name?"), 24, system="Answer\nin “brief”."
    ),
    Prompt(("Count from one to ten, in digits.",), 60, stop="4"),
]


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


def ask(
    chat: openai.OpenAI, claude: anthropic.Anthropic, protocol: str, model: str, prompt: Prompt, *, stream: bool
) -> Answer:
    """Ask in a protocol, at temperature 0."""
    said: Any
    if protocol == "chat":
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        asked = {"model": model, "messages": [*system, *prompt.messages], "max_tokens": prompt.limit, "temperature": 0}
        if prompt.stop:
            asked["stop"] = prompt.stop
        if stream:
            with chat.chat.completions.stream(**asked, stream_options={"include_usage": True}) as pieces:
                for _ in pieces:
                    pass
                # What the SDK calls the final one is an error to it when the limit cut it off.
                said = pieces.current_completion_snapshot
        else:
            said = chat.chat.completions.create(**asked)
        (choice,) = said.choices
        cut = choice.finish_reason == "length"
        return Answer(choice.message.content, cut, said.usage.prompt_tokens, said.usage.completion_tokens)
    if protocol == "messages":
        # The SDK has no word for the temperature any more.
        asked = {"model": model, "messages": prompt.messages, "max_tokens": prompt.limit}
        asked |= {"extra_body": {"temperature": 0}}
        asked |= {"system": prompt.system} if prompt.system else {}
        asked |= {"stop_sequences": [prompt.stop]} if prompt.stop else {}
        if stream:
            with claude.messages.stream(**asked) as events:
                said = events.get_final_message()
        else:
            said = claude.messages.create(**asked)
        text = "".join(block.text for block in said.content)
        inputs = said.usage.input_tokens + (said.usage.cache_read_input_tokens or 0)
        return Answer(text, said.stop_reason == "max_tokens", inputs, said.usage.output_tokens)
    asked = {"model": model, "input": prompt.items, "max_output_tokens": prompt.limit, "temperature": 0}
    asked |= {"instructions": prompt.system} if prompt.system else {}
    if stream:
        # Not by the SDK's accumulator: llama.cpp leaves out indices that it needs.
        *_, last = chat.responses.create(**asked, stream=True)
        said = last.response
    else:
        said = chat.responses.create(**asked)
    return Answer(said.output_text, said.status == "incomplete", said.usage.input_tokens, said.usage.output_tokens)


def compare(gateway: RunningGateway, url: str, model: str) -> tuple[int, int, int]:
    """Each prompt natively and translated; returns requests, input tokens and output tokens as the SDKs saw them."""
    clients = {
        address: (
            openai.OpenAI(base_url=f"{address}/v1", api_key="unused", max_retries=0),
            anthropic.Anthropic(base_url=address, api_key="unused", max_retries=0),
        )
        for address in (url, gateway.address)
    }
    requests = inputs = outputs = 0
    for prompt in PROMPTS:
        # The Responses API has no stop sequences.
        protocols = [protocol for protocol in KINDS if not (prompt.stop and protocol == "responses")]
        for stream in (False, True):
            native = {protocol: ask(*clients[url], protocol, model, prompt, stream=stream) for protocol in protocols}
            for client in protocols:
                for provider in protocols:
                    said = ask(*clients[gateway.address], client, f"in-{provider}", prompt, stream=stream)
                    # Whether the limit cut it off, llama.cpp says in some protocols only.
                    expected = replace(native[client], cut=native[provider].cut)
                    assert said == expected, f"{client} of {provider}, {stream=}: {said} is not {expected}"
                    requests += 1
                    inputs += said.inputs
                    outputs += said.outputs
        print(f"  {prompt.turns[-1]!r}: the same in {', '.join(protocols)}: {native['chat'].text!r}")
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
    for protocol, kind in KINDS.items():
        config += SPEAKING_ONLY.format(protocol=protocol, kind=kind, url=f"{options.url}/v1", model=options.model)
    with tempfile.TemporaryDirectory() as folder, running_gateway(Path(folder), config) as gateway:
        seen = [exercise(gateway, options.model), compare(gateway, options.url, options.model)]
        requests, inputs, outputs = (sum(column) for column in zip(*seen, strict=True))
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
