"""Which targets rest, and until when."""

import pytest

from gateway.config import CooldownSettings
from gateway.errors import ConnectionTooSlow, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from gateway.metrics.health import Cause
from gateway.upstream.cooldown import MOST_CIRCUITS, Cooldown, cause_of


class Rig:
    """A cooldown after three failures, with the clock in the hands of the test; it is the board too."""

    def __init__(self, failures: int = 3) -> None:
        self.now = 100.0
        self.tries: list[str] = []
        self.failures: list[str] = []
        self.shown: dict[tuple[str, str | None], tuple[int, int, float]] = {}
        settings = CooldownSettings(failures=failures, rest_s=10.0, max_rest_s=30.0)
        self.cooldown = Cooldown(settings, lambda: self.now, self)

    def tried(self, provider: str) -> None:
        self.tries.append(provider)

    def failed(self, provider: str) -> None:
        self.failures.append(provider)

    def show(self, provider: str, model: str | None, *, failures: int, cause: int, rests_until_s: float) -> None:
        self.shown[provider, model] = (failures, cause, rests_until_s)

    def fail(self, cause: int, times: int = 1, *, model: str = "m") -> None:
        """Try it so often, with this end."""
        for _ in range(times):
            self.cooldown.failed(self.cooldown.begin("p", model), "p", model, cause)
            self.cooldown.check_valid()

    def answer(self) -> None:
        """Try it with success."""
        self.cooldown.answered(self.cooldown.begin("p", "m"), "p", "m")

    def resting(self) -> list[str]:
        """Which of two models at one provider, and one at another, rest."""
        places = (("p", "m"), ("p", "other"), ("q", "m"))
        return ["/".join(place) for place in places if self.cooldown.rests(*place)]


def test_a_model_rests_after_so_many_failures_in_a_row_and_no_sooner():
    """The other models of the provider go on, and so does the model at another provider."""
    rig = Rig()
    rig.fail(503, 2)
    assert rig.resting() == []
    rig.fail(429)
    assert rig.resting() == ["p/m"]
    assert rig.shown == {("p", "m"): (3, 429, 110.0)}


@pytest.mark.parametrize("cause", [Cause.UNREACHABLE, Cause.CONNECT_TIMEOUT])
def test_a_provider_rests_that_cannot_be_connected_to(cause: Cause):
    """With all its models."""
    rig = Rig()
    rig.fail(cause, 2)
    rig.fail(cause, model="other")
    assert rig.resting() == ["p/m", "p/other"]
    assert rig.shown == {("p", None): (3, cause, 110.0)}


def test_a_success_starts_the_count_anew():
    """Two failures, an answer and two failures are no reason to rest."""
    rig = Rig()
    for _ in range(2):
        rig.fail(500, 2)
        rig.fail(Cause.UNREACHABLE, 2)
        rig.answer()
    assert rig.resting() == []
    assert set(rig.shown.values()) == {(0, 0, 0.0)}


def test_an_error_status_shows_that_the_provider_can_be_reached():
    """Two refused connections, a 503 and two more are no reason to rest."""
    rig = Rig()
    for cause in (Cause.UNREACHABLE, Cause.UNREACHABLE, 503, Cause.UNREACHABLE, Cause.UNREACHABLE):
        rig.fail(cause)
    assert rig.resting() == []


def test_one_try_probes_when_the_rest_is_over():
    """All others go on as if it rested, until the probe has told."""
    rig = Rig()
    rig.fail(503, 3)
    rig.now += 9.9
    assert rig.resting() == ["p/m"]
    rig.now += 0.1
    assert rig.resting() == []
    probe = rig.cooldown.begin("p", "m")
    assert rig.resting() == ["p/m"]
    rig.cooldown.answered(probe, "p", "m")
    assert rig.resting() == []


def test_a_probe_that_fails_doubles_the_rest_up_to_a_bound():
    """10, 20 and then 30 seconds."""
    rig = Rig()
    rig.fail(503, 3)
    rests = []
    for _ in range(4):
        rests.append(rig.shown["p", "m"][2] - rig.now)
        rig.now = rig.shown["p", "m"][2]
        rig.fail(503)
    assert rests == [10.0, 20.0, 30.0, 30.0]


def test_a_probe_that_tells_nothing_leaves_the_place_to_the_next():
    """Its client left: the next try is the probe."""
    rig = Rig()
    rig.fail(503, 3)
    rig.now += 10.0
    rig.cooldown.ended(rig.cooldown.begin("p", "m"), "p", "m")
    assert rig.resting() == []
    rig.cooldown.begin("p", "m")
    assert rig.resting() == ["p/m"]


def test_a_failure_that_is_not_the_probes_prolongs_nothing():
    """A try from before the rest, or one that had nothing else left, says nothing new."""
    rig = Rig()
    early = rig.cooldown.begin("p", "m")
    rig.fail(503, 3)
    rig.now += 5.0
    rig.fail(503)
    assert rig.shown["p", "m"] == (4, 503, 110.0)
    rig.now += 5.0
    probe = rig.cooldown.begin("p", "m")
    rig.cooldown.failed(early, "p", "m", 503)
    assert rig.resting() == ["p/m"]
    rig.cooldown.ended(probe, "p", "m")
    assert rig.resting() == []


def test_a_success_of_any_try_ends_the_rest():
    """It works after all."""
    rig = Rig()
    early = rig.cooldown.begin("p", "m")
    rig.fail(503, 3)
    rig.cooldown.answered(early, "p", "m")
    assert rig.resting() == []
    assert rig.shown["p", "m"] == (0, 0, 0.0)


def test_a_probe_of_the_provider_that_finds_its_model_failing_gives_the_provider_free():
    """Silence tells nothing of the provider, a status tells that it is there."""
    rig = Rig()
    rig.fail(Cause.UNREACHABLE, 3)
    rig.now += 10.0
    rig.fail(Cause.SILENT)
    assert rig.resting() == []
    rig.fail(503)
    assert rig.shown["p", None] == (0, 0, 0.0)


def test_no_failure_counts_when_it_is_switched_off():
    """`failures = 0`: nobody ever rests."""
    rig = Rig(failures=0)
    rig.fail(503, 100)
    rig.fail(Cause.UNREACHABLE, 100)
    assert rig.resting() == []


def test_names_that_clients_make_up_do_not_fill_the_memory():
    """The oldest circuit is given up for a new one."""
    rig = Rig()
    for number in range(MOST_CIRCUITS + 5):
        rig.fail(503, 3, model=f"m{number}")
    assert not rig.cooldown.rests("p", "m0")
    assert rig.cooldown.rests("p", f"m{MOST_CIRCUITS + 4}")


def test_the_board_is_told_of_every_try_and_every_failure():
    """By provider."""
    rig = Rig()
    rig.fail(503, 2)
    rig.answer()
    assert (rig.tries, rig.failures) == (["p"] * 3, ["p"] * 2)


def test_every_error_of_a_provider_has_its_cause():
    """No connection, silence, and what broke off are told apart."""
    errors = (ConnectionTooSlow("x"), UpstreamUnreachable("x"), UpstreamTimeout("x"), UpstreamBroken("x"))
    assert [cause_of(error) for error in errors] == [
        Cause.CONNECT_TIMEOUT,
        Cause.UNREACHABLE,
        Cause.SILENT,
        Cause.BROKEN,
    ]
