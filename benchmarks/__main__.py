"""`python -m benchmarks`: measure, print, write JSON (and, with `--docs`, tables and plot of docs/performance.md)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks import corpus, javascript, machine, page, results, sinks
from benchmarks.limits import Limits
from benchmarks.measure import Sample, TooSlow, run
from benchmarks.works import ON_CORPUS, ON_ROWS, WORKS, Peer, Work, of_sending, of_start_up, on_corpus, on_rows

ROOT = Path(__file__).resolve().parents[1]


def numbers(text: str) -> tuple[int, ...]:
    """`1000,10000` as numbers."""
    return tuple(int(part) for part in text.split(",") if part)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    unknown = set(options.works) - set(WORKS)
    if unknown:
        sys.exit(f"no such work: {', '.join(unknown)}; there are {', '.join(WORKS)}")
    found: list[results.Row] = []
    busy = machine.load()
    limits = Limits(total_s=60 * options.minutes, longest_s=options.longest, budget_s=options.budget)
    with tempfile.TemporaryDirectory(prefix="wfdeploy-benchmark-") as folder:
        for work, sink in _works(options, Path(folder)):
            told = _measure(work, sink, Path(folder), options, limits)
            lines = (results.start_up_table if work.small else results.table)(told).splitlines()
            print("\n".join(lines[2 if found else 0 :]), flush=True)
            found.extend(told)
    for words in limits.left_out:
        print("left out:", words)
    measured = {
        "machine": machine.describe() | javascript.versions(),
        "load": [busy, machine.load()],
        "rows": [row.data() for row in found],
        "left_out": limits.left_out,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        page.write([measured])
    return 0


def _works(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Work, sinks.RunningSink]]:
    with ExitStack() as stack:
        sink = stack.enter_context(sinks.running(0))
        if "start-up" in options.works:
            small = corpus.write(folder / "ten", 10)
            for work in of_start_up(small, sink.url):
                yield work, sink
        if "sending" in options.works:
            sdk = javascript.sending(folder / "javascript") if options.javascript else None
            for latency_ms in options.latencies:
                slow = sink if latency_ms == 0 else stack.enter_context(sinks.running(latency_ms))
                for size in options.sizes:
                    yield of_sending(size, latency_ms, slow.url, sdk), slow
        for size in options.sizes:
            if set(ON_CORPUS) & set(options.works):
                project = corpus.write(folder / str(size), size, options.runs_per_file)
                for work in on_corpus(project, sink.url, options.works):
                    yield work, sink
            if set(ON_ROWS) & set(options.works):
                rows = corpus.write_rows(folder / f"rows-{size}", size)
                for work in on_rows(rows, sink.url, options.works):
                    yield work, sink


def _measure(
    work: Work, sink: sinks.RunningSink, folder: Path, options: argparse.Namespace, limits: Limits
) -> list[results.Row]:
    """Every peer in turn, again and again, so that a busy minute hits all of them. A peer that has used up its time
    sits the rest out."""
    cwd = work.folder or folder
    environ = _environ(options)
    peers = [peer for peer in work.peers if limits.allow(work, peer)]
    if not peers or peers[0] is not work.peers[0]:
        return []
    for peer in peers:
        if peer.prepare:
            run(peer.prepare, cwd=cwd, environ=environ, timeout_s=limits.preparing_s)
    repeat = options.start_up_repeat if work.small else options.repeat
    measured: dict[str, list[Sample]] = {peer.name: [] for peer in peers}
    for _ in range(repeat):
        for peer in peers:
            if not limits.again(work, peer):
                continue
            began = time.perf_counter()
            try:
                measured[peer.name].append(_once(peer, sink, cwd, environ, limits.longest_s))
            except TooSlow:
                limits.leave_out(work, peer, f"not done after {limits.longest_s:.0f} s")
            limits.spent(work, peer, time.perf_counter() - began)
    return results.rows(work.name, work.size, work.latency_ms, {name: told for name, told in measured.items() if told})


def _once(peer: Peer, sink: sinks.RunningSink, cwd: Path, environ: Mapping[str, str], longest_s: float) -> Sample:
    peer.before()
    before = sink.taken() if peer.runs else 0
    sample = run(peer.command, cwd=cwd, environ=environ, timeout_s=longest_s, tells=peer.tells)
    if peer.runs and (got := sink.taken() - before) != peer.runs:
        raise RuntimeError(f"{peer.name} sent {got} runs, not {peer.runs}: {' '.join(peer.command)}")
    return sample


def _environ(options: argparse.Namespace) -> dict[str, str]:
    """A bare environment: no variable of the user's changes what is measured."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    return {**kept, "PYTHONPATH": str(options.package), "QSTASH_TOKEN": "benchmark", "NO_COLOR": "1"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--sizes", type=numbers, default=(1000, 10_000, 100_000, 1_000_000), help="runs, comma-separated"
    )
    parser.add_argument("--works", type=lambda text: tuple(text.split(",")), default=WORKS, help=", ".join(WORKS))
    parser.add_argument("--latencies", type=numbers, default=(0, 30), help="of the sink, in ms, for sending alone")
    parser.add_argument("--repeat", type=int, default=5, help="starts of each peer at each work, at most")
    parser.add_argument("--start-up-repeat", type=int, default=15, help="the same for start-up")
    parser.add_argument("--budget", type=float, default=40.0, help="seconds for one peer at one work (once at least)")
    parser.add_argument("--longest", type=float, default=240.0, help="seconds after which one start is given up")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="nothing is begun after that long; what is left out is named"
    )
    parser.add_argument("--no-javascript", dest="javascript", action="store_false", help="without the JavaScript SDK")
    parser.add_argument("--runs-per-file", type=int, default=100_000, help="how the manifests are cut")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "latest.json")
    parser.add_argument("--docs", action="store_true", help="write tables and plot of docs/performance.md")
    parser.add_argument("--package", type=Path, default=ROOT, help="where wfdeploy is imported from, to compare trees")
    return parser


if __name__ == "__main__":
    sys.exit(main())
