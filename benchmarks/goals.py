"""What was asked for, beside what was measured: a Markdown table of ratios."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from benchmarks.results import Row
from benchmarks.works import FAST, NAIVE, OURS, RAW_8, SDK


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times ours a peer's time is to be (for raw sockets: how much of our time theirs is), at least and at
    best. `memory`: of the peak instead of the time."""

    work: str
    peer: str
    least: float
    aim: float
    latency_ms: int = 0
    memory: bool = False


RUNS = 100_000
GOALS = (
    Goal("no-op plan", NAIVE, 60, 120),
    Goal("no-op plan", FAST, 20, 40),
    Goal("cold plan", NAIVE, 8, 15),
    Goal("cold plan", FAST, 2.8, 5),
    Goal("cold plan", NAIVE, 3, 6, memory=True),
    Goal("cold apply", NAIVE, 30, 60),
    Goal("cold apply", FAST, 4, 8),
    Goal("sending", SDK, 5, 12),
    Goal("sending", SDK, 4, 12, latency_ms=30),
    Goal("sending", RAW_8, 0.1, 0.3),
)


def table(rows: Iterable[Row]) -> str:
    """One line for each goal that was measured at 100,000 runs."""
    found = {(row.work, row.latency_ms, row.peer): row for row in rows if row.runs == RUNS}
    lines = [
        f"| at {RUNS:,} runs | at least | aim | by the clock | by processor time |",
        "|---|---:|---:|---:|---:|",
    ]
    for goal in GOALS:
        ours = found.get((goal.work, goal.latency_ms, OURS))
        peer = found.get((goal.work, goal.latency_ms, goal.peer))
        if ours is None or peer is None:
            continue
        what = f"{ours.title}, {'peak memory, ' if goal.memory else ''}{goal.peer} over {OURS}"
        clock, cpu = _times(peer.times_ours), _times(peer.cpu_times_ours)
        if goal.memory:
            clock, cpu = _times(_peak(peer) / _peak(ours)), "–"
        lines.append(f"| {what} | {goal.least:g}x | {goal.aim:g}x | {clock} | {cpu} |")
    return "\n".join(lines)


def _times(value: float) -> str:
    return f"{value:.0f}x" if value >= 10 else f"{value:.2g}x"


def _peak(row: Row) -> float:
    return median(sample.peak_kib for sample in row.samples)
