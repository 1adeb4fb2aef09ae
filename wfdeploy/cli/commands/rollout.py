"""`wfdeploy rollout`: the commands that show and control rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, LazyGroup, Section, offering
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfdeploy.cli.output import App
    from wfdeploy.model.blocking import RolloutProgress
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.workspace import Workspace

_SECTIONS = (
    Section("Inspect", {"status": "Show how far the rollouts are."}),
    Section(
        "Control",
        {
            "approve": "Approve the step that waits for approval.",
            "pause": "Release no more runs for now.",
            "resume": "Continue after a pause, a stop or an abort.",
            "abort": "Abort the rollout; release no more runs.",
        },
    ),
)


@click.group(
    "rollout",
    cls=LazyGroup,
    module=lambda _: __name__,
    sections=_SECTIONS,
    examples="""
        wfdeploy rollout status -e production
        wfdeploy rollout approve migrate -e production
    """,
)
def rollout() -> None:
    """Show and control the rollouts of groups.

    A rollout is declared in its group's manifest (`spec.rollout`), and each apply continues it. These commands record a
    person's decision in the state. Nothing is sent, and released runs continue.
    """


@click.command(
    "status",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE, ExitCode.REMOTE),
    examples="""
        wfdeploy rollout status -e production
        wfdeploy rollout status migrate --output json
    """,
)
@click.argument("groups", metavar="[GROUP]...", nargs=-1, shell_complete=offering("groups"))
@options.offline
@options.target
@options.view
def status(app: App, target: TargetOptions, groups: Sequence[str], offline: bool) -> None:
    """Show how far the rollouts are.

    Reads the manifests and the state, and asks the server for released runs that may have changed, as `wfdeploy status`
    does. Nothing is recorded: the next apply, or `wfdeploy refresh`, does that.
    """
    from wfdeploy.cli import surroundings
    from wfdeploy.operations import rollouts as operation
    from wfdeploy.render import rollouts as view

    with surroundings.opened(app, target, online=not offline) as workspace:
        views = operation.status(workspace, tuple(groups), offline=offline)
        now_ms = workspace.clock.now_ms()
    output = app.output
    refresh = surroundings.command_line("refresh", target)
    text = view.text(views, output.style, width=output.width, now_ms=now_ms, refresh=refresh)
    output.show(view.json_text(views), text)


def _steering(verb: str, done: str, help_: str) -> click.Command:
    """The command that writes down what a person decided about a group's rollout. `verb`: one of
    `operations.rollouts`."""

    @click.command(
        verb,
        cls=Command,
        help=help_,
        exits=(ExitCode.STATE,),
        examples=f"wfdeploy rollout {verb} migrate -e production",
    )
    @click.argument("group", metavar="GROUP", shell_complete=offering("rollouts"))
    @options.target
    @options.view
    def command(app: App, target: TargetOptions, group: str) -> None:
        from wfdeploy.cli import surroundings
        from wfdeploy.operations import rollouts as operation
        from wfdeploy.render import rollouts as view

        with surroundings.opened(app, target, online=False) as workspace:
            steer: Callable[[Workspace, str], RolloutProgress] = getattr(operation, verb)
            progress = steer(workspace, group)
        app.output.show(view.changed_json(progress), view.changed_text(progress, done))

    return command


approve = _steering(
    "approve",
    "approved",
    """Approve the step that waits for approval.

For steps with `pauseUntil: approved`. Each such step is approved on its own; the current one may be approved before its
runs have ended.""",
)
pause = _steering(
    "pause",
    "paused",
    """Release no more runs for now.

Released runs continue. `wfdeploy rollout resume` continues the rollout.""",
)
resume = _steering(
    "resume",
    "resumed",
    """Continue after a pause, a stop or an abort.

Failures so far no longer count: after a stop, it takes as many new ones to stop the rollout again. The next apply
continues with the current step.""",
)
abort = _steering(
    "abort",
    "aborted",
    """Abort the rollout; release no more runs.

Released runs continue (`wfdeploy cancel` ends them). The rollout starts again when the manifest changes what it
released; `wfdeploy rollout resume` continues it as it is.""",
)
