"""`wfdeploy state`: the group of commands that look into the state and mend it."""

from __future__ import annotations

import click

from wfdeploy.cli.command import LazyGroup, Section

SECTIONS = (
    Section("Look", {"list": "List what is recorded.", "show": "Show everything that is recorded of an address."}),
    Section(
        "Mend",
        {
            "resolve": "Settle by hand a run whose answer was lost.",
            "mv": "Give a recorded run another address.",
            "rm": "Forget recorded runs, without cancelling them.",
        },
    ),
    Section(
        "Carry",
        {"export": "Print the state as sorted JSON Lines.", "import": "Make the state from exported lines."},
    ),
)


@click.group(
    "state",
    cls=LazyGroup,
    package=__name__,
    sections=SECTIONS,
    examples="""
        wfdeploy state list -e production
        wfdeploy state show onboarding/acme
        wfdeploy state export -e production > backup.jsonl
    """,
)
def command() -> None:
    """Look into the state and mend it.

    None of these commands asks the server or triggers anything.
    """
