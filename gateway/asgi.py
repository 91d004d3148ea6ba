"""What an ASGI server loads: `granian --interface asgi --factory gateway.asgi:make_app`, or `gateway.asgi:app`."""

import os
from pathlib import Path

from litestar.types import ASGIApp

from gateway.config import load
from gateway.serving.worker import start_unsupervised_worker


def make_app() -> ASGIApp:
    """Return the application of one worker, configured by the environment and the configuration file."""
    return start_unsupervised_worker(load(path=None, environ=os.environ, overrides={}, cwd=Path.cwd()))


def __getattr__(name: str) -> ASGIApp:
    if name == "app":
        return make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
