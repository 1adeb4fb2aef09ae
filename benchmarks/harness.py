"""What every benchmark shares: processes in a bare environment, against a sink, within bounds of time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Sample, TooSlow, run
from benchmarks.project import Project
from benchmarks.sinks import RunningSink

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
Round = Mapping[str, Sample]
"""Samples that were taken one right after the other, by the name of what was run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`repeat`: rounds of a figure. `budget_s`: for them together (one is made at least). `longest_s`: for one process.
    `ends_at`: nothing is begun after that, by `time.monotonic`."""

    repeat: int = 5
    budget_s: float = 300.0
    longest_s: float = 900.0
    ends_at: float = float("inf")


@dataclass(frozen=True, slots=True)
class Harness:
    """`package`: where wfdeploy is imported from. `left_out`: what wasn't measured, and why."""

    sink: RunningSink
    limits: Limits = field(default_factory=Limits)
    package: Path = ROOT
    left_out: list[str] = field(default_factory=list)

    def ours(self, project: Project, *words: str, triggers: int | None = None) -> Sample:
        """Run wfdeploy in a project. `triggers`: how many runs the sink must get."""
        return self.process(project, (PYTHON, "-m", "wfdeploy", *words), triggers)

    def naive(self, project: Project, work: str, *options: str, triggers: int | None = None) -> Sample:
        command = (PYTHON, "-m", "benchmarks.naive", work, str(project.root), "--url", self.sink.url, *options)
        return self.process(project, command, triggers)

    def process(self, project: Project, command: tuple[str, ...], triggers: int | None = None) -> Sample:
        """Raises: `RuntimeError` when it fails, or sends another number of runs; `TooSlow`."""
        before = 0 if triggers is None else self.sink.taken()
        sample = run(
            command,
            cwd=project.root,
            environ=self._environ(project),
            timeout_s=self.limits.longest_s,
        )
        if triggers is not None and (sent := self.sink.taken() - before) != triggers:
            raise RuntimeError(f"sent {sent} runs, not {triggers}: {' '.join(command)}")
        return sample

    def forget(self, project: Project) -> None:
        """As if nothing had been applied yet, here and at the sink."""
        project.forget()
        self.sink.forget(project.account)

    def rounds(self, what: str, one: Callable[[], Round]) -> Iterator[Round]:
        """Make rounds, as many as the limits allow."""
        began = time.monotonic()
        if began > self.limits.ends_at:
            self.left_out.append(f"{what}: the time is used up")
            return
        for count in range(1, self.limits.repeat + 1):
            try:
                yield one()
            except TooSlow:
                self.left_out.append(f"{what}: not done after {self.limits.longest_s:.0f} s")
                return
            except RuntimeError as problem:  # the others take hours, and are worth having
                self.left_out.append(f"{what}: {problem}")
                return
            spent = time.monotonic() - began
            if spent + spent / count > self.limits.budget_s:
                return

    def _environ(self, project: Project) -> dict[str, str]:
        """A bare environment: no variable of the user's changes what is measured."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        ours = {"PYTHONPATH": str(self.package), "QSTASH_URL": self.sink.url, "QSTASH_TOKEN": project.account}
        return {**kept, **ours, **project.environ, "NO_COLOR": "1"}
