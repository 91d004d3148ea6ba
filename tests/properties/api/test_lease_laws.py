"""Exactly one finish over every exit path, whatever provider, client and operator do."""

import asyncio
import json

import httpx
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.interruption import Reason
from gateway.metrics.outcome import Outcome
from tests.support.asgi import Gateway, event_stream, response

STEPS = st.lists(
    st.sampled_from(
        [
            b'data: {"choices":[{"delta":{},"finish_reason":null}]}\n\n',
            b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n',
            b'data: {"error":{"message":"no"}}\n\n',
            b"data: [DONE]\n\n",
            b"data: half",
            b"<garbage>",
            httpx.ReadError("reset"),
            httpx.ReadTimeout("idle"),
            ZeroDivisionError("a bug"),
            None,
        ]
    ),
    max_size=5,
)
ANSWERS = st.one_of(
    st.builds(lambda steps: lambda: event_stream(*steps), STEPS),
    st.builds(
        lambda steps, status: lambda: response(*steps, status=status), STEPS, st.sampled_from([200, 400, 429, 500])
    ),
    st.sampled_from([httpx.ConnectError("no"), httpx.ReadTimeout("no"), ZeroDivisionError("a bug")]).map(
        lambda error: lambda: error
    ),
)
BODIES = st.sampled_from(
    [
        {"model": "chatty"},
        {"model": "chatty", "stream": True},
        {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "a b c"}]},
        {"model": "echo", "messages": "nonsense"},
        {"model": "nobody"},
        {"model": "wordy"},
        {"model": "wordy", "messages": [{"role": "user", "content": "hi"}]},
        {"model": "wordy", "messages": [{"role": "user", "content": "hi"}], "stream": True},
        {},
    ]
)


@given(
    answer=ANSWERS,
    body=BODIES,
    leave_after=st.one_of(st.none(), st.integers(0, 6)),
    shut_down_after=st.one_of(st.none(), st.integers(0, 12)),
    fail_send_at=st.one_of(st.none(), st.integers(0, 4)),
)
def test_every_path_has_exactly_one_finish(
    answer: object, body: object, leave_after: int | None, shut_down_after: int | None, fail_send_at: int | None
) -> None:
    """started = finished + active after each step, active is 0 at the end, and no response stays open."""

    async def run() -> None:
        responses = []

        def script(_: httpx.Request) -> httpx.Response | Exception:
            made = answer()  # type: ignore[operator]
            if isinstance(made, httpx.Response):
                responses.append(made)
            return made  # type: ignore[no-any-return]

        gateway = Gateway(script)
        if fail_send_at is not None:
            gateway.break_send_at = fail_send_at
        ledger = gateway.ledger
        path = "/v1/chat/completions"
        task = asyncio.create_task(gateway.post(path, json.dumps(body).encode(), leave_after=leave_after))
        turns = 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
            assert ledger.starts - len(ledger.finishes) in (0, 1)
            if turns == shut_down_after or turns == 200:
                # What waits for ever by now is ended as a shutdown would end it.
                gateway.services.running.interrupt_all(Reason.SHUTDOWN)
            assert turns < 2000, "the request neither ends nor can be ended"
        # An exception may leave the application: it tells the server to drop the connection.
        task.exception()
        assert ledger.starts == len(ledger.finishes) == 1
        assert ledger.outcome in Outcome
        assert len(gateway.services.running) == 0
        assert gateway.services.admission.of_worker.taken == 0
        assert all(made.stream.closed for made in responses)
        if leave_after is None and shut_down_after is None:
            assert ledger.outcome is not Outcome.CANCELLED

    asyncio.run(run())
