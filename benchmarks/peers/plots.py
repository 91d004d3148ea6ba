"""The pictures that the README shows, as SVG: CPU per request on a logarithmic scale, and added latency."""

from pathlib import Path

from benchmarks.peers.cases import CPU_CONNECTIONS
from benchmarks.peers.summary import DASHBOARD, DIRECT, GATEWAY, Run, added, cases, figure, names

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


def draw(run: Run, folder: Path) -> list[Path]:
    """Write the pictures and return their paths."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    # The same run gives the same bytes, and text stays text.
    mpl.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9})
    mpl.rcParams.update({"text.color": TEXT, "axes.labelcolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT})
    people = [name for name in names(run) if name not in (DIRECT, DASHBOARD)]
    shown = [case for case in cases(run) if figure(run, GATEWAY, case, CPU_CONNECTIONS, "cpu_us")]
    rows = (len(shown) + 1) // 2
    plot, axes = plt.subplots(rows, 2, figsize=(9, 0.35 + 1.75 * rows), squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for case, axis in zip(shown, axes.flat, strict=False):
        found = [(name, figure(run, name, case, CPU_CONNECTIONS, "cpu_us")) for name in people]
        known = sorted(((name, one) for name, one in found if one), key=lambda pair: -pair[1].median)
        bars(axis, [name for name, _ in known], [one.median for _, one in known], "{:,.0f}")
        axis.set_title(TITLES.get(case, case), fontsize=9, color=TEXT, loc="left")
        axis.set_xscale("log")
        axis.set_xlim(right=axis.get_xlim()[1] * 4)
    plot.suptitle(
        "CPU per request of the whole process tree, µs, logarithmic (shorter is better)", fontsize=10, color=TEXT
    )
    written = [save(plot, folder / "peers-cpu.svg")]
    connections = [1, 16, 64]
    plot, row = plt.subplots(1, len(connections), figsize=(9, 2.3))
    for count, axis in zip(connections, row, strict=True):
        latencies = [(name, added(run, name, "plain", count, "p50_ms")) for name in people]
        known = sorted(((name, one) for name, one in latencies if one), key=lambda pair: -pair[1].median)
        bars(axis, [name for name, _ in known], [max(one.median, 0.01) for _, one in known], "{:,.2f}")
        axis.set_title(f"{count} connection{'s' * (count > 1)}", fontsize=9, color=TEXT, loc="left")
        axis.set_xscale("log")
        axis.set_xlim(right=axis.get_xlim()[1] * 4)
    plot.suptitle("latency added to that of a direct call, median, ms, logarithmic", fontsize=10, color=TEXT)
    written.append(save(plot, folder / "peers-latency.svg"))
    return written


def bars(axis: "object", labels: list[str], values: list[float], form: str) -> None:
    """Horizontal bars with their values beside them."""
    colors = [OURS if name == GATEWAY else FLOOR if name in FLOORS else PEER for name in labels]
    drawn = axis.barh(labels, values, color=colors, height=0.7)  # type: ignore[attr-defined]
    axis.bar_label(drawn, [form.format(value) for value in values], padding=3, color=TEXT, fontsize=8)  # type: ignore[attr-defined]
    axis.spines[["top", "right", "bottom", "left"]].set_visible(False)  # type: ignore[attr-defined]
    axis.tick_params(bottom=False, labelbottom=False, left=False, which="both")  # type: ignore[attr-defined]


def save(plot: "object", path: Path) -> Path:
    """Write a picture on a transparent ground, without a date."""
    plot.tight_layout()  # type: ignore[attr-defined]
    plot.savefig(path, transparent=True, metadata={"Date": None})  # type: ignore[attr-defined]
    return path
