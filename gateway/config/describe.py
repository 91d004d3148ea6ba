"""The settings as text for people, with secrets masked: what `gateway check` prints."""

from gateway.config.settings import ClientKey, CooldownSettings, Model, Provider, Settings
from gateway.logs.render import visible


def describe_settings(settings: Settings) -> str:
    """Sections of aligned columns: settings, providers, models and client keys."""
    sections: dict[str, list[tuple[str, ...]]] = {
        "settings": _settings(settings),
        "providers": [_provider(provider) for provider in settings.providers],
        "models": [_model(model) for model in settings.models],
        "keys": [_key(key) for key in settings.keys] or [("none", "every client is let in", "")],
    }
    return "\n\n".join("\n".join([title, *aligned(rows)]) for title, rows in sections.items())


def _settings(settings: Settings) -> list[tuple[str, ...]]:
    server, timeouts, retry, log = settings.server, settings.timeouts, settings.retry, settings.log
    return [
        ("file", settings.source or "none; the providers come from the environment"),
        ("listen", f"{server.host} port {server.port}, {server.workers} worker{'s' if server.workers > 1 else ''}"),
        ("tls", f"certificate {server.tls_cert}, key {server.tls_key}" if server.tls_cert else "none: plain HTTP"),
        ("limits", f"body {server.max_body_mb} MB, headers {server.max_header_kb} KB, grace {server.grace_s:g} s"),
        ("concurrency", f"{server.max_concurrent:,} requests open in each worker"),
        ("timeouts", f"connect {timeouts.connect:g} s, first byte {timeouts.first_byte:g} s, idle {timeouts.idle:g} s"),
        (
            "requests",
            f"head within {timeouts.request_head:g} s, body within {timeouts.request_body:g} s, "
            f"idle {timeouts.request_idle:g} s",
        ),
        ("keep-alive", f"after {timeouts.keep_alive:g} s of silence" if timeouts.keep_alive else "none"),
        (
            "retry",
            f"{retry.attempts} attempts in all, begun within {retry.budget_s:g} s, waits up to {retry.max_wait_s:g} s",
        ),
        ("cooldown", _cooldown(settings.cooldown)),
        ("log", f"{log.level}, {log.format}, {log.ring} records kept per worker"),
    ]


def _cooldown(cooldown: CooldownSettings) -> str:
    if not cooldown.failures:
        return "never"
    return (
        f"after {cooldown.failures} failures in a row for {cooldown.rest_s:g} s, "
        f"then doubled up to {max(cooldown.rest_s, cooldown.max_rest_s):g} s"
    )


def _provider(provider: Provider) -> tuple[str, ...]:
    key = f"key {provider.api_key} ({provider.api_key.source})" if provider.api_key else "no key"
    more = (
        ("speaks", " and ".join(provider.protocols)),
        ("trusts only", provider.ca_file),
        ("shows", provider.client_cert),
    )
    differences = ", ".join(f"{what} {value}" for what, value in more if value)
    return provider.name, provider.kind, provider.base_url or "built in", key, differences


def _model(model: Model) -> tuple[str, ...]:
    targets = (
        target.provider
        + (f" as {target.model}" if target.model else "")
        + (f" weight {target.weight}" if model.strategy == "weighted" else "")
        for target in model.targets
    )
    return model.name, model.strategy, ", ".join(targets)


def _key(key: ClientKey) -> tuple[str, ...]:
    limit = "" if key.max_concurrent is None else f"{key.max_concurrent:,} requests open in each worker"
    return key.name, f"sha256 {key.digest.hex()[:8]}…", limit


def aligned(table: list[tuple[str, ...]]) -> list[str]:
    """Indented lines of the rows, whose cells stand below each other; what a terminal would obey is made visible."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join(f"{visible(cell):<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
