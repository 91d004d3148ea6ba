"""What a synthetic request wants to have happen: it travels in the user message, from the client to the provider."""

from collections.abc import Sequence
from typing import Literal

import msgspec

Ending = Literal["whole", "broken", "silent", "failed", "overloaded"]


class Script(msgspec.Struct, frozen=True):
    """How an answer comes; times are in seconds.

    `pieces` are written `pause_s` apart, the first of them after `first_s`. A broken answer stops half-way and a silent
    one never begins; in place of one that has failed comes a 500, and of one for which there is no room a 503.
    """

    pieces: int = 12
    first_s: float = 0.1
    pause_s: float = 0.05
    input_tokens: int = 20
    ending: Ending = "whole"


_decoder = msgspec.json.Decoder(Script)


def written(script: Script) -> str:
    """The script as the text of a message: a line, and as many words as echo is to say back."""
    return f"{msgspec.json.encode(script).decode()}\n{'word ' * script.pieces}"


def read(texts: Sequence[str]) -> Script:
    """The script in the last of the texts; what people write is none and gets an answer of the usual kind."""
    try:
        return _decoder.decode(texts[-1].partition("\n")[0] if texts else "")
    except msgspec.DecodeError:
        return Script(input_tokens=sum(len(text.split()) for text in texts))
