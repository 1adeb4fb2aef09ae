"""Which dead letter is a failed run's, and what it means that there is none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.planning.diff.test_failure_policy import FAILED, NOW_MS
from wfdeploy.model.edits import Observe
from wfdeploy.model.observed import RunState
from wfdeploy.model.remote import DeadLetter
from wfdeploy.planning.listing.dead_letters import DeadLetters, belongs_to, with_dead_letter

MISSING = FAILED._replace(created_at_ms=NOW_MS - 9_000, observed_at_ms=NOW_MS - 5_000, dlq_id=None)


def looked_up(*, found: str | None = None, complete_at_ms: int | None = NOW_MS) -> DeadLetters:
    return DeadLetters({"key"}, NOW_MS, {} if found is None else {"key": found}, complete_at_ms)


def test_a_dead_letter_that_was_found_is_written_down() -> None:
    assert with_dead_letter(MISSING, "key", looked_up(found="7-7")) == (
        MISSING._replace(dlq_id="7-7"),
        Observe(MISSING.address, RunState.FAILED, NOW_MS, dlq_id="7-7"),
    )


def test_a_run_without_a_dead_letter_was_dealt_with_elsewhere() -> None:
    assert with_dead_letter(MISSING, "key", looked_up()) == (
        MISSING._replace(handled=True),
        Observe(MISSING.address, RunState.FAILED, NOW_MS, handled=True),
    )


@pytest.mark.parametrize("complete_at_ms", [None, NOW_MS - 5_001])
def test_absence_says_nothing_in_a_listing_that_broke_off_or_came_too_early(complete_at_ms: int | None) -> None:
    assert with_dead_letter(MISSING, "key", looked_up(complete_at_ms=complete_at_ms)) is None


def test_absence_says_nothing_of_runs_that_were_not_asked_for() -> None:
    assert with_dead_letter(MISSING, "another", looked_up()) is None


@pytest.mark.parametrize("change", [{"run_state": RunState.CANCELED}, {"dlq_id": "1-1"}, {"handled": True}])
def test_nothing_is_said_of_runs_that_need_none(change: dict[str, Any]) -> None:
    assert with_dead_letter(MISSING._replace(**change), "key", looked_up(found="7-7")) is None


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
