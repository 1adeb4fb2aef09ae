"""Groups into declared runs. What runs share is a template, which is made once (`model/request.py`)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, TypeAlias, cast

from wfdeploy.documents.scalars import seconds, unix_seconds
from wfdeploy.manifests.expand.defaults import BODY_FIELDS, body_of, default_content_type, layer
from wfdeploy.manifests.expand.evaluation import Evaluation
from wfdeploy.manifests.expand.expressions import Evaluator
from wfdeploy.manifests.expand.input_files import InputFiles
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import (
    NOMINAL_S,
    Amount,
    CatchUp,
    Concurrency,
    Condition,
    Dependency,
    Rollout,
    RolloutStep,
    Schedule,
    StepGate,
    instant,
)
from wfdeploy.model.document import Document, FieldPath, Fields, Finding
from wfdeploy.model.request import NO_BODY, Request, Template
from wfdeploy.model.run import (
    DeclaredRun,
    FailureAction,
    Group,
    Identity,
    OnCancelled,
    OnChange,
    OnFailure,
    OnRemove,
    Policy,
    ReplaceRunning,
    Source,
)

_USUAL_POLICY = Policy()
_USUAL_IDENTITY = Identity()

DEADLINE_S = 1800
"""How late an instance may start with `catchUp: none`, where the manifest has no deadline."""


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
        on_failure=_on_failure(fields.get("onFailure", FailureAction.REPORT.value)),
        on_cancelled=OnCancelled(fields.get("onCancelled", OnCancelled.REPORT.value)),
        replace_running=ReplaceRunning(fields.get("replaceRunning", ReplaceRunning.ALLOW.value)),
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
    """Unix seconds; None also for what isn't a time, which the rules report."""
    try:
        return None if value is None else unix_seconds(value)
    except ValueError:
        return None


def _dependency(fields: Mapping[str, Any]) -> Dependency:
    line = fields.line if isinstance(fields, Fields) else 1
    return Dependency(fields["group"], Condition(fields.get("condition", Condition.SUCCEEDED.value)), line)


def _rollout(fields: Mapping[str, Any]) -> Rollout:
    return Rollout(steps=tuple(map(_step, fields["steps"])), max_failures=_amount(fields.get("maxFailures")))


def _step(fields: Mapping[str, Any]) -> RolloutStep:
    percent = fields.get("percent")
    return RolloutStep(
        amount=Amount(int(fields.get("count", 1))) if percent is None else Amount(float(percent), True),
        gate=StepGate(fields.get("pauseUntil", StepGate.SUCCEEDED.value)),
        bake_s=seconds(fields.get("bake", 0)),
    )


def _amount(value: object) -> Amount | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Amount(float(value.rstrip("%")), True)
    return Amount(int(value))  # type: ignore[call-overload]


_PLAIN = OnFailure()


def _on_failure(value: str | Mapping[str, Any]) -> OnFailure:
    """A bare word is the short form of a mapping with that action alone."""
    if isinstance(value, str):
        return OnFailure(FailureAction(value))
    return OnFailure(
        FailureAction(value["action"]),
        max_attempts=int(value.get("maxAttempts", _PLAIN.max_attempts)),
        backoff_s=seconds(value.get("backoff", _PLAIN.backoff_s)),
    )


MOST_TEMPLATES = 1000
"""Templates that are remembered of a group, or of all groups."""

_OWN = frozenset(("name", "key", "workflowRunId", *BODY_FIELDS))
"""What a listed run has for itself."""


_Key: TypeAlias = tuple[str, str, str | None]
Made: TypeAlias = dict[_Key, Template]
"""Templates of groups without a schedule that were made with one evaluator, by all that they depend on beside it."""


