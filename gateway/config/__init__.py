"""Typed settings from the command line, the environment and a TOML file."""

from gateway.config.describe import describe_settings
from gateway.config.example import DEFAULT_TOML
from gateway.config.load import check_exposure, is_loopback, load
from gateway.config.settings import (
    ClientKey,
    CooldownSettings,
    Headers,
    LogSettings,
    Model,
    Provider,
    RetrySettings,
    Secret,
    ServerSettings,
    Settings,
    Target,
    TimeoutSettings,
)

__all__ = [
    "DEFAULT_TOML",
    "ClientKey",
    "CooldownSettings",
    "Headers",
    "LogSettings",
    "Model",
    "Provider",
    "RetrySettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "Target",
    "TimeoutSettings",
    "check_exposure",
    "describe_settings",
    "is_loopback",
    "load",
]
