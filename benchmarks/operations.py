"""Every operation beside the first plan and apply, each at several numbers of runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import Harness
from benchmarks.layouts import BY_NAME, Runs, usual_seats
from benchmarks.measure import Sample
from benchmarks.project import Project

SUPERLINEAR = 1.15
NOTICEABLE_S = 0.3
"""Below that an exponent is noise."""

APPLY = ("apply", "--yes", "--allow-retrigger", "--allow-cancel")
ONE = "wave-0/tenant-{middle}"
ENVIRONMENTS = "  environments:\n" + "".join(f"    e{n:02}: {{vars: {{n: {n}}}}}\n" for n in range(50))
MOVED = "  moved: [{from: before, to: wave-0}]\n"

Change = Callable[[Runs], Runs]


def _middle(runs: Runs) -> int:
    return len(runs.numbers) // 2


def _as_declared(runs: Runs) -> Runs:
    return runs


def _one_edited(runs: Runs) -> Runs:
    return runs.edited({_middle(runs): 1000})


def _fifth_edited(runs: Runs) -> Runs:
    return replace(runs, seats=lambda n: 1000 + n if n % 5 == 0 else usual_seats(n))


def _fifth_in_1000_ways(runs: Runs) -> Runs:
    """From a hundred numbers of seats to ten others each."""
    return replace(runs, seats=lambda n: 1000 + n // 500 % 10 if n % 5 == 0 else usual_seats(n))


def _all_edited(runs: Runs) -> Runs:
    return replace(runs, seats=lambda n: 1000 + usual_seats(n))


def _one_added(runs: Runs) -> Runs:
    return replace(runs, numbers=range(len(runs.numbers) + 1))


def _one_removed(runs: Runs) -> Runs:
    return replace(runs, without=frozenset({_middle(runs)}))


def _one_renamed(runs: Runs) -> Runs:
    return replace(runs, renamed={_middle(runs): "tenant-renamed"})


def _other_retries(runs: Runs) -> Runs:
    return replace(runs, retries=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A command line, and what comes before it, outside of the clock.

    `layout`: of the manifests. `applied`: whether they were applied. `change`: to them, after that. `before`: command
    lines, ahead of every start. `lost`: whether the state is then thrown away. `share`: of the runs, for what isn't
    about all. `state`: of the runs on the server. `most_s`, `most_mib`: what is wanted at 100,000 runs.
    """

    name: str
    command: tuple[str, ...]
    layout: str = "corpus"
    applied: bool = True
    change: Change = _as_declared
    before: tuple[tuple[str, ...], ...] = ()
    lost: bool = False
    share: float = 1.0
    more: str = ""
    state: str = "RUN_STARTED"
    sends: int | float = 0  # runs, or the share of all runs
    most_s: float | str | None = None  # CPU; or that of the operation of this name
    most_mib: float | None = None
    most_bytes: int | None = None  # of output


COLD, COLD_ROWS, COLD_JSON = "cold plan", "cold plan, CSV rows", "cold plan, JSON Lines rows"

