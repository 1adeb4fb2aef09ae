"""Validate: every problem of manifests and project file, whichever environment it shows in.

A use case that has no workspace: it needs no state and no server, and continues where the project file is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from wfdeploy.documents.positions import diagnose
from wfdeploy.documents.structure import MAX_HELD, Documents
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.manifests import Checked, check
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.document import Finding, dotted
from wfdeploy.model.event import Event, Notice
from wfdeploy.model.options import TargetOptions
from wfdeploy.model.project import LOCAL, Project
from wfdeploy.model.run import DesiredGroup
from wfdeploy.ports import Listener
from wfdeploy.project.document import presumed_project, project_document
from wfdeploy.project.file import locate_project_file
from wfdeploy.project.permissions import VARIABLE
from wfdeploy.wiring.assembly import read_stdin
from wfdeploy.wiring.embedded import local_variables
from wfdeploy.wiring.settings import resolve

if TYPE_CHECKING:
    from wfdeploy.manifests.expand.expressions import ExpressionError
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.document import FieldPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What is validated, and how."""

    options: TargetOptions

    environ: Mapping[str, str]
    """The environment variables of the process."""

    cwd: Path

    paths: Sequence[str] | None
    """Folders and files to read in place of the project's manifests."""

    variables: Mapping[str, str]
    """Values that beat the project file's."""

    listener: Listener


def problems(validation: Validation) -> Sequence[Diagnostic]:
    """Find every problem of the chosen environment, or of all where none is chosen: each once, warnings included.

    Raises: `UsageError`.
    """
    return check_all(validation).diagnostics


def check_all(validation: Validation) -> Checked:
    """Find what `problems` finds, and say how much was checked: of runs, and of a group that environments declare
    differently, as in the environment with the most runs.

    Raises: `UsageError`.
    """
    validation = replace(validation, listener=_once(validation.listener))
    try:
        return _by_environment(validation)
    except InvalidInput as error:  # the project file itself
        options, cwd = validation.options, validation.cwd
        file = None if options.project_file is None else Path(options.project_file)
        project = presumed_project(locate_project_file(cwd=cwd, file=file), cwd=cwd)
        how = Loading(cwd=cwd, stdin=read_stdin, listener=validation.listener)
        found = check(project, validation.paths, how, presuming=True)
        return found._replace(diagnostics=(*error.diagnostics, *found.diagnostics))


def declared_groups(validation: Validation) -> Mapping[str, DesiredGroup]:
    """Read the groups of the chosen environment, or of all where none is chosen.

    Raises: `InvalidInput` with every problem that `check_all` finds; `UsageError`.
    """
    options = validation.options
    environment = LOCAL if options.local and options.environment is None else options.environment
    where = replace(options, environment=environment, local=False, token=None, token_file=None)
    checked = check_all(replace(validation, options=where))
    errors = [diagnostic for diagnostic in checked.diagnostics if diagnostic.is_error]
    if errors:
        raise InvalidInput(errors)
    return checked.groups


def _once(listener: Listener) -> Listener:
    """A listener that reports each notice once: every environment reads the same files."""
    seen: set[Notice] = set()

    def once(event: Event, /) -> None:
        if isinstance(event, Notice):
            if event in seen:
                return
            seen.add(event)
        listener(event)

    return once


def _by_environment(validation: Validation) -> Checked:
    options, cwd = validation.options, validation.cwd
    stdin = cache(read_stdin)
    named = resolve(
        replace(options, environment=options.environment or LOCAL, local=False), validation.environ, cwd=cwd
    )
    declared = named.target.project.environments
    environments = (options.environment,) if options.environment is not None else declared or (None,)
    allowed = {VARIABLE: validation.environ.get(VARIABLE, "")}  # no other variable counts for what is valid
    documents = Documents(MAX_HELD) if len(environments) > 1 else None
    seen: dict[tuple[object, ...], tuple[Diagnostic, list[str | None]]] = {}
    all_: list[Checked] = []
    for environment in environments:
        target = resolve(replace(options, environment=environment), allowed, cwd=cwd).target
        defaults = local_variables(named) if environment in (None, LOCAL) else {}
        times: Counter[tuple[object, ...]] = Counter()
        how = Loading(
            variables=validation.variables,
            defaults=defaults,
            stdin=stdin,
            cwd=cwd,
            listener=validation.listener,
            loopback=target.loopback or environment in (None, LOCAL),  # without environments, nothing else is known
            documents=documents,
            keep=0,
        )
        further = _policy_check(target.project, validation.cwd)
        all_.append(check(target.project, validation.paths, how, further=further))
        for diagnostic in all_[-1].diagnostics:
            # Not compared by its excerpt: a line may be the whole of a large file.
            key = (diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.place, diagnostic.address)
            times[key] += 1  # rows that share a line may share a problem
            seen.setdefault((*key, times[key]), (diagnostic, []))[1].append(environment)
    diagnostics: list[Diagnostic] = []
    for diagnostic, where in seen.values():
        if len(where) < len(environments):
            names = ", ".join(f"'{name}'" for name in where)
            diagnostic = replace(diagnostic, message=f"{diagnostic.message} (in environment {names})")  # noqa: PLW2901
        diagnostics.append(diagnostic)
    diagnostics += _template_problems(named.target.project, cwd)
    files = frozenset[str]().union(*(one.files for one in all_))
    groups: dict[str, DesiredGroup] = {}
    for one in sorted(all_, key=lambda checked: checked.runs):
        groups |= one.groups
    return Checked(tuple(diagnostics), files, groups, max(one.runs for one in all_))


def _policy_check(project: Project, cwd: Path) -> Callable[[Manifests], Sequence[Diagnostic]] | None:
    """What checks manifests against the policies; None without any."""
    if not project.policies:
        return None
    from wfdeploy.policies.checking import check_declared

    def violations(manifests: Manifests) -> Sequence[Diagnostic]:
        try:
            return check_declared(project, project.policies, manifests, cwd=cwd)
        except InvalidInput as error:  # an expression, which is among what is validated
            return error.diagnostics

    return violations


def _template_problems(project: Project, cwd: Path) -> Sequence[Diagnostic]:
    """What is wrong with the bodies of webhooks, in all environments."""
    if project.file is None:
        return ()
    document = project_document(project.file, cwd=cwd)
    spec: Mapping[str, Any] = cast("Mapping[str, Any]", document.data).get("spec", {})
    holders: dict[FieldPath, Mapping[str, Any]] = {("spec",): spec}
    holders |= {("spec", "environments", name): one or {} for name, one in spec.get("environments", {}).items()}
    findings = [
        Finding(
            document=document,
            path=at,
            code=error.code,
            message=error.message,
            address=dotted(at),
            hint=error.hint,
            needle=error.source,
        )
        for path, holder in holders.items()
        for index, webhook in enumerate(holder.get("notify", ()))
        for at, error in _problems_of(webhook.get("body"), (*path, "notify", index, "body"))
    ]
    return diagnose(findings)


def _problems_of(template: object, path: FieldPath) -> Iterator[tuple[FieldPath, ExpressionError]]:
    if template is not None:
        from wfdeploy.operations.notification_body import problems_of

        yield from problems_of(template, path)
