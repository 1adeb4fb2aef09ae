"""`wfdeploy render`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.cli.output import View
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags


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
def command(
    *, app: App, target: TargetFlags, path: str | None, address: str | None, variables: Mapping[str, str]
) -> None:
    """Show the requests that manifests make, run by run.

    Defaults are merged, generators carried out and expressions evaluated. Secrets stay references and what is redacted
    is not shown. Neither the state nor a server is asked, and no token or secret is needed.

    PATH is a folder, a file, or - for standard input.  [default: the project's manifests]
    ADDRESS is a run, or a glob of addresses (* and ?; brackets are literal).
    """
    from wfdeploy.cli import progress, settings, wiring
    from wfdeploy.model.plan import Selection
    from wfdeploy.operations.loading import load
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
        output.payload(view.json_text(shown) if output.view is View.JSON else view.text(shown, output.style))
