"""`wfdeploy doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from wfdeploy.cli.output import App
    from wfdeploy.model.checks import ProbeReport
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.operations.probing import ProbeOptions
    from wfdeploy.wiring.settings import Settings
    from wfdeploy.workspace import Workspace


@click.command(
    "doctor",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE, ExitCode.PARTIAL, ExitCode.WITHHELD),
    examples="""
        wfdeploy doctor -e production
        wfdeploy doctor -e staging --probe
        wfdeploy doctor -e staging --probe --destination https://app.example.com/api/workflow/ping
        wfdeploy doctor -e production --output json | jq '.checks[] | select(.status == "problem")'
    """,
)
@click.option(
    "--probe",
    is_flag=True,
    help="Also try the server on what the guarantees assume of it, with at most five runs, and cancel them.",
)
@click.option(
    "--destination",
    metavar="URL",
    help="With --probe: deliver one run to this endpoint, at once. Without it, all runs are delayed by an hour.",
)
@click.option(
    "-y", "--yes", is_flag=True, help="Probe without asking. Without a terminal nobody can be asked, so it is needed."
)
@options.variables
@options.target
@options.view
def doctor(
    *,
    app: App,
    target: TargetOptions,
    variables: Mapping[str, str],
    probe: bool,
    destination: str | None,
    yes: bool,
) -> ExitCode:
    """Check the set-up, and on request the server that the guarantees rest on.

    Looks at versions, project file, manifests, git, state, lock, server, token, clocks and limits. Each is ok, a
    warning, a problem or skipped, and the line below says the way out. Nothing is changed. The exit code is that of a
    command that meets the first problem.

    With --probe, at most five runs are triggered under a label of their own, listed and cancelled: four that are
    delayed by an hour, and one at once if a destination is named. Each assumption is reported: it holds, does not hold,
    or cannot be told. If one does not hold that a guarantee rests on, the exit code is 7.
    """
    from pathlib import Path

    from wfdeploy.cli import progress, surroundings
    from wfdeploy.cli.confirm import require_yes
    from wfdeploy.operations.probing import ProbeOptions
    from wfdeploy.render import doctor as view
    from wfdeploy.wiring.diagnosis import Where, diagnose

    if destination is not None and not probe:
        raise click.UsageError("--destination goes with --probe.")
    chosen = ProbeOptions(destination=destination)
    if probe and not yes and not app.output.can_ask:
        raise require_yes("trigger runs of a probe", app.arguments)

    with progress.bar(app.output) as listener:

        def open_(settings: Settings, online: bool) -> AbstractContextManager[Workspace]:
            return surroundings.opened(app, settings, online=online, under_lease=False, listener=listener)

        def try_out(workspace: Workspace) -> ProbeReport:
            return _probe(app, workspace, chosen, yes=yes)

        where = Where(options=target, environ=app.environ, cwd=Path.cwd(), variables=variables)
        found = diagnose(where, listener, open_, try_out if probe else None)
    app.output.show(view.json_text(found), view.text(found, app.output.style))
    return found.exit_code


def _probe(app: App, workspace: Workspace, chosen: ProbeOptions, *, yes: bool) -> ProbeReport:
    """Ask, and try the server out. Raises: `Withheld`, `RemoteFailure`."""
    from wfdeploy.cli.confirm import agreed
    from wfdeploy.cli.progress import pause
    from wfdeploy.errors import Withheld
    from wfdeploy.operations.probing import intended_runs, probe
    from wfdeploy.render.doctor import intention

    output = app.output
    pause(workspace.listener)
    lines = intention(workspace.target, intended_runs(workspace, chosen))
    output.block("".join(lines), always=output.can_ask and not yes)
    if not agreed(app, "Trigger these runs?", "trigger runs of a probe", yes=yes):
        raise Withheld("declined: nothing was triggered")
    return probe(workspace, chosen)
