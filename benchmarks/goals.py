"""What the figures are held to: at least, and what is aimed at, for the slowest layout of the varied set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.figures import (
    BARE,
    COLD,
    EDIT_APPLY,
    EDIT_PLAN,
    FIRST,
    MANY_ROWS,
    NAIVE,
    NOOP_APPLY,
    OURS,
    SECOND,
    START_UP,
    UNSAFE,
)
from benchmarks.harness import Round
from benchmarks.measure import Sample

Measured = Mapping[tuple[str, str], Sequence[Round]]
"""Rounds by layout and figure."""

Amount = Callable[[Sample], float]
Value = Callable[[Round, Amount], float]
"""From a round, by an amount: wall clock, processor time or memory."""


def wall(sample: Sample) -> float:
    return sample.wall_s


def cpu(sample: Sample) -> float:
    return sample.cpu_s


def peak(sample: Sample) -> float:
    return sample.peak_kib / 1024


BY: Mapping[Amount, str] = {wall: "clock", cpu: "CPU", peak: "memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`least` and `aim` by the clock; `by_cpu` where they differ by processor time. `higher`: whether more is better.
    `per_run`: the value is seconds, and shown in microseconds a run. `amounts`: what is compared. `only`, `but`: of
    which layout it is asked, and of which not."""

    title: str
    figure: str
    value: Value
    least: float
    aim: float
    by_cpu: tuple[float, float] | None = None
    unit: str = "x"
    higher: bool = False
    amounts: tuple[Amount, ...] = (wall, cpu)
    per_run: bool = False
    only: str | None = None
    but: tuple[str, ...] = ()

    def values(self, measured: Measured, amount: Amount, runs: int) -> dict[str, float]:
        """The median over the rounds, by layout; not where a peer is missing."""
        found = {}
        for (layout, figure), rounds in measured.items():
            if figure == self.figure and rounds and layout not in self.but and self.only in (None, layout):
                with suppress(KeyError):
                    value = median(self.value(one, amount) for one in rounds)
                    found[layout] = 1e6 * value / runs if self.per_run else value
        return found

    def limits(self, amount: Amount) -> tuple[float, float]:
        return self.by_cpu if self.by_cpu is not None and amount is cpu else (self.least, self.aim)

    def verdict(self, value: float, amount: Amount) -> str:
        least, aim = self.limits(amount)
        reached = [value >= limit if self.higher else value <= limit for limit in (least, aim)]
        return "aim" if reached[1] else "met" if reached[0] else "**missed**"


def ratio(above: str, below: str) -> Value:
    return lambda one, amount: amount(one[above]) / amount(one[below])


def more_ms(above: str, below: str) -> Value:
    return lambda one, amount: 1000 * (amount(one[above]) - amount(one[below]))


def ours_alone(one: Round, amount: Amount) -> float:
    """Where there is no naive script."""
    if NAIVE in one:
        raise KeyError(NAIVE)
    return amount(one[OURS])


FILES, OWN = "files of ten", "own destinations"
COLD_PLAN = "cold plan"

GOALS = (
    Goal(
        title="cold plan, naive over ours",
        figure=COLD_PLAN,
        value=ratio(NAIVE, OURS),
        least=5.5,
        aim=10,
        by_cpu=(5, 8),
        higher=True,
        but=(OWN,),
    ),
    Goal(
        title="cold plan of own destinations, naive over ours",
        figure=COLD_PLAN,
        value=ratio(NAIVE, OURS),
        least=3,
        aim=5,
        higher=True,
        only=OWN,
    ),
    Goal(
        title="cold apply, naive over ours",
        figure="cold apply",
        value=ratio(NAIVE, OURS),
        least=15,
        aim=30,
        higher=True,
    ),
    Goal(
        title="cold apply, naive and unsafe over ours",
        figure="cold apply",
        value=ratio(UNSAFE, OURS),
        least=1.6,
        aim=3,
        higher=True,
    ),
    Goal(
        title="plan after an edit of one run, of a cold plan",
        figure="edit",
        value=ratio(EDIT_PLAN, COLD),
        least=1.0,
        aim=0.5,
    ),
    Goal(
        title="apply of such an edit, of its plan",
        figure="edit",
        value=ratio(EDIT_APPLY, EDIT_PLAN),
        least=1.2,
        aim=1.0,
    ),
    Goal(
        title="second apply that adds runs, of a first apply of as many",
        figure="more runs",
        value=ratio(SECOND, FIRST),
        least=3,
        aim=1.5,
    ),
    Goal(
        title="no-op plan, naive over ours",
        figure="no-op plan",
        value=ratio(NAIVE, OURS),
        least=100,
        aim=200,
        higher=True,
        but=(FILES,),
    ),
    Goal(
        title="no-op plan of files of ten, naive over ours",
        figure="no-op plan",
        value=ratio(NAIVE, OURS),
        least=20,
        aim=30,
        higher=True,
        only=FILES,
    ),
    Goal(
        title="peak memory of a cold plan, naive over ours",
        figure=COLD_PLAN,
        value=ratio(NAIVE, OURS),
        least=5,
        aim=8,
        higher=True,
        amounts=(peak,),
    ),
    Goal(
        title="cold plan of a matrix",
        figure=COLD_PLAN,
        value=ours_alone,
        least=40,
        aim=22,
        by_cpu=(44, 28),
        unit=" µs/run",
        per_run=True,
    ),
    Goal(
        title="cold apply of a matrix",
        figure="cold apply",
        value=ours_alone,
        least=80,
        aim=43,
        unit=" µs/run",
        per_run=True,
    ),
    Goal(
        title="no-op plan of a matrix",
        figure="no-op plan",
        value=ours_alone,
        least=2.2,
        aim=1.1,
        unit=" µs/run",
        per_run=True,
    ),
    Goal(
        title="no-op plan of ten runs, over a bare interpreter",
        figure=START_UP,
        value=more_ms(OURS, BARE),
        least=80,
        aim=60,
        unit=" ms",
    ),
    Goal(
        title="no-op apply of ten runs, over their plan",
        figure=START_UP,
        value=more_ms(NOOP_APPLY, OURS),
        least=60,
        aim=30,
        unit=" ms",
    ),
    Goal(
        title="peak memory, no-op plan of ten times as many rows",
        figure=MANY_ROWS,
        value=lambda one, amount: amount(one[OURS]),
        least=150,
        aim=100,
        unit=" MiB",
        amounts=(peak,),
    ),
)
"""For 100,000 runs. Where each run has a destination of its own nothing is shared, so that layout is held to less.
Those of a matrix are what the others come to where the naive script takes 220 µs a run to plan, 1.6 ms to apply and
130 µs to apply unsafely, as it does of the corpus."""


