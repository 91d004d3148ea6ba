"""Laws of redaction: a configured secret does not come out, whatever surrounds it."""

import string
from typing import Any

import msgspec
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gateway.logs.pipeline import LogPipeline
from gateway.logs.redaction import MIN_SECRET, Redactor
from gateway.logs.render import console_line, json_payload

# What the configuration lets through as a secret: printable ASCII. Few letters make them overlap.
secrets = st.text("ab-\"\\'% sk", min_size=MIN_SECRET, max_size=14) | st.text(
    string.ascii_letters + string.digits + string.punctuation, min_size=MIN_SECRET, max_size=40
)
surroundings = st.text("ab-\"\\'% sk‹›hiden\n=:", max_size=6) | st.text(max_size=6)


@st.composite
def texts_with_secrets(draw: st.DrawFn) -> tuple[list[str], str]:
    """Secrets, and a text in which they stand between other things."""
    known = draw(st.lists(secrets, min_size=1, max_size=3))
    parts = draw(st.lists(st.sampled_from(known) | surroundings, min_size=1, max_size=8))
    return known, "".join(parts)


@settings(max_examples=400, deadline=None)
@example((["aaaaaaaab", "aaaabbbbb"], "aaaaaaaabbbbb"))
@given(texts_with_secrets())
def test_redaction_never_leaks_a_configured_secret(case: tuple[list[str], str]) -> None:
    """No configured secret is left in a redacted text."""
    known, text = case
    clean = Redactor(known).text(text)
    assert not [secret for secret in known if secret in clean]


@settings(max_examples=200, deadline=None)
@given(texts_with_secrets())
def test_redacting_twice_changes_nothing(case: tuple[list[str], str]) -> None:
    """A redacted text is redacted already."""
    known, text = case
    redactor = Redactor(known)
    clean = redactor.text(text)
    assert redactor.text(clean) == clean


@settings(max_examples=200, deadline=None)
@given(texts_with_secrets(), st.integers(0, 5))
def test_no_line_holds_a_configured_secret(case: tuple[list[str], str], depth: int) -> None:
    """A secret in any value, key, exception or event stands in no rendered line, as itself or escaped."""
    known, text = case
    # A secret of nothing but backslashes cannot be told from what escaping writes, and one of the very words of the
    # frame around the values is no secret.
    assume(all(secret.strip("\\") for secret in known))
    frame = console_line(0, "info", "", {"field": {"error": [1]}}, color=False)
    assume(not any(secret in frame for secret in known))
    value: Any = text
    for _ in range(depth):
        value = [{text: value}, ValueError(text), text.encode("utf-8", "replace")]
    record = Redactor(known).record(text, {"field": value, "error": KeyError(text)})
    payload = json_payload(record)
    lines = [payload.decode(), console_line(0, "info", record.pop("event"), record, color=False)]
    for secret in known:
        for written in (secret, msgspec.json.encode(secret).decode()[1:-1]):
            assert not [line for line in lines if written in line and written not in '[{"field":[{"error":[]}']


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
        max_leaves=20,
    )
)
def test_every_value_can_be_logged(value: Any) -> None:
    """Whatever the value, the record is encoded as it is and not replaced by one that says it could not be."""
    record = Redactor().record("event", {"value": value})
    assert msgspec.json.decode(json_payload(record))["event"] == "event"
    LogPipeline(level="debug", format="json", ring=None, sink=None, secrets=[]).emit("info", value, {"value": value})
