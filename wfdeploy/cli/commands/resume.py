"""`wfdeploy resume`"""

from __future__ import annotations

from wfdeploy.cli.wishing import command_for

command = command_for(
    "resume",
    help_="""Resume failed runs where they failed, by the dead-letter queue.

Finished steps are not repeated. Asked for by hand, it is done whatever the group's policy says, and counts as one of
its attempts. Safe to repeat: a resume whose answer was lost is looked up by its label, never sent blindly again. The
manifests are not read.""",
    examples="""
        wfdeploy resume onboarding/acme -e production
        wfdeploy resume 'onboarding/*' --yes
    """,
    declared=False,
)
