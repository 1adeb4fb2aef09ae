"""Which dead letter is a failed run's, and what it means that there is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.planning.diff.test_failure_policy import FAILED, NOW_MS
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import DeadLetter
from wfdeploy.model.workflow_id import id_key
from wfdeploy.planning.diff.failure_policy import Handling
from wfdeploy.planning.listing.dead_letters import DeadLetters, belongs_to, with_dead_letter

MISSING = FAILED._replace(created_at_ms=NOW_MS - 9_000, observed_at_ms=NOW_MS - 5_000, dlq_id=None)


KEY = id_key(MISSING.workflow_run_id)


def looked_up(*, found: str | None = None, complete_at_ms: int | None = NOW_MS) -> DeadLetters:
    return DeadLetters({KEY}, NOW_MS, {} if found is None else {KEY: found}, complete_at_ms)


def test_a_dead_letter_that_was_found_is_written_down() -> None:
    assert with_dead_letter(MISSING, KEY, looked_up(found="7-7")) == (
        MISSING._replace(dlq_id="7-7"),
        Observe(MISSING.address, RunState.FAILED, NOW_MS, dlq_id="7-7"),
    )


def test_a_run_without_a_dead_letter_was_dealt_with_elsewhere() -> None:
    assert with_dead_letter(MISSING, KEY, looked_up()) == (
        MISSING._replace(handled=True),
        Observe(MISSING.address, RunState.FAILED, NOW_MS, handled=True),
    )


@pytest.mark.parametrize("complete_at_ms", [None, NOW_MS - 5_001])
def test_absence_says_nothing_in_a_listing_that_broke_off_or_came_too_early(complete_at_ms: int | None) -> None:
    assert with_dead_letter(MISSING, KEY, looked_up(complete_at_ms=complete_at_ms)) is None


def test_absence_says_nothing_of_runs_that_were_not_asked_for() -> None:
    assert with_dead_letter(MISSING, "another", looked_up()) is None


@pytest.mark.parametrize("change", [{"run_state": RunState.CANCELED}, {"dlq_id": "7-7"}])
def test_nothing_is_said_of_runs_that_need_none(change: dict[str, Any]) -> None:
    assert with_dead_letter(MISSING._replace(**change), KEY, looked_up(found="7-7")) is None


def test_a_dead_letter_that_the_logs_name_may_be_gone() -> None:
    known = MISSING._replace(dlq_id="7-7")
    assert with_dead_letter(known, KEY, looked_up()) == (
        known._replace(handled=True),
        Observe(MISSING.address, RunState.FAILED, NOW_MS, handled=True),
    )


def test_a_dead_letter_that_may_have_expired_says_nothing_by_its_absence() -> None:
    expired = replace(looked_up(), expired={KEY})
    assert with_dead_letter(MISSING, KEY, expired) is None
    assert expired.handling(MISSING) is Handling.UNCLEAR


@pytest.mark.parametrize(
    ("letters", "handled", "expected"),
    [
        (looked_up(found="7-7"), False, Handling.OPEN),
        (looked_up(found="7-7"), True, Handling.OPEN),
        (looked_up(), False, Handling.HANDLED),
        (looked_up(complete_at_ms=None), False, Handling.UNCLEAR),
        (looked_up(complete_at_ms=None), True, Handling.HANDLED),
        (DeadLetters({"another"}, NOW_MS, {}, NOW_MS), False, Handling.NOT_ASKED),
        (DeadLetters({"another"}, NOW_MS, {}, NOW_MS), True, Handling.HANDLED),
    ],
)
def test_whether_somebody_handled_a_run(letters: DeadLetters, handled: bool, expected: Handling) -> None:
    assert letters.handling(MISSING._replace(handled=handled)) is expected


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (NOW_MS, NOW_MS, True),
        (NOW_MS + 999, NOW_MS, True),
        (NOW_MS, None, True),
        (None, NOW_MS, True),
        (NOW_MS, NOW_MS + 60_000, False),
    ],
)
def test_an_id_that_was_used_again_is_told_apart_by_the_time(ours: int | None, theirs: int | None, same: bool) -> None:
    assert belongs_to(DeadLetter("7-7", "wfr_1", theirs), MISSING._replace(created_at_ms=ours)) is same
