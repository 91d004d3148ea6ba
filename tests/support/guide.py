"""The blocks of code of README and docs, which tests run, load or parse as they stand there."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.cli import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "clients.md"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<title>.+?))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code: its language, what stands behind that, and the code."""

    language: str
    title: str
    text: str


def code_blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    return [
        Block(found["language"], found["title"] or "", found["text"]) for found in _BLOCK.finditer(page.read_text())
    ]


def blocks(page: Path = PAGE) -> dict[str, str]:
    """The titled blocks of a page, those of docs/clients.md by default, by their titles."""
    return {block.title: block.text for block in code_blocks(page) if block.title}


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The options of a command of the gateway, `serve -p 1` for example, as the command line parses them; not run.

    Below the main command, because click keeps with each command what that one says of the options for help.
    """
    name, *rest = words
    return cli.commands[name].make_context(name, rest, parent=cli.make_context("gateway", [name])).params
