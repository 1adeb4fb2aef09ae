"""What is done about a run that failed, was cancelled or vanished."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from wfdeploy.model.address import Address
from wfdeploy.model.observed import TROUBLED, RunState
from wfdeploy.model.plan import Action, RequestedAction
from wfdeploy.model.run import (
    LONGEST_BACKOFF_S,
    FailureAction,
    OnCancelled,
    OnFailure,
    Policy,
    ReplaceRunning,
)
from wfdeploy.model.state import Standing
from wfdeploy.planning.diff.failure_policy import BY_REQUEST, Case, Handling, by_policy, holds_back

NOW_MS = 1_795_442_400_000
FAILED = Standing(
    address=Address("g/a"),
    workflow_run_id="wfr_1",
    run_state=RunState.FAILED,
    created_at_ms=NOW_MS - 5000,
    recorded_at_ms=NOW_MS - 5000,
    observed_at_ms=NOW_MS,
    completed_at_ms=NOW_MS - 1000,
    tries=0,
    dlq_id="1-1",
    handled=False,
)

policies = st.builds(
    Policy,
    on_failure=st.builds(
        OnFailure,
        action=st.sampled_from(FailureAction),
        max_attempts=st.integers(1, 5),
        backoff_s=st.integers(0, 604_800),
    ),
    on_cancelled=st.sampled_from(OnCancelled),
    replace_running=st.sampled_from(ReplaceRunning),
)
standings = st.builds(
    FAILED._replace,
    run_state=st.sampled_from(TROUBLED),
    tries=st.integers(0, 8),
    dlq_id=st.sampled_from([None, "1-1"]),
    handled=st.booleans(),
    observed_at_ms=st.integers(NOW_MS - 10**9, NOW_MS),
    completed_at_ms=st.integers(NOW_MS - 10**9, NOW_MS) | st.none(),
)


def case(standing: Standing, *, fixed_id: bool = False, handling: Handling = Handling.NOT_ASKED) -> Case:
    return Case(standing=standing, now_ms=NOW_MS, dlq_retention_s=3 * 86400.0, fixed_id=fixed_id, handling=handling)


@given(standings, policies, st.booleans())
def test_a_policy_never_goes_beyond_what_it_says(standing: Standing, policy: Policy, fixed_id: bool) -> None:
    reaction = by_policy(case(standing, fixed_id=fixed_id), policy)
    assert reaction.reason
    if reaction.action in (Action.RESTART, Action.RESUME):
        assert standing.tries < policy.on_failure.max_attempts
        assert not standing.handled
        assert policy.on_failure.due_ms(standing.observed_at_ms or 0, standing.tries) <= NOW_MS
        if standing.run_state is RunState.FAILED:
            assert policy.on_failure.action is not FailureAction.REPORT
        else:
            assert (reaction.action, policy.on_cancelled) == (Action.RESTART, OnCancelled.RESTART)
    if reaction.action is Action.RESUME:
        assert policy.on_failure.action is FailureAction.RESUME
        assert standing.dlq_id is not None
    if reaction.action is Action.RESTART:
        assert not fixed_id
    assert reaction.action in (Action.KEEP, Action.BLOCKED, Action.RESTART, Action.RESUME)


@given(st.integers(0, 604_800), st.integers(0, 60))
def test_backoff_grows_up_to_a_day(backoff_s: int, tries: int) -> None:
    policy = OnFailure(backoff_s=backoff_s)
    waits = [policy.due_ms(0, number) for number in range(tries + 2)]
    assert waits == sorted(waits)
    assert waits[0] == 1000 * backoff_s
    assert waits[-1] <= 1000 * max(LONGEST_BACKOFF_S, backoff_s)


@pytest.mark.parametrize(
    ("requested", "state", "expected"),
    [
        (RequestedAction.CANCEL, None, Action.CANCEL),
        (RequestedAction.CANCEL, RunState.STARTED, Action.CANCEL),
        (RequestedAction.CANCEL, RunState.SUCCESS, Action.KEEP),
        (RequestedAction.CANCEL, RunState.MISSING, Action.KEEP),
        (RequestedAction.RESUME, RunState.FAILED, Action.RESUME),
        (RequestedAction.RESUME, RunState.CANCELED, Action.KEEP),
        (RequestedAction.RESUME, RunState.STARTED, Action.KEEP),
        (RequestedAction.RESTART, RunState.FAILED, Action.RESTART),
        (RequestedAction.RESTART, RunState.CANCELED, Action.RESTART),
        (RequestedAction.RESTART, RunState.MISSING, Action.RESTART),
        (RequestedAction.RESTART, RunState.STARTED, Action.KEEP),
        (RequestedAction.RESTART, RunState.SUCCESS, Action.KEEP),
    ],
)
def test_a_requested_action_is_planned_where_it_makes_sense(
    requested: RequestedAction, state: RunState | None, expected: Action
) -> None:
    standing = FAILED._replace(run_state=state, tries=99)
    assert BY_REQUEST[requested](case(standing)).action is expected


def test_a_wish_to_resume_needs_a_dead_letter() -> None:
    for standing in (
        FAILED._replace(dlq_id=None),
        FAILED._replace(handled=True),
        FAILED._replace(completed_at_ms=NOW_MS - 4 * 86_400_000),
    ):
        assert BY_REQUEST[RequestedAction.RESUME](case(standing)).action is Action.KEEP


OLD = FAILED._replace(completed_at_ms=NOW_MS - 4 * 86_400_000)
IN_DOUBT = (Handling.HANDLED, Handling.UNCLEAR)


@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize(("standing", "wanted"), [(FAILED, FailureAction.RESTART), (OLD, FailureAction.RESUME)])
def test_no_policy_restarts_what_somebody_may_have_restarted(
    standing: Standing, wanted: FailureAction, handling: Handling
) -> None:
    reaction = by_policy(case(standing, handling=handling), Policy(on_failure=OnFailure(action=wanted)))
    assert reaction.action is (Action.KEEP if handling in IN_DOUBT else Action.RESTART)


@pytest.mark.parametrize("handling", Handling)
def test_a_request_is_carried_out_and_in_doubt(handling: Handling) -> None:
    one = case(FAILED, handling=handling)
    assert BY_REQUEST[RequestedAction.RESTART](one).action is Action.RESTART
    assert bool(one.in_doubt) is (handling in IN_DOUBT)
    resumed = BY_REQUEST[RequestedAction.RESUME](one).action
    assert resumed is (Action.KEEP if handling is Handling.HANDLED else Action.RESUME)


@pytest.mark.parametrize("handling", Handling)
@pytest.mark.parametrize("wanted", FailureAction)
def test_a_restart_that_never_arrived_is_held_back_where_the_policy_makes_up_for_it(
    handling: Handling, wanted: FailureAction
) -> None:
    policy = Policy(on_failure=OnFailure(action=wanted))
    restarts = wanted is FailureAction.RESTART
    held_back = handling is Handling.HANDLED or (handling is Handling.UNCLEAR and restarts)
    assert holds_back(case(FAILED, handling=handling), policy) is held_back
    assert not holds_back(case(FAILED._replace(run_state=RunState.CANCELED), handling=handling), policy)


def test_a_cancelled_run_has_no_dead_letter_that_could_be_gone() -> None:
    cancelled = case(FAILED._replace(run_state=RunState.CANCELED), handling=Handling.HANDLED)
    assert not cancelled.in_doubt


def test_a_dead_letter_that_is_there_can_be_resumed_whatever_was_noted() -> None:
    noted = case(FAILED._replace(handled=True), handling=Handling.OPEN)
    assert BY_REQUEST[RequestedAction.RESUME](noted).action is Action.RESUME
