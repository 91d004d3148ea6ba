"""The settings of the demo: the built-in echo provider beside one that makes its answers up, and no key at all."""

from typing import Final

from gateway.config import Model, Provider, RetrySettings, ServerSettings, Settings, Target, TimeoutSettings
from gateway.config.resolve import ECHO_MODEL, ECHO_PROVIDER

LABEL: Final = "synthetic traffic"
"""What the dashboard says of such a gateway, beside its name."""

_SYNTHETIC: Final = "synthetic"
_MADE_UP: Final = ("mini", "large", "reasoner", "flaky")


def demo_settings(provider_port: int, port: int) -> Settings:
    """A gateway on that port of loopback, before the synthetic provider; every model's name says what it is."""
    provider = Provider(
        name=_SYNTHETIC, kind="openai", base_url=f"http://127.0.0.1:{provider_port}/v1", protocols=("chat",)
    )
    made_up = Target(provider=_SYNTHETIC)
    echoed = Target(provider=ECHO_PROVIDER.name, model=ECHO_MODEL.name)
    return Settings(
        # Nobody waits for synthetic answers to come to their end.
        server=ServerSettings(port=port, grace_s=1.0),
        # So that silence becomes a timeout while somebody watches; the longest answer takes less to begin.
        timeouts=TimeoutSettings(first_byte=5.0, idle=5.0),
        retry=RetrySettings(attempts=2),
        providers=(provider, ECHO_PROVIDER),
        models=(
            *(Model(name=f"synthetic-{name}", targets=(made_up,)) for name in _MADE_UP),
            Model(name="synthetic-fallback", targets=(made_up, echoed)),
            Model(name="synthetic-echo", targets=(echoed,)),
            ECHO_MODEL,
        ),
    )
