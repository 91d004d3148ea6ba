"""The gateway as plain text."""

import msgspec

from gateway.dashboard.report import render_report
from gateway.metrics.snapshot import Latency, ModelWindow, Tokens
from tests.support.dashboard_scene import make_snapshot

EXPECTED = """\
gateway 0.3.0 at http://127.0.0.1:8000, pid 41000, up 2h14m, 2 workers, taken 2026-01-01T12:14:30Z
active 44, 45.4/s and 0.4/s errors in the last minute; tables over the last 15m00s

worker    pid  state  active  cpu  memory  requests
     0  41207  alive      25  21%    206M    24.1/s
     1  41208  alive      19  18%    206M    21.3/s

model            active  requests  errors    p50    p95    p99   tokens in  tokens out
claude-sonnet-4      21     1,204       4   1.1s   4.8s   9.2s   5,100,000     812,000
gpt-4.1-mini         14     9,931      11  410ms   1.2s   2.9s   8,000,000   2,100,000
gpt-4.1               7       812      37   1.9s   6.1s    12s   1,200,000     240,000
claude-opus-4         2        96       2   7.4s    22s    41s     903,000      77,000
echo                  0        31       0  2.1ms  4.2ms  4.2ms         372         372
all requests         44    12,074      52  640ms   3.1s   9.4s  15,200,000   3,210,000

outcome     window  lifetime
ok          11,982    11,982
cancelled       40        40
auth             2         2
validation       9         9
upstream        37        37
timeout          4         4
internal         0         0

tokens      window    lifetime
input   15,200,000  15,200,000
output   3,210,000   3,210,000"""


def test_every_figure_stands_in_a_column() -> None:
    """Header, workers, models, outcomes and tokens, aligned, without colours and without blanks at the ends."""
    assert render_report(make_snapshot()) == EXPECTED


def test_figures_that_are_no_real_ones_are_named_so() -> None:
    """The report of a demo begins with what it is of."""
    snapshot = make_snapshot()
    instance = msgspec.structs.replace(snapshot.instance, label="synthetic traffic")
    report = render_report(msgspec.structs.replace(snapshot, instance=instance))
    assert report.startswith("synthetic traffic 0.3.0 at http://127.0.0.1:8000, ")


def test_a_gateway_that_did_nothing_yet_has_dashes() -> None:
    """What was not measured is a dash and no zero, and tables without rows keep their headers."""
    snapshot = make_snapshot()
    window = msgspec.structs.replace(
        snapshot.window, coverage_s=None, requests_per_second=None, latency_ms=Latency(0, None, None, None)
    )
    report = render_report(msgspec.structs.replace(snapshot, window=window, workers=[], models=[]))
    assert ", 0 workers, " in report
    assert "active 44, – and 0.4/s errors in the last minute; tables over the last 0s" in report
    assert "\nworker  pid  state  active  cpu  memory  requests\n\nmodel " in report


def test_requests_without_a_model_have_a_row() -> None:
    """What no model can be blamed for is part of all requests, so it has a row; tokens that nobody told are a dash."""
    refused = ModelWindow(25, 0.5, 24, Tokens(None, None), Latency(25, 12.0, 40.0, 80.0))
    unattributed = msgspec.structs.replace(make_snapshot().unattributed, window=refused)
    report = render_report(msgspec.structs.replace(make_snapshot(), unattributed=unattributed))
    row = next(line for line in report.splitlines() if line.startswith("(no model)"))
    assert row.split()[2:] == ["0", "25", "24", "12ms", "40ms", "80ms", "–", "–"]


def test_names_cannot_move_a_column() -> None:
    """A model's name is as wide as a terminal draws it, and nothing in it reaches the terminal as a command."""
    snapshot = make_snapshot()
    names = ("模型", "\x1b[2Jevil\nname")
    models = [msgspec.structs.replace(model, name=name) for name, model in zip(names, snapshot.models, strict=False)]
    report = render_report(msgspec.structs.replace(snapshot, models=models))
    assert "模型              21     1,204" in report
    assert "·evil·name        14     9,931" in report