def layout_table(measured: Measured, runs: int) -> str:
    """A Markdown table: the cold plan of each layout."""
    plans: dict[str, dict[Amount, str]] = {}
    for goal in GOALS:
        for amount in goal.amounts if goal.figure == COLD_PLAN else ():
            for layout, value in goal.values(measured, amount, runs).items():
                plans.setdefault(layout, {})[amount] = _number(value, goal.unit)
    if not plans:
        return "No cold plan was measured."
    lines = [
        f"| cold plan of {runs:,} runs, naive over ours | {' | '.join(BY.values())} |",
        "|---|" + "---:|" * len(BY),
    ]
    lines += [
        f"| {layout} | {' | '.join(plans[layout].get(amount, '–') for amount in BY)} |"
        for layout in dict.fromkeys(layout for layout, _ in measured if layout in plans)
    ]
    return "\n".join(lines)


def goal_table(measured: Measured, runs: int) -> str:
    """A Markdown table: each goal beside the slowest layout, and the others, unless `layout_table` has them."""
    lines = ["| figure | slowest | value | at least | aim | | others |", "|---|---|---:|---:|---:|---|---|"]
    for goal in GOALS:
        by_amount = {amount: values for amount in goal.amounts if (values := goal.values(measured, amount, runs))}
        if not by_amount:
            continue
        slowest = {
            amount: (min if goal.higher else max)(values, key=lambda layout: values[layout])
            for amount, values in by_amount.items()
        }
        limits = [goal.limits(amount) for amount in by_amount]
        layouts = dict.fromkeys(layout for values in by_amount.values() for layout in values)
        others = [
            f"{layout} {_once(_number(values[layout], goal.unit) for values in by_amount.values() if layout in values)}"
            for layout in layouts
            if goal.figure != COLD_PLAN and {layout} != set(slowest.values())
        ]
        cells = (
            goal.title,
            _once(slowest.values()),
            _once(_number(values[slowest[amount]], goal.unit) for amount, values in by_amount.items()),
            _once(_number(least, goal.unit) for least, _ in limits),
            _once(_number(aim, goal.unit) for _, aim in limits),
            _once(goal.verdict(values[slowest[amount]], amount) for amount, values in by_amount.items()),
            ", ".join(others),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _once(texts: Iterable[str]) -> str:
    """By clock and by CPU, where they differ."""
    return " / ".join(dict.fromkeys(texts))


def sample_lines(measured: Measured) -> Iterator[str]:
    """The medians themselves: a line for each process that was run."""
    for (layout, figure), rounds in measured.items():
        for name in rounds[0] if rounds else ():
            samples = [one[name] for one in rounds]
            by_cpu, by_clock = (median(map(amount, samples)) for amount in (cpu, wall))
            memory = max(map(peak, samples))
            yield (
                f"{layout or 'any'}, {figure}: {name}: CPU {by_cpu:.2f} s, wall {by_clock:.2f} s, {memory:.0f} MiB "
                f"(rounds: {len(rounds)})"
            )


def data(measured: Measured, runs: int) -> dict[str, Any]:
    """As JSON: each figure with its rounds, each goal with its value for each layout."""
    figures = [
        {
            "layout": layout,
            "figure": figure,
            "rounds": [{name: sample.data() for name, sample in one.items()} for one in rounds],
        }
        for (layout, figure), rounds in measured.items()
    ]
    values = [
        {"goal": goal.title, "layout": layout, "by": BY[amount], "value": value}
        | dict(zip(("least", "aim"), goal.limits(amount), strict=True))
        for goal in GOALS
        for amount in goal.amounts
        for layout, value in goal.values(measured, amount, runs).items()
    ]
    return {"figures": figures, "goals": values}


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 20 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def headline(measured: Measured, runs: int) -> str:
    """One sentence: the slowest layout of a cold plan."""
    by_clock, by_cpu = (GOALS[0].values(measured, amount, runs) for amount in (wall, cpu))
    if not by_clock:
        return "No cold plan was measured."
    layout = min(by_clock, key=lambda layout: by_clock[layout])
    return (
        f"The slowest layout of {len(by_clock)}, {layout}: a cold plan of {runs:,} runs takes the naive script "
        f"{by_clock[layout]:.1f} times as long, and {by_cpu[layout]:.1f} times the processor time."
    )