OPERATIONS = (
    Operation(name=COLD, command=("plan",), applied=False),
    Operation(name=COLD_ROWS, command=("plan",), applied=False, layout="CSV rows"),
    Operation(name=COLD_JSON, command=("plan",), applied=False, layout="JSON Lines rows"),
    Operation(
        name="cold plan, files of ten",
        command=("plan",),
        applied=False,
        layout="files of ten",
        most_s=12,
        most_bytes=5_000,
    ),
    Operation(name="validate", command=("validate",), applied=False, most_s=COLD),
    Operation(name="no-op plan", command=("plan",), most_s=0.3),
    Operation(name="no-op apply", command=APPLY, most_s=0.3),
    Operation(name="no-op plan, a moved entry", command=("plan",), more=MOVED, most_s=0.3),
    Operation(name="plan, other retries", command=("plan",), change=_other_retries, most_s=8, most_mib=150),
    Operation(name="apply, other retries", command=APPLY, change=_other_retries, most_s=8, most_mib=150),
    Operation(name="plan, one edited", command=("plan",), change=_one_edited, most_s=COLD),
    Operation(
        name="plan, one edited, CSV rows", command=("plan",), layout="CSV rows", change=_one_edited, most_s=COLD_ROWS
    ),
    Operation(
        name="plan, one edited, JSON Lines rows",
        command=("plan",),
        layout="JSON Lines rows",
        change=_one_edited,
        most_s=COLD_JSON,
    ),
    Operation(
        name="plan, one edited, files of ten",
        command=("plan",),
        layout="files of ten",
        change=_one_edited,
        most_s=COLD,
    ),
    Operation(name="plan again, one edited", command=("plan",), change=_one_edited, before=(("plan",),), most_s=1.5),
    Operation(name="apply, one edited", command=APPLY, change=_one_edited, sends=1, most_s=COLD, most_mib=150),
    Operation(name="plan, one added", command=("plan",), change=_one_added, most_s=COLD),
    Operation(name="plan, one removed", command=("plan",), change=_one_removed, most_s=COLD),
    Operation(name="plan, one renamed", command=("plan",), change=_one_renamed, most_s=COLD),
    Operation(name="plan, a fifth edited", command=("plan",), change=_fifth_edited, most_s=6),
    Operation(
        name="plan, a fifth edited in 1,000 ways",
        command=("plan",),
        change=_fifth_in_1000_ways,
        most_s=6,
        most_bytes=5_000,
    ),
    Operation(name="plan, all edited", command=("plan",), change=_all_edited, most_s=15),
    Operation(name="plan as JSON, all edited", command=("plan", "--output", "json"), change=_all_edited, most_s=15),
    Operation(
        name="validate, 50 environments, a tenth of the runs",
        command=("validate",),
        applied=False,
        more=ENVIRONMENTS,
        share=0.1,
        most_s=10,
        most_mib=100,
    ),
    Operation(name="render, all", command=("render", "manifests/wave-0.yaml"), applied=False, most_s=8),
    Operation(name="render, one", command=("render", "manifests/wave-0.yaml", ONE), most_s=0.4),
    Operation(
        name="cancel a fifth",
        command=("cancel", "--yes", "--allow-cancel", "*0", "*5"),
        most_s=5,
        most_mib=150,
    ),
    Operation(
        name="restart a fifth",
        command=("restart", "--yes", "--allow-retrigger", "*0", "*5"),
        sends=0.2,
        state="RUN_FAILED",
        most_s=5,
        most_mib=150,
    ),
    Operation(
        name="resume a fiftieth",
        command=("resume", "--yes", "--allow-retrigger", "*00", "*50"),
        sends=0.02,
        state="RUN_FAILED",
        most_s=2,
    ),
    Operation(name="plan, state lost", command=("plan",), lost=True, most_s=6, most_mib=200),
    Operation(name="apply, state lost", command=APPLY, lost=True, most_s=6, most_mib=200),
    Operation(name="adopt all", command=("adopt", "--yes"), applied=False, most_s=5, most_mib=150),
    Operation(name="refresh", command=("refresh",)),
    Operation(name="status, one", command=("status", ONE), most_s=0.3),
    Operation(name="state list, one", command=("state", "list", ONE), most_s=0.3),
    Operation(name="history, one", command=("history", ONE), most_s=0.3),
    Operation(name="state show, one", command=("state", "show", ONE), most_s=0.3),
    Operation(name="state mv, one", command=("state", "mv", ONE, "wave-0/elsewhere"), most_s=0.3),
    Operation(name="state rm, one", command=("state", "rm", ONE, "--yes"), most_s=0.3),
    Operation(name="state export", command=("state", "export"), most_s=3),
    Operation(
        name="state import",
        command=("state", "import", "before.txt"),
        before=(("state", "export"),),
        lost=True,
        most_s=4,
    ),
)


def measure(
    harness: Harness, folder: Path, size: int, operations: Sequence[Operation]
) -> Iterator[tuple[Operation, list[Sample]]]:
    """The samples of each operation. What was applied is kept by layout, and taken anew ahead of every start."""
    applied: Project | None = None
    for operation in sorted(operations, key=lambda operation: operation.layout):
        runs = Runs(numbers=range(max(1, int(size * operation.share))))
        layout = BY_NAME[operation.layout]
        project = Project(folder / "new", layout)
        if operation.applied:
            if applied is None or applied.layout is not layout:
                applied = Project(folder / layout.name, layout).write(runs)
                harness.sink.forget(applied.account)
                harness.ours(applied, *APPLY, triggers=size)
                harness.ours(applied, "plan")
                applied.save()
            project = applied
        once = functools.partial(_once, harness, project, operation, runs)
        rounds = harness.rounds(f"{operation.name}, {size:,} runs", once)
        samples = [sample for one in rounds for sample in one.values()]
        if samples:
            yield operation, samples


