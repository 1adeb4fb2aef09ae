"""Check what is declared, and what a plan would do, against the policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from wfdeploy.documents.text import lines_of
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.plan import Action, Change, Plan, RequestedAction
from wfdeploy.model.policy import PolicyRule, PolicyScope
from wfdeploy.model.project import Project
from wfdeploy.model.request import Request
from wfdeploy.model.run import DesiredRun
from wfdeploy.model.spool import in_order
from wfdeploy.policies.evaluation import Evaluator, Finding, Subject, Verdict
from wfdeploy.policies.places import at_rule
from wfdeploy.policies.subjects import (
    change_subject,
    environment_fields,
    group_fields,
    plan_fields,
    run_subject,
)

MOST = 1000
"""Violations of one policy that are reported one by one; the others are counted."""

CODE = "policy"


class _About(NamedTuple):
    """What a finding is about: an address, or the name of a group; a declared run of it, where there is one."""

    address: str
    run: DesiredRun | None


def check_declared(
    project: Project, rules: Sequence[PolicyRule], manifests: Manifests, *, cwd: Path
) -> Sequence[Diagnostic]:
    """Check all declared runs and groups. Raises: `InvalidInput` where an expression can't be used."""
    with Evaluator(rules, cwd=cwd) as evaluator:
        check = _Check(project, evaluator, manifests, cwd=cwd)
        runs = in_order(_Declared(manifests), _place)
        check.runs(manifests.requests.each((run, run) for run in runs))
        check.groups(manifests.groups.keys())
        return check.diagnostics()


def check_plan(
    project: Project,
    rules: Sequence[PolicyRule],
    manifests: Manifests,
    plan: Plan,
    *,
    requested: RequestedAction | None,
    actor: Mapping[str, object],
    now_s: float,
    cwd: Path,
) -> Sequence[Diagnostic]:
    """Check what a plan changes, and the plan. Nothing is evaluated for a plan that does nothing.

    now_s: the time (Unix seconds). Raises: `InvalidInput` where an expression can't be used.
    """
    if not any(map(_concerns, plan.changes)):
        return ()
    with Evaluator(rules, cwd=cwd) as evaluator:
        check = _Check(project, evaluator, manifests, cwd=cwd)
        scopes = {rule.scope for rule in rules}
        more = {"plan": plan_fields(plan, requested), "actor": actor, "now": now_s}
        if PolicyScope.RUN in scopes:
            check.runs((change.address, run, request) for change, run, request in _declared_changes(manifests, plan))
        if PolicyScope.GROUP in scopes:
            check.groups({change.desired.group.name for change in plan.changes if _starts(change) and change.desired})
        if PolicyScope.CHANGE in scopes:
            check.changes(((change, request) for change, _, request in _declared_changes(manifests, plan)), more)
            check.changes(((one, None) for one in plan.changes if _concerns(one) and one.desired is None), more)
        check.plan(more)
        return check.diagnostics()


def _concerns(change: Change) -> bool:
    """Whether policies have a say: it sends, or ends something, or waits to be sent."""
    return change.sends or bool(change.cancels) or change.is_put_off or change.action in (Action.CANCEL, Action.FORGET)


def _starts(change: Change) -> bool:
    return _concerns(change) and change.desired is not None


def _declared_changes(manifests: Manifests, plan: Plan) -> Iterator[tuple[Change, DesiredRun, Request]]:
    """The changes of declared runs, with their requests."""
    changes = in_order(_Starting(plan), lambda change: _place(_desired(change)))
    return manifests.requests.each((change, _desired(change)) for change in changes)


def _desired(change: Change) -> DesiredRun:
    assert change.desired is not None
    return change.desired


def _place(run: DesiredRun) -> tuple[int, int, int]:
    return run.file, run.at_s or 0, run.number


