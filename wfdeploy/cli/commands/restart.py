"""`wfdeploy restart`"""

from __future__ import annotations

from wfdeploy.cli.wishing import command_for

command = command_for(
    "restart",
    help_="""Start failed, cancelled or vanished runs again from the beginning.

Each is triggered as a new generation of what is declared now. Asked for by hand, it is done whatever the group's policy
says, and counts as one of its attempts. Runs that are going or have succeeded are left as they are.""",
    examples="""
        wfdeploy restart onboarding/acme -e production
        wfdeploy restart 'onboarding/*' --max-triggers 20
    """,
    declared=True,
)
