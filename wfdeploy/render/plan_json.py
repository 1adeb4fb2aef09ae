"""A plan as JSON: one object, one change per line, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wfdeploy.model.plan import ABSENT, Action, Change, FieldChange, Plan
from wfdeploy.render import diagnostics
from wfdeploy.render.encode import continuation_fields, document, source_fields, version_fields


def text(plan: Plan) -> Iterator[str]:
    """The pieces of `{"formatVersion":1,"project":…,"environment":…,"summary":{…},"changes":[…],…}`.

    The summary contains every action, also with zero. `old` or `new` is missing if that side doesn't have the field.
    `continuations` is only there if somebody handled failed runs elsewhere, `stateVersions` with a shared state,
    `violations` if there are some of policies.
    """
    head = {
        "project": plan.project,
        "environment": plan.environment,
        **({"shard": plan.shard} if plan.shard else {}),
        **version_fields(plan.versions),
        "summary": {action.value: plan.summary.get(action, 0) for action in Action},
        "verified": plan.verified,
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
        "orphans": plan.orphans,
        "drifted": {state.value: count for state, count in plan.drifted.items()},
        "unmatchedIds": list(plan.unmatched_ids),
        **({"continuations": list(map(continuation_fields, plan.continuations))} if plan.continuations else {}),
        **({"violations": list(map(diagnostics.fields, plan.violations))} if plan.violations else {}),
        "possiblyRenamed": [{"from": old, "to": new} for old, new in plan.possibly_renamed],
        "emptiedGenerators": [{"generator": name, "cancels": count} for name, count in plan.emptied.items()],
        "possiblyTriggered": [
            {"workflowRunId": run_id, "address": address} for run_id, address in plan.possibly_triggered
        ],
    }
    return document(head, "changes", map(change_fields, plan.explained()))


def change_fields(change: Change) -> Mapping[str, object]:
    """One change as JSON fields.

    `warnings` is only there with warnings, `runState` if the recorded run failed, was cancelled or is missing, and
    `attempt` if it is resumed or restarted.
    """
    fields: dict[str, object] = {
        "address": change.address,
        "action": change.action.value,
        "reason": change.reason,
        "workflowRunId": change.workflow_run_id,
        "fingerprint": change.fingerprint,
        "generation": change.generation,
        "source": None if change.source is None else source_fields(change.source),
        "diff": [_field(field) for field in change.diff],
    }
    if change.run_state is not None:
        fields["runState"] = change.run_state.value
    if change.tries:
        fields["attempt"] = change.tries
    if change.warnings:
        fields["warnings"] = list(change.warnings)
    return fields


def _field(field: FieldChange) -> Mapping[str, object]:
    shown: dict[str, object] = {"path": field.path}
    if field.old is not ABSENT:
        shown["old"] = field.old
    if field.new is not ABSENT:
        shown["new"] = field.new
    return shown
