"""Laws of the translated streams: grammar, splits, there and back."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.answer import Answer, Block, collect
from gateway.protocol.conversation import Origin
from gateway.protocol.events import (
    BlockEnd,
    End,
    Event,
    Failure,
    Start,
    Stop,
    StopReason,
    ToolCallArguments,
    ToolCallStart,
    UsageReport,
)
from gateway.protocol.sequence import Sequencer
from gateway.protocol.translation import CODECS
from tests.support.answers import PROTOCOLS, answers, context, interleaved_calls
from tests.support.grammar import check

PROTOCOL = st.sampled_from(PROTOCOLS)


def encoded(protocol: str, events: list[Event], *, include_usage: bool = True) -> bytes:
    encoder = CODECS[Origin(protocol)].stream_encoder(context(include_usage=include_usage))
    return encoder.encode(Sequencer().feed(events))


def decoded(protocol: str, wire: bytes, step: int | None = None) -> list[Event]:
    decoder = CODECS[Origin(protocol)].stream_decoder("req_1")
    pieces = [wire] if step is None else [wire[at : at + step] for at in range(0, len(wire), step)]
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.finish()


def meant(events: list[Event]) -> Answer:
    return collect(Sequencer().feed(events))


def joined(answer: Answer) -> list[Block]:
    """The blocks, with neighbours of one kind as one: what is left when a protocol cannot tell them apart."""
    blocks: list[Block] = []
    for block in answer.blocks:
        if blocks and block.kind != "call" and blocks[-1].kind == block.kind and blocks[-1].signature is None:
            blocks[-1] = Block(block.kind, blocks[-1].text + block.text, block.signature)
        else:
            blocks.append(block)
    return blocks


def numbered(answer: Answer) -> UsageReport:
    """The usage as the Responses protocol tells it, which has no word for reasoning that nobody counted."""
    return msgspec.structs.replace(answer.usage, reasoning=answer.usage.reasoning or 0)


def spoken(answer: Answer) -> str:
    """Text and refusals in order: Anthropic's protocol has one word for both."""
    return "".join([block.text for block in answer.blocks if block.kind in ("text", "refusal")])


@given(PROTOCOL, answers(), st.booleans())
def test_every_emitted_stream_obeys_the_grammar_of_its_protocol(
    protocol: str, events: list[Event], include_usage: bool
) -> None:
    """Whatever valid sequence of events comes, each encoder writes what the protocol allows, to the end."""
    check(protocol, encoded(protocol, events, include_usage=include_usage), include_usage=include_usage)


@given(PROTOCOL, interleaved_calls())
def test_interleaved_calls_come_out_whole_and_one_after_the_other(protocol: str, events: list[Event]) -> None:
    """No fragment is lost, moved to another call or sent to a block that ended."""
    said = check(protocol, encoded(protocol, events))
    expected: dict[int, list[str]] = {}
    names = {}
    for event in events:
        if isinstance(event, ToolCallStart):
            names[event.call] = (event.id, event.name)
        if isinstance(event, ToolCallArguments):
            expected.setdefault(event.call, []).append(event.fragment)
    assert sorted(said.calls) == sorted((*names[call], "".join(pieces)) for call, pieces in expected.items())


@given(PROTOCOL, answers())
def test_what_comes_is_told_at_once(protocol: str, events: list[Event]) -> None:
    """Event by event the encoder writes the same bytes as for all at once, and each delta in its own call."""
    codec = CODECS[Origin(protocol)]
    sequencer, encoder = Sequencer(), codec.stream_encoder(context())
    pieces = []
    for event in events:
        told = sequencer.feed([event])
        assert event in told or isinstance(event, BlockEnd | Stop | Failure)
        pieces.append(encoder.encode(told))
        if isinstance(event, ToolCallStart):
            assert pieces[-1]
    assert b"".join(pieces) == encoded(protocol, events)


@given(PROTOCOL, answers(), st.integers(1, 7))
def test_any_split_of_a_stream_gives_the_same_events(protocol: str, events: list[Event], step: int) -> None:
    """Decoding does not depend on where the network cut the bytes, not even inside a character."""
    wire = encoded(protocol, events)
    assert decoded(protocol, wire, step) == decoded(protocol, wire)


