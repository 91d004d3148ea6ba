"""docs/protocols.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from gateway.protocol.limits import DROPPED, REFUSED_FIELDS, REFUSED_SETTINGS
from tests.support.grammar import check_messages
from tests.support.translating import DONE, chunk, request, streamed
from tests.unit.api import test_keep_alive, test_no_buffering, test_translated_relay
from tests.unit.protocol import test_complaints

PAGE = Path(__file__).parents[3] / "docs" / "protocols.md"


def rows(head: str) -> list[list[str]]:
    """The rows of the table whose first line is `head`."""
    lines = PAGE.read_text().split(f"{head}\n", 1)[1].splitlines()[1:]
    table = lines[: next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_page_lists_what_is_refused():
    """Every refused field with its reason, and every refused setting, no more and no less."""
    expected = [[client, f"`{name}`", why] for client, fields in REFUSED_FIELDS.items() for name, why in fields.items()]
    assert rows("| client | field | reason |") == expected
    settings = [[provider, ", ".join(f"`{name}`" for name in names)] for provider, names in REFUSED_SETTINGS.items()]
    assert rows("| provider | settings |") == settings


def test_the_page_lists_what_is_dropped():
    """Every row of the table, with its reason."""
    assert rows("| from | what | why the answer does not depend on it |") == [list(row) for row in DROPPED]


def test_every_complaint_on_the_page_has_its_test():
    """The numbers are the same on both sides."""
    modules = (test_complaints, test_translated_relay, test_keep_alive, test_no_buffering)
    names = [name for module in modules for name in dir(module)]
    tested = {found[1] for name in names if (found := re.match(r"test_complaint_(\d+)_", name))}
    assert {row[0] for row in rows("| number | complaint | reported in |")} == tested


def read_as(deltas: list[str]) -> str:
    """What an Anthropic client gets for the deltas of a chat provider, in the words of the page."""
    wire = b"".join(chunk(json.loads(delta)) for delta in deltas) + chunk(finish="stop") + DONE
    said = check_messages(streamed("messages", "chat", wire))
    told = [f"{kind} `{text}`" for kind, text in (("reasoning", said.reasoning), ("text", said.text)) if text]
    return ", ".join(told + [f"call `{name}` with `{arguments}`" for _, name, arguments in said.calls])


@pytest.mark.parametrize(("deltas", "read"), rows("| deltas, one after the other | what the client gets |"))
def test_odd_providers_are_read_as_the_page_says(deltas: str, read: str):
    """Each row by itself; the client is one of Anthropic's, and its stream obeys the grammar."""
    assert read_as(re.findall(r"`(.*?)`", deltas)) == read


def test_any_number_of_stop_sequences_goes_up():
    """A provider that takes fewer says so, with the name of its field."""
    given = [f"S{number}" for number in range(9)]
    assert request("messages", "chat", "gpt-4.1", stop_sequences=given)["stop"] == given
