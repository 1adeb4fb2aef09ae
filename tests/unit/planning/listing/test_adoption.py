"""What a listing teaches the state."""

from __future__ import annotations

from wfdeploy.model.address import Address
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.planning.listing.adoption import Match, adopt


def test_two_runs_of_one_tick_leave_what_is_declared_on_top() -> None:
    """A server whose clock is cut to seconds gives an edit and what it replaced one time."""

    def match(fingerprint: str, created_at_ms: int) -> Match:
        run_seen = ObservedRun(workflow_run_id=fingerprint, state=RunState.SUCCESS, created_at_ms=created_at_ms)
        return Match(Address("g/a"), fingerprint, 1, run_seen)

    for order in (1, -1):
        seen = [match("1:old", 5), match("1:declared", 5)][::order]
        adoption = adopt(
            seen,
            attempts={},
            highest={},
            recorded={},
            is_declared=lambda one: one.fingerprint == "1:declared",
            record=lambda one: one,  # type: ignore[arg-type, return-value]
        )
        assert str(adoption.adopted) == str({"g/a": match("1:declared", 5)})