@given(answers(may_fail=False))
def test_a_message_stream_decodes_to_what_was_encoded(events: list[Event]) -> None:
    """Anthropic's protocol tells every block, signature, usage and stop; only a refusal's text becomes text."""
    before, after = meant(events), meant(decoded("messages", encoded("messages", events)))
    for block in before.blocks:
        block.kind = "text" if block.kind == "refusal" else block.kind
    assert after == before


@given(answers(may_fail=False))
def test_a_responses_stream_decodes_to_what_was_encoded(events: list[Event]) -> None:
    """The Responses protocol tells every block, signature and usage; of the stops it tells the unusual ones."""
    before, after = meant(events), meant(decoded("responses", encoded("responses", events)))
    before.usage = numbered(before)
    assert after == before


@given(answers(may_fail=False))
def test_a_chat_stream_decodes_to_what_was_encoded(events: list[Event]) -> None:
    """Chat tells everything but where one text or one unsigned reasoning ends and the next begins."""
    before, after = meant(events), meant(decoded("chat", encoded("chat", events)))
    assert (after.id, after.usage, after.stop) == (before.id, before.usage, before.stop)
    assert [(block.kind, block.text, block.id, block.name) for block in joined(after)] == [
        (block.kind, block.text, block.id, block.name) for block in joined(before)
    ]


@given(st.permutations(PROTOCOLS), answers(may_fail=False))
def test_an_answer_keeps_its_meaning_on_the_way_through_all_protocols(path: list[str], events: list[Event]) -> None:
    """Text, reasoning, calls, usage and stop survive every chain of translations."""
    before = meant(events)
    for protocol in path:
        events = decoded(protocol, encoded(protocol, events))
    after = meant(events)
    assert after.usage == numbered(before)
    assert after.stop == before.stop
    assert spoken(after) == spoken(before)
    assert after.text("reasoning") == before.text("reasoning")
    assert [(block.id, block.name, block.text) for block in after.blocks if block.kind == "call"] == [
        (block.id, block.name, block.text) for block in before.blocks if block.kind == "call"
    ]


@given(PROTOCOL, answers())
def test_a_body_says_the_same_as_the_stream(protocol: str, events: list[Event]) -> None:
    """An answer in one piece decodes to what its stream decodes to."""
    codec = CODECS[Origin(protocol)]
    answer = meant(events)
    if answer.failure is not None:
        return
    body = meant(codec.decode_body(codec.encode_body(answer, context()), "req_1"))
    stream = meant(decoded(protocol, encoded(protocol, events)))
    assert (body.id, body.usage, body.stop) == (stream.id, stream.usage, stream.stop)
    for kind in ("text", "refusal", "reasoning"):
        assert body.text(kind) == stream.text(kind)
    # Anthropic's body has no place for a call that was cut, and `{}` in its last block may be one.
    assert [(block.id, block.name) for block in body.blocks if block.kind == "call" and not block.cut] == [
        (block.id, block.name) for block in stream.blocks if block.kind == "call" and not block.cut
    ]


@given(PROTOCOL, PROTOCOL, answers(may_fail=False), st.data())
def test_a_stream_cut_short_ends_in_a_failure(
    provider: str, client: str, events: list[Event], data: st.DataObject
) -> None:
    """However much is missing before the stop reason, the client is told; a stop is never made up."""
    before_stop = encoded(provider, events[: next(i for i, event in enumerate(events) if isinstance(event, Stop))])
    cut = data.draw(st.integers(0, len(before_stop)))
    translated = encoded(client, decoded(provider, before_stop[:cut]))
    said = check(client, translated)
    assert said.error is not None
    assert said.stop is None


@given(PROTOCOL, st.binary(max_size=300))
def test_garbage_from_a_provider_never_raises(protocol: str, garbage: bytes) -> None:
    """What is no stream at all becomes a failure, in every decoder, in every client's protocol."""
    for client in PROTOCOLS:
        events = decoded(protocol, garbage)
        assert isinstance(events[-1], Failure | End)
        check(client, encoded(client, events))
    for body in (garbage, b'{"choices":' + garbage, b'{"content":[' + garbage):
        assert isinstance(CODECS[Origin(protocol)].decode_body(body, "r")[-1], Failure)


def test_a_start_is_enough_for_an_empty_answer() -> None:
    """An answer without any block is whole in every protocol."""
    events: list[Event] = [Start("id"), Stop(StopReason.END_TURN), End()]
    for protocol in PROTOCOLS:
        check(protocol, encoded(protocol, events))
