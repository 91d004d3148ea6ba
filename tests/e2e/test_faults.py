"""Every fault of a provider, towards clients of every protocol, from providers of every protocol, plain and streamed.

All requests run side by side through one real gateway before the first test; each test looks at what became of one
fault. So what takes a time limit takes it once.
"""

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.support.asgi import Answer
from tests.support.faulty_provider import BEFORE_THE_HEAD, HARMLESS, PLAIN, STATUSES, STREAMED, FaultyProvider
from tests.support.process import PATIENCE_S, RunningGateway, eventually, running_gateway
from tests.support.scripted_provider import read_body, read_head
from tests.support.sdks import accumulated_body, accumulated_stream
from tests.support.speaking import PATHS, check_error
from tests.support.translating import ASKS

LIMIT_S = 2.0
"""A good answer takes milliseconds."""

PROTOCOLS = ("chat", "messages", "responses")
SLOW = {
    "silence",
    "half a head, then silence",
    "dripped head",
    "error, then silence",
    "body, then silence",
    "stream, then silence",
    "silence behind the head",
}
LANES = 24


@dataclass(frozen=True)
class Case:
    """A request of a client to a provider with a fault."""

    client: str
    provider: str
    stream: bool
    fault: str

    @property
    def model(self) -> str:
        """What the client asks for."""
        return f"{self.client}-{self.provider}-{self.stream}/{self.fault}"

    @property
    def expected(self) -> tuple[int, str]:
        """The status that the client must see, and the outcome."""
        if self.fault in HARMLESS:
            return 200, "ok"
        if self.fault.startswith("status"):
            status = int(self.fault.split()[1])
            if status == 529 and self.provider != self.client != "messages":
                status = 503  # how OpenAI's protocols tell an overload
            return (status if status >= 400 else 502), "upstream"
        outcome = "timeout" if self.fault in SLOW else "upstream"
        # The head of a stream leaves with its first event.
        if self.fault in STREAMED and self.fault != "silence behind the head":
            return 200, outcome
        if self.fault in ("error in invalid UTF-8", "empty error"):
            return 500, outcome
        return (504 if outcome == "timeout" else 502), outcome


@dataclass
class Seen:
    """What became of a case."""

    answer: Answer
    request_id: str


STATUS_FAULTS = {False: STATUSES, True: (204, 302, 400, 401, 429, 500, 503, 529)}
CASES = [
    Case(client, provider, stream, fault)
    for client in PROTOCOLS
    for provider in PROTOCOLS
    for stream in (False, True)
    for fault in (
        *BEFORE_THE_HEAD,
        *(STREAMED if stream else PLAIN),
        *HARMLESS,
        *(f"status {status}" for status in STATUS_FAULTS[client != provider]),
    )
]
# Before the first byte, a second target makes up for what happened at the first.
RETRIED = [
    Case(protocol, protocol, stream, fault)
    for protocol in PROTOCOLS
    for stream in (False, True)
    for fault in (
        *(name for name in BEFORE_THE_HEAD if name != "page under 200"),
        *(f"status {status}" for status in (408, 409, 429, 500, 503, 529)),
    )
]


def configuration(port: int, *, attempts: int) -> str:
    """Providers that speak one protocol each; a second attempt goes to one that answers well."""
    parts = [
        f"[timeouts]\nfirst_byte = {LIMIT_S}\nidle = {LIMIT_S}\n"
        f"[retry]\nattempts = {attempts}\n[cooldown]\nfailures = 0\n"
    ]
    for protocol in PROTOCOLS:
        kind = "anthropic" if protocol == "messages" else "openai"
        parts.append(
            f'[[providers]]\nname = "{protocol}"\nkind = "{kind}"\nbase_url = "http://127.0.0.1:{port}/v1"\n'
            f'protocols = ["{protocol}"]\n'
            f'[[models]]\nname = "*-{protocol}-*"\n'
            f'targets = [{{ provider = "{protocol}" }}, {{ provider = "{protocol}", model = "good" }}]\n'
        )
    return "".join(parts)


