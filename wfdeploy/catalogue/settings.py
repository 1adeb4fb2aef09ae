"""What a group says about its runs, as the catalogue keeps it: JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wfdeploy.model import policy
from wfdeploy.model.run import Group, Identity, OnChange, OnRemove, Policy

if TYPE_CHECKING:
    from wfdeploy.model.blocking import Amount, Dependency, Rollout, Schedule

_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def to_text(group: Group) -> str:
    """All of a group but its name and its runs."""
    values: dict[str, Any] = {
        "onChange": group.policy.on_change.value,
        "onRemove": group.policy.on_remove.value,
        "include": group.identity.include,
        "exclude": group.identity.exclude,
    }
    if group.policy.care != policy.NO_CARE:
        values["care"] = policy.to_fields(group.policy.care)
    if group.schedule is not None:
        values["schedule"] = _schedule_to(group.schedule)
    if group.history is not None:
        values["history"] = group.history
    if group.depends_on:
        values["dependsOn"] = [[one.group, one.condition.value, one.line] for one in group.depends_on]
    if group.rollout is not None:
        values["rollout"] = _rollout_to(group.rollout)
    return _json(values)


def from_text(name: str, text: str) -> Group:
    """The group again. Raises: `ValueError`, `KeyError` or `TypeError` for what `to_text` didn't write."""
    values = json.loads(text)
    return Group(
        name=name,
        policy=Policy(
            on_change=OnChange(values["onChange"]),
            on_remove=OnRemove(values["onRemove"]),
            care=policy.from_fields(values["care"]) if "care" in values else policy.NO_CARE,
        ),
        identity=Identity(tuple(values["include"]), tuple(values["exclude"])),
        schedule=_schedule_from(values["schedule"]) if "schedule" in values else None,
        history=values.get("history"),
        depends_on=_dependencies_from(values["dependsOn"]) if "dependsOn" in values else (),
        rollout=_rollout_from(values["rollout"]) if "rollout" in values else None,
    )


def _dependencies_from(values: list[list[Any]]) -> tuple[Dependency, ...]:
    from wfdeploy.model.blocking import Condition, Dependency

    return tuple(Dependency(group, Condition(condition), line) for group, condition, line in values)


def _schedule_to(schedule: Schedule) -> dict[str, Any]:
    return {
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "start": schedule.start_s,
        "end": schedule.end_s,
        "catchUp": schedule.catch_up.value,
        "concurrency": schedule.concurrency.value,
        "deadline": schedule.deadline_s,
    }


def _schedule_from(values: dict[str, Any]) -> Schedule:
    from wfdeploy.model.blocking import CatchUp, Concurrency, Schedule

    return Schedule(
        cron=values["cron"],
        timezone=values["timezone"],
        start_s=values["start"],
        end_s=values["end"],
        catch_up=CatchUp(values["catchUp"]),
        concurrency=Concurrency(values["concurrency"]),
        deadline_s=values["deadline"],
    )


def _rollout_to(rollout: Rollout) -> dict[str, Any]:
    return {
        "steps": [[*_amount_to(step.amount), step.gate.value, step.bake_s] for step in rollout.steps],
        "maxFailures": None if rollout.max_failures is None else _amount_to(rollout.max_failures),
    }


def _rollout_from(values: dict[str, Any]) -> Rollout:
    from wfdeploy.model.blocking import Amount, Gate, Rollout, Step

    return Rollout(
        steps=tuple(Step(Amount(value, percent), Gate(gate), bake) for value, percent, gate, bake in values["steps"]),
        max_failures=None if values["maxFailures"] is None else Amount(*values["maxFailures"]),
    )


def _amount_to(amount: Amount) -> list[Any]:
    return [amount.value, amount.is_percent]
