"""The official SDKs through a real gateway with two workers: what they get, and what is counted."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.support.process import RunningGateway, eventually, running_gateway
from tests.support.upstream import Upstream, running_upstream, unused_port

KEY = "gw-test-key-0123456789"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """The scripted provider."""
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway with two workers and a client key, in front of echo, the scripted provider and a dead one."""
    config = f"""
[timeouts]
first_byte = 0.3
idle = 0.3
[retry]
attempts = 1
[[keys]]
name = "test"
key = "{KEY}"
[[providers]]
name = "up"
kind = "openai"
base_url = "{upstream.url}"
api_key = "sk-upstream-secret"
[[providers]]
name = "dead"
kind = "openai"
base_url = "http://127.0.0.1:{unused_port()}/v1"
[[models]]
name = "dead"
targets = [ {{ provider = "dead" }} ]
[[models]]
name = "*"
targets = [ {{ provider = "up" }} ]
"""
    with running_gateway(tmp_path_factory.mktemp("gateway"), config, "-w", "2") as running:
        yield running


@pytest.fixture
def chat(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    """The OpenAI SDK; it makes one try, so that each call is one request."""
    with openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """The Anthropic SDK; it makes one try."""
    with anthropic.Anthropic(base_url=gateway.address, api_key=KEY, max_retries=0) as client:
        yield client


ASK = [{"role": "user", "content": "one two three"}]


class Delta:
    """What changed in the lifetime figures between two looks."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._before = gateway.settled()["lifetime"]

    def outcomes(self) -> dict[str, int]:
        """The outcomes that were added, without the zeros."""
        after = self._gateway.settled()["lifetime"]["outcomes"]
        return {name: after[name] - count for name, count in self._before["outcomes"].items() if after[name] != count}

    def tokens(self) -> tuple[int, int]:
        """The input and output tokens that were added."""
        before, after = self._before["tokens"], self._gateway.settled()["lifetime"]["tokens"]
        return (after["input"] or 0) - (before["input"] or 0), (after["output"] or 0) - (before["output"] or 0)


def test_openai_sdk_talks_to_echo_plain_and_streamed(gateway: RunningGateway, chat: openai.OpenAI):
    """The words come back, and the gateway counts the tokens that the provider reported."""
    delta = Delta(gateway)
    plain = chat.chat.completions.create(model="echo", messages=ASK)
    assert plain.choices[0].message.content == "one two three"
    chunks = list(
        chat.chat.completions.create(model="echo", messages=ASK, stream=True, stream_options={"include_usage": True})
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "one two three"
    assert plain.usage
    assert chunks[-1].usage
    reported = plain.usage.prompt_tokens + chunks[-1].usage.prompt_tokens
    assert delta.tokens() == (reported, plain.usage.completion_tokens + chunks[-1].usage.completion_tokens) == (6, 6)
    assert delta.outcomes() == {"ok": 2}


def test_anthropic_sdk_talks_to_echo_plain_and_streamed(gateway: RunningGateway, claude: anthropic.Anthropic):
    """The same in the other protocol, with the SDK's own accumulation of a stream."""
    delta = Delta(gateway)
    plain = claude.messages.create(model="echo", messages=ASK, max_tokens=9)
    assert plain.content[0].text == "one two three"  # type: ignore[union-attr]
    with claude.messages.stream(model="echo", messages=ASK, max_tokens=9) as stream:
        assert "".join(stream.text_stream) == "one two three"
        final = stream.get_final_message()
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3, 3)
    assert delta.tokens() == (6, 6)
    assert delta.outcomes() == {"ok": 2}


