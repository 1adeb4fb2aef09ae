"""One address at a time: what is declared against what is known."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from tests.support.requests import request_of
from wfdeploy.manifests.identify.describe import describe
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.manifests.identify.run_ids import run_id
from wfdeploy.model.address import Address
from wfdeploy.model.diagnostic import Diagnostic
from wfdeploy.model.edits import DropAttempt, Forget, PutRecord, Rename, Rewrite
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.request import Body, BodyKind
from wfdeploy.model.run import DeclaredRun, Group, OnChange, OnRemove, Policy, Source
from wfdeploy.model.state import Attempt, AttemptStatus, Origin, Record, RecordKey
from wfdeploy.planning.diff.context import AttemptFinding, DiffContext, Identities, Removal, RunStates, Verdict
from wfdeploy.planning.diff.differ import diff
from wfdeploy.planning.diff.reasons import explained
from wfdeploy.planning.identities import compare_fields

NOW_MS = 1_000_000


def declared(
    name: str, body: Any = 1, *, group: Group | None = None, explicit: str | None = None, **delivery: Any
) -> DeclaredRun:
    return DeclaredRun(
        address=Address(f"g/{name}"),
        group=group or Group("g"),
        source=Source("m.yaml", 3),
        request=request_of("https://x.example/wf", body=Body(BodyKind.JSON, body), **delivery),
        workflow_run_id=explicit,
    )


def id_of(address: str, fingerprint: str, generation: int) -> str:
    return run_id("p", "e", address, fingerprint, generation)


def recorded(run: DeclaredRun, generation: int = 1, **more: Any) -> Record:
    desired = identify(run)
    return Record(
        address=run.address,
        fingerprint=desired.fingerprint,
        generation=generation,
        workflow_run_id=run.workflow_run_id or id_of(run.address, desired.fingerprint, generation),
        delivery=desired.delivery,
        request=json.dumps(describe(run.request, b"")),
        **more,
    )


def tried(run: DeclaredRun, status: AttemptStatus = AttemptStatus.UNKNOWN, **more: Any) -> Attempt:
    record = recorded(run)
    return Attempt(
        address=run.address,
        fingerprint=record.fingerprint,
        generation=1,
        workflow_run_id=record.workflow_run_id,
        status=status,
        intent_at_ms=0,
        delivery=record.delivery,
        **more,
    )


@dataclass
class KnownRecords:
    """What the state holds of single addresses."""

    records: dict[Address, Record]
    generations: dict[tuple[str, str], int]
    asked: list[str] = field(default_factory=list)

    def fetch(self, addresses: Collection[Address]) -> None: ...

    def record(self, address: str) -> Record | None:
        self.asked.append(address)
        return self.records.get(Address(address))

    def highest(self, address: str, fingerprint: str) -> int:
        return self.generations.get((address, fingerprint), 0)

    def is_taken_over(self, key: RecordKey) -> bool:
        return False


@dataclass
class Known:
    """What a test's state and listing hold."""

    records: list[Record] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    verdicts: dict[Address, Verdict] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def changes(self, *runs: DeclaredRun) -> list[Change]:
        context, changes = self.compared(*runs)
        return list(explained(changes, context))

    def compared(self, *runs: DeclaredRun) -> tuple[DiffContext, list[Change]]:
        """The changes as the diff gives them, some of them brief."""
        requests = {run.address: run.request for run in runs}
        records = {record.address: record for record in self.records}
        highest = {(r.address, r.fingerprint): r.generation for r in self.records} | self.more.pop("highest", {})
        context = DiffContext(
            identities=Identities(
                run_id=id_of,
                fingerprints_under=lambda run, text: [run.fingerprint] if text.startswith("1:") else [],
                changes=lambda run, before: compare_fields(before, describe(requests[run.address], b"")),
                attempt_label=lambda address, _, generation, tries: f"wfdeploy.{address}.g{generation}.a{tries}",
            ),
            lookups=KnownRecords(records, highest),
            now_ms=NOW_MS,
            attempts={attempt.address: attempt for attempt in self.attempts},
            verdicts=self.verdicts,
            **self.more,
        )
        keys = [
            RecordKey(r.address, r.fingerprint, r.generation, r.workflow_run_id, r.delivery)
            for r in sorted(self.records, key=lambda record: record.address)
        ]
        desired = [identify(run) for run in sorted(runs, key=lambda run: run.address)]
        return context, list(diff(desired, keys, context, self.problems))

    def change(self, *runs: DeclaredRun) -> Change:
        (only,) = self.changes(*runs)
        return only


FOUND = Verdict(AttemptFinding.FOUND, ObservedRun(workflow_run_id="x", state=RunState.SUCCESS, created_at_ms=500))