async def ask(address: str, case: Case) -> Answer:
    """Send one request on a connection of its own, and read the answer to its end."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    body = json.dumps(ASKS[case.client] | {"model": case.model, "stream": case.stream}).encode()
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PATHS[case.client]} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    start, headers = await read_head(reader)
    told = await read_body(reader, headers)
    writer.close()
    return Answer([{"status": int(start.split()[1]), "headers": list(headers.items())}, {"body": told}])


async def ask_all(address: str, cases: Collection[Case]) -> dict[Case, Answer]:
    """Send every request: those that take a time limit all at once, the others a few at a time."""
    lanes = asyncio.Semaphore(LANES)
    seen = {}

    async def one(case: Case) -> None:
        async with asyncio.timeout(PATIENCE_S):
            seen[case] = await ask(address, case)

    async def in_turn(case: Case) -> None:
        async with lanes:
            await one(case)

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case) if case.fault in SLOW else in_turn(case))
    return seen


@dataclass
class Run:
    """What became of all cases; the log's request lines by request id."""

    answers: dict[Case, Answer]
    lines: dict[str, list[dict[str, Any]]]
    snapshot: dict[str, Any]
    asked: dict[str, int]

    def line_of(self, case: Case) -> dict[str, Any]:
        """The only line of a case in the log."""
        (line,) = self.lines[self.answers[case].headers["x-request-id"]]
        return line


@contextlib.asynccontextmanager
async def gateway_for(folder: Path, provider: FaultyProvider, *, attempts: int) -> AsyncIterator[RunningGateway]:
    """A gateway in front of a provider in this event loop, which goes on meanwhile."""
    opened = running_gateway(folder, configuration(provider.port, attempts=attempts))
    gateway = await asyncio.to_thread(opened.__enter__)
    try:
        yield gateway
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


async def run(folder: Path, cases: Collection[Case], *, attempts: int) -> Run:
    """Run the cases through a gateway; returns when it is idle and has written its lines."""
    async with FaultyProvider().listening() as provider, gateway_for(folder, provider, attempts=attempts) as gateway:
        answers = await ask_all(gateway.address, cases)
        snapshot = await asyncio.to_thread(gateway.settled)
        lines = await asyncio.to_thread(eventually, lambda: logged(gateway, len(cases)), "the log's last line")
    by_id: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_id.setdefault(line["request_id"], []).append(line)
    return Run(answers, by_id, snapshot, provider.asked)


def logged(gateway: RunningGateway, count: int) -> list[dict[str, Any]] | None:
    """The request lines, as soon as there are as many."""
    lines = gateway.request_lines()
    return lines if len(lines) >= count else None


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every case, with one attempt."""
    return asyncio.run(run(tmp_path_factory.mktemp("once"), CASES, attempts=1))


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What is worth a second attempt, with one."""
    return asyncio.run(run(tmp_path_factory.mktemp("twice"), RETRIED, attempts=2))


def told_in_band(client: str, body: bytes) -> bool:
    """Whether the last event of a stream is the error of the client's protocol, and no event says that all is well."""
    *_, last, rest = body.split(b"\n\n")
    data = json.loads(last.rpartition(b"data: ")[2])
    assert rest == b"", f"the stream ends inside an event: {rest[-80:]!r}"
    assert not any(end in body for end in (b"[DONE]", b"message_stop", b"response.completed"))
    match client:
        case "chat":
            return set(data["error"]) == {"message", "type", "param", "code"}
        case "messages":
            return last.startswith(b"event: error\n") and set(data["error"]) == {"type", "message"}
        case _:
            return bool(data["type"] == "response.failed" and data["response"]["error"]["message"])


def check_answer(case: Case, answer: Answer) -> None:
    """The client sees a good answer, an error response of its protocol, or an error event in its stream."""
    status, outcome = case.expected
    if status >= 400:
        check_error(case.client, answer)
    elif outcome != "ok":
        assert told_in_band(case.client, answer.body)
    elif case.stream:
        assert any(end in answer.body for end in (b"[DONE]", b"message_stop", b"response.completed"))
    else:
        assert b"quoted" in answer.body