def test_tokens_of_a_stream_count_without_the_client_asking(gateway: RunningGateway, chat: openai.OpenAI):
    """The gateway asks the provider for usage; the client sees no usage chunk."""
    delta = Delta(gateway)
    chunks = list(chat.chat.completions.create(model="ok", messages=ASK, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert delta.tokens() == (11, 7)


def test_a_wrong_key_is_401_in_both_envelopes(gateway: RunningGateway):
    """Both SDKs raise their own AuthenticationError, and it counts as auth."""
    delta = Delta(gateway)
    with pytest.raises(openai.AuthenticationError) as chat_error:
        openai.OpenAI(base_url=gateway.base_url, api_key="wrong", max_retries=0).chat.completions.create(
            model="echo", messages=ASK
        )
    with pytest.raises(anthropic.AuthenticationError) as claude_error:
        anthropic.Anthropic(base_url=gateway.address, api_key="wrong", max_retries=0).messages.create(
            model="echo", messages=ASK, max_tokens=9
        )
    assert chat_error.value.code == "invalid_api_key"
    assert claude_error.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]
    assert delta.outcomes() == {"auth": 2}


def test_malformed_json_is_400_and_counts_as_validation(gateway: RunningGateway, chat: openai.OpenAI):
    """A body that is no JSON gets the envelope of its route."""
    delta = Delta(gateway)
    with pytest.raises(openai.BadRequestError) as error:
        chat.post("/chat/completions", content=b"{nonsense", cast_to=object)
    assert error.value.type == "invalid_request_error"
    assert delta.outcomes() == {"validation": 1}


def test_a_dead_provider_is_502_and_counts_as_upstream(gateway: RunningGateway, chat: openai.OpenAI):
    """Nothing listens there."""
    delta = Delta(gateway)
    with pytest.raises(openai.InternalServerError) as error:
        chat.chat.completions.create(model="dead", messages=ASK)
    assert error.value.status_code == 502
    assert delta.outcomes() == {"upstream": 1}


def test_a_silent_provider_is_504_and_counts_as_timeout(gateway: RunningGateway, chat: openai.OpenAI):
    """The first byte does not come within its limit."""
    delta = Delta(gateway)
    with pytest.raises(openai.InternalServerError) as error:
        chat.chat.completions.create(model="silent", messages=ASK)
    assert error.value.status_code == 504
    assert delta.outcomes() == {"timeout": 1}


def test_a_providers_error_passes_and_counts_as_upstream(gateway: RunningGateway, chat: openai.OpenAI):
    """The provider's own words reach the client."""
    delta = Delta(gateway)
    with pytest.raises(openai.InternalServerError, match="overloaded") as error:
        chat.chat.completions.create(model="refuse", messages=ASK)
    assert error.value.status_code == 503
    assert delta.outcomes() == {"upstream": 1}


def test_a_stream_that_breaks_raises_in_the_sdk(gateway: RunningGateway, chat: openai.OpenAI):
    """The words before the break arrive, then the SDK raises on the in-band error."""
    delta = Delta(gateway)
    stream = iter(chat.chat.completions.create(model="half", messages=ASK, stream=True))
    assert next(stream).choices[0].delta.content == "word "
    with pytest.raises(openai.APIError, match="broke off"):
        next(stream)
    assert delta.outcomes() == {"upstream": 1}


def test_a_client_that_hangs_up_mid_stream_is_cancelled(
    gateway: RunningGateway, chat: openai.OpenAI, upstream: Upstream
):
    """The provider sees its connection closed, and the request counts as cancelled."""
    delta = Delta(gateway)
    stream = chat.chat.completions.create(model="endless", messages=ASK, stream=True)
    next(iter(stream))
    upstream.closed_at.clear()
    stream.close()
    upstream.wait_for_close(5)
    assert delta.outcomes() == {"cancelled": 1}


def test_a_client_that_gives_up_waiting_is_cancelled(gateway: RunningGateway, upstream: Upstream):
    """A plain request whose client leaves before any header ends upstream too."""
    delta = Delta(gateway)
    upstream.closed_at.clear()
    with pytest.raises(openai.APITimeoutError):
        openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0, timeout=0.1).chat.completions.create(
            model="silent", messages=ASK
        )
    upstream.wait_for_close(5)
    assert delta.outcomes() == {"cancelled": 1}


def test_models_are_listed_and_shown_in_both_protocols(chat: openai.OpenAI, claude: anthropic.Anthropic):
    """Both SDKs can page through the list and fetch one."""
    assert {"echo", "dead"} <= {model.id for model in chat.models.list()}
    assert "echo" in {model.id for model in claude.models.list()}
    assert chat.models.retrieve("echo").owned_by == "echo"
    assert claude.models.retrieve("echo").id == "echo"


def test_two_workers_add_up(gateway: RunningGateway):
    """Requests over many connections reach both workers, and the totals are exact."""
    before = gateway.settled()
    for _ in range(24):
        with openai.OpenAI(base_url=gateway.base_url, api_key=KEY, max_retries=0) as client:
            client.chat.completions.create(model="echo", messages=ASK)
    after = gateway.settled()
    assert after["lifetime"]["finished"] - before["lifetime"]["finished"] == 24
    assert after["lifetime"]["started"] == after["lifetime"]["finished"]
    assert [worker["slot"] for worker in after["workers"]] == [0, 1]
    assert all(worker["alive"] and worker["active"] == 0 for worker in after["workers"])
    echo = next(model for model in after["models"] if model["name"] == "echo")
    assert echo["window"]["latency_ms"]["count"] == echo["window"]["finished"] == echo["lifetime"]["finished"]
    assert after["window"]["finished"] == after["lifetime"]["finished"] == after["window"]["latency_ms"]["count"]


def test_the_log_has_one_line_per_request_and_no_secret(gateway: RunningGateway):
    """Every finished request has its line; no key and no text of a prompt or an answer is in the log."""
    finished = gateway.settled()["lifetime"]["finished"]

    def lines() -> bool:
        return len(gateway.request_lines()) == finished

    eventually(lines, "the last log line")
    text = gateway.log.read_text()
    assert KEY not in text
    assert "sk-upstream-secret" not in text
    assert "one two three" not in text
