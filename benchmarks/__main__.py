"""`python -m benchmarks WHAT`: measure whole processes; print tables, write JSON and, with `--docs`, the page."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import figures, goals, javascript, machine, operations, page, sending, shared, sinks
from benchmarks.harness import ROOT, Harness, Limits, Round
from benchmarks.layouts import LAYOUTS
from benchmarks.measure import Sample

RESULTS = ROOT / "benchmarks" / "results"
ROWS_PER_RUN = 10
"""Of the data file with very many rows: a million, where the others have 100,000 runs."""


@dataclass(frozen=True, slots=True)
class Report:
    """`data`: what was measured. `tables`: for people, by their place in the page. `left_out`: and why."""

    data: dict[str, Any]
    tables: dict[str, str]
    left_out: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments, argparse.Namespace(began=time.monotonic()))
    busy = machine.load()
    with tempfile.TemporaryDirectory(prefix="wfdeploy-benchmark-") as folder:
        report: Report = options.measure(options, Path(folder))
    described = machine.describe() | (javascript.versions() if options.what == "sending" else {})
    data = {"machine": described, "load": [busy, machine.load()], "left_out": report.left_out, **report.data}
    file: Path = options.json or RESULTS / f"{options.what}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    machine_line = page.machine_line(described, (busy, machine.load()))
    left_out = [f"- left out: {one}" for one in report.left_out]
    tables = {
        **report.tables,
        f"{options.what}-machine": "\n".join([machine_line, *(["", *left_out] if left_out else [])]),
    }
    for name, text in tables.items():
        print(f"\n{text}")
        if options.docs:
            page.put(name, text)
    return 1 if left_out else 0


def layouts(options: argparse.Namespace, folder: Path) -> Report:
    """Compare with the naive script, and with ourselves, for every layout."""
    chosen = [layout for layout in LAYOUTS if layout.name in options.layouts]
    measured: dict[tuple[str, str], list[Round]] = {}

    def took(layout: str, figure: str, rounds: list[Round]) -> None:
        measured[layout, figure] = rounds
        print("\n".join(goals.sample_lines({(layout, figure): rounds})), flush=True)

    with sinks.running() as sink:
        harness = _harness(options, sink)
        for layout in chosen:
            with figures.case(harness, folder / "case", layout, options.runs, options.added) as case:
                for figure in figures.FIGURES:
                    if figure in options.only:
                        took(layout.name, figure, list(case.figure(figure)))
        if figures.START_UP in options.only:
            took("", figures.START_UP, list(figures.start_up(harness, folder)))
        if figures.MANY_ROWS in options.only:
            took("", figures.MANY_ROWS, list(figures.many_rows(harness, folder, ROWS_PER_RUN * options.runs)))
    tables = {
        "headline": goals.headline(measured, options.runs),
        "goals": goals.goal_table(measured, options.runs),
        "layouts": goals.layout_table(measured, options.runs),
    }
    return Report({"runs": options.runs, **goals.data(measured, options.runs)}, tables, harness.left_out)


def all_operations(options: argparse.Namespace, folder: Path) -> Report:
    """Measure every operation at several numbers of runs."""
    chosen = [one for one in operations.OPERATIONS if one.name in options.only]
    found: dict[tuple[str, int], list[Sample]] = {}
    left_out: list[str] = []
    for size in options.sizes:
        with sinks.running() as sink:
            harness = _harness(options, sink)
            for operation, samples in operations.measure(harness, folder / str(size), size, chosen):
                found[operation.name, size] = samples
                print(f"{size:,} runs: {operation.name}, {samples[0].cpu_s:.2f} s", flush=True)
            left_out += harness.left_out
    table = operations.table(found, options.sizes)
    return Report({"operations": operations.data(found, options.sizes)}, {"operations": table}, left_out)


def all_sending(options: argparse.Namespace, folder: Path) -> Report:
    """Send runs from memory, beside the official SDK and raw sockets."""
    sdk = javascript.sending(folder / "javascript") if options.javascript else None
    rows = list(sending.measure(folder, options.sizes, options.latencies, sdk, repeat=options.repeat))
    return Report({"sending": [row.data() for row in rows]}, {"sending": sending.table(rows)})


def sharing(options: argparse.Namespace, folder: Path) -> Report:
    """Compare a shared state with a local file. All of it takes less than ten minutes on an idle machine: `shared
    --minutes 10 --docs`. One case takes seconds: `shared --runs 10000 --stores s3 --delays 25 --only apply`."""
    rows: list[shared.Row] = []
    with sinks.running() as sink:
        harness = _harness(options, sink)
        for row in shared.measure(harness, folder, options.runs, options.stores, options.delays, options.only):
            rows.append(row)
            print(f"{row.store}, {row.delay_ms} ms, {row.work}: {row.speeds}", flush=True)
    tables = {"shared": f"{shared.headline(rows, options.runs)}\n\n{shared.table(rows, options.runs)}"}
    return Report({"runs": options.runs, "shared": [row.data() for row in rows]}, tables, harness.left_out)


def _harness(options: argparse.Namespace, sink: sinks.RunningSink) -> Harness:
    limits = Limits(
        repeat=options.repeat,
        budget_s=options.budget,
        longest_s=options.longest,
        ends_at=options.began + 60 * options.minutes,
    )
    return Harness(sink, limits, options.package)


def numbers(text: str) -> tuple[int, ...]:
    """`1000,10000` as numbers."""
    return tuple(int(part) for part in text.split(",") if part)


class _Names(argparse.Action):
    """Names out of a few, or a part of each; all of them without the option."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        known: Sequence[str] = getattr(namespace, self.dest)
        found: list[str] = []
        for word in values:
            match = [name for name in known if name == word] or [name for name in known if word in name]
            if not match:
                parser.error(f"{option}: there is no {word!r}, but {', '.join(map(repr, known))}")
            found += match
        setattr(namespace, self.dest, found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)

    def command(name: str, measure: Any, repeat: int) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=measure.__doc__, description=measure.__doc__)
        one.set_defaults(measure=measure)
        one.add_argument("--repeat", type=int, default=repeat, help="rounds, of which the median counts (%(default)s)")
        one.add_argument("--json", type=Path, help=f"where to write what was measured (benchmarks/results/{name}.json)")
        one.add_argument("--docs", action="store_true", help="write the tables of docs/performance.md")
        return one

    def bounded(one: argparse.ArgumentParser) -> None:
        one.add_argument("--budget", type=float, default=600.0, help="seconds for the rounds of a figure, one at least")
        one.add_argument("--longest", type=float, default=900.0, help="seconds after which a process is given up")
        one.add_argument("--minutes", type=float, default=float("inf"), help="after that no figure is begun")
        one.add_argument("--package", type=Path, default=ROOT, help="where wfdeploy is imported from, to compare trees")

    names = "names, or parts of them"
    one = command("layouts", layouts, 5)
    bounded(one)
    one.add_argument("--runs", type=int, default=100_000)
    one.add_argument("--added", type=int, help="by the second apply (a fifth)")
    one.add_argument("--layouts", action=_Names, nargs="+", default=[layout.name for layout in LAYOUTS], help=names)
    every = [*figures.FIGURES, figures.START_UP, figures.MANY_ROWS]
    one.add_argument("--only", action=_Names, nargs="+", default=every, help=f"{', '.join(every)}: {names}")
    one = command("operations", all_operations, 1)
    bounded(one)
    one.add_argument("--sizes", type=numbers, default=(1_000, 10_000, 100_000), help="runs, comma-separated")
    one.add_argument(
        "--only", action=_Names, nargs="+", default=[one.name for one in operations.OPERATIONS], help=names
    )
    one = command("sending", all_sending, 5)
    one.add_argument("--sizes", type=numbers, default=(10_000, 100_000), help="runs, comma-separated")
    one.add_argument("--latencies", type=numbers, default=(0, 30), help="of the sink, in ms")
    one.add_argument("--no-javascript", dest="javascript", action="store_false", help="without the JavaScript SDK")
    one = command("shared", sharing, 3)
    bounded(one)
    one.add_argument("--runs", type=int, default=100_000)
    one.add_argument("--delays", type=numbers, default=tuple(shared.NEEDED), help="round trips, ms, comma-separated")
    one.add_argument("--stores", action=_Names, nargs="+", default=list(shared.STORES), help=", ".join(shared.STORES))
    one.add_argument("--only", action=_Names, nargs="+", default=list(shared.WORKS), help=", ".join(shared.WORKS))
    return parser


if __name__ == "__main__":
    sys.exit(main())