def _once(harness: Harness, project: Project, operation: Operation, runs: Runs) -> Mapping[str, Sample]:
    project.write(operation.change(runs), operation.more)
    if operation.applied:
        project.restore()
        harness.sink.show(project.account, len(runs.numbers), operation.state)
    else:
        project.forget()
        harness.sink.show(project.account, 0, operation.state)
    for command in operation.before:
        harness.ours(project, *command)
        (project.root / "output.txt").replace(project.root / "before.txt")
    if operation.lost:
        project.forget()
    words = (word.format(middle=f"{_middle(runs):07}") for word in operation.command)
    sends = operation.sends if isinstance(operation.sends, int) else round(operation.sends * len(runs.numbers))
    return {operation.name: harness.ours(project, *words, triggers=sends)}


Figures = Mapping[tuple[str, int], Sequence[Sample]]
"""Samples by operation and size."""


def exponent(figures: Figures, name: str, sizes: Sequence[int]) -> float | None:
    """By which power of the number of runs the processor time grows, between the two largest sizes.

    What the smallest size of three takes is taken off first, nearly all of it being start-up, which would hide how the
    rest grows.
    """
    known = [(size, _cpu_s(figures[name, size])) for size in sorted(sizes) if (name, size) in figures]
    if len(known) < 2:
        return None
    (small, small_s), (large, large_s) = known[-2:]
    few, few_s = known[-3] if len(known) > 2 else (0, 0.0)
    if small_s - few_s < NOTICEABLE_S:
        few, few_s = 0, 0.0
    growth = max(large_s - few_s, 0.001) / (small_s - few_s)
    return math.log(growth) / math.log((large - few) / (small - few))


def table(figures: Figures, sizes: Sequence[int]) -> str:
    """A Markdown table: a line an operation."""
    columns = [f"CPU s, {size:,}" for size in sizes]
    columns += ["wall s", "peak MiB", "output bytes", "exponent", "wanted"]
    lines = [f"| operation | {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1) + "---|"]
    for operation in OPERATIONS:
        found = [figures.get((operation.name, size)) for size in sizes]
        last = next((samples for samples in reversed(found) if samples), None)
        if last is None:
            continue
        power = exponent(figures, operation.name, sizes)
        cells = [
            operation.name,
            *(f"{_cpu_s(samples):.2f}" if samples else "–" for samples in found),
            f"{median(sample.wall_s for sample in last):.2f}",
            f"{_peak_mib(last):.0f}",
            f"{last[-1].output_bytes:,}",
            "–" if power is None else f"{power:.2f}",
            ": ".join(filter(None, (_wanted(operation), ", ".join(_missed(operation, figures, sizes))))) or "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _wanted(operation: Operation) -> str:
    time = operation.most_s if isinstance(operation.most_s, str) else f"{operation.most_s} s"
    parts = [time] if operation.most_s is not None else []
    parts += [f"{operation.most_mib:.0f} MiB"] if operation.most_mib is not None else []
    parts += [f"{operation.most_bytes:,} B"] if operation.most_bytes is not None else []
    return ", ".join(parts)


def _missed(operation: Operation, figures: Figures, sizes: Sequence[int]) -> Iterator[str]:
    power = exponent(figures, operation.name, sizes)
    largest = max(sizes)
    samples = figures.get((operation.name, largest))
    if samples is None:
        return
    if power is not None and power > SUPERLINEAR and _cpu_s(samples) > NOTICEABLE_S:
        yield "**superlinear**"
    if isinstance(operation.most_s, str):
        other = figures.get((operation.most_s, largest))
        if other is not None and _cpu_s(samples) > 1.1 * _cpu_s(other):
            yield "**slow**"
    elif operation.most_s is not None and _cpu_s(samples) > operation.most_s:
        yield "**slow**"
    if operation.most_mib is not None and _peak_mib(samples) > operation.most_mib:
        yield "**large**"
    if operation.most_bytes is not None and samples[-1].output_bytes > operation.most_bytes:
        yield "**long**"


def _cpu_s(samples: Sequence[Sample]) -> float:
    return median(sample.cpu_s for sample in samples)


def _peak_mib(samples: Sequence[Sample]) -> float:
    return max(sample.peak_kib for sample in samples) / 1024


def data(figures: Figures, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            "operation": name,
            "runs": size,
            "cpu_s": _cpu_s(samples),
            "wall_s": median(sample.wall_s for sample in samples),
            "peak_mib": _peak_mib(samples),
            "exponent": exponent(figures, name, sizes),
            "samples": [sample.data() for sample in samples],
        }
        for (name, size), samples in figures.items()
    ]
