"""Which targets rest because they keep failing: a circuit breaker for each provider, and for each model at a provider.

Theory of operation. A try says something about the provider, about its model, or about neither:

    the try ends with                                              the provider    its model
    no connection: refused, unknown, no TLS, not in time           fails           -
    408, 409, 429, 5xx                                             succeeds        fails
    silence, or an end before the head of an answer                -               fails
    any other answer, also one that refuses the request            succeeds        succeeds
    nothing: its client left, or the gateway failed                -               -

because a rate limit, an overload and a crash on a prompt are mostly of one model, and a refused connection never is.
Each of them that has failed since its last success has a circuit; all others have none, which is the usual case and
costs a look into an empty dictionary. A circuit is a machine:

    state        event                                       next state
    none         failure                                     failing, 1 in a row
    failing      failure                                     failing, one more in a row
    failing      failure number `failures`                   resting for `rest_s`
    resting      failure                                     resting; the try began before, or nothing else was left
    resting      a try begins after the rest is over         probing: this try is the probe, and the rest goes on
    probing      the probe fails                             resting, twice as long as before, up to `max_rest_s`
    probing      the probe ends with nothing                 resting, over: the next try is the probe
    probing      another try fails                           probing
    any          success                                     none

Who rests is tried after all others (gateway.upstream.retry) and never refused: our own bookkeeping alone is no reason
to fail a request. The verdict falls at the head of an answer: a stream that breaks later is no failure here, since
nothing could be tried in its place. Each worker keeps its own circuits, so that there is nothing to share on the
request path; of N workers each finds out for itself.
"""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog

from gateway.config import CooldownSettings
from gateway.errors import ConnectionTooSlow, RequestError, UpstreamTimeout, UpstreamUnreachable
from gateway.metrics.health import Cause, words_for

log = structlog.get_logger("gateway.upstream")

# Names of models come from clients: more failing ones than this at a time are not remembered.
MOST_CIRCUITS: Final = 256


def cause_of(error: RequestError) -> int:
    """Return the cause of a try that ended with an error of the provider."""
    match error:
        case ConnectionTooSlow():
            return Cause.CONNECT_TIMEOUT
        case UpstreamUnreachable():
            return Cause.UNREACHABLE
        case UpstreamTimeout():
            return Cause.SILENT
        case _:
            return Cause.BROKEN


class Board(Protocol):
    """Who is told, for the operator."""

    def tried(self, provider: str) -> None:
        """Count a try."""

    def failed(self, provider: str) -> None:
        """Count a try that failed."""

    def show(self, provider: str, model: str | None, *, failures: int, cause: int, rests_until_s: float) -> None:
        """Show a circuit: failures in a row, the last cause, and until when it rests on the clock; 0: it does not."""


class Circuit(msgspec.Struct):
    """One failing provider, or one failing model at a provider."""

    failures: int = 0
    """In a row."""
    rest_s: float = 0.0
    """How long it rests, or rested last; 0 before its first rest."""
    until_s: float = 0.0
    """Until when it rests."""
    probe: int = 0
    """The number of the try that probes it; 0: none."""


_Key = tuple[str, str | None]


class Cooldown:
    """The circuits of one worker. `clock` gives seconds."""

    def __init__(self, settings: CooldownSettings, clock: Callable[[], float], board: Board) -> None:
        self._settings = settings
        self._clock = clock
        self._board = board
        self._circuits: dict[_Key, Circuit] = {}
        self._tries = 0

    def rests(self, provider: str, model: str) -> bool:
        """Whether the provider or the model rests, or another request is probing it."""
        if not self._circuits:
            return False
        now = self._clock()
        return any(
            circuit.rest_s and (circuit.probe or now < circuit.until_s)
            for _, circuit in self._circuits_of(provider, model)
        )

    def begin(self, provider: str, model: str) -> int:
        """Return the number of a try that begins now; exactly one of the methods below must tell how it ended."""
        self._board.tried(provider)
        self._tries += 1
        if self._circuits:
            now = self._clock()
            for _, circuit in self._circuits_of(provider, model):
                if circuit.rest_s and not circuit.probe and now >= circuit.until_s:
                    circuit.probe = self._tries
        return self._tries

    def answered(self, number: int, provider: str, model: str) -> None:
        """The provider has answered, well or with the word that the request is at fault."""
        if self._circuits:
            self._close((provider, None))
            self._close((provider, model))

    def failed(self, number: int, provider: str, model: str, cause: int) -> None:
        """The try has failed; `cause` is a status or a Cause."""
        self._board.failed(provider)
        if not self._settings.failures:
            return
        if cause in (Cause.UNREACHABLE, Cause.CONNECT_TIMEOUT):
            self._fail((provider, None), number, cause)
            self._let_go((provider, model), number)
        else:
            self._fail((provider, model), number, cause)
            if cause >= 100:
                self._close((provider, None))
            else:
                self._let_go((provider, None), number)

    def ended(self, number: int, provider: str, model: str) -> None:
        """The try has ended with nothing that could be said of the provider."""
        for key, _ in self._circuits_of(provider, model):
            self._let_go(key, number)

    def check_valid(self) -> None:
        """Assert the theory of operation."""
        settings = self._settings
        assert len(self._circuits) <= MOST_CIRCUITS
        for circuit in self._circuits.values():
            assert circuit.failures >= 1
            assert bool(circuit.rest_s) == (circuit.failures >= settings.failures)
            assert not circuit.rest_s or settings.rest_s <= circuit.rest_s <= max(settings.rest_s, settings.max_rest_s)
            assert circuit.rest_s or not (circuit.until_s or circuit.probe)
            assert 0 <= circuit.probe <= self._tries

    def _circuits_of(self, provider: str, model: str) -> list[tuple[_Key, Circuit]]:
        found = ((key, self._circuits.get(key)) for key in ((provider, None), (provider, model)))
        return [(key, circuit) for key, circuit in found if circuit is not None]

    def _fail(self, key: _Key, number: int, cause: int) -> None:
        circuit = self._circuits.get(key)
        if circuit is None:
            if len(self._circuits) >= MOST_CIRCUITS:
                self._close(next(iter(self._circuits)))
            circuit = self._circuits[key] = Circuit()
        circuit.failures += 1
        settings = self._settings
        if not circuit.rest_s:
            if circuit.failures >= settings.failures:
                self._rest(key, circuit, settings.rest_s, cause)
        elif circuit.probe == number:
            longer = max(settings.rest_s, min(2 * circuit.rest_s, settings.max_rest_s))
            self._rest(key, circuit, longer, cause)
        self._show(key, circuit, cause)

    def _rest(self, key: _Key, circuit: Circuit, rest_s: float, cause: int) -> None:
        circuit.rest_s, circuit.until_s, circuit.probe = rest_s, self._clock() + rest_s, 0
        provider, model = key
        log.warning(
            "rests",
            provider=provider,
            model=model,
            seconds=rest_s,
            failed_in_a_row=circuit.failures,
            failure=words_for(cause),
        )

    def _let_go(self, key: _Key, number: int) -> None:
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.probe == number:
            circuit.probe = 0

    def _close(self, key: _Key) -> None:
        circuit = self._circuits.pop(key, None)
        if circuit is not None:
            self._board.show(*key, failures=0, cause=0, rests_until_s=0.0)
            if circuit.rest_s:
                log.info("rests no more", provider=key[0], model=key[1])

    def _show(self, key: _Key, circuit: Circuit, cause: int) -> None:
        self._board.show(*key, failures=circuit.failures, cause=cause, rests_until_s=circuit.until_s)
