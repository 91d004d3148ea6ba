"""The settings as text for people, with secrets masked: what `gateway check` prints."""

from gateway.config.settings import Model, Provider, Settings
from gateway.logs.render import visible


def describe_settings(settings: Settings) -> str:
    """Sections of aligned columns: settings, providers, models and client keys."""
    sections: dict[str, list[tuple[str, ...]]] = {
        "settings": _settings(settings),
        "providers": [_provider(provider) for provider in settings.providers],
        "models": [_model(model) for model in settings.models],
        "keys": [(key.name, f"sha256 {key.digest.hex()[:8]}…") for key in settings.keys]
        or [("none", "every client is let in")],
    }
    return "\n\n".join("\n".join([title, *aligned(rows)]) for title, rows in sections.items())


def _settings(settings: Settings) -> list[tuple[str, ...]]:
    server, timeouts, log = settings.server, settings.timeouts, settings.log
    return [
        ("file", settings.source or "none; the providers come from the environment"),
        ("listen", f"{server.host} port {server.port}, {server.workers} worker{'s' if server.workers > 1 else ''}"),
        ("limits", f"body {server.max_body_mb} MB, grace {server.grace_s:g} s"),
        ("timeouts", f"connect {timeouts.connect:g} s, first byte {timeouts.first_byte:g} s, idle {timeouts.idle:g} s"),
        ("keep-alive", f"after {timeouts.keep_alive:g} s of silence" if timeouts.keep_alive else "none"),
        ("retry", f"{settings.retry.attempts} attempts in all"),
        ("log", f"{log.level}, {log.format}, {log.ring} records kept per worker"),
    ]


def _provider(provider: Provider) -> tuple[str, ...]:
    key = f"key {provider.api_key} ({provider.api_key.source})" if provider.api_key else "no key"
    return provider.name, provider.kind, provider.base_url or "built in", key


def _model(model: Model) -> tuple[str, ...]:
    targets = (
        target.provider
        + (f" as {target.model}" if target.model else "")
        + (f" weight {target.weight}" if model.strategy == "weighted" else "")
        for target in model.targets
    )
    return model.name, model.strategy, ", ".join(targets)


def aligned(table: list[tuple[str, ...]]) -> list[str]:
    """Indented lines of the rows, whose cells stand below each other; what a terminal would obey is made visible."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join(f"{visible(cell):<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
