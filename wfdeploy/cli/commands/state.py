"""`wfdeploy state`: the commands that inspect and repair the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, LazyGroup, Section, offering
from wfdeploy.errors import ExitCode, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wfdeploy.cli.output import App
    from wfdeploy.model.options import TargetOptions

_MOST_SHOWN = 20
"""Of the runs to be forgotten, before the question."""

_SECTIONS = (
    Section("Inspect", {"list": "List what is recorded.", "show": "Show everything that is recorded for an address."}),
    Section(
        "Repair",
        {
            "resolve": "Resolve by hand a run whose answer was lost.",
            "mv": "Give a recorded run another address.",
            "rm": "Forget recorded runs, without cancelling them.",
        },
    ),
    Section(
        "Export and import",
        {"export": "Print the state as sorted JSON Lines.", "import": "Make the state from exported lines."},
    ),
    Section(
        "Shared states",
        {
            "init": "Begin a shared state in a bucket or a database.",
            "holder": "Show who holds the lease of a shared state.",
            "unlock": "Take the lease away from a holder that is gone.",
            "pull": "Copy a shared state to a file.",
            "migrate": "Move the state to a bucket or a database, or back.",
        },
    ),
)

_OF_SHARED = ("init", "holder", "unlock", "pull", "migrate")


@click.group(
    "state",
    cls=LazyGroup,
    module=lambda name: "wfdeploy.cli.commands.shared_state" if name in _OF_SHARED else __name__,
    sections=_SECTIONS,
    examples="""
        wfdeploy state list -e production
        wfdeploy state show onboarding/acme
        wfdeploy state export -e production > backup.jsonl
        wfdeploy state migrate -e production --to s3://acme-ops/wfdeploy/production
    """,
)
def state() -> None:
    """Inspect and repair the state.

    None of these commands contacts the server or triggers anything.
    """


@click.command(
    "list",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state list -e production
        wfdeploy state list 'onboarding/*' --output json
    """,
)
@click.argument("globs", metavar="[ADDRESS-GLOB]...", nargs=-1, shell_complete=offering("globs"))
@options.target
@options.view
def list_(app: App, target: TargetOptions, globs: Sequence[str]) -> None:
    """List what is recorded.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation
    from wfdeploy.render import status as view

    with surroundings.opened(app, target, online=False) as workspace:
        rows = operation.list_records(workspace, tuple(globs))
    output = app.output
    output.show(view.list_json(rows), view.list_text(rows, output.style, width=output.width))


@click.command(
    "show",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state show onboarding/acme
        wfdeploy state show onboarding/acme --output json | jq '.record.request'
    """,
)
@click.argument("address", shell_complete=offering("addresses"))
@options.target
@options.view
def show(app: App, target: TargetOptions, address: str) -> None:
    """Show everything that is recorded for an address.

    The recorded run, the request it was made from (secrets by name), an attempt whose outcome is open, and the runs
    before it.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation
    from wfdeploy.render import status as view

    with surroundings.opened(app, target, online=False) as workspace:
        shown = operation.show(workspace, address)
    app.output.show(view.show_json(shown), view.show_text(shown, app.output.style))


@click.command(
    "resolve",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state resolve onboarding/acme --triggered   it did start: it is in the console
        wfdeploy state resolve onboarding/acme --resend      it did not
        wfdeploy state resolve onboarding/acme --triggered --run-id wfr_5kDfS   a resume did
    """,
)
@click.argument("address", shell_complete=offering("addresses"))
@click.option("--triggered", "resolution", flag_value="triggered", help="The run was started: record it so.")
@click.option("--resend", "resolution", flag_value="resend", help="It was not: the next apply may send it again.")
@click.option(
    "--run-id",
    metavar="ID",
    help="With --triggered, of a resume: the id of the resumed run, which the server chose.",
)
@options.target
@options.log
def resolve(app: App, target: TargetOptions, address: str, resolution: str | None, run_id: str | None) -> None:
    """Resolve by hand a run whose answer was lost.

    apply does it by itself from the server's logs. Only a run that is older than those logs has to be resolved by
    somebody who knows. A restart or a resume counts as an attempt of its group's policy either way.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation

    if resolution is None:
        raise click.UsageError("Give --triggered or --resend: was the run started?")
    if run_id is not None and resolution != operation.Resolution.TRIGGERED.value:
        raise click.UsageError("--run-id goes with --triggered.")
    with surroundings.opened(app, target, online=False) as workspace:
        operation.resolve(workspace, address, operation.Resolution(resolution), run_id)
    app.output.note(f"{address} is resolved: {resolution}")


@click.command(
    "mv",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state mv onboarding/acme onboarding/acme-gmbh
    """,
)
@click.argument("origin", metavar="OLD-ADDRESS", shell_complete=offering("addresses"))
@click.argument("to", metavar="NEW-ADDRESS")
@options.target
@options.log
def mv(app: App, target: TargetOptions, origin: str, to: str) -> None:
    """Give a recorded run another address.

    Renames it in this one state. A `moved:` entry in the manifest or the project file does it in every environment,
    and also when the state was lost: prefer that.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation

    with surroundings.opened(app, target, online=False) as workspace:
        operation.move(workspace, origin, to)
    app.output.note(f"{origin} is now {to}")


@click.command(
    "rm",
    cls=Command,
    exits=(ExitCode.STATE, ExitCode.WITHHELD),
    examples="""
        wfdeploy state rm onboarding/acme
        wfdeploy state rm 'onboarding/*' -e staging --dry-run
        wfdeploy state rm 'onboarding/*' -e staging --yes
    """,
)
@click.argument("globs", metavar="ADDRESS-GLOB...", nargs=-1, required=True, shell_complete=offering("globs"))
@options.yes("always")
@options.dry_run
@options.target
@options.view
def rm(app: App, target: TargetOptions, globs: Sequence[str], yes: bool, dry_run: bool) -> None:
    """Forget recorded runs, without cancelling them.

    Shows them and asks. One that is still declared is triggered again by the next apply, as another generation: its
    highest generation is remembered.

    In ADDRESS-GLOB, * and ? stand for any text and any character; brackets are literal.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.cli.confirm import agreed
    from wfdeploy.operations import state as operation
    from wfdeploy.render.encode import dump
    from wfdeploy.render.terminal import printable

    output = app.output

    def consents(found: Sequence[str]) -> bool:
        shown = found if output.verbosity > 0 else found[:_MOST_SHOWN]
        lines = [f"  - {printable(address)}\n" for address in shown]
        if len(shown) < len(found):
            lines.append(f"    and {len(found) - len(shown):,} more; -v lists every one\n")
        output.block("".join(lines), always=output.can_ask and not yes)
        return agreed(app, "Forget these runs?", f"forget {several(len(found))}", yes=yes)

    with surroundings.opened(app, target, online=False) as workspace:
        if dry_run:
            found = operation.removable(workspace, tuple(globs))
            json = dump({"formatVersion": 1, "dryRun": True, "wouldRemove": list(found)}) + "\n"
            output.show(json, (f"would forget {printable(address)}\n" for address in found))
            return
        removed = operation.remove(workspace, tuple(globs), consents)
    json = dump({"formatVersion": 1, "removed": list(removed)}) + "\n"
    output.show(json, (f"forgot {printable(address)}\n" for address in removed))


