"""`wfdeploy rollout`: the group of commands that look at rollouts and steer them."""

from __future__ import annotations

import click

from wfdeploy.cli.command import LazyGroup, Section

SECTIONS = (
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
    package=__name__,
    sections=SECTIONS,
    examples="""
        wfdeploy rollout status -e production
        wfdeploy rollout approve migrate -e production
    """,
)
def command() -> None:
    """See how groups are rolled out in steps, and steer it.

    A rollout is declared in its group's manifest (`spec.rollout`), and each apply goes on with it. These commands write
    into the state what a person decided; nothing is sent, and runs that were let go run on.
    """
