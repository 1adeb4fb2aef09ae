"""Compare one declared run with what is known of its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from wfdeploy.model.address import shell_word
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import DropAttempt, Edit, PutRecord, PutTombstone, Rewrite
from wfdeploy.model.observed import TROUBLED, RunState
from wfdeploy.model.plan import Action, Change, FieldChange, NameRun, RequestedAction
from wfdeploy.model.run import DesiredRun, OnChange, ReplaceRunning
from wfdeploy.model.state import Attempt, AttemptStatus, Record, RecordKey, Standing
from wfdeploy.model.workflow_id import id_key, own_id
from wfdeploy.planning.diff.context import NOT_LOOKED_UP, AttemptFinding, DiffContext, Verdict
from wfdeploy.planning.diff.failure_policy import BY_REQUEST, Case, Reaction, by_policy, holds_back
from wfdeploy.planning.diff.reasons import (
    REPEATED,
    SENT_AGAIN,
    cancelled_first,
    explain,
    id_change,
    not_started,
    sent_id,
    why_new,
)


class Declared:
    """One declared run, and what is known of its address."""

    def __init__(
        self, run: DesiredRun, key: RecordKey | None, context: DiffContext, problems: list[Diagnostic]
    ) -> None:
        self.run = run
        self.context = context
        self.problems = problems
        self.known = key if key is not None and key.fingerprint else None
        self.attempt = context.attempts.get(run.address)
        self.edits: list[Edit] = list(context.prior_edits(run.address))
        self.adopting = run.address in context.adopted

    def change(self) -> Change:
        attempt = self.attempt
        if attempt is not None and attempt.is_open:
            return self._with_open_attempt(attempt, self.context.verdicts.get(self.run.address, NOT_LOOKED_UP))
        return self._compare()

    def _with_open_attempt(self, attempt: Attempt, verdict: Verdict) -> Change:
        same = self._is_of(attempt)
        match verdict.finding:
            case AttemptFinding.FOUND:
                repeated = same and self._repeats(attempt)
                assert verdict.run is not None
                self.known = self.context.record_found(attempt, verdict.run, self.edits).key
                if repeated:
                    return self._made(Action.RECOVER, REPEATED, key=self.known, sends=False)
                change = self._compare(recovered=True)
                if change.sends or not same:
                    return change
                return change._replace(action=Action.RECOVER, reason="found on the server: recorded as triggered")
            case AttemptFinding.ABSENT | AttemptFinding.ABSENT_OR_DELAYED:
                is_overtaken = same and self._is_overtaken(attempt)
                if same and not is_overtaken and not (attempt.is_resume and self._asks_for_a_run):
                    return self._made(
                        Action.RECOVER, SENT_AGAIN, attempt=attempt, send_before_ms=verdict.send_before_ms
                    )
                tombstone = verdict.finding is AttemptFinding.ABSENT_OR_DELAYED
                if self.run.at_s is None or is_overtaken:
                    self.edits.append(DropAttempt(attempt.address, tombstone=tombstone))
                elif tombstone:
                    # Its schedule may have moved on, so the attempt stays until another one takes its place.
                    self.edits.append(PutTombstone(attempt.address, attempt.fingerprint, attempt.generation))
                # The generation of the dropped attempt stays used where it may still start.
                return self._compare()
            case AttemptFinding.NOT_LOOKED_UP:
                return self._made(
                    Action.RECOVER, "its answer was lost: apply looks it up on the server", attempt=attempt, sends=False
                )
            case AttemptFinding.TOO_OLD:
                return self._made(
                    Action.RECOVER,
                    "its answer was lost longer ago than the server's logs remember: say what became of it with "
                    f"`wfdeploy state resolve {shell_word(attempt.address)} --triggered` or `--resend`",
                    attempt=attempt,
                    sends=False,
                )
            case _:
                assert_never(verdict.finding)

    def _is_overtaken(self, attempt: Attempt) -> bool:
        """Whether somebody handled a failed run elsewhere that this attempt, which never arrived, was to restart."""
        record = self._record_of(self.known) if attempt.tries and self.known is not None else None
        if record is None or attempt.is_resume or record.standing.handled:  # known before it was sent: with consent
            return False
        goes_on = self.context.how_it_goes_on(self.run.address)
        return bool(goes_on) or holds_back(self._case(record.standing), self.run.group.policy)

    @property
    def _asks_for_a_run(self) -> bool:
        """Whether another run of what is declared was requested."""
        return (
            self.context.requested in (RequestedAction.RESTART, RequestedAction.RETRIGGER)
            or self.run.address in self.context.replace
        )

    def _repeats(self, attempt: Attempt) -> bool:
        """Whether an open attempt started the run that was requested. A first trigger is no restart."""
        if not self._asks_for_a_run or attempt.is_resume:
            return False
        return self.context.requested is not RequestedAction.RESTART or self.known is not None

    def _compare(self, *, recovered: bool = False) -> Change:
        known, run = self.known, self.run
        if self.context.requested is not None:
            return self._requested(self.context.requested)
        if known is None:
            generation = self._next_generation()
            return self._made(Action.TRIGGER, self._refused() or why_new(run, generation), generation=generation)
        if self._is_known(known):
            if run.address in self.context.replace:
                return self._doubted(known, self._again(known, "requested with --replace"))
            return self._unchanged(known, recovered=recovered)
        return self._changed(known)

    def _requested(self, requested: RequestedAction) -> Change:
        """Do what a person requested, and nothing else."""
        known = self.known
        if known is None:
            refused, generation = self._refused(), self._next_generation()
            if requested is RequestedAction.RESTART and refused is None:
                # It may still wait for another group, a rollout or its time.
                return self._made(Action.KEEP, "was never triggered: apply does it", generation=generation, sends=False)
            return self._made(Action.TRIGGER, refused or "new", generation=generation)
        if requested is RequestedAction.RETRIGGER:
            return self._doubted(known, self._again(known, "requested"))
        record = self._record_of(known)
        if record is None:
            return self._made(Action.KEEP, "", key=known, sends=False)
        case = self._case(record.standing)
        if requested is RequestedAction.RESTART and case.standing.run_state in TROUBLED and not self._is_known(known):
            return self._doubted(known, self._again(known, "requested"))
        change = self._reacting(known, case, BY_REQUEST[requested](case))
        return change if requested is RequestedAction.CANCEL else self._doubted(known, change)

    def _doubted(self, known: RecordKey, change: Change) -> Change:
        """Mark what was requested of a run that somebody handled elsewhere: it may go on already."""
        goes_on, record = self.context.how_it_goes_on(self.run.address), self._record_of(known)
        case = None if record is None else self._case(record.standing)
        has_failed = case is not None and case.standing.run_state is RunState.FAILED
        in_doubt = case.in_doubt if case is not None else ""
        if change.action is Action.RESUME:
            return change  # the server resumes nothing twice
        if change.sends:
            # If the run that continued it failed too, its own dead letter counts.
            return change._replace(in_doubt=in_doubt if has_failed else goes_on)
        if goes_on:
            change = change._replace(reason=f"{goes_on}; {change.reason}")
        is_unmet = goes_on or in_doubt or (has_failed and self.context.requested is RequestedAction.RESUME)
        return change._replace(in_doubt=change.reason) if is_unmet else change

    def _case(self, standing: Standing) -> Case:
        context, known, is_stale = self.context, self.known, not self._was_recorded
        return context.case(
            context.observed(self.run.address, standing) if is_stale else standing,
            is_taken_over=is_stale and known is not None and context.lookups.is_taken_over(known),
            fixed_id=self.run.workflow_run_id is not None,
        )

    @property
    def _was_recorded(self) -> bool:
        """Whether this plan makes a newer record, so that what was observed is about another run."""
        return any(isinstance(edit, PutRecord) for edit in self.edits)

    def _reacting(self, known: RecordKey, case: Case, reaction: Reaction) -> Change:
        standing = case.standing
        troubled = standing.run_state if standing.run_state in TROUBLED else None
        tries = standing.tries + 1
        match reaction.action:
            case Action.RESTART:
                change = self._made(
                    Action.RESTART,
                    self._refused() or reaction.reason,
                    generation=max(self._next_generation(), known.generation + 1),
                )
                return change._replace(tries=tries, run_state=troubled)
            case Action.RESUME:
                label = self.context.identities.attempt_label(
                    self.run.address, known.fingerprint, known.generation, tries
                )
                change = self._made(Action.RESUME, self._refused() or reaction.reason, key=known)
                return change._replace(
                    run_id=label,
                    fingerprint=known.fingerprint,
                    tries=tries,
                    dlq_id=standing.dlq_id,
                    run_state=troubled,
                )
            case _:
                change = self._made(reaction.action, reaction.reason, key=known, sends=False)
                return change._replace(run_state=troubled)

    def _unchanged(self, known: RecordKey, *, recovered: bool) -> Change:
        run = self.run
        standing = self.context.states.troubled.get(run.address)
        if standing is None or recovered or self.adopting:
            return self._kept(known, recovered=recovered)
        case = self._case(standing)
        reaction = by_policy(case, run.group.policy)
        if reaction.action in (Action.RESTART, Action.RESUME):
            return self._reacting(known, case, reaction)
        kept = self._kept(known, recovered=False)
        handled = standing.handled and standing.run_state is RunState.FAILED
        return kept._replace(
            action=reaction.action, reason=reaction.reason, run_state=standing.run_state, handled=handled
        )

    def _kept(self, known: RecordKey, *, recovered: bool) -> Change:
        run = self.run
        delivery_changed = bool(known.delivery) and known.delivery != run.delivery
        if known.fingerprint != run.fingerprint or known.delivery != run.delivery:
            self.edits.append(Rewrite(run.address, run.fingerprint, run.delivery))
        if self.attempt is not None and not self.attempt.is_open:
            # The refused edit was undone, so its refusal doesn't matter any more.
            self.edits.append(DropAttempt(run.address))
        action = Action.ADOPT if self.adopting else Action.KEEP
        known_there = "the server knows this run, the state did not" if self.adopting else ""
        reason = self.context.how_it_goes_on(run.address) or known_there
        change = self._made(action, reason, key=known, sends=False)
        if delivery_changed and not recovered and not self.adopting:
            record = self.context.lookups.record(run.address)
            if fields := self._fields(record):
                change = change._replace(
                    reason="delivery options changed: used from its next trigger on",
                    diff=fields,
                    warnings=not_started(record, self.context.now_ms),
                )
        return change

    def _changed(self, known: RecordKey) -> Change:
        run = self.run
        own, policy = run.workflow_run_id, run.group.policy.on_change
        if policy is OnChange.IGNORE or run.at_s is not None:
            why = "an instance stays as it was triggered" if run.at_s else "the group's onChange is ignore"
            change = self._made(Action.KEEP, f"changed, and {why}", key=known, sends=False)
            return self._edited(known, change)
        if policy is OnChange.ERROR:
            self._add_problem(
                "changed-run",
                "this run was triggered and has changed since, which its group's onChange: error forbids",
                "undo the change, give the changed run a new name, or set policy.onChange to retrigger",
            )
        if own is not None and id_key(own) == id_key(self._sent_id(known)):
            self._add_problem(
                "same-run-id",
                f"this run has changed, and its workflowRunId {own} is that of the run it was",
                "give it another workflowRunId, which triggers it again",
            )
        change = self._made(Action.RETRIGGER, self._refused() or "", generation=self._next_generation())
        return self._edited(known, self._replacing(known, change))

    def _edited(self, known: RecordKey, change: Change) -> Change:
        """Make the change of an edited run brief: it is explained when shown, unless this plan makes the record."""
        change = change._replace(brief=True)
        return explain(change, self._record_of(known), self.context) if self._was_recorded else change

    def _replacing(self, known: RecordKey, change: Change) -> Change:
        """Make a re-trigger respect a predecessor that may still be running."""
        policy = self.run.group.policy.replace_running
        if policy is ReplaceRunning.ALLOW or self.context.replaces_running:
            return change
        record = self._record_of(known)
        if record is None:
            return change
        state = self._case(record.standing).standing.run_state
        if (state is not None and not state.may_run) or self.context.lookups.is_taken_over(known):
            return change
        if policy is ReplaceRunning.WAIT:
            return change._replace(
                action=Action.BLOCKED, reason="waits for the run that it replaces to end", sends=False
            )
        return change._replace(cancels=known.workflow_run_id)

    def _again(self, known: RecordKey, reason: str) -> Change:
        run = self.run
        own, before = run.workflow_run_id, self._sent_id(known)
        if own is not None and id_key(own) == id_key(before):
            self._add_problem(
                "same-run-id",
                "a new trigger needs a new workflow run id, and this run's is fixed in the manifest",
                "change its workflowRunId instead: that triggers it again",
            )
        generation = self._next_generation()
        change = self._made(
            Action.RETRIGGER,
            self._refused() or reason,
            generation=max(generation, known.generation + 1) if self._is_known(known) else generation,
            diff=(*self._fields(self._record_of(known)), *id_change(own, own_id(before))),
        )
        change = self._replacing(known, change)
        return change._replace(reason=cancelled_first(change.reason)) if change.cancels else change

    # --- pieces ----------------------------------------------------------------------------------------------

    def _add_problem(self, code: str, message: str, hint: str) -> None:
        place, address = self.run.source.place, self.run.address
        self.problems.append(Diagnostic(code=code, message=message, place=place, address=address, hint=hint))

    def _same(self, fingerprint: str, sent_id: Callable[[], str]) -> bool:
        """Whether a fingerprint is this run's, in the version it was written with. `sent_id`: the id sent with it."""
        if fingerprint == self.run.fingerprint:
            return True
        if fingerprint not in self.context.identities.fingerprints_under(self.run, fingerprint):
            return False
        # Only newer versions of fingerprints cover an author's id.
        own = self.run.workflow_run_id
        return own is None or id_key(own) == id_key(sent_id())

    def _is_known(self, known: RecordKey) -> bool:
        """Whether the recorded run is the declared one."""
        return self._same(known.fingerprint, lambda: self._sent_id(known))

    def _is_of(self, attempt: Attempt) -> bool:
        """Whether an attempt is one to start the declared run."""
        return self._same(attempt.fingerprint, lambda: attempt.run_id)

    def _sent_id(self, known: RecordKey) -> str:
        return sent_id(known, self._record_of(known))

    def _next_generation(self) -> int:
        run = self.run
        highest = self.context.highest(run.address, run.fingerprint)
        if self.known is not None and self._is_known(self.known):
            highest = max(highest, self.known.generation)
        for edit in self.edits:
            if isinstance(edit, PutRecord) and self._is_known(edit.record.key):
                highest = max(highest, edit.record.generation)
        attempt = self.attempt
        if attempt is not None and attempt.is_open and self._is_of(attempt):
            highest = max(highest, attempt.generation)
        return highest + 1

    def _record_of(self, known: RecordKey) -> Record | None:
        for edit in reversed(self.edits):
            if isinstance(edit, PutRecord):
                return edit.record  # the latest: edits of records come oldest first
        return self.context.lookups.record(known.address)

    def _fields(self, record: Record | None) -> tuple[FieldChange, ...]:
        if record is None:
            return ()
        return self.context.identities.changes(self.run, record.request)

    def _refused(self) -> str | None:
        attempt = self.attempt
        if attempt is None or attempt.status is not AttemptStatus.REJECTED:
            return None
        if not self._is_of(attempt):
            return None
        return f"rejected last time: {attempt.error}"

    def _made(
        self,
        action: Action,
        reason: str,
        *,
        generation: int = 0,
        key: RecordKey | None = None,
        attempt: Attempt | None = None,
        sends: bool = True,
        diff: tuple[FieldChange, ...] = (),
        send_before_ms: int | None = None,
    ) -> Change:
        run = self.run
        identity: tuple[str | NameRun, str, int]
        if attempt is not None:
            identity = (attempt.workflow_run_id, attempt.fingerprint, attempt.generation)
        elif key is not None:
            identity = (key.workflow_run_id, run.fingerprint, key.generation)
        else:
            own = run.workflow_run_id
            identity = (self.context.identities.run_id if own is None else own, run.fingerprint, generation)
        return Change(
            address=run.address,
            action=action,
            reason=reason,
            run_id=identity[0],
            fingerprint=identity[1],
            generation=identity[2],
            source=run.source,
            diff=diff,
            sends=sends,
            edits=tuple(self.edits),
            desired=run,
            attempt=attempt if attempt is not None else self.attempt,
            send_before_ms=send_before_ms,
            tries=0 if attempt is None else attempt.tries,
            dlq_id=None if attempt is None else attempt.dlq_id,
        )
