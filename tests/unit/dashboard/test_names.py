"""Names that are too long for their column."""

import pytest

from gateway.dashboard.names import cut_apart


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["gpt-4.1", "claude-sonnet-4-5-20250929"], ["gpt-4.1", "claude-s…0250929"]),
        (["of-acme-eu-sonnet-4-5", "of-acme-us-sonnet-4-5"], ["of-acme-e…et-4-5", "of-acme-u…et-4-5"]),
        (["acme-sonnet-eu-of-4-5", "acme-sonnet-us-of-4-5"], ["acme-so…u-of-4-5", "acme-so…s-of-4-5"]),
        (
            ["team-of-research-eu-claude-sonnet-4-5", "team-of-research-us-claude-sonnet-4-5"],
            ["team-…ch-eu-cla…", "team-…ch-us-cla…"],
        ),
        (
            [f"{'x' * 20}{one}{'y' * 20}{other}{'z' * 20}" for one in "ab" for other in "cd"],
            [f"xxxxxxxxxxxxxx…{number}" for number in (1, 2, 3, 4)],
        ),
        (["claude-s…0250929", "claude-sonnet-4-5-20250929"], ["claude-s…0250929", "claude-so…250929"]),
    ],
)
def test_names_that_would_read_the_same_are_cut_elsewhere(names: list[str], shown: list[str]) -> None:
    """As near to the middle as is enough, else around the place where they differ, else with a number at the end."""
    apart = cut_apart(frozenset(names), 16)
    assert [apart[name] for name in names] == shown
