"""The one table of keys."""

import pytest

from gateway.dashboard.bindings import BINDINGS, CONTEXTS, DISPATCH, FOOTER, Action, dispatch_table, help_lines


def test_key_that_is_bound_twice_in_a_context_is_refused() -> None:
    """The table cannot give one key two meanings where both could be meant."""
    with pytest.raises(ValueError, match="'q' is bound twice for the panels"):
        dispatch_table([*BINDINGS, BINDINGS[0]], "panels")


def test_every_action_has_a_key() -> None:
    """There is no action that nobody can reach."""
    assert {binding.action for context in CONTEXTS for binding in DISPATCH[context].values()} == set(Action)


def test_every_key_is_told_of() -> None:
    """Each line of the overlay has a text, and each key that acts on the panels stands there or below its neighbour."""
    lines = [line for _, lines in help_lines() for line in lines]
    assert all(keys and text for keys, text in lines)
    untold = [binding for binding in BINDINGS if not binding.shown and "panels" in binding.contexts]
    for binding in untold:
        before = BINDINGS[BINDINGS.index(binding) - 1]
        assert before.shown or before in untold


def test_footer_names_keys_of_the_panels() -> None:
    """What the footer names works where the footer is seen."""
    assert FOOTER
    for binding in FOOTER:
        assert binding.shown
        assert all(DISPATCH["panels"][key] is binding for key in binding.keys)


@pytest.mark.parametrize("context", CONTEXTS)
def test_quitting_and_going_back_work_everywhere(context: str) -> None:
    """Ctrl-C quits and Esc goes back, whatever is open."""
    assert DISPATCH[context]["ctrl-c"].action is Action.QUIT
    assert DISPATCH[context]["esc"].action is Action.BACK


def test_no_printable_key_is_taken_from_the_filter() -> None:
    """While the filter is typed every character is text."""
    assert not any(len(key) == 1 for key in DISPATCH["filter"])
