"""What the commands that steer a rollout share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wfdeploy.cli.output import View

if TYPE_CHECKING:
    from wfdeploy.cli.app import App
    from wfdeploy.cli.flags import TargetFlags

_DONE = {"approve": "approved", "pause": "paused", "resume": "resumed", "abort": "aborted"}


def steer(app: App, target: TargetFlags, group: str, verb: str) -> None:
    """Write down what a person decided about a group's rollout. `verb`: one of `operations.rollouts`."""
    from wfdeploy.cli import wiring
    from wfdeploy.operations import rollouts as operation
    from wfdeploy.render import rollouts as view
    from wfdeploy.render.encode import dump

    act = {
        "approve": operation.approve,
        "pause": operation.pause,
        "resume": operation.resume,
        "abort": operation.abort,
    }[verb]
    with wiring.offline_workspace(app, target) as workspace:
        progress = act(workspace, group)
    if app.output.view is View.JSON:
        fields = {"formatVersion": 1, "group": progress.group, "progress": view.progress_fields(progress)}
        app.output.payload(dump(fields) + "\n")
    else:
        app.output.payload(view.steered(progress, _DONE[verb]))
