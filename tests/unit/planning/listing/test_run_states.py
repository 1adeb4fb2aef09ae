"""What a listing tells of runs, by being there and by not being there."""

from __future__ import annotations

import pytest

from tests.unit.planning.diff.test_failure_policy import FAILED, NOW_MS
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.state import Origin, Record, Standing
from wfdeploy.model.workflow_id import RunIndex
from wfdeploy.planning.listing.run_states import Snapshot

HOUR_MS = 3_600_000
RUNNING = FAILED._replace(run_state=RunState.STARTED, created_at_ms=NOW_MS - HOUR_MS, observed_at_ms=None, dlq_id=None)


def snapshot(*runs: ObservedRun, since_ms: int | None = None, began_ms: int | None = NOW_MS) -> Snapshot:
    return Snapshot(
        runs=RunIndex(runs),
        since_ms=since_ms,
        began_ms=began_ms,
        now_ms=NOW_MS,
        log_lag_ms=60_000,
        log_retention_ms=24 * HOUR_MS,
    )


def seen(
    standing: Standing, looked: Snapshot, *, starts_ms: int = 0, sent: bool = True
) -> tuple[Standing, Observe] | None:
    origin = Origin.TRIGGERED if sent else Origin.ADOPTED
    record = Record(
        address=standing.address,
        fingerprint="1:a",
        generation=1,
        workflow_run_id=standing.workflow_run_id,
        created_at_ms=starts_ms,
        origin=origin,
    )
    found = list(looked.observe([standing], lambda _: record))
    assert len(found) <= 1
    for now, edit in found:
        if edit is not None:
            return now, edit
        assert now is standing  # the listing shows what was known
    return None


def state(standing: Standing, looked: Snapshot, **more: object) -> RunState | None:
    found = seen(standing, looked, **more)  # type: ignore[arg-type]
    return None if found is None else found[1].run_state


def test_a_listed_run_is_in_the_state_that_is_listed() -> None:
    run = ObservedRun(
        workflow_run_id="wfr_1",
        state=RunState.FAILED,
        created_at_ms=RUNNING.created_at_ms or 0,
        completed_at_ms=NOW_MS - 5,
        dlq_id="7-7",
    )
    found = seen(RUNNING, snapshot(run))
    assert found is not None
    standing, edit = found
    assert edit == Observe(RUNNING.address, RunState.FAILED, NOW_MS, NOW_MS - 5, "7-7")
    assert (standing.run_state, standing.observed_at_ms, standing.dlq_id) == (RunState.FAILED, NOW_MS, "7-7")


def test_what_is_known_is_not_told_again() -> None:
    run = ObservedRun(workflow_run_id="wfr_1", state=RunState.STARTED, created_at_ms=RUNNING.created_at_ms or 0)
    assert seen(RUNNING, snapshot(run)) is None
    assert seen(RUNNING._replace(run_state=RunState.MISSING), snapshot()) is None


def test_a_run_that_should_be_listed_is_missing() -> None:
    assert state(RUNNING, snapshot()) is RunState.MISSING
    assert state(RUNNING, snapshot(since_ms=NOW_MS - HOUR_MS)) is RunState.MISSING


@pytest.mark.parametrize(
    ("standing", "looked"),
    [
        (RUNNING, snapshot(since_ms=NOW_MS - HOUR_MS + 1)),  # it reaches back not far enough
        (RUNNING._replace(created_at_ms=NOW_MS - 60_999), snapshot()),  # it began too early
        (RUNNING, snapshot(began_ms=None)),  # the server tells no time
        (RUNNING._replace(created_at_ms=NOW_MS - 23 * HOUR_MS), snapshot()),  # it may just have gone
    ],
)
def test_an_absence_that_tells_nothing(standing: Standing, looked: Snapshot) -> None:
    assert seen(standing, looked) is None


def test_a_run_whose_beginning_is_not_known_is_missed_by_a_listing_of_everything_only() -> None:
    """It may have begun long before its record was written, by a clock that may be wrong."""
    unknown = RUNNING._replace(created_at_ms=None, recorded_at_ms=NOW_MS - HOUR_MS)
    assert seen(unknown, snapshot(since_ms=NOW_MS - 3 * HOUR_MS)) is None
    assert state(unknown, snapshot()) is RunState.MISSING


def test_a_delayed_run_is_not_missed_before_its_start() -> None:
    assert seen(RUNNING, snapshot(), starts_ms=NOW_MS - 60_999) is None
    assert state(RUNNING, snapshot(), starts_ms=NOW_MS - 61_000) is RunState.MISSING


def test_a_run_that_is_older_than_the_logs_has_expired() -> None:
    old = RUNNING._replace(created_at_ms=NOW_MS - 24 * HOUR_MS - 1)
    assert state(old, snapshot()) is RunState.EXPIRED
    assert state(old._replace(run_state=RunState.MISSING), snapshot()) is RunState.EXPIRED
    assert RunState.EXPIRED.is_final


def test_a_run_that_was_written_down_by_hand_was_never_to_be_seen() -> None:
    assert (
        state(RUNNING._replace(created_at_ms=None, recorded_at_ms=NOW_MS), snapshot(), sent=False) is RunState.EXPIRED
    )


def test_a_missing_run_that_shows_again_is_not_missing() -> None:
    run = ObservedRun(workflow_run_id="wfr_1", state=RunState.SUCCESS, created_at_ms=RUNNING.created_at_ms or 0)
    assert state(RUNNING._replace(run_state=RunState.MISSING), snapshot(run)) is RunState.SUCCESS