class _Starting(Iterable[Change]):
    """The changes of declared runs, found anew each time they are gone through."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __iter__(self) -> Iterator[Change]:
        return filter(_starts, self._plan.changes)


class _Declared(Iterable[DesiredRun]):
    """All declared runs, found anew each time they are gone through."""

    def __init__(self, manifests: Manifests) -> None:
        self._manifests = manifests

    def __iter__(self) -> Iterator[DesiredRun]:
        return self._manifests.runs.runs()


class _Check:
    """Collects what one command's subjects violate."""

    def __init__(self, project: Project, evaluator: Evaluator, manifests: Manifests, *, cwd: Path) -> None:
        self._evaluator = evaluator
        self._manifests = manifests
        self._cwd = cwd
        self._shared: Mapping[str, object] = {"environment": environment_fields(project)}
        groups = manifests.runs.groups
        self._groups = {name: group_fields(one.group, one.tally.count) for name, one in groups.items()}
        self._lines: dict[int, tuple[str, Sequence[str]]] = {}  # of the file that was looked at last
        self._found: list[Diagnostic] = []
        self._counts: Counter[PolicyRule] = Counter()

    def runs(self, runs: Iterable[tuple[object, DesiredRun, Request]]) -> None:
        """Check runs, in the order of their files."""
        subjects = (
            (_About(run.address, run), run_subject(run.address, request, self._groups[run.group.name]))
            for _, run, request in runs
        )
        self._take(self._evaluator.evaluate(PolicyScope.RUN, self._shared, subjects))

    def groups(self, names: Iterable[str]) -> None:
        """Check groups."""
        subjects = (
            (_About(name, next(self._manifests.runs.runs([name]), None)), Subject({"group": self._groups[name]}))
            for name in sorted(names)
        )
        self._take(self._evaluator.evaluate(PolicyScope.GROUP, self._shared, subjects))

    def changes(self, changes: Iterable[tuple[Change, Request | None]], more: Mapping[str, object]) -> None:
        """Check changes. `more`: variables."""
        subjects = (
            (_About(change.address, change.desired), change_subject(change, request)) for change, request in changes
        )
        self._take(self._evaluator.evaluate(PolicyScope.CHANGE, {**self._shared, **more}, subjects))

    def plan(self, more: Mapping[str, object]) -> None:
        """Check the plan. `more`: variables."""
        shared = {**self._shared, **more}
        self._take(self._evaluator.evaluate(PolicyScope.PLAN, shared, [(_About("", None), Subject({}))]))

    def diagnostics(self) -> Sequence[Diagnostic]:
        """What was found, and how much more there is."""
        return [*self._found, *(self._omitted(rule, n - MOST) for rule, n in self._counts.items() if n > MOST)]

    def _take(self, findings: Iterable[tuple[_About, Finding]]) -> None:
        for about, finding in findings:
            self._counts[finding.rule] += 1
            if self._counts[finding.rule] <= MOST:
                self._found.append(self._diagnostic(about, finding))

    def _diagnostic(self, about: _About, finding: Finding) -> Diagnostic:
        rule = finding.rule
        if finding.verdict is Verdict.FAILED:
            message = f"policy {rule.name} can't be evaluated, which denies: {finding.text}"
            hint = "where a field may be missing, the expression asks first: has(run.retries)"
        else:
            message, hint = f"policy {rule.name}: {finding.text or rule.message}", rule.hint or _stands(rule)
        message = message.replace("\n", "\\n")
        found = at_rule(rule, cwd=self._cwd, code=CODE, message=message, hint=hint) if about.run is None else None
        if found is not None:
            return replace(found, severity=rule.severity, address=about.address)
        assert about.run is not None
        place, excerpt = self._place(about.run)
        return Diagnostic(
            severity=rule.severity,
            code=CODE,
            message=message,
            place=place,
            address=about.address,
            hint=hint,
            excerpt=excerpt,
        )

    def _omitted(self, rule: PolicyRule, count: int) -> Diagnostic:
        message = f"policy {rule.name}: {count:,} more like these"
        return replace(
            at_rule(rule, cwd=self._cwd, code=CODE, message=message, hint=_stands(rule)), severity=rule.severity
        )

    def _place(self, run: DesiredRun) -> tuple[Place, str | None]:
        """Where a run is declared, and that line."""
        place = run.source.place
        if run.source.data is not None:
            return place, None
        if run.file not in self._lines:
            source = self._manifests.text_of(run.file)
            name, text = (place.file, "") if source is None else (source.display, source.text)
            self._lines = {run.file: (name, lines_of(text))}
        name, lines = self._lines[run.file]
        line = lines[place.line - 1] if place.line <= len(lines) else None
        column = 1 if line is None else len(line) - len(line.lstrip(" -")) + 1
        return Place(name, place.line, column), line


def _stands(rule: PolicyRule) -> str:
    return f"the policy is in {rule.file.name}"
