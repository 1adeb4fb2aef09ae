"""The diff: two streams in address order, one of declared runs, one of recorded ones, become changes.

For each address at most one change comes out. What an older attempt of it turned out to be is settled on the way
(`Change.edits`), so that a lost answer never hides behind an edited manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from wfdeploy.model.address import Address, group_of
from wfdeploy.model.diagnostic import Diagnostic, Place
from wfdeploy.model.plan import Action, Change, FieldChange
from wfdeploy.model.run import DesiredRun, OnChange, OnRemove
from wfdeploy.model.state import (
    Attempt,
    AttemptStatus,
    DropAttempt,
    Edit,
    Forget,
    Origin,
    PutRecord,
    Record,
    RecordKey,
    Rename,
    Rewrite,
)
from wfdeploy.pipeline.diff.context import NOT_LOOKED_UP, DiffContext, Finding, Verdict
from wfdeploy.pipeline.diff.fields import compare_fields


def diff(
    desired: Iterable[DesiredRun], recorded: Iterable[RecordKey], context: DiffContext, problems: list[Diagnostic]
) -> Iterator[Change]:
    """Every address's change, keeps included, in address order.

    Both streams come in address order (by code point). What the manifests' author must fix goes to `problems`.
    """
    for run, key in _merge(desired, _known(recorded, context)):
        if run is not None:
            yield _Declared(run, key, context, problems).change()
        elif key is not None:
            change = _undeclared(key, context)
            if change is not None:
                yield change


def _known(recorded: Iterable[RecordKey], context: DiffContext) -> Iterator[RecordKey]:
    """The state's keys with renames, adopted records and addresses that have nothing but an attempt."""
    if not (context.renames or context.adopted or context.attempts):
        yield from recorded
        return
    extra: dict[Address, RecordKey | None] = {Address(a): None for a in context.attempts}
    extra |= {address: _key(record) for address, record in context.adopted.items()}
    moved: dict[Address, RecordKey] = {}
    stream: Iterable[RecordKey] = recorded
    if context.renames:
        stream = list(recorded)
        for key in stream:
            to = context.renames.get(key.address)
            if to is not None and to not in extra:
                moved[to] = replace(key, address=to)
        stream = sorted(
            [key for key in stream if key.address not in context.renames] + list(moved.values()),
            key=lambda key: key.address,
        )
    waiting = iter(sorted(extra))
    following = next(waiting, None)
    for key in stream:
        while following is not None and following < key.address:
            yield extra[following] or _empty(following)
            following = next(waiting, None)
        if following == key.address:
            yield extra[following] or key
            following = next(waiting, None)
        else:
            yield key
    while following is not None:
        yield extra[following] or _empty(following)
        following = next(waiting, None)


def _empty(address: Address) -> RecordKey:
    """Stands for an address that has an attempt and no record."""
    return RecordKey(address, "", 0, "", "")


def _key(record: Record) -> RecordKey:
    return RecordKey(record.address, record.fingerprint, record.generation, record.workflow_run_id, record.delivery)


def _merge(
    desired: Iterable[DesiredRun], recorded: Iterable[RecordKey]
) -> Iterator[tuple[DesiredRun | None, RecordKey | None]]:
    """Pair the streams by address."""
    runs, keys = iter(desired), iter(recorded)
    run, key = next(runs, None), next(keys, None)
    while run is not None or key is not None:
        if key is None or (run is not None and run.address < key.address):
            yield run, None
            run = next(runs, None)
        elif run is None or key.address < run.address:
            yield None, key
            key = next(keys, None)
        else:
            yield run, key
            run, key = next(runs, None), next(keys, None)


