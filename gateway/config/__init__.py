"""Typed settings from the command line, the environment and a TOML file."""

from gateway.config.describe import describe_settings
from gateway.config.example import DEFAULT_TOML
from gateway.config.exposure import check_exposure, is_loopback, is_public_name
from gateway.config.load import load
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
    "is_public_name",
    "load",
]
