"""Past instances of recurring runs: they stay as they were triggered, whatever became of the manifest."""

from __future__ import annotations

from wfdeploy.model.address import group_of, instance_parts
from wfdeploy.model.edits import Edit, Expire
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.state import RecordKey
from wfdeploy.planning.diff.context import DiffContext
from wfdeploy.planning.diff.outcomes import preparing


def is_past(key: RecordKey, context: DiffContext) -> bool:
    """Whether an address that isn't declared now is an instance of a group that still recurs."""
    if context.wish is not None or group_of(key.address) not in context.recurring:
        return False
    if instance_parts(key.address) is None:
        return False
    attempt = context.attempts.get(key.address)
    return bool(key.fingerprint) and not (attempt is not None and attempt.is_open)


def past_instance(key: RecordKey, context: DiffContext) -> Change | None:
    """What there is to do about one; mostly nothing."""
    edits: list[Edit] = list(preparing(key.address, context))
    if key.address in context.adopted:
        return Change(
            address=key.address,
            action=Action.ADOPT,
            reason="the server knows this instance, the state did not",
            run_id=key.workflow_run_id,
            fingerprint=key.fingerprint,
            generation=key.generation,
            edits=tuple(edits),
        )
    if key.address in context.expired:
        edits.append(Expire(key.address))
    # Without a fingerprint: it is no run that lost its declaration.
    change = Change(address=key.address, action=Action.KEEP, reason="", edits=tuple(edits))
    return change if edits or context.names_past else None
