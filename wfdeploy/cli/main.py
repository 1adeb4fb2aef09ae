"""The table of commands. `wfdeploy --help` shows it without importing any of them."""

from __future__ import annotations

import click

from wfdeploy import __version__
from wfdeploy.cli.command import LazyGroup, Section, app_of

SECTIONS = (
    Section(
        "Everyday commands",
        {
            "init": "Scaffold a project: manifest, project file, CI pipeline.",
            "validate": "Check manifests and report every problem with its place.",
            "render": "Show the requests that manifests make, run by run.",
            "graph": "Show which groups wait for which, and in how many steps they are released.",
            "plan": "Show what apply would do, field by field.",
            "apply": "Trigger what is declared and missing, exactly once.",
            "status": "Show recorded runs with their live state.",
            "comment": "Post a report as a comment of the pull request, and update it in place.",
            "wait": "Wait until recorded runs have ended.",
            "rollout": "Show and control the rollouts of groups.",
        },
    ),
    Section(
        "Runs",
        {
            "logs": "Show the steps of recorded runs as a tree: times, retries, errors.",
            "history": "Show every run that an address had: triggered, resumed, restarted, replaced.",
            "refresh": "Update the recorded run states from the server.",
            "cancel": "Cancel recorded runs that are still running.",
            "resume": "Resume failed runs where they failed, through the dead-letter queue.",
            "restart": "Start failed, cancelled or vanished runs again from the beginning.",
            "retrigger": "Trigger declared runs again, whatever their state.",
        },
    ),
    Section(
        "State",
        {
            "adopt": "Record declared runs as already triggered, without triggering them.",
            "state": "Inspect and repair the state.",
        },
    ),
    Section(
        "Development and set-up",
        {
            "dev": "Run a local server that speaks the Workflow API.",
            "doctor": "Check the set-up, and on request the server that the guarantees rest on.",
            "help": "Explain a command, or the options that commands share.",
            "explain": "Explain a field of manifests or of the project file.",
            "schema": "Print or write the JSON Schemas of manifests and of the project file.",
            "completion": "Print the completion script for a shell.",
            "version": "Print the version, with that of the state's format and of Python.",
        },
    ),
)

MODULES = {
    **dict.fromkeys(("init", "help", "explain", "schema", "completion", "version"), "setup"),
    **dict.fromkeys(("validate", "render", "graph"), "manifests"),
    **dict.fromkeys(("status", "wait", "logs", "history", "refresh"), "runs"),
    **dict.fromkeys(("adopt", "cancel", "resume", "restart", "retrigger"), "apply"),
}
"""The module of a command, unless it has the command's name."""


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        app_of(ctx).output.payload(f"wfdeploy {__version__}\n")
        ctx.exit()


@click.group(
    "wfdeploy",
    cls=LazyGroup,
    module=lambda name: f"wfdeploy.cli.commands.{MODULES.get(name, name)}",
    sections=SECTIONS,
    no_args_is_help=False,
    invoke_without_command=True,
    examples="""
        wfdeploy init shop && cd shop      a project to start from
        wfdeploy apply --local             run it on this machine, no account needed
        wfdeploy plan -e production        what would happen, and why
        wfdeploy apply -e production       apply it; repeat at any time
    """,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version and exit.",
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """GitOps for Upstash Workflow runs.

    Declare groups of workflow runs in YAML, keep the files in git, and let `wfdeploy apply` trigger each
    declared run exactly once, however often it is repeated.

    `wfdeploy help COMMAND` explains a command, `wfdeploy help options` the options that commands share.
    """
    if ctx.invoked_subcommand is None:
        app_of(ctx).output.block(ctx.get_help() + "\n", always=True)
        raise click.UsageError("A command is missing.")
