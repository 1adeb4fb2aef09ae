"""Replicas of a shared state: what one commits, every other becomes by replaying the log."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.test_state_store import BINDING, EDITS, NOW_MS, STEPS, attempt, record
from tests.support.shared_logs import MemoryLog
from tests.support.shared_values import copied
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.blocking import RolloutMode, RolloutProgress
from wfdeploy.model.edits import (
    Claim,
    Decide,
    Dismiss,
    DropMarks,
    Edit,
    EndRollout,
    Expire,
    Intend,
    Observe,
    PutGroups,
    PutProgress,
    PutRecord,
    PutTombstone,
    RaiseNotification,
    RecordDelivery,
    RecordOutcomes,
    ReleaseRuns,
    Remember,
    RenameGroup,
    SetHead,
)
from wfdeploy.model.notification import Notification, NotificationKind
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove
from wfdeploy.model.shared_log import digest_of
from wfdeploy.model.state import Origin
from wfdeploy.state.export import export_lines
from wfdeploy.state.shared.entries import Entry
from wfdeploy.state.shared.replica import Replica

NOTIFICATION = Notification(
    id="a1", kind=NotificationKind.DRIFT, group="g", facts='{"n":"é"}', raised_at_ms=5, webhooks=("ops", "pager")
)

OTHERS: st.SearchStrategy[Edit] = copied(
    st.sampled_from(
        [
            Claim("wfr_x", 5),
            Decide("g", 100),
            Dismiss("wfr_x", Address("g/a")),
            EndRollout("g"),
            Expire(Address("g/a")),
            Observe(Address("g/a"), RunState.FAILED, 7, 8, "1-1", handled=True),
            Observe(Address("g/b"), None, 7),
            PutGroups({"g": OnRemove.CANCEL, "h": OnRemove.KEEP}),
            PutProgress(RolloutProgress(group="g", step=2, mode=RolloutMode.PAUSED, started_at_ms=3)),
            PutTombstone(Address("g/a"), "1:a", 9),
            ReleaseRuns("g", ((Address("g/a"), "1:a"),)),
            Remember(ObservedRun("wfr_x", RunState.STARTED, 5, labels=("a", "b"))),
            RenameGroup("g", "h"),
            SetHead(5, foreign_ms=6, held_back="x"),
            SetHead(),
            RaiseNotification(NOTIFICATION, ("m1", "m2")),
            RaiseNotification(replace(NOTIFICATION, id="b2", webhooks=()), ()),
            RecordDelivery("a1", "ops"),
            DropMarks(NotificationKind.DRIFT, ("m1",)),
        ]
    )
)


class Folder:
    """New paths in one folder."""

    def __init__(self, folder: Path) -> None:
        self._numbers = itertools.count()
        self._folder = folder

    def new(self) -> Path:
        return self._folder / f"{next(self._numbers)}.db"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("replicas"))


def writing(log: MemoryLog, path: Path) -> Replica:
    replica = log.replica(path, now_ms=lambda: NOW_MS)
    replica.write_with(log)
    return replica


@given(st.lists(st.lists(st.one_of(STEPS, EDITS, OTHERS), max_size=4), max_size=8), st.integers(0, 8))
def test_replicas_of_one_log_are_equal_byte_for_byte(
    folder: Folder, commits: Sequence[Sequence[Edit]], behind: int
) -> None:
    log = MemoryLog(BINDING)
    other = folder.new()
    with writing(log, folder.new()) as first:
        for number, edits in enumerate(commits):
            serial, before = first.end
            try:
                first.commit(edits, precedes_request=number % 2 == 0)
            except StateUnusable:  # edits that no store takes
                assert first.end == (serial, before)
                first = writing(log, folder.new())  # noqa: PLW2901
            if number == behind:
                log.replica(other).close()  # follows the rest later
        assert first.end[0] == len(log.entries) - 1
        expected = list(export_lines(first))
    with log.replica(other) as second:
        assert list(export_lines(second)) == expected
        assert second.head().nonce == first_nonce(log)


def first_nonce(log: MemoryLog) -> str:
    return digest_of(log.entries[-1])


def test_outcomes_refer_to_their_intents(folder: Folder) -> None:
    log = MemoryLog(BINDING)
    batch = [attempt(f"g/{number}")._replace(request='{"body":1}', shared=8) for number in range(100)]
    with writing(log, folder.new()) as store:
        store.commit([Intend(batch)], precedes_request=True)
        store.commit([RecordOutcomes(batch, [5] * 100, Origin.TRIGGERED, 9)])
    intents, outcomes = map(Entry.from_bytes, log.entries[1:])
    assert intents.precedes_request
    assert not outcomes.precedes_request
    assert len(str(outcomes.edits)) < len(str(intents.edits)) / 10
    with log.replica(folder.new()) as other:
        assert len(list(other.records())) == 100
        assert list(other.attempts()) == []


def test_a_commit_without_changes_is_an_entry_only_before_a_request(folder: Folder) -> None:
    log = MemoryLog(BINDING)
    with writing(log, folder.new()) as store:
        assert store.commit([SetHead()]) == 0
        assert len(log.entries) == 1
        assert store.commit([SetHead()], precedes_request=True) == 1
        assert store.fence() == 2
    assert len(log.entries) == 3


def test_where_somebody_else_has_the_entry_nothing_is_kept_and_nothing_more_is_written(folder: Folder) -> None:
    log = MemoryLog(BINDING)
    with writing(log, folder.new()) as late, writing(log, folder.new()) as early:
        early.commit([PutRecord(record("g/a"))])
        with pytest.raises(StateUnusable, match="somebody else"):
            late.commit([PutRecord(record("g/b"))])
        assert list(late.records()) == []
        with pytest.raises(StateUnusable, match="an earlier commit failed"):
            late.commit([SetHead(7)])
    assert len(log.entries) == 2


def test_a_replica_does_not_follow_another_log(folder: Folder) -> None:
    log, path = MemoryLog(BINDING), folder.new()
    with writing(log, path) as store:
        store.commit([PutRecord(record("g/a"))])
    other = MemoryLog(BINDING)
    with writing(other, folder.new()) as store:
        store.commit([PutRecord(record("g/b"))])
        store.commit([PutRecord(record("g/c"))])
    with pytest.raises(StateUnusable, match="doesn't follow"):
        other.replica(path)


def test_an_entry_says_the_oldest_version_that_can_read_it(folder: Folder) -> None:
    log = MemoryLog(BINDING)
    with writing(log, folder.new()) as store:
        store.commit([PutRecord(record("g/a"))])
        store.commit([RecordDelivery("a1", "ops"), RaiseNotification(NOTIFICATION, ("m1",)), Decide("g", 1)])
        store.commit([Decide("g", 2)])
    assert [Entry.from_bytes(data).semantics for data in log.entries] == [1, 1, 2, 1]
    newer = replace(Entry.from_bytes(log.entries[2]), semantics=3)
    log.entries[2] = newer.to_bytes()
    with pytest.raises(StateUnusable, match="written by a newer wfdeploy"):
        log.replica(folder.new())


def test_an_entry_that_leaves_other_rows_is_refused(folder: Folder) -> None:
    log = MemoryLog(BINDING)
    with writing(log, folder.new()) as store:
        store.commit([PutRecord(record("g/a"))])
    entry = Entry.from_bytes(log.entries[1])
    log.entries[1] = Entry(
        **{name: getattr(entry, name) for name in Entry.__slots__ if name != "edits"},
        edits=[["PutRecord", "g/b", *entry.edits[0][2:]]],
    ).to_bytes()
    with pytest.raises(StateUnusable, match="other rows"):
        log.replica(folder.new())


@pytest.mark.parametrize("damage", [b"", b"x", b"wfdeploy-log-1\n", b"wfdeploy-log-1\nxxxx"])
def test_a_damaged_entry_is_refused(folder: Folder, damage: bytes) -> None:
    log = MemoryLog(BINDING)
    log.entries.append(damage)
    with pytest.raises(StateUnusable, match="entry 1 of the log is damaged"):
        log.replica(folder.new())


@pytest.mark.parametrize(
    "edits",
    [
        [["Nonsense"]],
        [[]],
        [["Forget"]],
        [["RecordOutcomes", [1], "triggered", 5, "g/a"]],
        [["PutRecord", 1]],
        [5],
        [["RaiseNotification", "a", "nothing", "g", "{}", 5, ["ops"], []]],
        [["DropMarks", "drift", 5]],
    ],
)
def test_edits_that_cannot_be_read_are_damage(folder: Folder, edits: list[list[object]]) -> None:
    log = MemoryLog(BINDING)
    with writing(log, folder.new()) as store:
        store.commit([PutRecord(record("g/a"))])
    entry = Entry.from_bytes(log.entries[1])
    log.entries[1] = Entry(
        **{name: getattr(entry, name) for name in Entry.__slots__ if name != "edits"}, edits=edits
    ).to_bytes()
    with pytest.raises(StateUnusable, match="damaged"):
        log.replica(folder.new())