def test_a_new_run_is_triggered_in_generation_one() -> None:
    change = Known().change(declared("a"))
    assert (change.action, change.sends, change.generation, change.reason) == (Action.TRIGGER, True, 1, "new")
    assert change.source == Source("m.yaml", 3)


def test_a_run_that_was_forgotten_gets_the_next_generation() -> None:
    fingerprint = identify(declared("a")).fingerprint
    change = Known(more={"highest": {("g/a", fingerprint): 3}}).change(declared("a"))
    assert (change.action, change.generation) == (Action.TRIGGER, 4)


def test_an_unchanged_run_is_kept() -> None:
    change = Known([recorded(declared("a"))]).change(declared("a"))
    assert (change.action, change.reason, change.edits, change.sends) == (Action.KEEP, "", (), False)


def test_what_differs_is_found_out_when_it_is_asked_for() -> None:
    context, (change,) = Known([recorded(declared("a", {"x": 1}))]).compared(declared("a", {"x": 2}))
    assert isinstance(context.lookups, KnownRecords)
    asked = context.lookups.asked
    assert (change.action, change.brief, change.reason, change.diff) == (Action.RETRIGGER, True, "", ())
    asked.clear()
    (told,) = explained([change], context)
    assert (told.brief, told.reason, [one.path for one in told.diff]) == (False, "changed", ["body.x"])
    assert asked == ["g/a"]
    assert list(explained([told], context)) == [told]
    assert asked == ["g/a"]


def test_a_changed_run_is_triggered_again_with_its_fields() -> None:
    change = Known([recorded(declared("a", {"x": 1}))]).change(declared("a", {"x": 2}))
    assert (change.action, change.generation) == (Action.RETRIGGER, 1)
    assert [(one.path, one.old, one.new) for one in change.diff] == [("body.x", 1, 2)]


def test_changed_delivery_is_said_and_noted_and_sends_nothing() -> None:
    change = Known([recorded(declared("a", retries=1))]).change(declared("a", retries=2))
    assert (change.action, change.sends) == (Action.KEEP, False)
    assert [one.path for one in change.diff] == ["retries"]
    assert [type(edit) for edit in change.edits] == [Rewrite]


def test_a_changed_delay_of_a_run_that_has_not_started_is_a_warning() -> None:
    before = recorded(declared("a", delay_s=3600), created_at_ms=NOW_MS - 1000)
    (warning,) = Known([before]).change(declared("a", delay_s=10)).warnings
    assert "has not started yet" in warning
    started = replace(before, created_at_ms=NOW_MS - 3_700_000)
    assert Known([started]).change(declared("a", delay_s=10)).warnings == ()


def test_policies_for_changes() -> None:
    before = [recorded(declared("a", 1))]
    ignoring = Group("g", Policy(on_change=OnChange.IGNORE))
    change = Known(before).change(declared("a", 2, group=ignoring))
    assert (change.action, change.sends) == (Action.KEEP, False)
    assert "ignore" in change.reason
    known = Known(before)
    known.changes(declared("a", 2, group=Group("g", Policy(on_change=OnChange.ERROR))))
    assert [problem.code for problem in known.problems] == ["changed-run"]


def test_replace_takes_the_next_generation() -> None:
    change = Known([recorded(declared("a"), 2)], more={"replace": frozenset({"g/a"})}).change(declared("a"))
    assert (change.action, change.generation, change.sends) == (Action.RETRIGGER, 3, True)


def test_an_explicit_id_must_change_with_its_run() -> None:
    known = Known([recorded(declared("a", 1, explicit="mine"))])
    known.changes(declared("a", 2, explicit="mine"))
    assert [problem.code for problem in known.problems] == ["same-run-id"]
    change = Known([recorded(declared("a", 1, explicit="mine"))]).change(declared("a", 2, explicit="mine-2"))
    assert (change.action, change.workflow_run_id) == (Action.RETRIGGER, "mine-2")


def test_a_refused_run_is_planned_again_under_the_same_id() -> None:
    run = declared("a")
    refused = tried(run, AttemptStatus.REJECTED, error="too big")
    change = Known(attempts=[refused]).change(run)
    assert (change.action, change.workflow_run_id) == (Action.TRIGGER, refused.workflow_run_id)
    assert change.reason == "rejected last time: too big"


def test_undoing_a_refused_edit_keeps_what_ran() -> None:
    change = Known([recorded(declared("a", 1))], [tried(declared("a", 2), AttemptStatus.REJECTED)]).change(
        declared("a", 1)
    )
    assert change.action is Action.KEEP
    assert [type(edit) for edit in change.edits] == [DropAttempt]


