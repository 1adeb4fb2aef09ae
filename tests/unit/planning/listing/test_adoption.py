"""What a listing teaches the state."""

from __future__ import annotations

from wfdeploy.model.address import Address
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.planning.listing.adoption import Match, Matches, adopt


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


def test_a_run_is_a_former_one_by_its_id_and_its_time() -> None:
    """An author's id goes from one run to another, and times may be given in seconds here and in milliseconds there."""

    def run(run_id: str, created_at_ms: int) -> ObservedRun:
        return ObservedRun(workflow_run_id=run_id, state=RunState.SUCCESS, created_at_ms=created_at_ms)

    later, unknown = run("one", 90_000), run("none", 5)
    matches = Matches(unmatched=[run("one", 4_321), later, run("two", 7), unknown])
    matches.drop_former(lambda asked: [one for one in (("one", 4_000), ("two", None)) if one[0] in asked])
    assert matches.unmatched == [later, unknown]
