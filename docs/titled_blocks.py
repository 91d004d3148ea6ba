"""For the site only: what stands behind the language of a block of code becomes a line above it.

Plain Markdown allows such a title and the tests find blocks by it, but the parser of MkDocs does not know it.
"""

import re
from typing import Any

_TITLED = re.compile(r"^```(?P<language>\w+) (?P<title>.+)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with the text of each page."""
    return _TITLED.sub(r"`\g<title>`\n\n```\g<language>", markdown)
