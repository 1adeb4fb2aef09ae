"""wfdeploy: GitOps for workflow runs.

The public Python API is what `__all__` lists; docs/python.md shows how to use it. Everything is imported when it is
first used: an import of this package loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfdeploy.api.loading import load
    from wfdeploy.api.plan import Change, Plan
    from wfdeploy.api.project import Project
    from wfdeploy.api.shared_state import LeaseStatus, SharedState
    from wfdeploy.errors import (
        CacheDamaged,
        ExitCode,
        Interrupted,
        InvalidInput,
        PolicyViolated,
        RemoteFailure,
        StalePlan,
        StateError,
        StateLocked,
        StateUnusable,
        UsageError,
        WfdeployError,
        Withheld,
    )
    from wfdeploy.model.checks import Assumption, Check, CheckStatus, Diagnosis, ProbeReport, Suggestion, Truth
    from wfdeploy.model.diagnostic import Diagnostic, Place, Severity
    from wfdeploy.model.event import (
        ApplyReport,
        Event,
        Following,
        Listing,
        Notice,
        Outcome,
        Reading,
        Result,
        Settled,
        Started,
        Waiting,
    )
    from wfdeploy.model.fail_state import FailState
    from wfdeploy.model.observed import Continuation, RunState
    from wfdeploy.model.options import ApplyOptions, StopFlag
    from wfdeploy.model.plan import ABSENT, Action, FieldChange
    from wfdeploy.model.status import Refreshed, RowStatus, StateChange, StatusRow
    from wfdeploy.operations.waiting import Waited

__version__ = "0.1.0"

_HOMES = {
    "api.plan": ("Change", "Plan"),
    "api.loading": ("load",),
    "api.project": ("Project",),
    "api.shared_state": ("LeaseStatus", "SharedState"),
    "errors": (
        "CacheDamaged",
        "ExitCode",
        "Interrupted",
        "InvalidInput",
        "PolicyViolated",
        "RemoteFailure",
        "StalePlan",
        "StateError",
        "StateLocked",
        "StateUnusable",
        "UsageError",
        "WfdeployError",
        "Withheld",
    ),
    "model.checks": ("Assumption", "Check", "CheckStatus", "Diagnosis", "ProbeReport", "Suggestion", "Truth"),
    "model.diagnostic": ("Diagnostic", "Place", "Severity"),
    "model.event": (
        "ApplyReport",
        "Event",
        "Following",
        "Listing",
        "Notice",
        "Outcome",
        "Reading",
        "Result",
        "Settled",
        "Started",
        "Waiting",
    ),
    "model.fail_state": ("FailState",),
    "model.observed": ("Continuation", "RunState"),
    "model.options": ("ApplyOptions", "StopFlag"),
    "model.plan": ("ABSENT", "Action", "FieldChange"),
    "model.status": ("Refreshed", "RowStatus", "StatusRow", "StateChange"),
    "operations.waiting": ("Waited",),
}
"""Where each public name is defined."""

__all__ = [
    "ABSENT",
    "Action",
    "ApplyOptions",
    "ApplyReport",
    "Assumption",
    "CacheDamaged",
    "Change",
    "Check",
    "CheckStatus",
    "Continuation",
    "Diagnosis",
    "Diagnostic",
    "Event",
    "ExitCode",
    "FailState",
    "FieldChange",
    "Following",
    "Interrupted",
    "InvalidInput",
    "LeaseStatus",
    "Listing",
    "Notice",
    "Outcome",
    "Place",
    "Plan",
    "PolicyViolated",
    "ProbeReport",
    "Project",
    "Reading",
    "Refreshed",
    "RemoteFailure",
    "Result",
    "RowStatus",
    "RunState",
    "Settled",
    "Severity",
    "SharedState",
    "StalePlan",
    "Started",
    "StateChange",
    "StateError",
    "StateLocked",
    "StateUnusable",
    "StatusRow",
    "StopFlag",
    "Suggestion",
    "Truth",
    "UsageError",
    "Waited",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
