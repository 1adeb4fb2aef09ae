"""The figures of a layout: rounds of processes that are compared with each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from benchmarks.harness import PYTHON, Harness, Round
from benchmarks.layouts import BY_NAME, Layout, Runs
from benchmarks.project import Project

OURS, NAIVE, UNSAFE, BARE = "wfdeploy", "naive", "naive, unsafe", "python -c pass"
COLD, EDIT_PLAN, EDIT_APPLY = "cold plan", "plan after the edit", "apply of an edit"
FIRST, SECOND, NOOP_APPLY = "first apply", "second apply", "no-op apply"
START_UP, MANY_ROWS = "start-up", "many rows"
FAST = ("--gc-off", "--save-once")
APPLY = ("apply", "--yes", "--allow-retrigger")


class Case:
    """A layout of some size. Projects are written, and applied, when the first figure needs them."""

    def __init__(self, harness: Harness, folder: Path, layout: Layout, size: int, added: int | None) -> None:
        self._harness, self._folder, self._layout = harness, folder, layout
        self._size, self._added = size, added or max(size // 5, 1)
        self._runs = Runs(numbers=range(size))
        self._edits: dict[int, int] = {}
        self._seats = count(1001)
        self._new: Project | None = None
        self._applied: Project | None = None

    def figure(self, name: str) -> Iterator[Round]:
        """The rounds of one figure, as many as are wanted and allowed."""
        what = f"{self._layout.name}, {self._size:,} runs, {name}"
        yield from self._harness.rounds(what, lambda: FIGURES[name](self))

    @property
    def new(self) -> Project:
        """A project that nothing was applied of."""
        if self._new is None:
            self._new = Project(self._folder / "new", self._layout).write(self._runs)
        self._harness.forget(self._new)
        return self._new

    @property
    def applied(self) -> Project:
        """A project that is applied."""
        if self._applied is None:
            self._applied = Project(self._folder / "applied", self._layout).write(self._runs)
            self._harness.forget(self._applied)
            self._harness.ours(self._applied, *APPLY, triggers=self._size)
            self._harness.ours(self._applied, "plan")
        return self._applied

    def cold_plan(self) -> Round:
        samples = {OURS: self._harness.ours(self.new, "plan")}
        if self._layout.naive:
            samples[NAIVE] = self._harness.naive(self.new, "plan")
        return samples

    def cold_apply(self) -> Round:
        samples = {OURS: self._harness.ours(self.new, *APPLY, triggers=self._size)}
        if self._layout.naive:
            samples[NAIVE] = self._harness.naive(self.new, "apply", triggers=self._size)
            samples[UNSAFE] = self._harness.naive(self.new, "apply", *FAST, triggers=self._size)
        return samples

    def edit(self) -> Round:
        cold = self._harness.ours(self.new, "plan")
        project = self.applied
        self._edit(project, keep=False)
        plan = self._harness.ours(project, "plan")
        self._edit(project, keep=True)
        apply = self._harness.ours(project, *APPLY, triggers=1)
        return {COLD: cold, EDIT_PLAN: plan, EDIT_APPLY: apply}

    def _edit(self, project: Project, *, keep: bool) -> None:
        """Change one run, another one each time, beside those that are kept from before."""
        seats = next(self._seats)
        edits = self._edits | {(self._size // 2 + seats) % self._size: seats}
        if keep:
            self._edits = edits
        project.write(self._runs.edited(edits))

    def more_runs(self) -> Round:
        few = Project(self._folder / "few", self._layout)
        few.write(Runs(numbers=range(self._added)))
        self._harness.forget(few)
        first = self._harness.ours(few, *APPLY, triggers=self._added)
        project = self.applied
        project.write(self._runs.edited(self._edits))
        project.save()
        listed = self._harness.sink.remembered(project.account)
        project.write(Runs(numbers=range(self._size + self._added)).edited(self._edits))
        second = self._harness.ours(project, *APPLY, triggers=self._added)
        project.restore()
        self._harness.sink.forget(project.account, keep=listed)
        project.write(self._runs.edited(self._edits))
        return {FIRST: first, SECOND: second}

    def noop_plan(self) -> Round:
        self.applied.write(self._runs.edited(self._edits))
        samples = {OURS: self._harness.ours(self.applied, "plan")}
        if self._layout.naive:
            if not self.applied.naive_state.exists():
                self._harness.naive(self.applied, "apply", *FAST, triggers=self._size)
            samples[NAIVE] = self._harness.naive(self.applied, "plan")
        return samples


@contextmanager
def case(harness: Harness, folder: Path, layout: Layout, size: int, added: int | None) -> Iterator[Case]:
    """A case, and afterwards nothing of it."""
    try:
        yield Case(harness, folder, layout, size, added)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_up(harness: Harness, folder: Path) -> Iterator[Round]:
    """Commands that find nothing to do for ten runs, beside an interpreter that does nothing."""
    project = Project(folder / "ten", BY_NAME["corpus"]).write(Runs(numbers=range(10)))
    harness.ours(project, *APPLY, triggers=10)
    harness.ours(project, "plan")

    def one() -> Round:
        return {
            BARE: harness.process(project, (PYTHON, "-c", "pass")),
            OURS: harness.ours(project, "plan", triggers=0),
            NOOP_APPLY: harness.ours(project, *APPLY, triggers=0),
        }

    yield from harness.rounds(START_UP, one)


def many_rows(harness: Harness, folder: Path, size: int) -> Iterator[Round]:
    """A no-op plan of a data file with very many rows."""
    project = Project(folder / "rows", BY_NAME["JSON Lines rows"]).write(Runs(numbers=range(size)))
    harness.ours(project, *APPLY, triggers=size)
    yield from harness.rounds(MANY_ROWS, lambda: {OURS: harness.ours(project, "plan", triggers=0)})


FIGURES: Mapping[str, Callable[[Case], Round]] = {
    "cold plan": Case.cold_plan,
    "cold apply": Case.cold_apply,
    "edit": Case.edit,
    "more runs": Case.more_runs,
    "no-op plan": Case.noop_plan,
}
"""In an order in which each leaves what the next one needs."""
