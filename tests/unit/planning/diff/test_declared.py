"""What is declared against what is known, one address at a time."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.planning.diff.knowing import FOUND, NOW_MS, Known, declared, recorded, tried
from wfdeploy.manifests.identify.fingerprint import identify
from wfdeploy.model.address import Address
from wfdeploy.model.edits import DropAttempt, PutRecord, Rename, Rewrite
from wfdeploy.model.plan import Action, Change
from wfdeploy.model.run import Group, OnChange, Policy, Source
from wfdeploy.model.state import AttemptStatus, Origin
from wfdeploy.planning.diff.context import AttemptFinding, Verdict


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
