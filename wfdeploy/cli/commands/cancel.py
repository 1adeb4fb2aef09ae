"""`wfdeploy cancel`"""

from __future__ import annotations

from wfdeploy.cli.wishing import command_for

command = command_for(
    "cancel",
    help_="""Cancel recorded runs that are still going.

They stay recorded as cancelled: no policy starts them again, and an unchanged declaration triggers nothing. The
manifests are not read. A run that has ended is left as it is.""",
    examples="""
        wfdeploy cancel onboarding/acme -e production
        wfdeploy cancel 'nightly/*' --yes
        wfdeploy cancel --label tenant-7
    """,
    declared=False,
)
