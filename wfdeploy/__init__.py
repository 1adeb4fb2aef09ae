"""wfdeploy: GitOps for workflow runs.

The public Python API is what `__all__` lists; docs/python.md shows how to use it. Everything is imported when it is
first used: an import of this package loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfdeploy.api.plan import Change, Plan
    from wfdeploy.api.project import Project, load
    from wfdeploy.errors import (
        CacheDamaged,
        ExitCode,
        Interrupted,
        InvalidInput,
        RemoteFailure,
        StalePlan,
        StateError,
        StateLocked,
        StateUnusable,
        SystemRefused,
        UsageError,
        WfdeployError,
        Withheld,
    )
    from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
    from wfdeploy.model.event import Event, Following, Listing, Notice, Reading, Settled, Started, Waiting
    from wfdeploy.model.observed import RunState
    from wfdeploy.model.plan import ABSENT, Action, FieldChange

__version__ = "0.1.0"

_HOMES = {
    "api.plan": ("Change", "Plan"),
    "api.project": ("Project", "load"),
    "errors": (
        "CacheDamaged",
        "ExitCode",
        "Interrupted",
        "InvalidInput",
        "RemoteFailure",
        "StalePlan",
        "StateError",
        "StateLocked",
        "StateUnusable",
        "SystemRefused",
        "UsageError",
        "WfdeployError",
        "Withheld",
    ),
    "model.diagnostic": ("Diagnostic", "Place", "Severity"),
    "model.event": ("Event", "Following", "Listing", "Notice", "Reading", "Settled", "Started", "Waiting"),
    "model.observed": ("RunState",),
    "model.plan": ("ABSENT", "Action", "FieldChange"),
}
"""Where each public name is defined."""

__all__ = [
    "ABSENT",
    "Action",
    "CacheDamaged",
    "Change",
    "Diagnostic",
    "Event",
    "ExitCode",
    "FieldChange",
    "Following",
    "Interrupted",
    "InvalidInput",
    "Listing",
    "Notice",
    "Place",
    "Plan",
    "Project",
    "Reading",
    "RemoteFailure",
    "RunState",
    "Settled",
    "Severity",
    "StalePlan",
    "Started",
    "StateError",
    "StateLocked",
    "StateUnusable",
    "SystemRefused",
    "UsageError",
    "Waiting",
    "WfdeployError",
    "Withheld",
    "load",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"wfdeploy.{home}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
