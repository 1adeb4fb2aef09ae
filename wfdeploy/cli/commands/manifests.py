"""Commands that read manifests, and neither state nor server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, offering
from wfdeploy.cli.output import View
from wfdeploy.cli.report_formats import ReportFormat
from wfdeploy.cli.reports import of_diagnostics, with_reports
from wfdeploy.errors import ExitCode, several

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from wfdeploy.cli.output import App
    from wfdeploy.cli.reports import Reports
    from wfdeploy.manifests.manifests import Checked
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.options import TargetOptions

_NOTATIONS = ("text", "mermaid", "dot")


@click.command(
    "validate",
    cls=Command,
    exits=(ExitCode.INVALID,),
    examples="""
        wfdeploy validate                              the project's manifests, for every environment
        wfdeploy validate manifests/ -e staging
        generate-runs | wfdeploy validate -
        wfdeploy validate --all | less                 each of many similar ones
        wfdeploy validate --output json
    """,
)
@options.paths
@click.option("--all", "everything", is_flag=True, help="Show every problem, however many are similar.")
@with_reports("validate")
@click.option(
    "--annotate",
    type=click.Choice(["github"]),
    help="Also annotate the lines in the pull request whose job this is, up to ten errors and ten warnings.",
)
@options.variables
@options.project
@options.view
def validate(
    *,
    app: App,
    reports: Reports,
    annotate: str | None,
    target: TargetOptions,
    paths: Sequence[str] | None,
    variables: Mapping[str, str],
    everything: bool,
) -> ExitCode:
    """Check manifests and report every problem with its place.

    All problems of all files are reported, each as `file:line:column: address: message`. Repeated messages in one file
    are truncated and counted; --all and JSON have all of them, of rows of data the first 10,000 of an entry. No server,
    no token and no values of secrets are needed.

    PATH is a folder (searched for *.yaml and *.yml), a file, or - for standard input.
    [default: the project's manifests]
    """
    from pathlib import Path

    from wfdeploy.cli import progress
    from wfdeploy.model.diagnostic import Severity
    from wfdeploy.render import diagnostics as view
    from wfdeploy.wiring.validation import Validation, check_all

    output = app.output
    began = time.monotonic()
    with progress.bar(output) as listener:
        checked = check_all(
            Validation(
                options=target,
                environ=app.environ,
                cwd=Path.cwd(),
                paths=paths,
                variables=variables,
                listener=listener,
            )
        )
    found = checked.diagnostics
    reports.write(
        {ReportFormat.JUNIT: lambda _: _junit(found, checked.files), **of_diagnostics(found)},
    )
    if annotate is not None:
        from wfdeploy.render.annotations import commands
        from wfdeploy.wiring.code_host import in_repository

        for command in commands(found, in_repository(Path.cwd())):
            output.workflow_command(command)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in found)
    if output.view is View.JSON:
        amounts = {"files": len(checked.files), "groups": len(checked.groups), "runs": checked.runs}
        output.payload(view.json_text(found, checked=amounts))
    else:
        output.payload(view.chunks(found, output.style, width=output.width, everything=everything))
        took = f" Took {time.monotonic() - began:.1f} s."
        output.note(_verdict(errors, len(found) - errors, checked) + took)
    return ExitCode.INVALID if errors else ExitCode.OK


def _junit(found: Sequence[Diagnostic], files: Collection[str]) -> Iterator[str]:
    from wfdeploy.render import junit

    return junit.of_diagnostics(found, files)


def _verdict(errors: int, warnings: int, checked: Checked) -> str:
    """How many problems there are; without an error, also how much was checked: else it may not have been read."""
    parts = [several(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    verdict = " and ".join(parts) or "No problems found"
    if errors:
        return f"{verdict}."
    groups = f"{several(len(checked.groups), 'group')}, {several(checked.runs, 'run')}"
    return f"{verdict} in {several(len(checked.files), 'file')}: {groups}."


@click.command(
    "render",
    cls=Command,
    exits=(ExitCode.INVALID,),
    examples="""
        wfdeploy render                                       every run of the project
        wfdeploy render manifests/onboarding.yaml --local
        wfdeploy render manifests/ 'onboarding/acme'
        wfdeploy render manifests/ 'invoices/eu[*]' --output json | jq '.requests[].request.body'
    """,
)
@click.argument("path", required=False, type=click.Path())
@click.argument("address", required=False, shell_complete=offering("globs"))
@options.variables
@options.target
@options.view
def render(
    *, app: App, target: TargetOptions, path: str | None, address: str | None, variables: Mapping[str, str]
) -> None:
    """Show the requests that manifests make, run by run.

    Defaults are merged, generators expanded and expressions evaluated. Secrets stay references, and redacted values are
    not shown. Neither the state nor a server is used, and no token or secret is needed.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    ADDRESS is a run, or a glob of addresses (* and ?; brackets are literal).
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.manifests.loading import load
    from wfdeploy.model.plan import Selection
    from wfdeploy.operations.rendering import render
    from wfdeploy.render import requests as view

    output = app.output
    paths = None if path is None else (path,)
    with (
        surroundings.opened(app, target, online=False, only_bar=True) as workspace,
        load(workspace, paths, Selection(variables=variables), shrink=False) as manifests,
    ):
        shown = render(manifests, address)
        output.show(view.json_text(shown), view.text(shown, output.style))


@click.command(
    "graph",
    cls=Command,
    exits=(ExitCode.INVALID,),
    examples="""
        wfdeploy graph                                 the project's groups, as a tree
        wfdeploy graph manifests/billing -e production
        wfdeploy graph --format mermaid                for a page of Markdown
        wfdeploy graph --format dot | dot -Tsvg > groups.svg
        wfdeploy graph --output json | jq '.groups[].dependsOn'
    """,
)
@options.paths
@click.option(
    "--format",
    "notation",
    type=click.Choice(_NOTATIONS),
    default=_NOTATIONS[0],
    help="A tree, or the language of a program that draws it.  [default: text]",
)
@options.variables
@options.target
@options.view
def graph(
    *, app: App, target: TargetOptions, paths: Sequence[str] | None, variables: Mapping[str, str], notation: str
) -> None:
    """Show which groups wait for which, and in how many steps they are released.

    Each group stands under those it depends on (`dependsOn`), with the condition that it waits for. Neither the state
    nor a server is used, and no token, secret or environment is needed: without one, the groups of all are shown.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    """
    from pathlib import Path

    from wfdeploy.cli import progress
    from wfdeploy.render import graph as view
    from wfdeploy.wiring.validation import Validation, declared_groups

    output = app.output
    if notation != "text" and output.view is View.JSON:
        raise click.UsageError(f"--format {notation} and --output json are two formats of one output.")
    with progress.bar(output) as listener:
        groups = declared_groups(
            Validation(
                options=target,
                environ=app.environ,
                cwd=Path.cwd(),
                paths=paths,
                variables=variables,
                listener=listener,
            )
        )
    if output.view is View.JSON:
        output.payload(view.json_text(groups))
    elif notation == "text":
        output.payload(view.text(groups, output.style))
    else:
        output.payload(view.mermaid(groups) if notation == "mermaid" else view.dot(groups))
