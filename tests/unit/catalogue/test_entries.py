"""Groups as the catalogue keeps them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdeploy.catalogue.entries import group_from_text, group_to_text
from wfdeploy.model.blocking import (
    Amount,
    CatchUp,
    Concurrency,
    Condition,
    Dependency,
    Rollout,
    RolloutStep,
    Schedule,
    StepGate,
)
from wfdeploy.model.run import (
    FailureAction,
    Group,
    Identity,
    OnCancelled,
    OnChange,
    OnFailure,
    OnRemove,
    Policy,
    ReplaceRunning,
)

COUNTS = st.integers(0, 604_800)
NAMES = st.tuples() | st.tuples(st.sampled_from(["labels", "headers.x-trace"]))
AMOUNTS = st.builds(Amount, st.integers(1, 100), st.booleans())
GROUPS = st.builds(
    Group,
    name=st.just("g"),
    policy=st.builds(
        Policy,
        on_change=st.sampled_from(OnChange),
        on_remove=st.sampled_from(OnRemove),
        on_failure=st.builds(OnFailure, st.sampled_from(FailureAction), COUNTS, COUNTS),
        on_cancelled=st.sampled_from(OnCancelled),
        replace_running=st.sampled_from(ReplaceRunning),
    ),
    identity=st.builds(Identity, NAMES, NAMES),
    schedule=st.none()
    | st.builds(
        Schedule,
        cron=st.just("0 3 * * *"),
        timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
        start_s=st.none() | COUNTS,
        end_s=st.none() | COUNTS,
        catch_up=st.sampled_from(CatchUp),
        concurrency=st.sampled_from(Concurrency),
        deadline_s=st.none() | COUNTS,
    ),
    history=st.none() | COUNTS,
    depends_on=st.lists(
        st.builds(Dependency, st.sampled_from("ab"), st.sampled_from(Condition), COUNTS), max_size=2
    ).map(tuple),
    rollout=st.none()
    | st.builds(
        Rollout,
        steps=st.lists(st.builds(RolloutStep, AMOUNTS, st.sampled_from(StepGate), COUNTS), max_size=3).map(tuple),
        max_failures=st.none() | AMOUNTS,
    ),
)


@given(GROUPS)
def test_a_group_is_the_same_after_it_was_kept(group: Group) -> None:
    assert group_from_text("g", group_to_text(group)) == group


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '["a"]', "[[], [[], []], null, null, [], null]"])
def test_other_text_is_no_group(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        group_from_text("g", text)
