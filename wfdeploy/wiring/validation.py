"""Validate: every problem of manifests and project file, whichever environment it shows in.

A use case that has no workspace: it needs no state and no server, and continues where the project file is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
    from wfdeploy.model.document import FieldPath


def problems(
    options: TargetOptions,
    process_environ: Mapping[str, str],
    *,
    cwd: Path,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    listener: Listener,
) -> Sequence[Diagnostic]:
    """Find every problem of the chosen environment, or of all where none is chosen: each once, warnings included.

    Raises: `UsageError`.
    """
    return check_all(options, process_environ, cwd=cwd, paths=paths, variables=variables, listener=listener).diagnostics


def check_all(
    options: TargetOptions,
    process_environ: Mapping[str, str],
    *,
    cwd: Path,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    listener: Listener,
) -> Checked:
    """Find what `problems` finds, and say how much was checked: of runs, and of a group that environments declare
    differently, as in the environment with the most runs.

    Raises: `UsageError`.
    """
    listener = _once(listener)
    try:
        return _by_environment(options, process_environ, cwd=cwd, paths=paths, variables=variables, listener=listener)
    except InvalidInput as error:  # the project file itself
        file = None if options.project_file is None else Path(options.project_file)
        project = presumed_project(locate_project_file(cwd=cwd, file=file), cwd=cwd)
        found = check(project, paths, Loading(cwd=cwd, stdin=read_stdin, listener=listener), presuming=True)
        return found._replace(diagnostics=(*error.diagnostics, *found.diagnostics))


def declared_groups(
    options: TargetOptions,
    process_environ: Mapping[str, str],
    *,
    cwd: Path,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    listener: Listener,
) -> Mapping[str, DesiredGroup]:
    """Read the groups of the chosen environment, or of all where none is chosen.

    Raises: `InvalidInput` with every problem that `check_all` finds; `UsageError`.
    """
    environment = LOCAL if options.local and options.environment is None else options.environment
    where = replace(options, environment=environment, local=False, token=None, token_file=None)
    checked = check_all(where, process_environ, cwd=cwd, paths=paths, variables=variables, listener=listener)
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


def _by_environment(
    options: TargetOptions,
    process_environ: Mapping[str, str],
    *,
    cwd: Path,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    listener: Listener,
) -> Checked:
    stdin = cache(read_stdin)
    named = resolve(replace(options, environment=options.environment or LOCAL, local=False), process_environ, cwd=cwd)
    declared = named.target.project.environments
    environments = (options.environment,) if options.environment is not None else declared or (None,)
    allowed = {VARIABLE: process_environ.get(VARIABLE, "")}  # no other variable counts for what is valid
    documents = Documents(MAX_HELD) if len(environments) > 1 else None
    seen: dict[tuple[object, ...], tuple[Diagnostic, list[str | None]]] = {}
    all_: list[Checked] = []
    for environment in environments:
        target = resolve(replace(options, environment=environment), allowed, cwd=cwd).target
        defaults = local_variables(named) if environment in (None, LOCAL) else {}
        times: Counter[tuple[object, ...]] = Counter()
        how = Loading(
            variables=variables,
            defaults=defaults,
            stdin=stdin,
            cwd=cwd,
            listener=listener,
            loopback=target.loopback or environment in (None, LOCAL),  # without environments, nothing else is known
            documents=documents,
            keep=0,
        )
        all_.append(check(target.project, paths, how))
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
