"""What every state store does, whatever keeps it. A new backend is added to `STORES` and must pass as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.shared_logs import MemoryLog
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address, Span, exactly, group_of, whole_groups
from wfdeploy.model.edits import (
    Claim,
    Dismiss,
    DropAttempt,
    Edit,
    Forget,
    Intend,
    Observe,
    PutAttempt,
    PutGroups,
    PutRecord,
    PutTombstone,
    RecordOutcomes,
    Remember,
    Rename,
    Rewrite,
    SetHead,
)
from wfdeploy.model.observed import ObservedRun, RunState
from wfdeploy.model.run import OnRemove, Tally, term
from wfdeploy.model.state import Attempt, AttemptStatus, Binding, Ended, Origin, Record
from wfdeploy.ports import StateStore
from wfdeploy.state.sqlite_store import SqliteStore

BINDING = Binding("p", "e", "http://s")
NOW_MS = 1_795_442_400_000


def replica(folder: Path) -> StateStore:
    log = MemoryLog(BINDING)
    store = log.replica(folder / "replica.db", now_ms=lambda: NOW_MS)
    store.write_with(log)
    return store


STORES: dict[str, Callable[[Path], StateStore]] = {
    "file": lambda folder: SqliteStore.create(folder / "state.db", BINDING, now_ms=lambda: NOW_MS),
    "memory": lambda _: SqliteStore.in_memory(BINDING, now_ms=lambda: NOW_MS),
    "replica of a shared log": replica,
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


def record(address: str, fingerprint: str = "1:a", generation: int = 1, **more: object) -> Record:
    return Record(
        address=Address(address),
        fingerprint=fingerprint,
        generation=generation,
        workflow_run_id=f"wfr_{address}-{fingerprint}-{generation}",
        recorded_at_ms=NOW_MS,
        **more,  # type: ignore[arg-type]
    )


def attempt(address: str, fingerprint: str = "1:a", status: AttemptStatus = AttemptStatus.INTENT) -> Attempt:
    return Attempt(
        address=Address(address),
        fingerprint=fingerprint,
        generation=1,
        workflow_run_id=f"wfr_{address}-{fingerprint}-1",
        status=status,
        intent_at_ms=NOW_MS,
    )


def addresses(store: StateStore) -> list[str]:
    return [key.address for key in store.record_keys()]


def test_a_new_store_is_empty_and_bound(store: StateStore) -> None:
    head = store.head()
    assert (head.serial, head.binding, head.watermark_ms, head.foreign_ms) == (0, BINDING, None, None)
    assert len(head.lineage) == 32
    assert len(head.redaction_key) == 32
    assert addresses(store) == []


def test_records_come_back_whole_and_in_code_point_order(store: StateStore) -> None:
    names = ["g/b", "g/a[é]", "g/a", "g/a[\U0001f600]", "g/Z", "g/a[\uffff]"]
    put = [
        record(name, request='{"body":1}', by='{"host":"h"}', source="m.yaml:3", created_at_ms=5, delivery="d")
        for name in names
    ]
    store.commit([PutRecord(one) for one in put])
    assert addresses(store) == sorted(names)
    assert sorted(store.records(), key=lambda one: names.index(one.address)) == put
    assert [one.address for one in store.records(["g/Z", "g/none"])] == ["g/Z"]


def test_a_commit_raises_the_serial_and_an_equal_one_does_not(store: StateStore) -> None:
    assert store.commit([PutRecord(record("g/a"))]) == 1
    equal: list[Edit] = [
        PutRecord(record("g/a")),
        Rewrite(Address("g/a"), "1:a", ""),
        PutGroups({}),
        SetHead(),
    ]
    assert store.commit(equal) == 1
    assert store.commit([SetHead(watermark_ms=7)]) == 2
    assert store.commit([SetHead(watermark_ms=7)]) == 2
    assert store.head().watermark_ms == 7


def test_standings_are_of_the_states_that_are_asked_for(store: StateStore) -> None:
    store.commit([PutRecord(record(f"g/{name}", tries=number)) for number, name in enumerate("dacb")])
    store.commit(
        [
            Observe(Address("g/a"), RunState.SUCCESS, NOW_MS),
            Observe(Address("g/b"), RunState.FAILED, NOW_MS, completed_at_ms=5, dlq_id="1-1"),
            Observe(Address("g/d"), RunState.FAILED, NOW_MS + 1),
        ]
    )
    assert [standing.address for standing in store.standings([None])] == ["g/c"]
    assert [standing.address for standing in store.standings([RunState.FAILED, None])] == ["g/b", "g/d", "g/c"]
    assert list(store.standings([RunState.SUCCESS])) == []
    (first, *_) = store.standings([RunState.FAILED])
    (whole,) = store.records(["g/b"])
    assert first == whole.standing
    assert (first.tries, first.dlq_id, first.completed_at_ms, first.observed_at_ms) == (3, "1-1", 5, NOW_MS)


def test_an_observation_counts_from_when_a_run_was_first_seen_so(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a"))])
    serial = store.commit([Observe(Address("g/a"), RunState.FAILED, 10)])
    assert store.commit([Observe(Address("g/a"), RunState.FAILED, 20)]) == serial
    store.commit([Observe(Address("g/a"), RunState.FAILED, 30, dlq_id="1-1", handled=True)])
    store.commit([Observe(Address("g/a"), RunState.FAILED, 40, dlq_id="1-1")])
    (found,) = store.records()
    assert (found.observed_at_ms, found.dlq_id, found.handled) == (10, "1-1", True)


def test_of_a_running_run_it_counts_when_it_was_last_seen(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a")), Observe(Address("g/a"), RunState.STARTED, 10)])
    serial = store.commit([Observe(Address("g/a"), RunState.STARTED, 20)])
    assert store.commit([Observe(Address("g/a"), RunState.STARTED, 20)]) == serial
    (found,) = store.records()
    assert (found.run_state, found.observed_at_ms) == (RunState.STARTED, 20)


def test_a_resumed_run_takes_the_place_of_the_one_that_failed(store: StateStore) -> None:
    first = record("g/a", run_state=RunState.FAILED)
    open_ = attempt("g/a")._replace(workflow_run_id="wfdeploy.x.g1.a1", dlq_id="1-1", tries=1, triggered_id="wfr_1")
    store.commit([PutRecord(first), PutAttempt(open_)])
    assert list(store.attempts()) == [open_]
    resumed = open_.record(
        origin=Origin.TRIGGERED, created_at_ms=7, recorded_at_ms=NOW_MS, workflow_run_id="wfr_random"
    )
    store.commit([DropAttempt(Address("g/a")), PutRecord(resumed)])
    assert list(store.records()) == [resumed]
    assert (resumed.tries, resumed.triggered_id, resumed.generation) == (1, "wfr_1", 1)
    assert list(store.attempts()) == []
    assert [(entry.record, entry.ended) for entry in store.history(exactly("g/a"))] == [(first, Ended.RESUMED)]


def test_a_commit_is_all_or_nothing(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a"))])
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the backend makes of nonsense)
        store.commit([PutRecord(record("g/b")), PutRecord(None)])  # type: ignore[arg-type]
    assert addresses(store) == ["g/a"]
    assert store.head().serial == 1


def test_what_is_staged_is_written_when_it_is_finished(store: StateStore) -> None:
    store.commit([PutAttempt(attempt("g/a"))])
    store.stage([PutRecord(record("g/a")), SetHead(watermark_ms=7)])
    assert store.finish() == 2
    assert (addresses(store), store.head().watermark_ms) == (["g/a"], 7)
    with pytest.raises(Exception):  # noqa: B017, PT011
        store.stage([PutRecord(record("g/b")), PutRecord(None)])  # type: ignore[arg-type]
    assert store.commit([SetHead(watermark_ms=8)]) == 3  # nothing of what failed is in the way, or in the state
    assert addresses(store) == ["g/a"]


@given(
    before=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["1:a", "1:b"]), st.booleans()), max_size=4),
    runs=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["1:a", "1:b"]), st.integers(1, 3)), max_size=6),
)
def test_settled_attempts_are_what_their_records_put_one_by_one_are(
    before: list[tuple[str, str, bool]], runs: list[tuple[str, str, int]]
) -> None:
    def told(settled: list[Edit]) -> object:
        with SqliteStore.in_memory(BINDING, now_ms=lambda: NOW_MS) as store:
            store.commit([PutAttempt(attempt(f"g/{name}")) for name in "abe"])
            for name, fingerprint, again in before:
                store.commit([PutRecord(record(f"g/{name}", fingerprint)), *([PutAttempt(attempt("g/a"))] * again)])
            store.commit(settled)
            tables = (store.records(), store.attempts(), store.history(None), store.tombstones())
            return [list(table) for table in tables], store.tallies()

    attempts = [
        attempt(f"g/{name}", fingerprint)._replace(generation=generation, delivery="d", by='{"host":"h"}', request="{}")
        for name, fingerprint, generation in runs
    ]
    created = [None if generation == 3 else generation for _, _, generation in runs]
    one_by_one: list[Edit] = [
        PutRecord(one.record(origin=Origin.TRIGGERED, created_at_ms=at, recorded_at_ms=9))
        for one, at in zip(attempts, created, strict=True)
    ]
    assert told([RecordOutcomes(attempts, created, Origin.TRIGGERED, 9)]) == told(one_by_one)


NAMES = st.sampled_from("abcd")
SOME = st.lists(NAMES, min_size=1, max_size=4, unique=True)


def intents(names: list[str], fingerprint: str) -> list[Attempt]:
    return [
        attempt(f"g/{name}", fingerprint)._replace(request=f'{{"body":"{name}","retries":3}}', delay_s=5, source="m:1")
        for name in names
    ]


BATCHES: st.SearchStrategy[Sequence[Attempt]] = st.builds(
    intents,
    SOME,
    st.sampled_from(["1:a", "1:b"]),
)
STEPS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(Intend, BATCHES),
    st.builds(lambda batch: RecordOutcomes(batch, [7] * len(batch), Origin.TRIGGERED, 9), BATCHES),
    st.builds(
        lambda name, status: PutAttempt(attempt(f"g/{name}", status=status)), NAMES, st.sampled_from(AttemptStatus)
    ),
    st.builds(lambda name, tombstone: DropAttempt(Address(f"g/{name}"), tombstone), NAMES, st.booleans()),
    st.builds(lambda name: PutRecord(record(f"g/{name}")), NAMES),
    st.builds(lambda name: Forget(Address(f"g/{name}")), NAMES),
    st.builds(lambda name: Rename(Address(f"g/{name}"), Address(f"g/{name}2")), NAMES),
)


@settings(deadline=None)  # how long an example takes is the machine's business
@given(st.lists(st.lists(STEPS, max_size=3), max_size=6))
def test_intents_of_a_batch_are_what_their_attempts_put_one_by_one_are(commits: list[list[Edit]]) -> None:
    def told(*, together: bool) -> list[object]:
        with SqliteStore.in_memory(BINDING, now_ms=lambda: NOW_MS) as store:
            seen: list[object] = []
            for edits in commits:
                meant: list[Edit] = []
                for edit in edits:
                    apart = isinstance(edit, Intend) and not together
                    meant += [PutAttempt(one) for one in edit.attempts] if apart else [edit]  # type: ignore[union-attr]
                try:
                    store.commit(meant)
                except StateUnusable:
                    seen.append("refused")  # a rename onto a name that is taken
                tables = (store.records(), store.attempts(), store.history(None), store.tombstones())
                seen += [*([*table] for table in tables), store.tallies()]
            return seen

    assert told(together=True) == told(together=False)


def test_intents_of_a_batch_come_back_and_equal_ones_change_nothing(store: StateStore) -> None:
    batch = [one._replace(shared=13, by='{"host":"h"}') for one in intents(["b", "a"], "1:a")]
    assert store.commit([Intend(batch)]) == 1
    assert list(store.attempts()) == sorted(batch)
    assert store.commit([Intend(list(batch))]) == 1
    store.commit([Intend(intents(["c"], "1:a"))])
    assert [one.address for one in store.attempts()] == ["g/a", "g/b", "g/c"]
    store.commit([RecordOutcomes(batch, [7, 8], Origin.TRIGGERED, 9)])
    assert [one.address for one in store.attempts()] == ["g/c"]
    assert [(one.address, one.created_at_ms, one.request) for one in store.records()] == [
        ("g/a", 8, '{"body":"a","retries":3}'),
        ("g/b", 7, '{"body":"b","retries":3}'),
    ]


def test_part_of_a_batch_may_come_to_another_end(store: StateStore) -> None:
    first, second, third = batch = intents(["a", "b", "c"], "1:a")
    store.commit([Intend(batch)])
    refused = third._replace(status=AttemptStatus.REJECTED, error="no")
    store.commit([PutAttempt(refused), RecordOutcomes([first], [7], Origin.TRIGGERED, 9)])
    assert list(store.attempts()) == [second, refused]
    assert addresses(store) == ["g/a"]


def test_intents_that_were_rolled_back_are_not_remembered(store: StateStore) -> None:
    batch = intents(["a", "b"], "1:a")
    with pytest.raises(Exception):  # noqa: B017, PT011
        store.commit([Intend(batch), PutRecord(None)])  # type: ignore[arg-type]
    store.commit([Intend(batch)])
    assert list(store.attempts()) == batch
    store.commit([RecordOutcomes(batch, [7, 7], Origin.TRIGGERED, 9)])
    assert list(store.attempts()) == []


def test_a_record_settles_its_attempt_and_only_its_own(store: StateStore) -> None:
    store.commit([PutAttempt(attempt("g/a")), PutAttempt(attempt("g/b"))])
    assert [one.address for one in store.attempts()] == ["g/a", "g/b"]
    store.commit([PutRecord(record("g/a"))])
    assert [one.address for one in store.attempts()] == ["g/b"]
    store.commit([PutRecord(record("g/b", "1:other"))])
    assert list(store.attempts()) == [attempt("g/b")]


def test_former_runs_are_known_by_id_and_time(store: StateStore) -> None:
    first, second = record("g/a"), record("g/a", generation=2)
    for each in (first, second):
        store.commit([PutRecord(each)])
    asked = [first.workflow_run_id, second.workflow_run_id, "wfr_never"]
    assert list(store.past_runs(asked)) == [(first.workflow_run_id, first.created_at_ms)]
    assert not store.past_runs([])


def test_a_superseded_record_is_history_and_its_generation_is_kept(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a"))])
    store.commit([PutRecord(record("g/a", "1:b"))])
    store.commit([PutRecord(record("g/a", "1:a", 2))])
    (first, second) = store.history(exactly("g/a"))
    assert (first.record, first.ended, first.ended_at_ms) == (record("g/a"), Ended.SUPERSEDED, NOW_MS)
    assert second.record.fingerprint == "1:b"
    assert store.generations(["g/a"]) == {("g/a", "1:a"): 2, ("g/a", "1:b"): 1}


def test_a_forgotten_record_leaves_a_tombstone(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a", generation=3)), PutAttempt(attempt("g/a", "1:b", AttemptStatus.UNKNOWN))])
    store.commit([Forget(Address("g/a"))])
    assert addresses(store) == []
    assert list(store.attempts()) == []
    assert store.generations(["g/a"]) == {("g/a", "1:a"): 3, ("g/a", "1:b"): 1}
    assert list(store.former_addresses()) == ["g/a"]


def test_a_dropped_attempt_leaves_a_tombstone_only_when_told(store: StateStore) -> None:
    store.commit([PutAttempt(attempt("g/a")), PutAttempt(attempt("g/b"))])
    store.commit([DropAttempt(Address("g/a")), DropAttempt(Address("g/b"), tombstone=True)])
    assert store.generations(["g/a", "g/b"]) == {("g/b", "1:a"): 1}


def test_a_rejected_attempt_never_leaves_a_tombstone(store: StateStore) -> None:
    store.commit([PutAttempt(attempt("g/a", status=AttemptStatus.REJECTED))])
    store.commit([Forget(Address("g/a"))])
    assert store.generations(["g/a"]) == {}


def test_a_rename_takes_everything_along_and_leaves_a_tombstone(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a")), PutTombstone(Address("g/a"), "1:z", 4)])
    store.commit([PutRecord(record("g/a", "1:b")), PutAttempt(attempt("g/a", "1:c"))])
    store.commit([Rename(Address("g/a"), Address("h/a"))])
    assert addresses(store) == ["h/a"]
    assert [one.address for one in store.attempts()] == ["h/a"]
    assert [entry.record.address for entry in store.history(exactly("h/a"))] == ["h/a"]
    known = {"1:a": 1, "1:b": 1, "1:z": 4}
    assert store.generations(["h/a"]) == {("h/a", text): number for text, number in known.items()}
    left = known | {"1:c": 1}
    assert store.generations(["g/a"]) == {("g/a", text): number for text, number in left.items()}


def test_observations_and_words_change_the_record_in_place(store: StateStore) -> None:
    store.commit([PutRecord(record("g/a"))])
    store.commit([Observe(Address("g/a"), RunState.FAILED, 9), Rewrite(Address("g/a"), "2:a", "d2")])
    (one,) = store.records()
    assert (one.run_state, one.observed_at_ms, one.fingerprint, one.delivery) == (RunState.FAILED, 9, "2:a", "d2")
    assert store.history(exactly("g/a")) == []


def test_runs_without_an_address_are_remembered_until_claimed(store: StateStore) -> None:
    seen = ObservedRun(workflow_run_id="wfr_x", state=RunState.STARTED, created_at_ms=3)
    store.commit([Remember(seen)])
    store.commit([Remember(seen)])
    assert list(store.unclaimed()) == [seen]
    assert store.dismissed() == {}
    store.commit([Dismiss("wfr_x", Address("g/a")), Remember(seen), Dismiss("wfr_unknown", Address("g/b"))])
    assert store.dismissed() == {"wfr_x": "g/a"}
    assert list(store.unclaimed()) == [seen]
    store.commit([Claim("wfr_x", 4)])
    assert list(store.unclaimed()) == [seen]
    store.commit([Claim("wfr_x", 3)])
    assert list(store.unclaimed()) == []
    assert store.dismissed() == {}


def test_several_runs_that_had_one_id_are_remembered(store: StateStore) -> None:
    first, second = (
        ObservedRun(workflow_run_id="one", state=RunState.SUCCESS, created_at_ms=at, labels=(f"label-{at}",))
        for at in (3, 4)
    )
    store.commit([Remember(second), Remember(first)])
    assert list(store.unclaimed()) == [first, second]
    store.commit([Claim("one", 3)])
    assert list(store.unclaimed()) == [second]


def test_group_policies_are_kept(store: StateStore) -> None:
    store.commit([PutGroups({"g": OnRemove.CANCEL, "h": OnRemove.KEEP})])
    store.commit([PutGroups({"h": OnRemove.FORGET})])
    assert store.groups() == {"g": OnRemove.CANCEL, "h": OnRemove.FORGET}


def test_origins_survive(store: StateStore) -> None:
    for index, origin in enumerate(Origin):
        store.commit([PutRecord(record(f"g/{index}", origin=origin))])
    assert [one.origin for one in store.records()] == list(Origin)


def test_keys_by_workflow_run_id(store: StateStore) -> None:
    store.commit([PutRecord(record(name)) for name in ("g/a", "g/b", "h/a")])
    ids = {key.workflow_run_id: key for key in store.record_keys()}
    some = list(ids)[:2]
    for _ in range(2):  # nothing is left over from a question before
        assert {key.workflow_run_id: key for key in store.keys_with_ids([*some, "wfr_other"])} == {
            one: ids[one] for one in some
        }
    assert list(store.keys_with_ids([])) == []


def test_keys_of_some_groups(store: StateStore) -> None:
    names = ["a-b/x", "a/x", "a/y", "a0/x", "b/x"]
    store.commit([PutRecord(record(name)) for name in names])
    assert [key.address for key in store.record_keys()] == names
    assert [key.address for key in store.record_keys(whole_groups(["b", "a"]))] == ["a/x", "a/y", "b/x"]
    assert list(store.record_keys(whole_groups(["c"]))) == list(store.record_keys([])) == []


def test_records_put_together_are_as_if_put_one_by_one(store: StateStore) -> None:
    store.commit([PutRecord(record("g/b")), PutAttempt(attempt("g/a")), PutAttempt(attempt("g/c", "1:c"))])
    together = [record("g/a"), record("g/c"), record("g/d"), record("g/d", "1:b"), record("g/b")]
    store.commit([PutRecord(record(name)) for name in ("g/e", "g/f")])
    store.commit(list(map(PutRecord, together)))
    assert addresses(store) == ["g/a", "g/b", "g/c", "g/d", "g/e", "g/f"]
    assert [entry.record.fingerprint for entry in store.history(exactly("g/d"))] == ["1:a"]
    assert [one.address for one in store.attempts()] == ["g/c"]
    assert store.tallies()["g"].count == 6
    serial = store.head().serial
    assert store.commit([PutRecord(record(name)) for name in ("g/a", "g/e", "g/f")]) == serial


def test_records_that_take_the_place_of_others_together(store: StateStore) -> None:
    store.commit([PutRecord(record(name)) for name in ("g/a", "g/b", "g/c")])
    again = [record("g/a", "1:b"), record("g/b"), record("g/c", run_state=RunState.FAILED), record("g/d")]
    store.commit([Intend([attempt("g/a", "1:b")])])
    store.commit(list(map(PutRecord, again)))
    assert list(store.records()) == again
    assert [(entry.record, entry.ended) for entry in store.history()] == [(record("g/a"), Ended.SUPERSEDED)]
    assert list(store.attempts()) == []
    assert store.tallies()["g"] == Tally.of(term(one.address, one.fingerprint, one.delivery) for one in again)
    settled = [attempt(name, "1:c") for name in ("g/a", "g/d", "g/e")]
    store.commit([Intend(settled)])
    store.commit([RecordOutcomes(settled, [1, 2, None], Origin.TRIGGERED, NOW_MS)])
    assert [one.fingerprint for one in store.records()] == ["1:c", "1:a", "1:a", "1:c", "1:c"]
    assert [entry.record.address for entry in store.history()] == ["g/a", "g/a", "g/d"]
    assert list(store.attempts()) == []


def test_what_is_known_within_spans(store: StateStore) -> None:
    spans = [*exactly("a/x"), Span("a/y", "b")]
    names = ["a/x", "a/x0", "a/y", "a0/x", "b/x"]
    store.commit([PutRecord(record(name, generation=generation)) for name in names for generation in (1, 2)])
    store.commit([Intend([attempt(f"{name}-flying") for name in names])])
    store.commit([PutAttempt(attempt(f"{name}-lost", status=AttemptStatus.UNKNOWN)) for name in names])
    found = ["a/x", "a/y", "a0/x"]
    assert [one.address for one in store.record_keys(spans)] == found
    assert [one.address for one in store.records(within=spans)] == found
    assert [entry.record.address for entry in store.history(spans)] == found
    tried = ["a/y-flying", "a/y-lost", "a0/x-flying", "a0/x-lost"]
    assert [one.address for one in store.attempts(spans)] == tried
    store.commit([DropAttempt(Address("b/x-flying"))])  # now they have rows of their own
    assert [one.address for one in store.attempts(spans)] == tried


ADDRESSES = st.sampled_from([Address(name) for name in ("g/a", "g/b", "h/a", "h/b")])
FINGERPRINTS = st.sampled_from(["1:a", "1:b"])
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(
        lambda address, fingerprint, generation, delivery: PutRecord(
            record(address, fingerprint, generation, delivery=delivery)
        ),
        ADDRESSES,
        FINGERPRINTS,
        st.integers(1, 3),
        st.sampled_from(["", "d"]),
    ),
    st.builds(Forget, ADDRESSES),
    st.builds(Rewrite, ADDRESSES, FINGERPRINTS, st.sampled_from(["", "d"])),
    st.builds(Rename, ADDRESSES, ADDRESSES.map(lambda address: Address(f"{address}-new"))),
)


@given(st.lists(st.lists(EDITS, max_size=5), max_size=6))
def test_tallies_follow_the_records_whatever_happens(commits: list[list[Edit]]) -> None:
    with SqliteStore.in_memory(BINDING, now_ms=lambda: NOW_MS) as store:
        for edits in commits:
            try:
                store.commit(edits)
            except StateUnusable:
                continue  # a rename onto a name that is taken: rolled back, tallies too
            groups = groupby(store.record_keys(), lambda key: group_of(key.address))
            expected = {
                name: Tally.of(term(key.address, key.fingerprint, key.delivery) for key in keys)
                for name, keys in groups
            }
            assert store.tallies() == expected