class _Declared:
    """One declared run against what is known of its address."""

    def __init__(
        self, run: DesiredRun, key: RecordKey | None, context: DiffContext, problems: list[Diagnostic]
    ) -> None:
        self.run = run
        self.context = context
        self.problems = problems
        self.known = key if key is not None and key.fingerprint else None
        self.attempt = context.attempts.get(run.address)
        self.edits: list[Edit] = list(_preparing(run.address, context))
        self.adopting = run.address in context.adopted

    def change(self) -> Change:
        attempt = self.attempt
        if attempt is not None and attempt.is_open:
            return self._with_open_attempt(attempt, self.context.verdicts.get(self.run.address, NOT_LOOKED_UP))
        return self._compare()

    def _with_open_attempt(self, attempt: Attempt, verdict: Verdict) -> Change:
        same = self._same(attempt.fingerprint)
        match verdict.finding:
            case Finding.FOUND:
                latest = _settled(attempt, verdict, self.context, self.edits)
                self.known = _key(latest)
                change = self._compare(recovered=True)
                if change.sends or not same:
                    return change
                return replace(change, action=Action.RECOVER, reason="found on the server: recorded as triggered")
            case Finding.ABSENT | Finding.ABSENT_OR_DELAYED:
                if same:
                    return self._made(
                        Action.RECOVER,
                        "its answer was lost and the server does not know it: sent again",
                        attempt=attempt,
                        send_before_ms=verdict.send_before_ms,
                    )
                burn = verdict.finding is Finding.ABSENT_OR_DELAYED
                self.edits.append(DropAttempt(attempt.address, burn=burn))
                # The generation of the dropped attempt stays used where it may still start.
                return self._compare()
            case Finding.NOT_LOOKED_UP:
                return self._made(
                    Action.RECOVER, "its answer was lost: apply looks it up on the server", attempt=attempt, sends=False
                )
            case Finding.TOO_OLD:
                return self._made(
                    Action.RECOVER,
                    "its answer was lost longer ago than the server's logs remember: say what became of it with "
                    f"`wfdeploy state resolve '{attempt.address}' --triggered` or `--resend`",
                    attempt=attempt,
                    sends=False,
                )
            case _:
                assert_never(verdict.finding)

    def _compare(self, *, recovered: bool = False) -> Change:
        known, run = self.known, self.run
        if known is None:
            refused = self._refused()
            return self._made(Action.TRIGGER, refused or "new", generation=self._next_generation())
        if self._same(known.fingerprint):
            if run.address in self.context.replace:
                return self._again(known, "asked for with --replace")
            return self._unchanged(known, recovered=recovered)
        return self._changed(known)

    def _unchanged(self, known: RecordKey, *, recovered: bool) -> Change:
        run = self.run
        delivery_changed = bool(known.delivery) and known.delivery != run.delivery
        if known.fingerprint != run.fingerprint or known.delivery != run.delivery:
            self.edits.append(Rewrite(run.address, run.fingerprint, run.delivery))
        if self.attempt is not None and not self.attempt.is_open:
            # An edit that the server refused was undone: its refusal is of no interest any more.
            self.edits.append(DropAttempt(run.address))
        action = Action.ADOPT if self.adopting else Action.KEEP
        reason = "the server knows this run, the state did not" if self.adopting else ""
        change = self._made(action, reason, key=known, sends=False)
        if delivery_changed and not recovered and not self.adopting:
            record = self.context.records(run.address)
            fields = self._fields(record)
            if fields:
                change = replace(
                    change,
                    reason="delivery options changed: used from its next trigger on",
                    diff=fields,
                    warnings=_not_started(record, self.context.now_ms),
                )
        return change

    def _changed(self, known: RecordKey) -> Change:
        run = self.run
        record = self._record_of(known)
        fields = self._fields(record)
        policy = run.declared.group.policy.on_change
        place = Place(run.declared.source.file, run.declared.source.line)
        if policy is OnChange.IGNORE:
            return self._made(
                Action.KEEP, "changed, and the group's onChange is ignore", key=known, sends=False, diff=fields
            )
        if policy is OnChange.ERROR:
            self.problems.append(
                Diagnostic(
                    code="changed-run",
                    message="this run was triggered and has changed since, which its group's onChange: error forbids",
                    place=place,
                    address=run.address,
                    hint="undo the change, give the changed run a new name, or set policy.onChange to retrigger",
                )
            )
        explicit = run.declared.workflow_run_id
        if explicit is not None and explicit == known.workflow_run_id:
            self.problems.append(
                Diagnostic(
                    code="same-run-id",
                    message=f"this run has changed, and its workflowRunId {explicit} is that of the run it was",
                    place=place,
                    address=run.address,
                    hint="give it another workflowRunId, which triggers it anew",
                )
            )
        refused = self._refused()
        return self._made(
            Action.RETRIGGER,
            refused or ("changed" if fields else "what was triggered differs from what is declared"),
            generation=self._next_generation(),
            diff=fields,
            warnings=_not_started(record, self.context.now_ms),
        )

    def _again(self, known: RecordKey, reason: str) -> Change:
        run = self.run
        if run.declared.workflow_run_id is not None:
            self.problems.append(
                Diagnostic(
                    code="same-run-id",
                    message="--replace needs a new workflow run id, and this run's is fixed in the manifest",
                    place=Place(run.declared.source.file, run.declared.source.line),
                    address=run.address,
                    hint="change its workflowRunId instead: that triggers it anew",
                )
            )
        record = self._record_of(known)
        return self._made(
            Action.RETRIGGER,
            self._refused() or reason,
            generation=max(self._next_generation(), known.generation + 1),
            diff=self._fields(record),
        )

    # --- pieces ----------------------------------------------------------------------------------------------

    def _same(self, fingerprint: str) -> bool:
        """Whether a recorded fingerprint is this run's, under the version it was written with."""
        if fingerprint == self.run.fingerprint:
            return True
        return fingerprint == self.context.identities.fingerprint_under(self.run, fingerprint)

    def _next_generation(self) -> int:
        run = self.run
        highest = self.context.highest(run.address, run.fingerprint)
        if self.known is not None and self._same(self.known.fingerprint):
            highest = max(highest, self.known.generation)
        for edit in self.edits:
            if isinstance(edit, PutRecord) and self._same(edit.record.fingerprint):
                highest = max(highest, edit.record.generation)
        attempt = self.attempt
        if attempt is not None and attempt.is_open and self._same(attempt.fingerprint):
            highest = max(highest, attempt.generation)
        return highest + 1

    def _record_of(self, known: RecordKey) -> Record | None:
        for edit in reversed(self.edits):
            if isinstance(edit, PutRecord):
                return edit.record  # the latest: edits of records come oldest first
        return self.context.records(known.address)

    def _fields(self, record: Record | None) -> tuple[FieldChange, ...]:
        if record is None:
            return ()
        return compare_fields(record.request, self.context.identities.describe(self.run))

    def _refused(self) -> str | None:
        attempt = self.attempt
        if attempt is None or attempt.status is not AttemptStatus.REJECTED or not self._same(attempt.fingerprint):
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
        warnings: tuple[str, ...] = (),
        send_before_ms: int | None = None,
    ) -> Change:
        run = self.run
        if attempt is not None:
            identity = (attempt.workflow_run_id, attempt.fingerprint, attempt.generation)
        elif key is not None:
            identity = (key.workflow_run_id, run.fingerprint, key.generation)
        else:
            run_id = run.declared.workflow_run_id
            if run_id is None:
                run_id = self.context.identities.run_id(run.address, run.fingerprint, generation)
            identity = (run_id, run.fingerprint, generation)
        return Change(
            address=run.address,
            action=action,
            reason=reason,
            workflow_run_id=identity[0],
            fingerprint=identity[1],
            generation=identity[2],
            source=run.declared.source,
            diff=diff,
            warnings=warnings,
            sends=sends,
            edits=tuple(self.edits),
            desired=run,
            attempt=attempt if attempt is not None else self.attempt,
            send_before_ms=send_before_ms,
        )