@pytest.mark.parametrize("fault", dict.fromkeys(case.fault for case in CASES))
def test_a_fault_ends_in_an_error_of_the_clients_protocol_and_is_counted_and_logged_once(once: Run, fault: str):
    """Within the configured limits, whatever the protocols, plain and streamed; and the provider was asked once."""
    wrong = []
    for case in (case for case in CASES if case.fault == fault):
        answer, line = once.answers[case], once.line_of(case)
        facts = (answer.status, line["status"], line["outcome"], line["attempts"])
        status, outcome = case.expected
        if facts != (status, status, outcome, 1) or once.asked[case.model] != 1:
            wrong.append((case, facts, answer.body[-300:]))
            continue
        check_answer(case, answer)
        if fault in SLOW:
            # uvloop's timers count whole milliseconds and may end one early.
            assert line["ms"] >= LIMIT_S * 1000 - 2
    assert wrong == []


def test_the_metrics_count_each_fault_once_under_its_outcome(once: Run):
    """Every figure by outcome is the number of cases that end so, and nothing stays active."""
    expected = Counter(case.expected[1] for case in CASES)
    lifetime = once.snapshot["lifetime"]
    assert {name: count for name, count in lifetime["outcomes"].items() if count} == expected
    assert lifetime["started"] == lifetime["finished"] == len(CASES)
    assert once.snapshot["active"] == 0
    assert sum(map(len, once.lines.values())) == len(CASES)


def test_what_fails_before_the_first_byte_is_made_good_by_a_second_target(twice: Run):
    """One good answer, one line that tells two attempts, one count; and each target was asked once."""
    for case in RETRIED:
        answer, line = twice.answers[case], twice.line_of(case)
        assert (answer.status, line["outcome"], line["attempts"]) == (200, "ok", 2), case
        assert twice.asked[case.model] == 1, case
        assert b"quoted" in answer.body, case
    assert twice.asked["good"] == len(RETRIED)
    assert twice.snapshot["lifetime"]["outcomes"]["ok"] == twice.snapshot["lifetime"]["started"] == len(RETRIED)


SDK_ERRORS = {
    "status 401": "AuthenticationError",
    "status 429": "RateLimitError",
    "status 529": "InternalServerError",
    "end": "InternalServerError",
    "garbage body": "InternalServerError",
    "page under 200": "InternalServerError",
}


def provoke(address: str, case: Case) -> str:
    """The class that the official SDK of the client raises, or the status of a response that it raises nothing for."""
    sdk: openai.OpenAI | anthropic.Anthropic
    if case.client == "messages":
        sdk = anthropic.Anthropic(base_url=address, api_key="none", max_retries=0)
    else:
        sdk = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
    ask = accumulated_stream if case.stream else accumulated_body
    with sdk:
        try:
            return str(ask(sdk, case.client, case.model)["status"])
        except (openai.APIError, anthropic.APIError) as error:
            return type(error).__name__


def test_the_official_sdks_raise_the_class_of_the_fault(tmp_path: Path):
    """Over responses and in streams, native and translated, as if there were no gateway in between."""

    async def check() -> None:
        async with FaultyProvider().listening() as provider, gateway_for(tmp_path, provider, attempts=1) as gateway:
            for client, spoken in itertools.product(PROTOCOLS, PROTOCOLS):
                for fault, kind in SDK_ERRORS.items():
                    if fault == "status 529" and client == "messages":
                        kind = "OverloadedError"
                    case = Case(client, spoken, False, fault)
                    assert await asyncio.to_thread(provoke, gateway.address, case) == kind, case
                case = Case(client, spoken, True, "stream cut off")
                kind = {"chat": "APIError", "messages": "APIStatusError", "responses": "failed"}[client]
                assert await asyncio.to_thread(provoke, gateway.address, case) == kind, case

    asyncio.run(check())