def expand(
    document: Document,
    *,
    evaluator: Evaluator,
    files: InputFiles,
    findings: list[Finding],
    made: Made | None = None,
    wanted: Container[int] | None = None,
    at_s: int | None = None,
) -> Iterator[tuple[int, DeclaredRun]]:
    """Yield the runs that a valid RunGroup manifest declares, each with its ordinal, in order; entries that are None
    are skipped.

    An ordinal counts what the document declares, rows of data one by one and bad ones too, from 0: the same content has
    the same ordinals. Nothing is held: another call gives the same again.

    Runs that differ only in their bodies have one template, the very same object, most of the time. Where there are
    findings, runs hold stand-ins for what they are about: good for further checks and nothing else. A run without a
    destination has an empty one.

    made: is filled with templates, so that several documents share theirs.
    wanted: ordinals; other runs are skipped as cheaply as possible.
    at_s: of a recurring group, the instances at that time (Unix seconds).
    """
    data = cast("Mapping[str, Any]", document.data)
    spec = data["spec"]
    group = group_of(data)
    suffix = "" if at_s is None else f"@{instant(at_s)}"
    if group.schedule is not None:
        evaluator = evaluator.at(_schedule_values(group.schedule, at_s))
    evaluation = Evaluation(document, evaluator, findings)
    templates = _Templates(spec, evaluation, {} if made is None or group.schedule is not None else made)
    base = Request(templates.base, body_of(_defaults(spec), ("spec", "defaults"), evaluation, files) or NO_BODY)
    name_of_file = document.source.name
    ordinal = document.first_run  # a piece of a document has no generators before it
    for index, fields in enumerate(spec["runs"], document.first_run):
        if fields is None:
            continue
        line = fields.line if isinstance(fields, Fields) else document.line
        if "forEach" in fields or "matrix" in fields:
            from wfdeploy.manifests.expand.generators import GeneratorEntry, generate

            entry = GeneratorEntry(
                index=index,
                fields=fields,
                line=line,
                group=group,
                base=base,
                evaluation=evaluation,
                files=files,
                suffix=suffix,
            )
            ordinal = yield from generate(entry, ordinal, wanted)
            continue
        ordinal += 1
        if wanted is not None and ordinal - 1 not in wanted:
            continue
        if fields.get("key") is not None:
            hint = "remove it, or say with forEach or matrix what it tells apart"
            evaluation.add(("spec", "runs", index, "key"), "key-of-one", "a single run needs no key", hint)
        body = body_of(fields, ("spec", "runs", index), evaluation, files)
        if body is None:
            body = base.body
        yield (
            ordinal - 1,
            DeclaredRun(
                Address(f"{group.name}/{fields['name']}{suffix}"),
                group,
                Source(name_of_file, line, index),
                Request(templates.of(fields, index, default_content_type(body)), body),
                fields.get("workflowRunId"),
            ),
        )


class _Templates:
    """The templates of the listed runs of one group. What runs have in common beside their bodies is looked at once.

    base: what all runs of the group share.
    """

    def __init__(self, spec: Mapping[str, Any], evaluation: Evaluation, made: Made) -> None:
        self._evaluation = evaluation
        self._made = made
        destination = {"destination": spec.get("destination")}
        defaults = {name: value for name, value in _defaults(spec).items() if name not in BODY_FIELDS}
        self._key = repr((destination, defaults))
        key = ("", self._key, None)
        self.base = made.get(key) or self._new(key, self._below(destination), defaults, ("spec", "defaults"))

    def _below(self, destination: Mapping[str, Any]) -> Template:
        """What lies below the defaults."""
        return self._new(("", repr(destination), None), Template(), destination, ("spec",))

    def of(self, fields: Mapping[str, Any], index: int, content_type: str | None) -> Template:
        """The template of a run.

        content_type: of its body, where the author gave none.
        """
        shared = [item for item in fields.items() if item[0] not in _OWN]
        key = (self._key, repr(shared) if shared else "", content_type)
        return self._made.get(key) or self._new(key, self.base, fields, ("spec", "runs", index))

    def _new(self, key: _Key, base: Template, fields: Mapping[str, Any], path: FieldPath) -> Template:
        evaluation, numbers = self._evaluation, self._evaluation.numbers
        before, respelled, numbers.respelled = len(evaluation.findings), numbers.respelled, False
        template = layer(base, fields, path, evaluation, key[-1])
        if len(evaluation.findings) == before and not numbers.respelled:  # else it is reported wherever it stands
            if len(self._made) >= MOST_TEMPLATES:
                self._made.clear()
            self._made[key] = template
        numbers.respelled = numbers.respelled or respelled
        return template


def _defaults(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in spec.get("defaults", {}).items() if name != "destination"}


def _schedule_values(schedule: Schedule, at_s: int | None) -> Mapping[str, str]:
    """`schedule.time` (UTC), `schedule.localTime` and `schedule.date` (in the schedule's time zone) of the instance at
    `at_s` (Unix seconds; None: no instance is meant, and some time stands for any)."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    moment_s = NOMINAL_S if at_s is None else at_s
    try:
        zone = ZoneInfo(schedule.timezone)
    except (KeyError, OSError, ValueError):  # the rules report it
        zone = ZoneInfo("UTC")
    local = datetime.fromtimestamp(moment_s, zone)
    return {"time": instant(moment_s), "localTime": local.isoformat(), "date": local.date().isoformat()}