def _undeclared(key: RecordKey, context: DiffContext) -> Change | None:
    """A recorded address that no manifest declares."""
    address = key.address
    edits: list[Edit] = list(_preparing(address, context))
    attempt = context.attempts.get(address)
    known = key if key.fingerprint else None
    adopting = address in context.adopted
    if attempt is not None and attempt.is_open:
        verdict = context.verdicts.get(address, NOT_LOOKED_UP)
        change = Change(
            address=address,
            action=Action.RECOVER,
            reason="",
            workflow_run_id=attempt.workflow_run_id,
            fingerprint=attempt.fingerprint,
            generation=attempt.generation,
            edits=tuple(edits),
            attempt=attempt,
        )
        match verdict.finding:
            case Finding.FOUND:
                _settled(attempt, verdict, context, edits)
                return replace(
                    change, reason="found on the server, no longer declared: recorded as triggered", edits=tuple(edits)
                )
            case Finding.ABSENT | Finding.ABSENT_OR_DELAYED:
                edits.append(DropAttempt(address, burn=verdict.finding is Finding.ABSENT_OR_DELAYED))
                return replace(
                    change,
                    reason="the server does not know it, and it is no longer declared: dropped",
                    edits=tuple(edits),
                )
            case Finding.NOT_LOOKED_UP:
                return replace(
                    change, reason="its answer was lost, no longer declared: apply looks it up on the server"
                )
            case Finding.TOO_OLD:
                return replace(
                    change,
                    reason="its answer was lost longer ago than the server's logs remember, and it is no longer "
                    f"declared: settle it with `wfdeploy state resolve '{address}' --triggered` or `state rm`",
                )
            case _:
                assert_never(verdict.finding)
    if known is None:
        # Nothing but a refused attempt of a run that nobody declares any more.
        if context.in_scope(group_of(address)):
            return Change(address=address, action=Action.KEEP, reason="", edits=(DropAttempt(address),))
        return None
    change = Change(
        address=address,
        action=Action.ADOPT if adopting else Action.KEEP,
        reason="the server knows this run, the state did not; no longer declared" if adopting else "no longer declared",
        workflow_run_id=known.workflow_run_id,
        fingerprint=known.fingerprint,
        generation=known.generation,
        edits=tuple(edits),
    )
    if adopting or not context.in_scope(group_of(address)):
        return change
    policy = context.on_remove.get(group_of(address), OnRemove.KEEP)
    if policy is OnRemove.CANCEL:
        record = context.records(address)
        state = context.live_states.get(known.workflow_run_id) or (record.run_state if record else None)
        if state is not None and state.is_final:
            return replace(change, reason="no longer declared, and its run has ended")
        return replace(change, action=Action.CANCEL, reason="no longer declared, and the group's onRemove is cancel")
    if policy is OnRemove.FORGET or context.prune:
        why = "the group's onRemove is forget" if policy is OnRemove.FORGET else "--prune was given"
        edits.append(Forget(address))
        return replace(change, action=Action.FORGET, reason=f"no longer declared, and {why}", edits=tuple(edits))
    return change


