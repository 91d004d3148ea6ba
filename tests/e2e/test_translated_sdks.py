"""The official SDKs through a real gateway: an answer of another protocol's provider is the one that they know."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.support.native import ANSWERS
from tests.support.process import RunningGateway, running_gateway
from tests.support.sdks import accumulated_body, accumulated_stream, essence
from tests.support.upstream import Speaker, running_upstream

Sdk = openai.OpenAI | anthropic.Anthropic
PROVIDERS = {"chat": "bare", "messages": "claude", "responses": "modern"}
"""The provider that speaks nothing but a protocol."""
PAIRS = [(client, provider) for client in PROVIDERS for provider in PROVIDERS if client != provider]


@pytest.fixture(scope="module")
def upstream() -> Iterator[Speaker]:
    """A provider of every protocol."""
    with running_upstream(Speaker) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(upstream: Speaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway in front of one provider for each protocol; `bare/...`, `claude/...` and `modern/...` choose it."""
    config = "[retry]\nattempts = 1\n"
    for protocol, name in PROVIDERS.items():
        kind = "anthropic" if name == "claude" else "openai"
        config += (
            f'[[providers]]\nname = "{name}"\nkind = "{kind}"\nbase_url = "{upstream.url}"\napi_key = "k"\n'
            f'protocols = ["{protocol}"]\n[[models]]\nname = "{name}/*"\ntargets = [ {{ provider = "{name}" }} ]\n'
        )
    with running_gateway(tmp_path_factory.mktemp("gateway"), config) as running:
        yield running


@pytest.fixture(scope="module")
def sdks(gateway: RunningGateway) -> Iterator[dict[str, Sdk]]:
    """The SDK of each protocol; each makes one try."""
    with (
        openai.OpenAI(base_url=gateway.base_url, api_key="k", max_retries=0) as chat,
        anthropic.Anthropic(base_url=gateway.address, api_key="k", max_retries=0) as claude,
    ):
        yield {"chat": chat, "responses": chat, "messages": claude}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_the_sdk_cannot_tell_a_translated_answer_from_a_native_one(
    sdks: dict[str, Sdk], client: str, provider: str, name: str
):
    """Text, tools, reasoning, stop reason and usage, streamed and in one piece."""
    sdk, own, other = sdks[client], f"{PROVIDERS[client]}/{name}", f"{PROVIDERS[provider]}/{name}"
    native = essence(client, accumulated_stream(sdk, client, own))
    assert essence(client, accumulated_stream(sdk, client, other)) == native
    assert essence(client, accumulated_body(sdk, client, other)) == native


@pytest.mark.parametrize(("client", "provider"), [(one, other) for one in PROVIDERS for other in PROVIDERS])
def test_complaint_07_a_connection_that_breaks_is_an_error_to_the_sdk(sdks: dict[str, Sdk], client: str, provider: str):
    """Whoever translates or does not: nobody takes half an answer for a whole one."""
    model = f"{PROVIDERS[provider]}/cut/parallel calls behind text"
    sdk = sdks[client]
    if client == "responses":
        assert isinstance(sdk, openai.OpenAI)
        events = list(sdk.responses.create(model=model, input="hi", stream=True))
        assert events[-1].type == "response.failed"
        return
    with pytest.raises((openai.APIError, anthropic.APIError), match=r"broke off|ended before"):
        accumulated_stream(sdk, client, model)


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_complaint_10_an_overload_is_what_the_sdk_tries_again(sdks: dict[str, Sdk], client: str, provider: str):
    """Each SDK raises its own error of a server that is too busy, with the provider's word."""
    with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as caught:
        accumulated_body(sdks[client], client, f"{PROVIDERS[provider]}/overloaded/text")
    assert caught.value.status_code == (529 if client == "messages" else 503)
    assert "overloaded" in str(caught.value)


def test_what_cannot_be_translated_is_a_bad_request_to_the_sdk(sdks: dict[str, Sdk]):
    """With the field's name."""
    sdk = sdks["chat"]
    assert isinstance(sdk, openai.OpenAI)
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model="claude/text", messages=[{"role": "user", "content": "hi"}], n=2)
    assert caught.value.param == "n"


def test_tokens_are_counted_by_the_sdk(sdks: dict[str, Sdk]):
    """Estimated for a chat provider, exact for echo."""
    sdk = sdks["messages"]
    assert isinstance(sdk, anthropic.Anthropic)
    ask = [{"role": "user", "content": "one two three"}]
    assert sdk.messages.count_tokens(model="bare/text", messages=ask).input_tokens == 8  # type: ignore[arg-type]
    assert sdk.messages.count_tokens(model="echo", messages=ask).input_tokens == 3  # type: ignore[arg-type]
