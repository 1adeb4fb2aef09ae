"""Commands that read manifests and ask nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wfdeploy.cli.flags import TargetFlags
    from wfdeploy.cli.output import App
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.ports import Listener


@click.command(
    "validate",
    cls=Command,
    exits=(ExitCode.INVALID,),
    examples="""
        wfdeploy validate                              the project's manifests, for every environment
        wfdeploy validate manifests/ -e staging
        generate-runs | wfdeploy validate -
        wfdeploy validate --all | less                 each of many alike
        wfdeploy validate --output json
    """,
)
@options.paths
@click.option("--all", "everything", is_flag=True, help="Show every problem, however many are alike.")
@options.variables
@options.project
@options.view
def validate(
    *,
    app: App,
    target: TargetFlags,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    everything: bool,
) -> ExitCode:
    """Check manifests and report every problem with its place.

    All problems of all files are reported, each as `file:line:column: address: message`. Of many in one file that say
    the same a few are shown and the others counted; with --all, and as JSON, there are all of them, but for rows of
    data: the first 10,000 of an entry. Neither a server nor a token nor the values of secrets are needed.

    PATH is a folder (searched for *.yaml and *.yml), a file, or - for standard input.
    [default: the project's manifests]
    """
    from wfdeploy.cli import progress
    from wfdeploy.model.diagnostic import Severity
    from wfdeploy.render import diagnostics as view

    output = app.output
    with progress.bar(output) as listener:
        try:
            found = list(_problems(app, target, paths, variables, listener))
        except InvalidInput as error:  # the project file itself
            found = [*error.diagnostics, *_problems_anyway(target, paths, listener)]
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    if output.view is View.JSON:
        output.payload(view.json_text(found))
    else:
        output.payload(view.chunks(found, output.style, width=output.width, everything=everything))
        output.note(_verdict(errors, len(found) - errors))
    return ExitCode.INVALID if errors else ExitCode.OK


def _problems(
    app: App, target: TargetFlags, paths: Sequence[str] | None, variables: Mapping[str, str], listener: Listener
) -> Iterator[Diagnostic]:
    """What is wrong in the chosen environment, or in any where none is chosen: each problem once."""
    from collections import Counter
    from dataclasses import replace
    from functools import cache

    from wfdeploy.cli import embedded, settings, wiring
    from wfdeploy.documents.parsed import MOST, Documents
    from wfdeploy.manifests.manifests import validate
    from wfdeploy.model.project import LOCAL
    from wfdeploy.project.permissions import VARIABLE

    read_stdin = cache(wiring.read_stdin)
    named = settings.resolve(replace(target, environment=target.environment or LOCAL, local=False), app.environ)
    declared = named.target.project.environments
    environments = (target.environment,) if target.environment is not None else declared or (None,)
    allowed = {VARIABLE: app.environ.get(VARIABLE, "")}  # no other variable counts for what is valid
    documents = Documents(MOST) if len(environments) > 1 else None
    seen: dict[tuple[object, ...], tuple[Diagnostic, list[str | None]]] = {}
    for environment in environments:
        project = settings.resolve(replace(target, environment=environment), allowed).target.project
        defaults = embedded.local_variables(named) if environment in (None, LOCAL) else {}
        times: Counter[tuple[object, ...]] = Counter()
        for diagnostic in validate(
            project,
            paths,
            variables=variables,
            defaults=defaults,
            stdin=read_stdin,
            listener=listener,
            documents=documents,
            keep=0,
        ):
            # Not compared by its excerpt: a line may be the whole of a large file.
            key = (diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.place, diagnostic.address)
            times[key] += 1  # rows that share a line may share a problem
            seen.setdefault((*key, times[key]), (diagnostic, []))[1].append(environment)
    for diagnostic, where in seen.values():
        if len(where) == len(environments):
            yield diagnostic
        else:
            names = ", ".join(f"'{name}'" for name in where)
            yield replace(diagnostic, message=f"{diagnostic.message} (in environment {names})")


def _problems_anyway(target: TargetFlags, paths: Sequence[str] | None, listener: Listener) -> Sequence[Diagnostic]:
    """What is wrong with the manifests, as far as it can be said without a project file to rely on."""
    from pathlib import Path

    from wfdeploy.cli import wiring
    from wfdeploy.manifests.manifests import validate_presuming
    from wfdeploy.project.document import presumed_project
    from wfdeploy.project.file import locate_project_file

    file = None if target.project_file is None else Path(target.project_file)
    cwd = Path.cwd()
    project = presumed_project(locate_project_file(cwd=cwd, file=file), cwd=cwd)
    return validate_presuming(project, paths, stdin=wiring.read_stdin, listener=listener)


def _verdict(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "No problems found."
    parts = [f"{n:,} {noun}{'' if n == 1 else 's'}" for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    return f"{' and '.join(parts)}."


@click.command(
    "render",
    cls=Command,
    exits=(ExitCode.INVALID,),
    examples="""
        wfdeploy render                                       every run of the project
        wfdeploy render manifests/onboarding.yaml --local
        wfdeploy render manifests/ 'onboarding/acme'
        wfdeploy render manifests/ 'invoices/eu[*]' --output json | jq .requests[].request.body
    """,
)
@click.argument("path", required=False, type=click.Path())
@click.argument("address", required=False)
@options.variables
@options.target
@options.view
def render(
    *, app: App, target: TargetFlags, path: str | None, address: str | None, variables: Mapping[str, str]
) -> None:
    """Show the requests that manifests make, run by run.

    Defaults are merged, generators carried out and expressions evaluated. Secrets stay references and what is redacted
    is not shown. Neither the state nor a server is asked, and no token or secret is needed.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    ADDRESS is a run, or a glob of addresses (* and ?; brackets are literal).
    """
    from wfdeploy.cli import progress, settings, wiring
    from wfdeploy.manifests.loading import load
    from wfdeploy.model.plan import Selection
    from wfdeploy.operations.rendering import render
    from wfdeploy.render import requests as view

    output = app.output
    paths = None if path is None else (path,)
    with (
        progress.bar(output) as listener,
        wiring.workspace(app, settings.resolve(target, app.environ), listener, online=False) as workspace,
        load(workspace, paths, Selection(variables=variables), shrink=False) as manifests,
    ):
        shown = render(manifests, address)
        output.show(view.json_text(shown), view.text(shown, output.style))
