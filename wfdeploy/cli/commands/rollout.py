"""`wfdeploy rollout`: the commands that look at rollouts and steer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wfdeploy.cli import options
from wfdeploy.cli.command import Command, LazyGroup, Section
from wfdeploy.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wfdeploy.cli.output import App
    from wfdeploy.model.blocking import Progress
    from wfdeploy.model.options import TargetOptions
    from wfdeploy.workspace import Workspace

_SECTIONS = (
    Section("Look", {"status": "Show how far the rollouts are."}),
    Section(
        "Steer",
        {
            "approve": "Let the step that waits for approval pass.",
            "pause": "Let no more runs go, for now.",
            "resume": "Go on after a pause, a stop or an abort.",
            "abort": "Give a rollout up: no more runs are let go.",
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
    """See how groups are rolled out in steps, and steer it.

    A rollout is declared in its group's manifest (`spec.rollout`), and each apply goes on with it. These commands write
    into the state what a person decided; nothing is sent, and runs that were let go run on.
    """


@click.command(
    "status",
    cls=Command,
    exits=(ExitCode.INVALID, ExitCode.STATE),
    examples="""
        wfdeploy rollout status -e production
        wfdeploy rollout status migrate --output json
    """,
)
@click.argument("groups", metavar="[GROUP]...", nargs=-1)
@options.target
@options.view
def status(app: App, target: TargetOptions, groups: Sequence[str]) -> None:
    """Show how far the rollouts are.

    Reads the project's manifests and the state; runs are shown as they were last observed (`wfdeploy refresh` asks the
    server).
    """
    from wfdeploy.cli import wiring
    from wfdeploy.operations import rollouts as operation
    from wfdeploy.render import rollouts as view

    with wiring.opened(app, target, online=False) as workspace:
        views = operation.status(workspace, tuple(groups))
    output = app.output
    output.show(view.json_text(views), view.text(views, output.style, width=output.width))


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
    @click.argument("group", metavar="GROUP")
    @options.target
    @options.view
    def command(app: App, target: TargetOptions, group: str) -> None:
        from wfdeploy.cli import wiring
        from wfdeploy.operations import rollouts as operation
        from wfdeploy.render import rollouts as view

        with wiring.opened(app, target, online=False) as workspace:
            steer: Callable[[Workspace, str], Progress] = getattr(operation, verb)
            progress = steer(workspace, group)
        app.output.show(view.changed_json(progress), view.changed_text(progress, done))

    return command


approve = _steering(
    "approve",
    "approved",
    """Let the step that waits for approval pass.

For steps with `pauseUntil: approved`. It holds for the step that the rollout is at: each such step is approved on
its own, and may be approved before its runs have ended.""",
)
pause = _steering(
    "pause",
    "paused",
    """Let no more runs go, for now.

Runs that were let go run on. `wfdeploy rollout resume` goes on.""",
)
resume = _steering(
    "resume",
    "resumed",
    """Go on after a pause, a stop or an abort.

Failures so far are taken note of: after a stop, only that many more are too many. The next apply goes on with the
step that the rollout was at.""",
)
abort = _steering(
    "abort",
    "aborted",
    """Give a rollout up: no more runs are let go.

Runs that were let go run on (`wfdeploy cancel` ends them). The rollout begins anew when what it let go is changed
in the manifest; `wfdeploy rollout resume` goes on with it as it is.""",
)