def test_an_open_attempt_is_recovered_by_what_the_logs_say() -> None:
    run = declared("a")
    attempt = tried(run)
    address = run.address

    def recovered(verdict: Verdict | None) -> Change:
        return Known(attempts=[attempt], verdicts={address: verdict} if verdict else {}).change(run)

    assert (recovered(None).action, recovered(None).sends) == (Action.RECOVER, False)
    found = recovered(FOUND)
    assert (found.action, found.sends) == (Action.RECOVER, False)
    (edit,) = found.edits
    assert isinstance(edit, PutRecord)
    assert (edit.record.origin, edit.record.created_at_ms) == (Origin.RECOVERED, 500)
    absent = recovered(Verdict(AttemptFinding.ABSENT))
    assert (absent.action, absent.sends, absent.workflow_run_id) == (Action.RECOVER, True, attempt.workflow_run_id)
    delayed = recovered(Verdict(AttemptFinding.ABSENT_OR_DELAYED, send_before_ms=7))
    assert (delayed.sends, delayed.send_before_ms) == (True, 7)
    old = recovered(Verdict(AttemptFinding.TOO_OLD))
    assert (old.sends, "state resolve g/a --triggered" in old.reason) == (False, True)


def test_an_edit_never_hides_a_run_whose_answer_was_lost() -> None:
    before, after = declared("a", 1), declared("a", 2)
    change = Known(attempts=[tried(before)], verdicts={before.address: FOUND}).change(after)
    assert (change.action, change.sends, change.generation) == (Action.RETRIGGER, True, 1)
    assert [type(edit) for edit in change.edits] == [PutRecord]
    change = Known(attempts=[tried(before)], verdicts={before.address: Verdict(AttemptFinding.ABSENT)}).change(after)
    assert (change.action, change.edits) == (Action.TRIGGER, (DropAttempt(before.address),))
    change = Known(
        attempts=[tried(before)], verdicts={before.address: Verdict(AttemptFinding.ABSENT_OR_DELAYED)}
    ).change(after)
    assert change.edits == (DropAttempt(before.address, tombstone=True),)


def test_an_adopted_run_stands_before_the_states_own() -> None:
    run = declared("a", 2)
    adopted = recorded(run, 1)
    known = Known([recorded(declared("a", 1))], more={"adopted": {run.address: adopted}})
    change = known.change(run)
    assert (change.action, change.edits, change.sends) == (Action.ADOPT, (PutRecord(adopted),), False)


def test_a_renamed_address_keeps_its_run() -> None:
    before = recorded(declared("a"))
    origin, to = Address("g/a"), Address("g/z")
    known = Known([before], more={"renames": {origin: to}})
    (change,) = known.changes(declared("z"))
    assert (change.address, change.action, change.edits) == (to, Action.KEEP, (Rename(origin, to),))


def test_orphans_follow_their_groups_policy_when_in_scope() -> None:
    before = [recorded(declared("a"))]

    def orphan(states: RunStates | None = None, **more: Any) -> Change:
        return Known(before, more={"removal": Removal(**more), "states": states or RunStates()}).change()

    everything: dict[str, Any] = {"is_gone": lambda _: True}
    assert orphan().action is Action.KEEP
    assert orphan(**everything).action is Action.KEEP
    assert orphan(**everything, prune=True).action is Action.FORGET
    assert orphan(prune=True).action is Action.KEEP
    forgotten = orphan(**everything, policies={"g": OnRemove.FORGET})
    assert (forgotten.action, forgotten.edits) == (Action.FORGET, (Forget(Address("g/a")),))
    assert orphan(**everything, policies={"g": OnRemove.CANCEL}).action is Action.CANCEL
    ended = RunStates(live={before[0].address: RunState.SUCCESS})
    assert orphan(ended, **everything, policies={"g": OnRemove.CANCEL}).action is Action.KEEP


names = st.sampled_from(list("abcdef"))


@given(st.dictionaries(names, st.integers(1, 3)), st.dictionaries(names, st.integers(1, 3)))
def test_a_plan_carried_out_leaves_nothing_to_do(before: dict[str, int], after: dict[str, int]) -> None:
    records = {name: recorded(declared(name, body)) for name, body in before.items()}
    runs = [declared(name, body) for name, body in after.items()]
    wanted = {run.address: run for run in runs}
    changes = Known(list(records.values())).changes(*runs)
    assert [change.address for change in changes] == sorted({f"g/{name}" for name in before | after})
    assert _actions(changes) == _actions(Known(list(records.values())).changes(*runs)), "a plan is a pure function"
    for change in changes:
        if change.sends and change.desired is not None:
            records[change.address[2:]] = recorded(wanted[change.address], change.generation)
    again = Known(list(records.values())).changes(*runs)
    assert {change.action for change in again} <= {Action.KEEP}


def _actions(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(change.address, change.action.value, change.workflow_run_id) for change in changes]
