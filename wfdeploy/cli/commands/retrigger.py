"""`wfdeploy retrigger`"""

from __future__ import annotations

from wfdeploy.cli.wishing import command_for

command = command_for(
    "retrigger",
    help_="""Trigger declared runs anew, however they did.

Each is triggered as a new generation of what is declared now, with the attempts of its policy before it. The group's
policy.replaceRunning says what becomes of a run that is still going. `wfdeploy apply --replace` does the same for
single addresses, beside everything else.""",
    examples="""
        wfdeploy retrigger reports/monthly -e production
        wfdeploy retrigger 'reports/*' --yes --allow-retrigger
    """,
    declared=True,
)
