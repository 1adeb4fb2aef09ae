"""What observations say; those of a lying server are in test_probing.py."""

from __future__ import annotations

from wfdeploy.model.checks import Truth
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.remote import Cancelled, InProgress, NotCancelled, Taken
from wfdeploy.operations.probe_verdicts import Kept, Observations, ProbeRun, judge, still_going

HOLDS = Kept(truth=Truth.HOLDS, detail="seen")
LABEL = "wfdeploy-doctor.p.e"


def run(name: str, *, is_delayed: bool = True) -> ProbeRun:
    return ProbeRun(
        workflow_run_id=f"wfr_{name}",
        is_delayed=is_delayed,
        sent_at=0.0,
        answered_at=0.1,
        created_within_ms=(900, 1100),
    )


def observations() -> Observations:
    return Observations(label=LABEL, log_lag_s=60.0, retention=HOLDS, storage=HOLDS)


def seen_well() -> Observations:
    seen = observations()
    seen.runs = {"wfr_a": run("a"), "wfr_now": run("now", is_delayed=False)}
    seen.elsewhere = run("elsewhere")
    seen.refusal, seen.refused = "no", {"wfr_bad"}
    seen.in_order = True
    seen.again, seen.again_reply = "wfr_a", Taken(1000, deduplicated=True)
    seen.shown_after_s = {"wfr_a": 0.5, "wfr_now": 2.0}
    seen.listed = [ObservedRun(key, RunState.STARTED, 1000, labels=(LABEL,)) for key in seen.runs]
    seen.cancel_reply = Cancelled(2)
    seen.after_cancel = {"wfr_a": RunState.CANCELED, "wfr_now": RunState.FAILED}
    return seen


def truths(seen: Observations) -> dict[str, Truth]:
    return {one.name: one.truth for one in judge(seen)}


def test_a_good_server() -> None:
    found = truths(seen_well())
    assert found.pop("disk") is Truth.UNKNOWN
    assert set(found.values()) == {Truth.HOLDS}
    assert seen_well().log_lag_seen_s == 2.0
    assert [one.number for one in judge(seen_well())] == [1, 2, 3, 4, 5, 6, 7, 7, 8, None, None, None]


def test_nothing_seen_tells_nothing() -> None:
    found = truths(observations())
    assert (found.pop("retention"), found.pop("writers")) == (Truth.HOLDS, Truth.HOLDS)
    assert set(found.values()) == {Truth.UNKNOWN}


def test_without_a_run_that_begins_at_once_hidden_delayed_runs_tell_nothing_of_the_lag() -> None:
    seen = seen_well()
    del seen.runs["wfr_now"]
    seen.shown_after_s, seen.listed, seen.after_cancel, seen.absent_for_s = {}, [], {}, {"wfr_a": 130.0}
    found = truths(seen)
    assert (found["log-lag"], found["delayed"]) == (Truth.UNKNOWN, Truth.UNKNOWN)
    assert "--destination" in judge(seen)[0].evidence


def test_a_refused_second_trigger_is_as_good_as_a_deduplicated_one() -> None:
    seen = seen_well()
    seen.again_reply = InProgress("already running")
    assert truths(seen)["reserved"] is Truth.HOLDS
    seen.again_reply = None
    assert truths(seen)["reserved"] is Truth.UNKNOWN


def test_a_cancel_that_failed_says_why() -> None:
    seen = seen_well()
    seen.cancel_reply = NotCancelled("the server is busy")
    assert [one.evidence for one in judge(seen) if one.name == "cancel"] == ["the server is busy"]
    assert still_going({"a": RunState.STARTED, "b": RunState.UNKNOWN, "c": RunState.CANCELED}) == ["a", "b"]


def test_servers_without_a_clock_tell_nothing_of_theirs() -> None:
    seen = seen_well()
    seen.runs = {
        key: ProbeRun(
            workflow_run_id=one.workflow_run_id, is_delayed=True, sent_at=0.0, answered_at=0.1, created_within_ms=None
        )
        for key, one in seen.runs.items()
    }
    assert truths(seen)["clocks"] is Truth.UNKNOWN
