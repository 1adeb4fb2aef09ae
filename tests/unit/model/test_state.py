"""What a state holds of a run: an attempt, and the record that it becomes."""

from __future__ import annotations

from wfdeploy.model.address import Address
from wfdeploy.model.observed import RunState
from wfdeploy.model.state import Attempt, AttemptStatus, Binding, Head, Origin, Record

ATTEMPT = Attempt(
    address=Address("g/a"),
    fingerprint="1:abc",
    generation=3,
    workflow_run_id="wfr_a",
    intent_at_ms=1,
    explicit_id=True,
    delivery="d",
    source="m.yaml:3",
    request='{"n":1}',
    tries=2,
    by='{"host":"h"}',
)
RESUME = ATTEMPT._replace(workflow_run_id="wfdeploy.x.g3.a1", dlq_id="1-0", triggered_id="wfr_a")


def test_a_record_has_all_that_its_attempt_had_of_it() -> None:
    record = ATTEMPT.record(origin=Origin.TRIGGERED, created_at_ms=5, recorded_at_ms=6)
    shared = set(Record.__dataclass_fields__) & set(Attempt._fields)
    same = {name for name in shared if getattr(record, name) == getattr(ATTEMPT, name)}
    assert same == shared
    assert (record.origin, record.created_at_ms, record.recorded_at_ms) == (Origin.TRIGGERED, 5, 6)


def test_it_has_the_name_that_the_server_gave_it() -> None:
    record = RESUME.record(origin=Origin.RECOVERED, created_at_ms=5, recorded_at_ms=6, workflow_run_id="wfr_made")
    assert (record.workflow_run_id, record.triggered_id) == ("wfr_made", "wfr_a")


def test_a_resume_is_about_the_run_that_was_once_triggered() -> None:
    assert (ATTEMPT.is_resume, ATTEMPT.run_id) == (False, "wfr_a")
    assert (RESUME.is_resume, RESUME.run_id) == (True, "wfr_a")


def test_only_what_was_refused_has_surely_started_nothing() -> None:
    statuses = {status for status in AttemptStatus if ATTEMPT._replace(status=status).is_open}
    assert statuses == {AttemptStatus.INTENT, AttemptStatus.UNKNOWN}


def test_a_standing_is_a_part_of_its_record() -> None:
    record = Record(
        address=Address("g/a"), fingerprint="1:abc", generation=1, workflow_run_id="wfr_a", created_at_ms=4,
        run_state=RunState.FAILED, observed_at_ms=5, completed_at_ms=6, tries=1, dlq_id="1-0", handled=True,
    )  # fmt: skip
    assert all(getattr(record.standing, name) == getattr(record, name) for name in record.standing._fields)
    assert all(getattr(record.key, name) == getattr(record, name) for name in record.key._fields)


def test_a_binding_says_what_a_state_belongs_to() -> None:
    assert str(Binding("p", "e", "http://s")) == "project p, environment e, server http://s"
    assert str(Binding("p", "e", "http://s", "1/4")).endswith(", shard 1/4")


def test_a_state_is_one_of_several_until_the_logs_have_forgotten_the_other() -> None:
    head = Head("l", 1, Binding("p", "e", "http://s"))
    assert not head.is_one_of_several(10)
    assert head._replace(foreign_ms=5).is_one_of_several(10)
    assert head._replace(foreign_ms=5, watermark_ms=14).is_one_of_several(10)
    assert not head._replace(foreign_ms=5, watermark_ms=15).is_one_of_several(10)
