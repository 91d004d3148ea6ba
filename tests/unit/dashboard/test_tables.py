"""The tables: their rows, and what their titles count."""

import msgspec
import pytest

from gateway.dashboard.layout import Rect
from gateway.dashboard.state import NO_MODEL
from gateway.dashboard.tables import MODELS, models, workers
from gateway.dashboard.text import Row
from gateway.metrics.snapshot import Latency, ModelWindow, Tokens
from tests.support.dashboard_scene import NOTHING, make_new_snapshot, make_scene, make_snapshot


def texts(rows: list[Row]) -> list[str]:
    """Rows as text."""
    return ["".join(text for _, text in row) for row in rows]


def test_requests_without_a_model_have_a_row() -> None:
    """What was refused, or asked for by a name that nobody knows, is missing in no table; without it there is none."""
    snapshot = make_snapshot()
    refused = ModelWindow(25, 0.5, 24, Tokens(None, None), Latency(25, 12.0, 40.0, 80.0))
    unattributed = msgspec.structs.replace(snapshot.unattributed, window=refused)
    scene = make_scene(snapshot=msgspec.structs.replace(snapshot, unattributed=unattributed))
    assert NO_MODEL in MODELS.names(scene)
    assert NO_MODEL not in MODELS.names(make_scene())
    shown = next(row for row in texts(models(Rect(0, 0, 80, 9), scene)) if NO_MODEL in row)
    assert shown.split()[1:-1] == ["(no", "model)", "25", "0.5/s", "96%", "12ms", "40ms", "80ms", "–", "–", "0"]


@pytest.mark.parametrize(("height", "title"), [(12, " 2 ╮"), (5, " 2 ╮"), (4, " 2  1 shown ╮")])
def test_workers_that_have_no_row_are_counted(height: int, title: str) -> None:
    """Where there is no room for all of them the title says how many there are and how many of them stand there."""
    assert texts(workers(Rect(0, 0, 40, height), make_scene()))[0].endswith(title)


def test_failures_alone_are_no_reason_to_ask_for_a_first_request() -> None:
    """Where every request failed the models panel has their row, not the advice for a new gateway."""
    new = make_new_snapshot()
    failed = msgspec.structs.replace(new.unattributed, window=msgspec.structs.replace(NOTHING, finished=60, errors=60))
    scene = make_scene(snapshot=msgspec.structs.replace(new, unattributed=failed))
    shown = "".join(texts(models(Rect(0, 0, 90, 8), scene)))
    assert "no requests yet" not in shown
    assert NO_MODEL in shown


@pytest.mark.parametrize("width", [80, 44])
def test_long_names_of_a_table_can_be_told_apart(width: int) -> None:
    """Models that differ only within their names have rows that differ in what is shown of the names."""
    snapshot = make_snapshot()
    names = [f"accounts/research-department/{region}/claude-sonnet-4-5-20250929" for region in ("eu", "us", "ap")]
    long = [msgspec.structs.replace(model, name=name) for model, name in zip(snapshot.models, names, strict=False)]
    rows = texts(models(Rect(0, 0, width, 9), make_scene(snapshot=msgspec.structs.replace(snapshot, models=long))))
    assert {len(row) for row in rows} == {width}
    assert sorted(row.partition("/")[2][:2] for row in rows if "/" in row) == ["ap", "eu", "us"]
