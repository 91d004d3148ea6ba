"""The pictures that the README shows, as SVG: CPU per request on a logarithmic scale, and added latency."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import CPU_CONNECTIONS
from benchmarks.peers.summary import DASHBOARD, DIRECT, GATEWAY, Figure, Run, added, cases, figure, names

TITLES = {
    "plain": "plain answer, 1 KB prompt",
    "plain-100k": "plain answer, 100 KB prompt",
    "stream-36": "stream of 36 events",
    "stream-400": "stream of 400 events",
    "chat-to-messages": "OpenAI client, Anthropic provider",
    "chat-to-messages-stream": "the same, stream of 36 events",
    "messages-to-chat": "Anthropic client, OpenAI provider",
    "messages-to-chat-stream": "the same, stream of 36 events",
}
# A colour that reads on a light page and on a dark one, and a grey one for the others.
OURS, PEER, FLOOR, TEXT = "#2f81f7", "#8b949e", "#c9a227", "#7d8590"
FLOORS = ("nginx", "granian")
LABELS = {"granian": "bare Granian", "litellm": "LiteLLM", "portkey": "Portkey"}


def draw(run: Run, folder: Path) -> list[Path]:
    """Write the pictures and return their paths."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same run gives the same bytes, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    mpl.rcParams.update({"text.color": TEXT, "axes.labelcolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT})
    people = [name for name in names(run) if name not in (DIRECT, DASHBOARD)]
    found = {case: {name: figure(run, name, case, CPU_CONNECTIONS, "cpu_us") for name in people} for case in cases(run)}
    shown = [case for case in found if found[case][GATEWAY]]
    # Two cases in a row, which is as high as the fuller one needs.
    places = [
        max(sum(one is not None for one in found[case].values()) for case in shown[start : start + 2])
        for start in range(0, len(shown), 2)
    ]
    plot, axes = plt.subplots(
        len(places),
        2,
        figsize=(9, 0.3 + 0.4 * len(places) + 0.21 * sum(places)),
        squeeze=False,
        sharex=True,
        height_ratios=places,
    )
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for number, (case, axis) in enumerate(zip(shown, axes.flat, strict=False)):
        bars(axis, found[case], "{:,.0f}", least=10, places=places[number // 2])
        axis.set_title(TITLES.get(case, case), fontsize=9, color=TEXT, loc="left")
    plot.suptitle(
        "CPU per request of the whole process tree, µs (logarithmic, shorter is better)", fontsize=10, color=TEXT
    )
    written = [save(plot, folder / "peers-cpu.svg")]
    counts = [1, 16, 64]
    plot, row = plt.subplots(1, len(counts), figsize=(9, 2.2), sharex=True)
    for count, axis in zip(counts, row, strict=True):
        bars(
            axis,
            {name: added(run, name, "plain", count, "p50_ms") for name in people},
            "{:,.2f}",
            least=0.03,
            places=len(people),
        )
        axis.set_title(f"{count} connection{'s' * (count > 1)}", fontsize=9, color=TEXT, loc="left")
    plot.suptitle(
        "latency added to that of a direct call, median, ms (logarithmic, shorter is better)", fontsize=10, color=TEXT
    )
    written.append(save(plot, folder / "peers-latency.svg"))
    return written


def bars(axis: Any, found: Mapping[str, Figure | None], form: str, *, least: float, places: int) -> None:
    """Horizontal bars from `least` on, their values beside them, the shortest on top; as thick as if all were there."""
    known = sorted(((one.median, name) for name, one in found.items() if one), reverse=True)
    colors = [OURS if name == GATEWAY else FLOOR if name in FLOORS else PEER for _, name in known]
    labels = [LABELS.get(name, name) for _, name in known]
    drawn = axis.barh(labels, [max(value, least) - least for value, _ in known], left=least, color=colors, height=0.7)
    axis.bar_label(drawn, [form.format(value) for value, _ in known], padding=3, color=TEXT, fontsize=8)
    axis.set_xscale("log")
    axis.set_xlim(left=least, right=max(axis.get_xlim()[1], known[0][0] * 6))
    axis.set_ylim(len(known) - places - 0.5, len(known) - 0.5)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.spines["left"].set_color(TEXT)
    axis.tick_params(bottom=False, labelbottom=False, left=False, which="both")


def save(plot: Any, path: Path) -> Path:
    """Write a picture on a transparent ground, without a date."""
    plot.tight_layout()
    plot.savefig(path, transparent=True, metadata={"Date": None})
    return path
