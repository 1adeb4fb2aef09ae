"""Schedules and rollouts in every state store."""

from __future__ import annotations

from dataclasses import replace

from tests.contracts.test_state_store import record, store
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutMode, RolloutProgress
from wfdeploy.model.edits import (
    Decide,
    EndRollout,
    Expire,
    Observe,
    PutProgress,
    PutRecord,
    ReleaseRuns,
    Rename,
    RenameGroup,
)
from wfdeploy.model.observed import RunState
from wfdeploy.model.run import Tally, term
from wfdeploy.ports import StateStore

__all__ = ["store"]

PROGRESS = RolloutProgress(
    group="g",
    step=1,
    steps="1 approved 0s",
    mode=RolloutMode.PAUSED,
    approved=2,
    open_since_ms=5,
    started_at_ms=3,
    tolerated=4,
)


def test_a_schedule_is_decided_and_never_goes_back(store: StateStore) -> None:
    assert store.schedules() == {}
    serial = store.commit([Decide("g", 100), Decide("h", 5)])
    assert store.commit([Decide("g", 90), Decide("g", 100)]) == serial
    assert store.schedules() == {"g": 100, "h": 5}
    store.commit([Decide("g", 101)])
    assert store.schedules() == {"g": 101, "h": 5}


def test_a_past_instance_goes_without_a_trace_and_the_tally_follows(store: StateStore) -> None:
    old, new = "g/a@2026-11-23T03:00:00Z", "g/a@2026-11-24T03:00:00Z"
    store.commit([PutRecord(record(old)), PutRecord(record(new))])
    store.commit([Expire(Address(old)), Expire(Address("g/unknown"))])
    assert [key.address for key in store.record_keys()] == [new]
    assert store.history(None) == []
    assert list(store.former_addresses()) == []
    assert store.tallies() == {"g": Tally.of([term(new, "1:a", "")])}


def test_a_rollout_comes_back_whole_and_ends(store: StateStore) -> None:
    serial = store.commit([PutProgress(PROGRESS), ReleaseRuns("g", ((Address("g/a"), "1:a"), (Address("g/b"), "1:b")))])
    assert store.commit([PutProgress(PROGRESS), ReleaseRuns("g", ((Address("g/a"), "1:a"),))]) == serial
    assert store.rollouts() == {"g": PROGRESS}
    assert store.members("g") == {"g/a": "1:a", "g/b": "1:b"}
    assert store.members("h") == {}
    store.commit([PutProgress(RolloutProgress(group="g")), ReleaseRuns("g", ((Address("g/a"), "1:c"),))])
    assert store.rollouts() == {"g": RolloutProgress(group="g")}
    assert store.members("g")[Address("g/a")] == "1:c"
    store.commit([EndRollout("g")])
    assert (store.rollouts(), store.members("g")) == ({}, {})


def test_members_go_along_with_a_rename(store: StateStore) -> None:
    store.commit(
        [
            PutRecord(record("g/a")),
            PutProgress(RolloutProgress(group="g")),
            ReleaseRuns("g", ((Address("g/a"), "1:a"),)),
        ]
    )
    store.commit([Rename(Address("g/a"), Address("g/b"))])
    assert store.members("g") == {"g/b": "1:a"}


def test_what_is_known_of_a_group_gets_another_name(store: StateStore) -> None:
    members = ((Address("g/a"), "1:a"), (Address("g-h/a"), "1:b"))
    store.commit([Decide("g", 7), PutProgress(PROGRESS), ReleaseRuns("g", members)])
    serial = store.commit([RenameGroup("g", "n")])
    assert store.commit([RenameGroup("g", "n")]) == serial
    assert store.schedules() == {"n": 7}
    assert store.rollouts() == {"n": replace(PROGRESS, group="n")}
    assert store.members("n") == {"n/a": "1:a", "g-h/a": "1:b"}
    store.commit(
        [
            Decide("other", 9),
            PutProgress(RolloutProgress(group="other")),
            ReleaseRuns("other", ((Address("other/x"), "1"),)),
        ]
    )
    store.commit([RenameGroup("other", "n")])
    assert store.schedules() == {"n": 7}, "what is known under the name stands"
    assert store.rollouts() == {"n": replace(PROGRESS, group="n")}
    assert "n/x" not in store.members("n")


def test_standings_of_one_group(store: StateStore) -> None:
    store.commit([PutRecord(record(address)) for address in ("g/a", "g-h/a", "h/a", "g/b")])
    store.commit([Observe(Address("g/b"), RunState.SUCCESS, 1)])
    assert [standing.address for standing in store.standings([None], "g")] == ["g/a"]
