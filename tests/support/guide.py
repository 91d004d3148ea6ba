"""The blocks of docs/clients.md, which are the configuration that the agents are run with."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
_BLOCK = re.compile(r"^```\w+ (?P<title>.+?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """The blocks of the page by what stands behind their language."""
    return {match["title"]: match["text"] for match in _BLOCK.finditer(PAGE.read_text())}
