"""Which requests come when: a short opening in which everything happens once, then a mixture that swells and ebbs.

No clock and no socket: the dice and the elapsed time are parameters.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from gateway.demo.script import Ending, Script

Protocol = Literal["chat", "messages", "responses"]
Fault = Literal["no model", "no messages"]

# Enough for every chart to have a shape, and a few hundredths of a core in all.
_MEAN_PER_SECOND: Final = 4.5
_SWELL_PER_SECOND: Final = 2.5
_SWELL_S: Final = 45.0
# A gateway may be slow or suspended; its clients must not pile up.
MOST_AT_ONCE: Final = 40


USUAL: Final = Script()


@dataclass(frozen=True)
class Ask:
    """One request: in which protocol, for what, and after how many seconds its client goes away, if it does."""

    model: str
    protocol: Protocol = "chat"
    stream: bool = True
    script: Script = USUAL
    leaves_after_s: float | None = None
    fault: Fault | None = None


@dataclass(frozen=True)
class Profile:
    """A model: its share of the requests, and the middle of what is asked of it and answered."""

    model: str
    share: float
    input_tokens: int
    pieces: int
    first_s: float
    pause_s: float
    streams: float
    endings: tuple[tuple[Ending, float], ...] = ()


PROFILES: Final = (
    Profile("synthetic-mini", 0.44, 400, 10, 0.06, 0.03, 0.5),
    Profile("synthetic-large", 0.26, 3_000, 35, 0.25, 0.05, 0.9, (("broken", 0.02),)),
    Profile("synthetic-reasoner", 0.08, 1_500, 60, 0.7, 0.06, 1.0, (("silent", 0.03),)),
    Profile("synthetic-flaky", 0.08, 200, 8, 0.1, 0.04, 0.7, (("failed", 0.2), ("silent", 0.05), ("broken", 0.05))),
    Profile("synthetic-fallback", 0.04, 100, 8, 0.1, 0.04, 0.7, (("overloaded", 0.3),)),
    Profile("synthetic-echo", 0.10, 50, 10, 0.0, 0.0, 0.5),
)
_PROTOCOLS: Final[tuple[Protocol, ...]] = ("chat", "messages", "responses")
_PROTOCOL_SHARES: Final = (6, 3, 1)
_WRONG: Final = 0.015
_LEAVING: Final = 0.04
# A plain answer begins when it is whole, and must not be taken for a silent one.
_LONGEST_PLAIN_S: Final = 2.0

OPENING: Final = (
    Ask("synthetic-mini", script=Script(pieces=20, input_tokens=310)),
    Ask("synthetic-echo", protocol="messages"),
    Ask("synthetic-large", protocol="messages", script=Script(pieces=60, input_tokens=5_200)),
    Ask("synthetic-flaky", stream=False, script=Script(ending="failed")),
    Ask("synthetic-flaky", script=Script(ending="silent")),
    Ask("synthetic-mini", fault="no messages"),
    Ask("synthetic-unknown", fault="no model"),
    Ask("synthetic-reasoner", protocol="responses", script=Script(pieces=80, first_s=0.8, input_tokens=900)),
    Ask("synthetic-large", script=Script(pieces=80, input_tokens=2_100), leaves_after_s=0.8),
    Ask("synthetic-fallback", script=Script(ending="overloaded")),
    Ask("synthetic-large", script=Script(pieces=30, ending="broken")),
)


def per_second(elapsed_s: float) -> float:
    """How many requests a second come at that time, between 2 and 7."""
    return _MEAN_PER_SECOND + _SWELL_PER_SECOND * math.sin(math.tau * elapsed_s / _SWELL_S)


def gap_s(elapsed_s: float, dice: random.Random) -> float:
    """How long until the next request, as independent clients make it; at most two seconds."""
    return min(2.0, dice.expovariate(per_second(elapsed_s)))


def asks(dice: random.Random) -> Iterator[Ask]:
    """The opening, then requests without end."""
    yield from OPENING
    while True:
        yield _drawn(dice)


def _drawn(dice: random.Random) -> Ask:
    if dice.random() < _WRONG:
        return (
            Ask("synthetic-unknown", fault="no model")
            if dice.random() < 0.5
            else Ask("synthetic-mini", fault="no messages")
        )
    [profile] = dice.choices(PROFILES, [profile.share for profile in PROFILES])
    [protocol] = dice.choices(_PROTOCOLS, _PROTOCOL_SHARES)
    stream = dice.random() < profile.streams
    spread = dice.lognormvariate(0.0, 0.6)
    pieces = max(1, min(200, round(profile.pieces * spread)))
    pause_s = profile.pause_s if stream else min(profile.pause_s, _LONGEST_PLAIN_S / pieces)
    script = Script(
        pieces=pieces,
        first_s=min(_LONGEST_PLAIN_S, profile.first_s * dice.lognormvariate(0.0, 0.5)),
        pause_s=pause_s,
        input_tokens=round(profile.input_tokens * dice.lognormvariate(0.0, 0.8)),
        ending=_ending(profile, dice.random()),
    )
    leaves_after_s = dice.uniform(0.2, 1.5) if dice.random() < _LEAVING else None
    return Ask(profile.model, protocol, stream, script, leaves_after_s)


def _ending(profile: Profile, drawn: float) -> Ending:
    for ending, share in profile.endings:
        drawn -= share
        if drawn < 0:
            return ending
    return "whole"
