"""What a group says of all of its runs: schedule, order, rollout, policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfdeploy.documents.durations import seconds, unix_seconds
from wfdeploy.model.blocking import Amount, CatchUp, Concurrency, Condition, Dependency, Gate, Rollout, Schedule, Step
from wfdeploy.model.document import Fields
from wfdeploy.model.policy import Care, FailureAction, OnCancelled, OnFailure, ReplaceRunning
from wfdeploy.model.run import Group, Identity, OnChange, OnRemove, Policy

_USUAL_POLICY = Policy()
_USUAL_IDENTITY = Identity()

DEADLINE_S = 1800
"""How late an instance may start with `catchUp: none`, unless the manifest says."""


def group_of(data: Mapping[str, Any]) -> Group:
    """The group that a valid RunGroup manifest declares."""
    spec = data["spec"]
    policy, identity = spec.get("policy"), spec.get("identity")
    schedule, rollout = spec.get("schedule"), spec.get("rollout")
    return Group(
        name=data["metadata"]["name"],
        policy=_policy(policy) if policy else _USUAL_POLICY,
        # One object: what is worked out for an identity is found again by it.
        identity=Identity(tuple(identity.get("include", ())), tuple(identity.get("exclude", ())))
        if identity
        else _USUAL_IDENTITY,
        schedule=None if schedule is None else _schedule(schedule),
        history=None if spec.get("history") is None else int(spec["history"]["keep"]),
        depends_on=tuple(map(_dependency, spec.get("dependsOn", ()))),
        rollout=None if rollout is None else _rollout(rollout),
    )


def _policy(fields: Mapping[str, Any]) -> Policy:
    return Policy(
        on_change=OnChange(fields.get("onChange", OnChange.RETRIGGER.value)),
        on_remove=OnRemove(fields.get("onRemove", OnRemove.KEEP.value)),
        care=_care_of(fields),
    )


def _schedule(fields: Mapping[str, Any]) -> Schedule:
    catch_up = CatchUp(fields.get("catchUp", CatchUp.LAST.value))
    deadline = fields.get("deadline", DEADLINE_S if catch_up is CatchUp.NONE else None)
    return Schedule(
        cron=" ".join(fields["cron"].split()),
        timezone=fields.get("timezone", "UTC"),
        start_s=_time(fields.get("startAt")),
        end_s=_time(fields.get("endAt")),
        catch_up=catch_up,
        concurrency=Concurrency(fields.get("concurrency", Concurrency.ALLOW.value)),
        deadline_s=None if deadline is None else seconds(deadline),
    )


def _time(value: object) -> int | None:
    """Unix seconds; None also for what isn't a time, which the rules tell."""
    try:
        return None if value is None else unix_seconds(value)
    except ValueError:
        return None


def _dependency(fields: Mapping[str, Any]) -> Dependency:
    line = fields.line if isinstance(fields, Fields) else 1
    return Dependency(fields["group"], Condition(fields.get("condition", Condition.SUCCEEDED.value)), line)


def _rollout(fields: Mapping[str, Any]) -> Rollout:
    return Rollout(steps=tuple(map(_step, fields["steps"])), max_failures=_amount(fields.get("maxFailures")))


def _step(fields: Mapping[str, Any]) -> Step:
    percent = fields.get("percent")
    return Step(
        amount=Amount(int(fields.get("count", 1))) if percent is None else Amount(float(percent), True),
        gate=Gate(fields.get("pauseUntil", Gate.SUCCEEDED.value)),
        bake_s=seconds(fields.get("bake", 0)),
    )


def _amount(value: object) -> Amount | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Amount(float(value.rstrip("%")), True)
    return Amount(int(value))  # type: ignore[call-overload]


_PLAIN = OnFailure()


def _care_of(policy: Mapping[str, Any]) -> Care:
    """Of a valid policy."""
    return Care(
        on_failure=_on_failure(policy.get("onFailure", FailureAction.REPORT.value)),
        on_cancelled=OnCancelled(policy.get("onCancelled", OnCancelled.REPORT.value)),
        replace_running=ReplaceRunning(policy.get("replaceRunning", ReplaceRunning.ALLOW.value)),
    )


def _on_failure(value: str | Mapping[str, Any]) -> OnFailure:
    """A bare word is the short form of a mapping with that action alone."""
    if isinstance(value, str):
        return OnFailure(FailureAction(value))
    return OnFailure(
        FailureAction(value["action"]),
        max_attempts=int(value.get("maxAttempts", _PLAIN.max_attempts)),
        backoff_s=seconds(value.get("backoff", _PLAIN.backoff_s)),
    )
