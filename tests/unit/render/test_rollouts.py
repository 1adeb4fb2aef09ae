"""Rollouts as a table."""

from __future__ import annotations

import pytest

from wfdeploy.model.blocking import Amount, Rollout, RolloutProgress, RolloutStep, RolloutView, StepGate
from wfdeploy.render import rollouts


def waits_for(gate: StepGate, *, approved: int = 0, released: int = 3, succeeded: int = 0, failed: int = 0) -> str:
    rollout = Rollout(steps=(RolloutStep(Amount(3), gate),))
    progress = RolloutProgress(group="g", started_at_ms=0, approved=approved)
    view = RolloutView(
        group="g", rollout=rollout, progress=progress, released=released, succeeded=succeeded, failed=failed
    )
    heading, line = "".join(rollouts.text([view])).splitlines()
    return line[heading.index("WAITS FOR") :]


@pytest.mark.parametrize("gate", [StepGate.SUCCEEDED, StepGate.FINISHED])
def test_what_has_ended_well_waits_for_an_apply_alone(gate: StepGate) -> None:
    assert waits_for(gate, succeeded=2) == gate.value
    assert waits_for(gate, succeeded=2, failed=1) == gate.value
    assert waits_for(gate, succeeded=3) == "the next apply"
    assert waits_for(gate, released=0) == gate.value


def test_an_approved_step_waits_for_an_apply_alone() -> None:
    assert waits_for(StepGate.APPROVED, succeeded=3) == "approved"
    assert waits_for(StepGate.APPROVED, approved=1) == "the next apply"
