"""Hypothesis strategies for requests as the model holds them, kept to what every protocol can say."""

from hypothesis import strategies as st

from gateway.protocol.conversation import (
    CacheMark,
    Conversation,
    Document,
    Image,
    Origin,
    Part,
    Reasoning,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from gateway.protocol.wire import encode

# Not white space alone, and none at the ends: Anthropic refuses that in places, and the encoder strips it there.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(str.strip).filter(bool)
NAMES = st.text("abcXYZ019_-", min_size=1, max_size=12)
TEXTS = st.builds(Text, WORDS)
OBJECTS = st.dictionaries(NAMES, WORDS | st.integers(-5, 5) | st.none() | st.lists(WORDS, max_size=2), max_size=3)

IMAGES = st.builds(Image, st.sampled_from(["image/png", "image/jpeg"]), st.just("iVBO")) | st.builds(
    Image, url=st.just("https://example.org/a.png")
)
DOCUMENTS = st.builds(Document, st.just("application/pdf"), st.just("JVBE"), name=st.just("a.pdf"))
MARKS = st.none() | st.builds(CacheMark, st.none() | st.sampled_from(["5m", "1h"]))


@st.composite
def exchanges(draw: st.DrawFn, number: int, names: list[str], *, rich: bool) -> list[Turn]:
    """A user's turn, an assistant's, and the results of its calls."""
    asked: list[Part] = draw(st.lists(TEXTS | IMAGES | DOCUMENTS, min_size=1, max_size=3))
    answered: list[Part] = [draw(TEXTS)]
    results: list[Part] = []
    if rich:
        asked.append(Text(draw(WORDS), draw(MARKS)))
        signature = Signature(Origin.MESSAGES, draw(NAMES))
        answered.insert(0, Reasoning(draw(WORDS), signature))
        answered.insert(1, Reasoning("", Signature(Origin.MESSAGES, draw(NAMES), redacted=True)))
    if names:
        for index in range(draw(st.integers(0, 2))):
            call_id = f"call_{number}_{index}"
            answered.append(ToolCall(call_id, draw(st.sampled_from(names)), encode(draw(OBJECTS)).decode()))
            parts = tuple(draw(st.lists(TEXTS, max_size=2)))
            is_error = rich and draw(st.booleans())
            results.append(ToolResult(call_id, parts, is_error, draw(MARKS) if rich else None))
    turns = [Turn("user", tuple(asked)), Turn("assistant", tuple(answered))]
    return [*turns, Turn("user", tuple(results))] if results else turns


@st.composite
def conversations(draw: st.DrawFn, *, rich: bool = False) -> Conversation:
    """A request; `rich` adds what only Anthropic's protocol can say."""
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    turns = [Turn("system", tuple(draw(st.lists(TEXTS, min_size=1, max_size=2))))] if draw(st.booleans()) else []
    for number in range(draw(st.integers(1, 3))):
        turns += draw(exchanges(number, names, rich=rich))
    turns.append(Turn("user", (draw(TEXTS),)))
    tools = tuple(
        Tool(name, encode({"type": "object", "properties": draw(OBJECTS)}), draw(st.none() | WORDS)) for name in names
    )
    choices = [ToolChoice("auto"), ToolChoice("required"), *(ToolChoice("named", name) for name in names)]
    choice = draw(st.sampled_from(choices)) if names else None
    return Conversation(
        model="claude-next",
        turns=tuple(turns),
        stream=draw(st.booleans()),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=draw(st.none() | st.booleans()) if choice else None,
        max_tokens=draw(st.integers(1, 100_000)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        user=draw(st.none() | NAMES),
    )