@click.command(
    "export",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state export -e production > backup.jsonl
        wfdeploy state export | jq -r 'select(.kind == "record").address'
    """,
)
@options.target
@options.log
def export(app: App, target: TargetOptions) -> None:
    """Print the state as sorted JSON Lines.

    The same state gives the same bytes. It contains no secrets; it contains request bodies unless they are redacted.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation

    with surroundings.opened(app, target, online=False) as workspace:
        app.output.payload(f"{line}\n" for line in operation.export(workspace))


@click.command(
    "import",
    cls=Command,
    exits=(ExitCode.STATE,),
    examples="""
        wfdeploy state import backup.jsonl -e production
        ssh runner wfdeploy state export -e production | wfdeploy state import - -e production
    """,
)
@click.argument("file", type=click.Path())
@options.target
@options.log
def import_(app: App, target: TargetOptions, file: str) -> None:
    """Make the state from exported lines.

    FILE is what `wfdeploy state export` printed; - is standard input. All of it is imported or nothing, and a state
    that exists is never replaced.
    """
    from pathlib import Path

    from wfdeploy.cli import surroundings
    from wfdeploy.operations import state as operation
    from wfdeploy.wiring.checkout import require_as_named

    with surroundings.opened(app, target, online=False) as workspace:
        if file != "-":
            require_as_named("the export", file, folder=Path.cwd(), bounds=workspace.project.bounds)
        with surroundings.exported_lines(file) as lines:
            workspace.state_backend.prepare()
            count = operation.import_(workspace, lines)
    app.output.note(f"imported {several(count, 'record')}")
