"""The curves of docs/performance.md: seconds over runs, and runs a second where only sending is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import Row

PLOT = Path(__file__).resolve().parents[1] / "docs" / "performance.svg"


def draw(rows: Sequence[Row], file: Path = PLOT) -> None:
    """One panel a work, one line a peer, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "wfdeploy", "svg.fonttype": "none", "font.size": 8}
    from matplotlib import pyplot

    titles = list(dict.fromkeys(row.title for row in rows))
    wide = min(len(titles), 3)
    high = -(-len(titles) // wide)
    figure, axes = pyplot.subplots(high, wide, figsize=(3.6 * wide, 3.0 * high), squeeze=False, layout="constrained")
    panels = axes.flatten()
    for panel in panels[len(titles) :]:
        panel.remove()
    for panel, title in zip(panels, titles, strict=False):
        shown = [row for row in rows if row.title == title]
        rate = shown[0].work == "sending"
        for peer in dict.fromkeys(row.peer for row in shown):
            points = [row for row in shown if row.peer == peer]
            middle = [row.runs / row.median_s if rate else row.median_s for row in points]
            panel.plot([row.runs for row in points], middle, marker="o", markersize=3, label=peer)
        panel.set(title=title, xscale="log", yscale="log", xlabel="runs", ylabel="runs a second" if rate else "seconds")
        panel.grid(visible=True, which="major", linewidth=0.3)
        panel.legend(fontsize=6, frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
