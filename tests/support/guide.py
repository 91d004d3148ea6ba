"""The blocks of code of README and docs, which tests run, load or parse as they stand there."""

import re
from pathlib import Path
from typing import NamedTuple

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
