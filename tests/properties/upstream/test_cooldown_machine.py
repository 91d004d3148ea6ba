"""The laws of the cooldown, under tries that begin, overlap and end in every order while time passes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.config import CooldownSettings
from gateway.metrics.health import Cause
from gateway.upstream.cooldown import Cooldown

FAILURES, REST_S, MAX_REST_S = 2, 10.0, 30.0
ALL_PLACES = (("p", "m"), ("p", "n"), ("q", "m"))
# Mostly the same one, so that much happens there.
PLACES = st.sampled_from([*ALL_PLACES, *3 * ALL_PLACES[:1]])
Place = tuple[str, str]
Key = tuple[str, str | None]


def keys_of(place: Place) -> list[Key]:
    """The circuits that a try at this place may go through."""
    return [(place[0], None), place]


class CooldownMachine(RuleBasedStateMachine):
    """The machine keeps, for each circuit, what the laws need: failures in a row, and the free tries in flight."""

    tries = Bundle("tries")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.counted = [0, 0]
        self.board: dict[Key, tuple[int, float]] = {}
        self.in_a_row: dict[Key, int] = {}
        # Tries in flight that began although their circuit had opened, because nothing kept them from it.
        self.free: dict[Key, set[int]] = {}
        self.in_flight: dict[int, Place] = {}
        cooldown = CooldownSettings(failures=FAILURES, rest_s=REST_S, max_rest_s=MAX_REST_S)
        self.cooldown = Cooldown(cooldown, lambda: self.now, self)

    def tried(self, provider: str) -> None:
        self.counted[0] += 1

    def failed(self, provider: str) -> None:
        self.counted[1] += 1

    def show(self, provider: str, model: str | None, *, failures: int, cause: int, rests_until_s: float) -> None:
        self.board[provider, model] = (failures, rests_until_s)

    def has_opened(self, key: Key) -> bool:
        return self.in_a_row.get(key, 0) >= FAILURES

    @rule(target=tries, place=PLACES)
    def begin(self, place: Place) -> tuple[int, Place]:
        """A try begins, whether the place rests or not: there may be nothing else."""
        rested = self.cooldown.rests(*place)
        number = self.cooldown.begin(*place)
        self.in_flight[number] = place
        for key in keys_of(place):
            if self.has_opened(key) and not rested:
                self.free.setdefault(key, set()).add(number)
        if any(map(self.has_opened, keys_of(place))):
            assert self.cooldown.rests(*place), "a second request could begin beside the probe"
        return number, place

    @rule(started=consumes(tries))
    def answer(self, started: tuple[int, Place]) -> None:
        """The provider answers."""
        number, place = started
        self.cooldown.answered(number, *place)
        self.forget(number)
        for key in keys_of(place):
            self.close(key)
        assert not self.cooldown.rests(*place), "it rests although it works"

    @rule(started=consumes(tries), cause=st.sampled_from([429, 503, *Cause]))
    def fail(self, started: tuple[int, Place], cause: int) -> None:
        """The try fails."""
        number, place = started
        self.cooldown.failed(number, *place, cause)
        provider, model = keys_of(place)
        failing = provider if cause in (Cause.UNREACHABLE, Cause.CONNECT_TIMEOUT) else model
        if cause >= 100:
            self.close(provider)
        self.in_a_row[failing] = self.in_a_row.get(failing, 0) + 1
        self.forget(number)
        if self.in_a_row[failing] == FAILURES:
            assert self.cooldown.rests(*place), "it has failed often enough"

    @rule(place=PLACES, cause=st.sampled_from([503, Cause.UNREACHABLE]), times=st.integers(1, FAILURES))
    def keep_failing(self, place: Place, cause: int, times: int) -> None:
        """Tries fail one after another."""
        for _ in range(times):
            self.fail(self.begin(place), cause)

    @rule(started=consumes(tries))
    def leave(self, started: tuple[int, Place]) -> None:
        """The client leaves."""
        number, place = started
        self.cooldown.ended(number, *place)
        self.forget(number)

    @rule(seconds=st.sampled_from([0.5, REST_S, 2 * REST_S, MAX_REST_S]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def close(self, key: Key) -> None:
        self.in_a_row.pop(key, None)
        self.free.pop(key, None)

    def forget(self, number: int) -> None:
        del self.in_flight[number]
        for tries in self.free.values():
            tries.discard(number)

    @invariant()
    def one_at_a_time(self) -> None:
        """While a circuit has not closed, at most one request tries it of its own accord."""
        assert all(len(tries) <= 1 for tries in self.free.values())

    @invariant()
    def only_those_that_keep_failing_rest(self) -> None:
        """And never longer than the bound, unless a try is in flight, which may be the probe of any circuit there."""
        for place in ALL_PLACES:
            opened = [key for key in keys_of(place) if self.has_opened(key)]
            if not opened:
                assert not self.cooldown.rests(*place)
            else:
                until = max(self.board[key][1] for key in opened)
                assert until <= self.now + MAX_REST_S
                if self.now < until:
                    assert self.cooldown.rests(*place)
                elif not any(key in keys_of(other) for key in opened for other in self.in_flight.values()):
                    assert not self.cooldown.rests(*place)

    @invariant()
    def the_board_shows_what_is(self) -> None:
        """Failures in a row, and a rest for those and only those that have opened."""
        for key, (failures, until) in self.board.items():
            assert failures == self.in_a_row.get(key, 0)
            assert bool(until) == self.has_opened(key)
        assert self.counted[1] <= self.counted[0]

    @invariant()
    def valid(self) -> None:
        """The theory of operation holds."""
        self.cooldown.check_valid()


TestCooldown = CooldownMachine.TestCase
TestCooldown.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=40)