def _settled(attempt: Attempt, verdict: Verdict, context: DiffContext, edits: list[Edit]) -> Record:
    """Record a found attempt, and give back the address's latest run: what another runner triggered after it (and
    the listing showed too) stays on top."""
    run = verdict.run
    assert run is not None
    settled = Record(
        address=attempt.address,
        fingerprint=attempt.fingerprint,
        generation=attempt.generation,
        workflow_run_id=attempt.workflow_run_id,
        delivery=attempt.delivery,
        origin=Origin.RECOVERED,
        created_at_ms=run.created_at_ms,
        recorded_at_ms=context.now_ms,
        by=attempt.by,
        source=attempt.source,
        request=attempt.request,
        run_state=run.state,
        observed_at_ms=context.now_ms,
    )
    adopted = context.adopted.get(attempt.address)
    if adopted is not None and (adopted.created_at_ms or 0) > run.created_at_ms:
        edits.insert(edits.index(PutRecord(adopted)), PutRecord(settled))
        return adopted
    edits.append(PutRecord(settled))
    return settled


def _preparing(address: Address, context: DiffContext) -> Iterator[Edit]:
    """Edits that come before everything else of an address: its rename, its adoption."""
    for origin, to in context.renames.items():
        if to == address:
            yield Rename(origin, to)
    adopted = context.adopted.get(address)
    if adopted is not None:
        yield PutRecord(adopted)


def _not_started(record: Record | None, now_ms: int) -> tuple[str, ...]:
    """A warning when the recorded run is delayed and has not begun: it still fires as it was queued."""
    if record is None or not record.request:
        return ()
    request = json.loads(record.request)
    begins = record.created_at_ms or record.recorded_at_ms
    begins = max(begins + 1000 * int(request.get("delay") or 0), 1000 * int(request.get("notBefore") or 0))
    if begins <= now_ms:
        return ()
    return ("the run that was triggered before has not started yet, and will, as it was queued",)
