"""Rules for the settings of a group: its schedule, its rollout, the groups it waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from wfdeploy.documents.values import Problem, fraction_problem
from wfdeploy.errors import several
from wfdeploy.model.document import FieldPath

GroupProblem: TypeAlias = tuple[FieldPath, Problem]
_FRACTION = re.compile(r"\.[0-9]+")
_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


def group_problems(data: Mapping[str, Any]) -> Iterator[GroupProblem]:
    """Yield what is wrong with a RunGroup manifest that fits its schema, each problem with its path."""
    spec = data["spec"]
    schedule, rollout = spec.get("schedule"), spec.get("rollout")
    if schedule is not None:
        yield from _schedule(schedule)
        for index, run in enumerate(spec["runs"]):
            if run is not None and run.get("workflowRunId") is not None:
                message, hint = "the instances of a recurring run can't have one workflow run id", "leave it out"
                yield ("spec", "runs", index, "workflowRunId"), Problem("shared-run-id", message, hint)
    elif spec.get("history") is not None:
        hint = "give spec.schedule, or remove it"
        yield ("spec", "history"), Problem("history-of-nothing", "only recurring groups have past instances", hint)
    if rollout is not None:
        if schedule is not None:
            hint = "an instance is small: take flowControl to spread its runs"
            yield ("spec", "rollout"), Problem("recurring-rollout", "a recurring group can't be rolled out", hint)
        yield from _rollout(rollout)
    yield from _depends_on(spec.get("dependsOn", ()), data["metadata"]["name"])
    yield from _durations(spec)


def _durations(spec: Mapping[str, Any]) -> Iterator[GroupProblem]:
    """Durations that apply itself keeps to."""
    policy, schedule, rollout = (spec.get(field) or {} for field in ("policy", "schedule", "rollout"))
    on_failure = policy.get("onFailure")
    backoff = on_failure.get("backoff") if isinstance(on_failure, dict) else None
    found: list[tuple[FieldPath, object]] = [
        (("spec", "schedule", "deadline"), schedule.get("deadline")),
        (("spec", "policy", "onFailure", "backoff"), backoff),
    ]
    for index, step in enumerate(rollout.get("steps", ())):
        found.append((("spec", "rollout", "steps", index, "bake"), step.get("bake")))
    for path, value in found:
        if (problem := fraction_problem(str(path[-1]), value, where="it is counted in")) is not None:
            yield path, problem


def _schedule(schedule: Mapping[str, Any]) -> Iterator[GroupProblem]:
    # Imported here: most manifests have no schedule.
    from zoneinfo import ZoneInfo

    from cronsim import CronSim, CronSimError

    path = ("spec", "schedule")
    expression = schedule["cron"]
    hint = "five fields: minute, hour, day of month, month, day of week, as in '0 3 * * *'"
    try:
        fields = len(expression.split())
        if fields != 5:
            raise CronSimError(f"it has {several(fields, 'field')}")
        if next(iter(CronSim(expression, _BEGIN)), None) is None:
            raise CronSimError("its time never comes")
    except CronSimError as error:
        reason = str(error).replace("Bad ", "the field is wrong: ")
        yield (*path, "cron"), Problem("bad-cron", f"{expression!r} is no cron expression: {reason}", hint)
    timezone = schedule.get("timezone", "UTC")
    try:
        ZoneInfo(timezone)
    except (KeyError, OSError, ValueError):
        yield (*path, "timezone"), _unknown_zone(timezone)
    yield from _period(schedule, path)


def _unknown_zone(name: str) -> Problem:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    near = get_close_matches(name, available_timezones(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else "an IANA name, as in Europe/Berlin"
    return Problem("unknown-timezone", f"{name!r} is no time zone", hint)


def _period(schedule: Mapping[str, Any], path: FieldPath) -> Iterator[GroupProblem]:
    moments: dict[str, datetime] = {}
    for field in ("startAt", "endAt"):
        value = schedule.get(field)
        if value is None:
            continue
        try:
            moments[field] = _moment(value)
        except (ValueError, OverflowError) as error:
            yield (*path, field), Problem("bad-time", f"{field}: {error}", "for example 2026-12-01T06:00:00Z")
    if len(moments) == 2 and moments["endAt"] < moments["startAt"]:
        yield (*path, "endAt"), Problem("ends-before-start", "endAt is before startAt", "no instance lies between")


def _moment(value: object) -> datetime:
    if isinstance(value, int | float):
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    return datetime.fromisoformat(_FRACTION.sub("", str(value).upper()))


def _rollout(rollout: Mapping[str, Any]) -> Iterator[GroupProblem]:
    before: dict[str, float] = {}
    for index, step in enumerate(rollout["steps"]):
        path = ("spec", "rollout", "steps", index)
        given = [field for field in ("count", "percent") if field in step]
        if len(given) != 1:
            message = "a step has count or percent" if not given else "a step can't have both count and percent"
            yield path, Problem("amount-of-step", message, "give one of them")
            continue
        field = given[0]
        if step[field] <= before.get(field, 0):
            message = f"this step releases no more runs than the one before ({field}: {before[field]:g})"
            yield (*path, field), Problem("smaller-step", message, "amounts are cumulative, and grow")
        before[field] = max(step[field], before.get(field, 0))


def _depends_on(entries: Any, name: str) -> Iterator[GroupProblem]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        path = ("spec", "dependsOn", index, "group")
        if entry["group"] == name:
            yield path, Problem("dependency-cycle", f"the group {name} waits for itself", "remove the entry")
        elif entry["group"] in seen:
            yield path, Problem("repeated-dependency", f"{entry['group']} is named already", "keep one of the two")
        seen.add(entry["group"])
