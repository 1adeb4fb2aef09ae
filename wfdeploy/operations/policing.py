"""Hold a plan to the policies of the project and of the operator, where there are any."""

from __future__ import annotations

from dataclasses import replace
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING

from wfdeploy.errors import PolicyViolated

if TYPE_CHECKING:
    from wfdeploy.manifests.manifests import Manifests
    from wfdeploy.model.diagnostic import Diagnostic
    from wfdeploy.model.plan import Plan, RequestedAction
    from wfdeploy.workspace import Workspace


def policed(workspace: Workspace, manifests: Manifests, plan: Plan, requested: RequestedAction | None) -> Plan:
    """The plan with what policies forbid or warn of. Raises: `InvalidInput` where an expression can't be used."""
    project = workspace.project
    if not project.policies:
        return plan
    from wfdeploy.operations.authorship import actor
    from wfdeploy.policies.checking import check_plan

    cwd = workspace.cwd or Path.cwd()
    violations = check_plan(
        project,
        project.policies,
        manifests,
        plan,
        requested=requested,
        actor=actor(workspace.process_environ),
        now_s=workspace.clock.now_ms() / 1000,
        cwd=cwd,
    )
    warnings = map(str, filterfalse(_forbids, violations))
    return replace(plan, violations=tuple(violations), warnings=(*plan.warnings, *warnings)) if violations else plan


def require_no_violations(plan: Plan) -> None:
    """Raises: `PolicyViolated` with what policies forbid; what they only warn of isn't among it."""
    forbidden = list(filter(_forbids, plan.violations))
    if forbidden:
        raise PolicyViolated(forbidden)


def _forbids(violation: Diagnostic) -> bool:
    return violation.is_error
