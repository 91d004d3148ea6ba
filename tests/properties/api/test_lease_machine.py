"""Law 35 as a state machine: many leases at once, in any order of events, and the books balance after each step."""

import asyncio
from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.api.lease import Lease
from gateway.errors import InvalidRequest, RequestError, UpstreamTimeout
from gateway.metrics.entries import UNATTRIBUTED
from gateway.metrics.outcome import OUTCOMES, Outcome
from gateway.protocol.usage import Usage
from tests.support.asgi import Ledger

ERRORS: list[BaseException] = [
    InvalidRequest("no"),
    UpstreamTimeout("late"),
    ZeroDivisionError("a bug"),
    asyncio.CancelledError(),
]


class LeaseMachine(RuleBasedStateMachine):
    """`open_` is what a model of the leases says is active; the ledger is what the gateway counted."""

    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.now = 0
        self.lines: list[Lease] = []
        self.open_ = 0
        self.expected: list[Outcome] = []

    @rule(target=leases)
    def arrive(self) -> tuple[ExitStack, Lease]:
        """A request head arrives."""
        stack = ExitStack()
        lease = Lease(
            self.ledger,
            clock=lambda: self.now,
            method="POST",
            path="/",
            request_id="r",
            log_line=lambda lease, _: self.lines.append(lease),
        )
        stack.enter_context(lease)
        self.open_ += 1
        return stack, lease

    @rule(nanoseconds=st.integers(0, 10**12))
    def wait(self, nanoseconds: int) -> None:
        """Time passes."""
        self.now += nanoseconds

    @rule(pair=leases, model=st.sampled_from(["a", "b"]))
    def attribute(self, pair: tuple[ExitStack, Lease], model: str) -> None:
        """The model becomes known; a second word changes nothing."""
        before = len(self.ledger.models)
        known = pair[1].model is not None
        pair[1].attribute(model)
        assert len(self.ledger.models) == before + (not known)

    @rule(pair=leases, outcome=st.sampled_from(OUTCOMES))
    def settle(self, pair: tuple[ExitStack, Lease], outcome: Outcome) -> None:
        """Somebody says how it ends; the first word stands."""
        said_before = pair[1].outcome
        pair[1].settle(outcome)
        assert pair[1].outcome is (outcome if said_before is None else said_before)

    @rule(target=leases, pair=consumes(leases))
    def hand_over(self, pair: tuple[ExitStack, Lease]) -> tuple[ExitStack, Lease]:
        """The handler gives the stack to the response; closing the old one finishes nothing."""
        stack, lease = pair
        moved = stack.pop_all()
        stack.close()
        return moved, lease

    @rule(pair=consumes(leases), error=st.one_of(st.none(), st.sampled_from(ERRORS)), again=st.booleans())
    def finish(self, pair: tuple[ExitStack, Lease], error: BaseException | None, again: bool) -> None:
        """The stack is closed, by a return or an exception, and perhaps a second time."""
        stack, lease = pair
        said = lease.outcome
        stack.__exit__(type(error) if error else None, error, None)
        if again:
            lease.__exit__(None, None, None)
            stack.close()
        self.open_ -= 1
        otherwise = error.outcome if isinstance(error, RequestError) else Outcome.INTERNAL
        self.expected.append(said if said is not None else otherwise)

    @rule(pair=leases, tokens=st.integers(0, 9))
    def report_usage(self, pair: tuple[ExitStack, Lease], tokens: int) -> None:
        """The provider reports usage; the last report counts."""
        pair[1].usage = Usage(tokens, tokens)

    @invariant()
    def check_valid(self) -> None:
        """started = finished + active; one finish and one line per lease; each with its outcome and its own latency."""
        ledger = self.ledger
        assert ledger.starts == len(ledger.finishes) + self.open_
        assert [finish.outcome for finish in ledger.finishes] == self.expected
        assert len(self.lines) == len(ledger.finishes)
        for finish, lease in zip(ledger.finishes, self.lines, strict=True):
            assert finish.outcome is lease.outcome
            assert 0 <= finish.latency_ns <= self.now
            assert (finish.entry == UNATTRIBUTED) == (lease.model is None)
            assert finish.input_tokens == (lease.usage.input_tokens if lease.usage else 0)


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
