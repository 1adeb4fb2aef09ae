"""What expressions are about, as plain data: runs, groups, changes, plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfdeploy.manifests.identify.describe import delivery_fields, doing
from wfdeploy.model.address import Address
from wfdeploy.model.plan import Action, Change, Plan, RequestedAction
from wfdeploy.model.project import Project
from wfdeploy.model.request import Request
from wfdeploy.model.run import Group
from wfdeploy.policies.evaluation import Subject

_ALWAYS: Mapping[str, object] = {"labels": [], "delay": 0}


def environment_fields(project: Project) -> Mapping[str, object]:
    """The variable `environment`."""
    return {"name": project.environment, "project": project.name}


def run_fields(address: Address, request: Request) -> Mapping[str, Any]:
    """The variable `run`: its request, with secrets as references. Fields that aren't set are left out."""
    fields = {**_ALWAYS, **doing(request), **delivery_fields(request.template.delivery), "address": address}
    return {name: value for name, value in fields.items() if value is not None}


def group_fields(group: Group, runs: int) -> Mapping[str, object]:
    """The variable `group`."""
    policy = group.policy
    return {
        "name": group.name,
        "runs": runs,
        "recurring": group.schedule is not None,
        "rollout": group.rollout is not None,
        "dependsOn": [one.group for one in group.depends_on],
        "policy": {
            "onChange": policy.on_change.value,
            "onRemove": policy.on_remove.value,
            "onFailure": policy.on_failure.action.value,
            "maxAttempts": policy.on_failure.max_attempts,
        },
    }


def hidden(request: Request, *prefix: str) -> list[list[str]]:
    """The paths of what a run redacts, below the variable that holds it."""
    redact = request.template.delivery.redact
    if redact is None:
        return []
    paths = [[*prefix, "body"]] if redact.body else []
    if redact.headers is True:
        paths.append([*prefix, "headers"])
    elif redact.headers:
        paths += [[*prefix, "headers", name.lower()] for name in redact.headers]
    return paths


def run_subject(address: Address, request: Request, group: Mapping[str, object]) -> Subject:
    """A run, for the scope `run`."""
    return Subject({"run": run_fields(address, request), "group": group}, hidden(request, "run"))


def change_subject(change: Change, request: Request | None) -> Subject:
    """A change, for the scope `change`. `request`: of a declared run."""
    address = change.address
    fields: dict[str, object] = {
        "action": change.action.value,
        "address": address,
        "group": address.partition("/")[0],
        "generation": change.generation,
        "sends": change.sends,
    }
    if request is None:
        return Subject({"change": fields})
    return Subject({"change": {**fields, "run": run_fields(address, request)}}, hidden(request, "change", "run"))


def plan_fields(plan: Plan, requested: RequestedAction | None) -> Mapping[str, object]:
    """The variable `plan`: how many runs each action is about, how many requests are sent, and the command."""
    return {
        **{action.value: plan.summary.get(action, 0) for action in Action},
        "sends": plan.sends,
        "command": "apply" if requested is None else requested.value,
    }
