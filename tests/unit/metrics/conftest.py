"""A gateway's metrics over a run directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.metrics import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """No workers yet; the clock stands at START_NS."""
    instance = Instance(tmp_path)
    yield instance
    instance.close()
