"""The states that make a command end with exit code 7."""

from __future__ import annotations

import pytest

from wfdeploy.errors import UsageError
from wfdeploy.model.event import ApplyReport, Outcome
from wfdeploy.model.fail_state import FailState, fail_states, found_in
from wfdeploy.model.observed import RunState


def test_states_are_named_in_lists_any_number_of_times() -> None:
    assert fail_states(["failed, Blocked", "missing"]) == {FailState.FAILED, FailState.BLOCKED, FailState.MISSING}


@pytest.mark.parametrize("text", ["", "failed,", "fail", "running"])
def test_other_words_are_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        fail_states([text])
    assert refused.value.hint == "available: failed, cancelled, missing, blocked, or several of them"


def test_each_state_of_a_run_that_counts_is_found_and_no_other() -> None:
    others = set(RunState) - {RunState.FAILED, RunState.CANCELED, RunState.MISSING}
    assert found_in(dict.fromkeys(others, 5), {RunState.FAILED: 0}) == frozenset()
    assert found_in({RunState.FAILED: 1}, {RunState.CANCELED: 2, RunState.MISSING: 1}, blocked=True) == set(FailState)


def test_a_report_knows_what_was_left_what_backs_off_and_what_it_followed() -> None:
    quiet = ApplyReport(summary=dict.fromkeys(Outcome, 0), results=())
    assert quiet.fail_states == frozenset()
    found = ApplyReport(
        summary={Outcome.BLOCKED: 1},
        results=(),
        drifted={RunState.MISSING: 1},
        backing_off={RunState.FAILED: 1},
        watched={RunState.CANCELED: 1, RunState.SUCCESS: 1},
    )
    assert found.fail_states == set(FailState)
