"""Where the time goes: `python -m benchmarks.stages RUNS` runs a cold plan, a cold apply and a no-op plan, each in a
process of its own whose stages are timed from the inside, on one processor.

Figures are processor time, each stage without the stages that it calls. The journal writes in a thread of its own,
beside the rest.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import machine, page, sinks
from benchmarks.layouts import BY_NAME, Runs
from benchmarks.project import Project

ROOT = Path(__file__).resolve().parents[1]
REST = "start-up, event loop, the rest"

COMMANDS: Mapping[str, str] = {"cold plan": "plan", "cold apply": "apply", "no-op plan": "plan"}
"""What is run."""

STAGES: Mapping[str, tuple[str, ...]] = {
    "load": (
        "wfdeploy.documents.sources:decode",
        "wfdeploy.documents.yaml_docs:read",
        "wfdeploy.documents.pieces:Pieces.read",
    ),
    "validate": (
        "wfdeploy.documents.structure:check",
        "wfdeploy.manifests.validate.rules:Rules.group",
        "wfdeploy.manifests.validate.rules:Rules.run",
    ),
    "expand": ("wfdeploy.manifests.parsing:expand",),
    "identify": ("wfdeploy.manifests.parsing:identify",),
    "catalogue": (
        "wfdeploy.catalogue.catalogue:EntryWriter.add_group",
        "wfdeploy.catalogue.catalogue:Catalogue.runs",
    ),
    "state read": (
        "wfdeploy.state.sqlite_store:SqliteStore.record_keys",
        "wfdeploy.state.sqlite_store:SqliteStore.records",
        "wfdeploy.state.sqlite_store:SqliteStore.generations",
        "wfdeploy.state.sqlite_store:SqliteStore.tallies",
    ),
    "diff": ("wfdeploy.planning.planner:Planner.plan", "wfdeploy.model.plan:FirstChanges.__iter__"),
    "render": ("wfdeploy.render.plan_text:text", "wfdeploy.render.report:text"),
    "intents": ("wfdeploy.operations.applying:trigger_requests",),
    "encode": ("wfdeploy.upstash.wire:ItemEncoder.encode",),
    "send": ("wfdeploy.upstash.client:UpstashGateway.trigger",),
    "settle": ("wfdeploy.sending.sender:Sender._take", "wfdeploy.sending.sender:Sender._deliver"),
    "journal": ("wfdeploy.state.sqlite_store:SqliteStore.stage",),
    "journal's sync (a thread)": ("wfdeploy.state.sqlite_store:SqliteStore.finish",),
}
"""Stage -> the functions, where they are looked up, that are it."""


class Clock:
    """Processor time by stage."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._local = threading.local()

    def enter(self, stage: str) -> None:
        """What comes now belongs to this stage, until it leaves."""
        now = time.thread_time()
        stack: list[str] = self._local.__dict__.setdefault("stack", [])
        if stack:
            self.spent[stack[-1]] += now - self._local.since
        stack.append(stage)
        self._local.since = now

    def leave(self) -> None:
        now = time.thread_time()
        stack: list[str] = self._local.stack
        self.spent[stack.pop()] += now - self._local.since
        self._local.since = now

    def watch(self, place: str, stage: str) -> None:
        """Time a function, method, generator, coroutine or property from now on."""
        module, _, path = place.partition(":")
        holder: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            holder = getattr(holder, part)
        found = inspect.getattr_static(holder, name)
        if isinstance(found, functools.cached_property):
            found.func = self._timed(found.func, stage)
        else:
            setattr(holder, name, self._timed(found, stage))

    def collector(self, phase: str, _facts: dict[str, int]) -> None:
        """For `gc.callbacks`."""
        if phase == "start":
            self.enter("garbage collector")
        else:
            self.leave()

    def _timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.enter(stage)
            try:
                made = function(*args, **kwargs)
            finally:
                self.leave()
            if inspect.isgenerator(made):
                return self._steps(made, stage)
            return types.coroutine(self._steps)(made, stage) if inspect.iscoroutine(made) else made

        return timed

    def _steps(self, inner: Any, stage: str) -> Generator[Any, Any, Any]:
        step, value = inner.send, None
        while True:
            self.enter(stage)
            try:
                given = step(value)
            except StopIteration as end:
                return end.value
            finally:
                self.leave()
            try:
                value = yield given
                step = inner.send
            except BaseException as error:
                value, step = error, inner.throw


def inside(arguments: list[str]) -> None:
    """Run one command line here, and write the stages to standard error."""
    clock = Clock()
    for stage, places in STAGES.items():
        for place in places:
            clock.watch(place, stage)
    gc.callbacks.append(clock.collector)
    from wfdeploy.__main__ import main

    sys.argv = ["wfdeploy", *arguments]
    began = time.perf_counter()
    code = main()
    told = dict(clock.spent)
    told[REST] = time.process_time() - sum(told.values())
    sys.stderr.write("\n" + json.dumps({"wall_s": time.perf_counter() - began, "stages": told}))
    sys.exit(code)


def measure(runs: int, layout: str) -> dict[str, dict[str, Any]]:
    """The stages of each command."""
    with tempfile.TemporaryDirectory(prefix="wfdeploy-benchmark-") as folder, sinks.running() as sink:
        project = Project(Path(folder), BY_NAME[layout]).write(Runs(numbers=range(runs)))
        told: dict[str, dict[str, Any]] = {}
        for name, command in COMMANDS.items():
            if name.startswith("cold"):
                project.forget()
            told[name] = _run(project, [command, "--url", sink.url])
        return told


def _run(project: Project, arguments: list[str]) -> dict[str, Any]:
    environ = {**os.environ, **project.environ, "PYTHONPATH": str(ROOT), "QSTASH_TOKEN": "benchmark"}
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.stages", "--inside", *arguments],
        cwd=project.root,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        preexec_fn=_on_one_processor,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    told: dict[str, Any] = json.loads(ran.stderr.splitlines()[-1])
    return told


def _on_one_processor() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def table(runs: int, told: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table: stages by commands, seconds of processor time and the share."""
    order = (*STAGES, "garbage collector", REST)
    lines = [f"| stage, s | {' | '.join(told)} |", f"|---|{'---:|' * len(told)}"]
    for stage in order:
        cells = []
        for command in told.values():
            spent, total = command["stages"].get(stage, 0.0), sum(command["stages"].values())
            cells.append(f"{spent:.2f} ({100 * spent / total:.0f}%)" if spent >= 0.005 else "")
        if any(cells):
            lines.append(f"| {stage} | {' | '.join(cells)} |")
    totals = [f"{sum(command['stages'].values()):.2f}" for command in told.values()]
    lines.append(f"| **all, {runs:,} runs** | {' | '.join(totals)} |")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("--layout", choices=BY_NAME, default="corpus")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    text = table(options.runs, measure(options.runs, options.layout))
    print(text)
    if options.docs:
        page.put("stages", f"{page.machine_line(machine.describe())}\n\n{text}")


if __name__ == "__main__":
    main()
