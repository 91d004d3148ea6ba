"""A provider that works with a coding agent: it has a command run, then two things done at once, and says what it did.

It is asked in any protocol and answers in that one, as the real service would. It picks the agent's own tools out of
the request, and it remembers every request, so that a test can tell what came through to it.
"""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.clients.heard import PATHS, Heard, heard
from tests.support.native import BODIES, STREAMS, Call, Spoken
from tests.support.upstream import Upstream, head_of, piece_of

SHELL_OUTPUT = "größer ✓ 'quoted'"
WRITTEN = 'first "line" \\ here\n\tsecond: größer ✓\n'
FINAL_TEXT = "Both files are there: größer ✓"

_SHELL_TOOLS = {"Bash": "command", "bash": "command", "exec_command": "cmd"}
_WRITE_TOOLS = {"Write": "file_path", "write": "filePath"}
# Small enough that every piece of arguments is cut, and also in the middle of an escape.
_PIECE = 7


class AgentProvider(Upstream):
    """Plays the scenario to an agent that works in `folder`."""

    def __init__(self, folder: Path, *, cuts: int = 0) -> None:
        super().__init__()
        self.folder = folder
        self.cuts = cuts
        """How many of the next streams with tools break off in their middle."""
        self.heard: list[Heard] = []
        """The requests with tools, in the order in which they came."""
        self.paths: list[str] = []
        """The paths of the requests, without queries."""
        self.spoken: list[Spoken] = []
        """All answers."""

    async def answer(
        self, path: str, model: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request."""
        path = path.partition("?")[0]
        self.paths.append(path)
        if path.endswith("/count_tokens"):
            counted = b'{"input_tokens": 30}'
            writer.write(head_of(200, b"application/json", len(counted)) + counted)
            await writer.drain()
            return
        protocol = PATHS[path]
        told = heard(protocol, self.bodies[-1])
        spoken = replace(self._next(told), model=model)
        self.spoken.append(spoken)
        if stream:
            writer.write(head_of(200, b"text/event-stream", None))
            wire = STREAMS[protocol](spoken)
            if told.tools and self.cuts:
                self.cuts -= 1
                writer.write(piece_of(wire[: len(wire) * 3 // 5]))
                await writer.drain()
                raise ConnectionResetError
            for start in range(0, len(wire), 97):
                writer.write(piece_of(wire[start : start + 97]))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        else:
            body = BODIES[protocol](spoken)
            writer.write(head_of(200, b"application/json", len(body)) + body)
        await writer.drain()

    def _next(self, told: Heard) -> Spoken:
        number = len(self.spoken) + 1
        if not told.tools:
            # Agents have conversations named in requests of their own.
            return Spoken(text=("A ti", "tle"), number=number)
        self.heard.append(told)
        match len(told.results):
            case 0:
                calls = [self._shell(told, f"call_{number}_a", "shell.txt")]
                thoughts = ("The shell ", "comes first.")
                return Spoken(("I run ", "a command."), thoughts, tuple(calls), "tool_use", number)
            case 1:
                calls = [self._shell(told, f"call_{number}_a", "second.txt"), self._write(told, f"call_{number}_b")]
                return Spoken((), ("Now both.",), tuple(calls), "tool_use", number)
            case _:
                return Spoken((FINAL_TEXT[:9], FINAL_TEXT[9:]), number=number)

    def _shell(self, told: Heard, call_id: str, file: str) -> Call:
        name = next(name for name in _SHELL_TOOLS if name in told.tools)
        command = f'echo "{SHELL_OUTPUT}" > {file} && cat {file}'
        return _call(call_id, name, {_SHELL_TOOLS[name]: command, "description": "Write and show"}, told)

    def _write(self, told: Heard, call_id: str) -> Call:
        if "apply_patch" in told.tools:
            lines = "".join(f"+{line}\n" for line in WRITTEN.splitlines())
            patch = f"*** Begin Patch\n*** Add File: written.txt\n{lines}*** End Patch"
            if told.tools["apply_patch"]:
                return _call(call_id, "apply_patch", {"input": patch}, told)
            return Call(call_id, "apply_patch", _pieces(patch), is_custom=True)
        name = next(name for name in _WRITE_TOOLS if name in told.tools)
        place = str(self.folder / "written.txt")
        return _call(call_id, name, {_WRITE_TOOLS[name]: place, "content": WRITTEN}, told)


def _call(call_id: str, name: str, arguments: dict[str, Any], told: Heard) -> Call:
    known = {key: value for key, value in arguments.items() if key in told.tools[name]["properties"]}
    return Call(call_id, name, _pieces(json.dumps(known, ensure_ascii=False)))


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
