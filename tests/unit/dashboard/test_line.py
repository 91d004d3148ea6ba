"""The one line for a status bar."""

import subprocess
import sys

import msgspec

from gateway.dashboard.line import render_line
from gateway.metrics.snapshot import Latency
from tests.support.dashboard_scene import make_snapshot


def test_line_has_the_main_figures() -> None:
    """One line of ASCII-clean columns without colour."""
    assert render_line(make_snapshot()) == (
        "active 44  45.4/s  p50 640ms p95 3.1s p99 9.4s  errors 52 of 12,074  tokens 15.2M in 3.2M out  cpu 39%  "
        "mem 412M  2 workers"
    )


def test_no_data_is_a_dash() -> None:
    """Where nothing was measured there is a dash and no zero."""
    snapshot = make_snapshot()
    window = msgspec.structs.replace(snapshot.window, requests_per_second=None, latency_ms=Latency(0, None, None, None))
    line = render_line(msgspec.structs.replace(snapshot, window=window, workers=[]))
    assert "active 44  –  p50 – p95 – p99 –" in line
    assert "cpu –  mem –  0 workers" in line


def test_gateway_that_does_not_run_is_told_first() -> None:
    """A bar that is too short for all of it still says so."""
    snapshot = make_snapshot()
    for state in ("stopped", "suspended"):
        instance = msgspec.structs.replace(snapshot.instance, state=state)
        line = render_line(msgspec.structs.replace(snapshot, instance=instance))
        assert line.startswith(f"gateway {state}  active 44  ")


def test_figures_that_are_no_real_ones_are_told_first() -> None:
    """Nobody takes a demo for the gateway of others."""
    snapshot = make_snapshot()
    instance = msgspec.structs.replace(snapshot.instance, label="synthetic traffic")
    assert render_line(msgspec.structs.replace(snapshot, instance=instance)).startswith(
        "synthetic traffic  active 44  "
    )


def test_line_does_not_need_the_screen_library() -> None:
    """A status bar that runs every few seconds does not pay for pytermgui."""
    code = "import sys, gateway.dashboard.line; sys.exit('pytermgui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
