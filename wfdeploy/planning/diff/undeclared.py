"""A recorded address that no manifest declares: a run that was removed, or a past instance of a recurring one."""

from __future__ import annotations

from typing import assert_never

from wfdeploy.model.address import group_of, instance_parts, shell_word
from wfdeploy.model.edits import DropAttempt, Edit, Expire, Forget
from wfdeploy.model.observed import RunState
from wfdeploy.model.plan import Action, Change, RequestedAction
from wfdeploy.model.run import OnRemove
from wfdeploy.model.state import Attempt, RecordKey
from wfdeploy.planning.diff.context import NOT_LOOKED_UP, AttemptFinding, DiffContext
from wfdeploy.planning.diff.failure_policy import BY_REQUEST
from wfdeploy.planning.diff.reasons import REPEATED, SENT_AGAIN


def undeclared(key: RecordKey, context: DiffContext) -> Change | None:
    """The change of a recorded address that no manifest declares."""
    address = key.address
    edits: list[Edit] = list(context.prior_edits(address))
    attempt = context.attempts.get(address)
    known = key if key.fingerprint else None
    adopting = address in context.adopted
    if attempt is not None and attempt.is_open:
        change = Change(
            address=address,
            action=Action.RECOVER,
            reason="",
            run_id=attempt.workflow_run_id,
            fingerprint=attempt.fingerprint,
            generation=attempt.generation,
            edits=tuple(edits),
            attempt=attempt,
        )
        return _with_open_attempt(change, attempt, edits, context)
    if known is None:
        # Only a refused attempt is left of a run that nobody declares any more.
        if context.removal.is_undeclared(address):
            edits.append(DropAttempt(address))  # under the name that it has by now
            return Change(address=address, action=Action.KEEP, reason="", edits=tuple(edits))
        return None
    adopted = context.how_it_goes_on(address) or "the server knows this run, the state did not"
    change = Change(
        address=address,
        action=Action.ADOPT if adopting else Action.KEEP,
        reason=f"{adopted}; no longer declared" if adopting else "no longer declared",
        run_id=known.workflow_run_id,
        fingerprint=known.fingerprint,
        generation=known.generation,
        edits=tuple(edits),
    )
    if context.requested is not None:
        return _requested(change, context.requested, context)
    if adopting or not context.removal.is_gone(address):
        return change
    policy = context.removal.policies.get(group_of(address), OnRemove.KEEP)
    if policy is OnRemove.CANCEL:
        record = context.lookups.record(address)
        state = context.states.live.get(address) or (record.run_state if record else None)
        if (state is not None and not state.may_run) or context.lookups.is_taken_over(known):
            return change._replace(reason="no longer declared, and its run has ended")
        generator = context.removal.emptied_generator(address)
        why = "no longer declared" if generator is None else f"{generator} makes no runs any more"
        return change._replace(action=Action.CANCEL, reason=f"{why}, and the group's onRemove is cancel")
    if policy is OnRemove.FORGET or context.removal.prune:
        why = "the group's onRemove is forget" if policy is OnRemove.FORGET else "--prune was given"
        edits.append(Forget(address))
        return change._replace(action=Action.FORGET, reason=f"no longer declared, and {why}", edits=tuple(edits))
    return change


def _with_open_attempt(change: Change, attempt: Attempt, edits: list[Edit], context: DiffContext) -> Change:
    requested, address = context.requested, change.address
    resumes = requested is RequestedAction.RESUME and attempt.is_resume
    # Otherwise another file may declare it, or the command is about chosen runs only.
    is_undeclared = context.removal.is_undeclared(address)
    undeclared_ = ", no longer declared" if is_undeclared else ""
    verdict = context.verdicts.get(address, NOT_LOOKED_UP)
    match verdict.finding:
        case AttemptFinding.FOUND:
            assert verdict.run is not None
            found = context.record_found(attempt, verdict.run, edits)
            change = change._replace(run_id=found.workflow_run_id, edits=tuple(edits))
            if requested is RequestedAction.CANCEL and found.run_state is not None and found.run_state.may_run:
                return change._replace(action=Action.CANCEL, reason="requested")
            if resumes:
                return change._replace(reason=REPEATED)
            return change._replace(reason=f"found on the server{undeclared_}: recorded as triggered")
        case AttemptFinding.ABSENT | AttemptFinding.ABSENT_OR_DELAYED if resumes:
            return change._replace(reason=SENT_AGAIN, sends=True, tries=attempt.tries, dlq_id=attempt.dlq_id)
        case AttemptFinding.ABSENT | AttemptFinding.ABSENT_OR_DELAYED if not is_undeclared:
            words = "its answer was lost and the server does not know it: what becomes of it is up to the next apply"
            return change._replace(action=Action.KEEP, reason=words)
        case AttemptFinding.ABSENT | AttemptFinding.ABSENT_OR_DELAYED:
            edits.append(DropAttempt(address, tombstone=verdict.finding is AttemptFinding.ABSENT_OR_DELAYED))
            return change._replace(
                reason="the server does not know it, and it is no longer declared: dropped",
                edits=tuple(edits),
            )
        case AttemptFinding.NOT_LOOKED_UP:
            return change._replace(reason=f"its answer was lost{undeclared_}: apply looks it up on the server")
        case AttemptFinding.TOO_OLD:
            return change._replace(
                reason=f"its answer was lost longer ago than the server's logs remember{undeclared_}: "
                f"settle it with `wfdeploy state resolve {shell_word(address)} --triggered` or `state rm`",
            )
        case _:
            assert_never(verdict.finding)


def _requested(change: Change, requested: RequestedAction, context: DiffContext) -> Change:
    """Do what a person requested. A run can be cancelled and resumed, whatever is declared."""
    record = context.adopted.get(change.address) or context.lookups.record(change.address)
    if requested in (RequestedAction.RESTART, RequestedAction.RETRIGGER) or record is None:
        return change._replace(reason="no longer declared: there is nothing to trigger it from")
    standing = record.standing
    if change.address not in context.adopted:
        standing = context.observed(change.address, standing)
    case = context.case(standing, is_taken_over=context.lookups.is_taken_over(record.key))
    reaction = BY_REQUEST[requested](case)
    goes_on = context.how_it_goes_on(change.address)
    change = change._replace(action=reaction.action, reason="; ".join(filter(None, (goes_on, reaction.reason))))
    if reaction.action is not Action.RESUME:
        is_unmet = requested is RequestedAction.RESUME and (goes_on or case.standing.run_state is RunState.FAILED)
        return change._replace(in_doubt=change.reason) if is_unmet else change
    tries = case.standing.tries + 1
    label = context.identities.attempt_label(change.address, record.fingerprint, record.generation, tries)
    return change._replace(sends=True, run_id=label, tries=tries, dlq_id=case.standing.dlq_id)


def is_past(key: RecordKey, context: DiffContext) -> bool:
    """Whether an address that isn't declared now is an instance of a group that still recurs."""
    if context.requested is not None or group_of(key.address) not in context.past.groups:
        return False
    if instance_parts(key.address) is None:
        return False
    attempt = context.attempts.get(key.address)
    return bool(key.fingerprint) and not (attempt is not None and attempt.is_open)


def past_instance(key: RecordKey, context: DiffContext) -> Change | None:
    """The change of a past instance; mostly none."""
    edits: list[Edit] = list(context.prior_edits(key.address))
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
    if key.address in context.past.expired:
        edits.append(Expire(key.address))
    # It has no fingerprint, so that it doesn't count as a run that lost its declaration.
    change = Change(address=key.address, action=Action.KEEP, reason="", edits=tuple(edits))
    return change if edits or context.past.shown else None
