"""`gateway check --probe`: whether each provider answers."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.cli import Surroundings, main
from gateway.config import Provider, Secret, Settings
from gateway.probe import Answer, describe_answers, probe
from tests.support.scripted_provider import refusing_port

KEY = "sk-ant-0123456789abcdefWXYZ"


def settings(*names: str) -> Settings:
    """Providers of these names, each at a host of its own, and the built-in one."""
    providers = [Provider(name=name, kind="openai", base_url=f"http://{name}/v1") for name in names]
    return Settings(providers=(*providers, Provider(name="echo", kind="echo")))


def answering(**answers: httpx.Response | Exception) -> Callable[[Provider], httpx.AsyncBaseTransport]:
    """A transport that answers so by the name of the host."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers[request.url.host]
        if isinstance(found, Exception):
            raise found
        return found

    return lambda provider: httpx.MockTransport(answer)


async def test_each_provider_answers_with_the_number_of_its_models_or_its_problem():
    """In the order of the settings, each with its time; the built-in one is not asked."""
    ticks = itertools.count()
    answers = await probe(
        settings("good", "locked", "broken", "away"),
        answering(
            good=httpx.Response(200, json={"object": "list", "data": [{"id": "a"}, {"id": "b"}]}),
            locked=httpx.Response(401, json={"error": {"message": "no such key"}}),
            broken=httpx.Response(200, text="<html>welcome</html>"),
            away=httpx.ConnectError("refused"),
        ),
        clock=lambda: float(next(ticks)),
    )
    assert [(answer.provider, answer.models) for answer in answers if not answer.problem] == [("good", 2)]
    assert {answer.provider: answer.problem for answer in answers if answer.problem} == {
        "locked": "The provider locked answered 401 to a request for its models.",
        "broken": "What it answers is no list of models.",
        "away": "The provider away could not be reached.",
    }
    assert [answer.provider for answer in answers] == ["good", "locked", "broken", "away"]
    assert all(answer.seconds > 0 for answer in answers)


class Silent(httpx.AsyncBaseTransport):
    """A provider that says nothing."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


async def test_a_silent_provider_is_waited_for_no_longer_than_the_patience():
    """The sentence says how long that was."""
    [answer] = await probe(settings("silent"), lambda provider: Silent(), patience_s=0.01)
    assert answer.problem == "No list of models came within 0.01 s."


async def test_an_anthropic_provider_gets_its_key_in_its_own_way():
    """The probe goes the way of requests, so a bad key shows."""
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"data": []})

    provider = Provider(name="a", kind="anthropic", base_url="http://a/v1", api_key=Secret(KEY, "inline"))
    await probe(Settings(providers=(provider,)), lambda provider: httpx.MockTransport(answer))
    assert (seen[0]["x-api-key"], "anthropic-version" in seen[0]) == (KEY, True)


def test_answers_are_printed_as_a_section():
    """Aligned, in milliseconds, with the word that a script can look for; without providers it says so."""
    printed = describe_answers([Answer("a", 0.0123, models=12), Answer("longer", 2.0, problem="It is away.")])
    assert printed == "probe\n  a       12 ms    answers, 12 models\n  longer  2000 ms  fails: It is away."
    assert describe_answers([]).startswith("probe\n  none")


def test_the_exit_status_is_1_if_one_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """After the whole table; without --probe nobody is asked, and with no provider to ask all is well."""
    with refusing_port() as port:
        environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        assert main(["check"], Surroundings(environ=environ, cwd=tmp_path)) == 0
        assert "probe" not in capsys.readouterr().out
        assert main(["check", "--probe"], Surroundings(environ=environ, cwd=tmp_path)) == 1
        assert "fails: The provider openai could not be reached." in capsys.readouterr().out
    assert main(["check", "--probe"], Surroundings(environ={}, cwd=tmp_path)) == 0
