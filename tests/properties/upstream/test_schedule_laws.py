"""The laws of the retry schedule, over every way in which targets can answer."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.config import RetrySettings
from gateway.upstream.retry import Schedule, first_target

ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["again", "out"]),
        st.one_of(st.none(), st.floats(0, 20)),
        st.floats(0, 30),
        st.floats(0, 1, exclude_max=True),
        st.sets(st.integers(0, 3)),
    ),
    max_size=12,
)


@given(
    targets=st.integers(1, 4),
    attempts=st.integers(1, 8),
    budget_s=st.floats(0.1, 60),
    max_wait_s=st.floats(0.1, 10),
    answers=ANSWERS,
)
def test_tries_keep_their_number_their_budget_and_what_was_asked(
    targets: int,
    attempts: int,
    budget_s: float,
    max_wait_s: float,
    answers: list[tuple[str, float | None, float, float, set[int]]],
) -> None:
    """Never more tries than allowed, never late, never too early, never at a target that is out, never unfairly."""
    now = 0.0
    settings = RetrySettings(attempts=attempts, budget_s=budget_s, max_wait_s=max_wait_s)
    schedule: Schedule | None = None
    tries = [0] * targets
    not_before = [0.0] * targets
    out: set[int] = set()
    for kind, asked, takes, draw, resting in answers:
        step: tuple[int, float] | None
        if schedule is None:
            first = first_target(targets, resting.__contains__)
            schedule = Schedule(targets, settings, first=first, began=now)
            step = first, 0.0
        else:
            step = schedule.next(now, lambda draw=draw: draw, resting.__contains__)
        if step is None:
            last_wait = min((not_before[target] for target in range(targets) if target not in out), default=now)
            assert sum(tries) == attempts or len(out) == targets or max(now, last_wait) + max_wait_s > budget_s, (
                "it gave up without a reason"
            )
            return
        target, wait = step
        now += wait
        assert 0 <= wait <= max_wait_s * (1 + 1e-9)
        assert target not in out
        assert now <= budget_s or not sum(tries)
        assert now >= not_before[target] - 1e-9
        open_tries = [tries[other] for other in range(targets) if other not in out]
        assert tries[target] == min(open_tries), "another was to come first"
        if target in resting:
            fresh = [other for other in range(targets) if other not in out and tries[other] == tries[target]]
            assert resting.issuperset(fresh), "one that does not rest was to come first"
        tries[target] += 1
        assert sum(tries) <= attempts
        now += takes
        if kind == "again":
            schedule.again(target, asked, now)
            if asked is not None:
                if asked > max_wait_s:
                    out.add(target)
                else:
                    not_before[target] = now + asked
        else:
            out.add(target)
