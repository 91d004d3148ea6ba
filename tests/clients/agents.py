"""How each coding agent is started with one task, and what it then says and counts."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.guide import blocks

INSTALLED = Path(__file__).resolve().parents[2] / ".agents" / "node_modules" / ".bin"
"""Where `make agents` puts them; others are taken from PATH."""

PATIENCE_S = 120.0
"""How long an agent may take for its task; they take one to ten seconds."""

PAGE_ADDRESS = "http://127.0.0.1:8000"
CLIENT_KEY = "gw-key-of-the-agents-0123456789"


@dataclass(frozen=True)
class Said:
    """What an agent printed as its last answer, and the tokens that it counted over all turns.

    The input includes the cached and cache-written tokens, and the output the reasoning.
    """

    text: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Agent:
    """A coding agent, in one of the protocols that it speaks."""

    name: str
    protocol: str
    package: str
    arguments: tuple[str, ...]
    read: Callable[[list[dict[str, Any]]], Said]
    """Reads the JSON lines that it prints."""
    identity: str
    """What the agent's own instructions to the model are known by."""
    rules: str
    """The file in the project's folder whose text the agent hands to the model."""
    keeps_reasoning: bool = True
    """Whether it sends back what the provider wrote below its reasoning."""
    asks_again: bool = True
    """Whether it asks again when a stream breaks off behind its first words; others end with the error."""

    @property
    def binary(self) -> str:
        return self.arguments[0]

    def find(self) -> str | None:
        """The path of its executable, if it is installed."""
        return shutil.which(self.binary, path=_path())

    def start(
        self, task: str, *, home: Path, folder: Path, address: str, proxy: str, key: str = CLIENT_KEY
    ) -> "subprocess.Popen[str]":
        """Give it a task in `folder`, with a new home, with nothing but the gateway to talk to.

        It leads a group of processes of its own, since some agents are started by another program.
        """
        for title, text in blocks().items():
            if title.startswith("~/"):
                file = home / title.removeprefix("~/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text.replace(PAGE_ADDRESS, address))
        exports = blocks().get(self.binary, "").replace(PAGE_ADDRESS, address)
        environment = {
            "HOME": str(home),
            "PATH": _path(),
            "LANG": "C.UTF-8",
            "GATEWAY_KEY": key,
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1"),
        }
        return subprocess.Popen(
            ["/bin/sh", "-c", exports + 'exec "$@"', "sh", *self.arguments, task],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> "Run":
        """Wait for the end of a task; an agent that takes too long is killed."""
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Run(self, process.returncode, stdout, stderr)


@dataclass(frozen=True)
class Run:
    """A task that an agent has ended."""

    agent: Agent
    status: int
    stdout: str
    stderr: str

    def said(self) -> Said:
        """What the agent said; fails, with all that it printed, if it ended in an error."""
        assert self.status == 0, f"{self.stdout}\n{self.stderr}"
        return self.agent.read([json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")])


def _path() -> str:
    return os.pathsep.join((str(INSTALLED), os.environ["PATH"]))


def _read_claude(lines: list[dict[str, Any]]) -> Said:
    (result,) = lines
    usage = result["usage"]
    cached = usage["cache_creation_input_tokens"] + usage["cache_read_input_tokens"]
    return Said(result["result"], usage["input_tokens"] + cached, usage["output_tokens"])


def _read_codex(lines: list[dict[str, Any]]) -> Said:
    items = [line["item"] for line in lines if line["type"] == "item.completed"]
    *_, text = (item["text"] for item in items if item["type"] == "agent_message")
    (usage,) = (line["usage"] for line in lines if line["type"] == "turn.completed")
    return Said(text, usage["input_tokens"], usage["output_tokens"])


def _read_opencode(lines: list[dict[str, Any]]) -> Said:
    *_, text = (line["part"]["text"] for line in lines if line["type"] == "text")
    counts = [line["part"]["tokens"] for line in lines if line["type"] == "step_finish"]
    inputs = sum(count["input"] + count["cache"]["read"] + count["cache"]["write"] for count in counts)
    return Said(text, inputs, sum(count["output"] + count["reasoning"] for count in counts))


CLAUDE_CODE = Agent(
    "Claude Code",
    "messages",
    "@anthropic-ai/claude-code",
    ("claude", "--print", "--output-format", "json", "--allowedTools=Bash,Write"),
    _read_claude,
    identity="Claude Code",
    rules="CLAUDE.md",
    asks_again=False,
)
CODEX = Agent(
    "Codex",
    "responses",
    "@openai/codex",
    # Its sandbox needs rights that not every machine gives; the commands that the scripted provider asks for are ours.
    (
        "codex",
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--strict-config",
        "--dangerously-bypass-approvals-and-sandbox",
    ),
    _read_codex,
    identity="Codex",
    rules="AGENTS.md",
)
OPENCODE = [
    Agent(
        "opencode",
        protocol,
        "opencode-ai",
        ("opencode", "run", "--format", "json", "--model", f"{entry}/coder"),
        _read_opencode,
        identity="opencode",
        rules="AGENTS.md",
        # @ai-sdk/openai-compatible shows reasoning and sends none.
        keeps_reasoning=protocol != "chat",
        asks_again=protocol != "messages",
    )
    for entry, protocol in (
        ("gateway", "chat"),
        ("gateway-messages", "messages"),
        ("gateway-responses", "responses"),
    )
]
AGENTS = [CLAUDE_CODE, CODEX, *OPENCODE]
