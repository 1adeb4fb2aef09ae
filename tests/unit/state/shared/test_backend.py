"""A shared state as commands use it: machines that come and go, with one log."""

from __future__ import annotations

import gzip
import random
import string
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.contracts.test_state_store import BINDING, NOW_MS, attempt, record
from tests.support.shared_logs import ManualClocks, MemoryBackend
from tests.unit.state.shared.test_lease import content
from wfdeploy.errors import StateLocked, StateMoved, StateUnusable
from wfdeploy.model.edits import Intend, PutRecord, RecordOutcomes, SetHead
from wfdeploy.model.state import Origin
from wfdeploy.ports import StateStore
from wfdeploy.state.export import export_lines
from wfdeploy.state.shared import backend as backends
from wfdeploy.state.shared import following, lease_content
from wfdeploy.state.shared import lease as leases
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.entries import Entry, EntryKind


class World:
    """A place for one log, and machines."""

    def __init__(self, folder: Path) -> None:
        self.place = MemoryBackend()
        self.time = ManualClocks()
        self._folder = folder

    def machine(self, name: str) -> SharedBackend:
        """A command on a machine: the next one on it has the same replica."""
        log = self.time.log(self.place)
        return SharedBackend(
            lambda: log,
            name="memory://log",
            folder=self._folder / name,
            binding=BINDING,
            command=f"wfdeploy on {name}",
            environ={},
            clocks=self.time.clocks(),
            now_ms=lambda: NOW_MS,
        )

    @contextmanager
    def writing(self, name: str, timeout_s: float = 0.0) -> Iterator[tuple[SharedBackend, StateStore]]:
        backend = self.machine(name)
        with backend.lock(timeout_s, lambda _: None), closing(backend.open(readonly=False)) as store:
            yield backend, store

    def exported(self, name: str) -> list[str]:
        with closing(self.machine(name).open(readonly=True)) as store:
            return list(export_lines(store))

    def kinds(self) -> list[EntryKind]:
        return [Entry.from_bytes(data).kind for _, data in sorted(self.place.entries.items())]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    backend = made.machine("a")
    with backend.lock(0, lambda _: None):
        assert not backend.exists()
        with closing(backend.create()) as store:
            backend.mark_latest(store)
    return made


def test_what_one_machine_commits_another_reads(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
    assert world.exported("b") == world.exported("a")
    with world.writing("b") as (backend, store):
        assert backend.is_latest(store)
        store.commit([PutRecord(record("g/b"))])
    assert len(world.exported("a")) == 3
    assert world.exported("a") == world.exported("b") == world.exported("c")


def test_each_tenure_begins_with_a_fence(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
    with world.writing("b"):
        pass
    assert world.kinds()[1:] == [EntryKind.FENCE, EntryKind.FENCE, EntryKind.COMMIT, EntryKind.FENCE]


def test_a_warm_replica_costs_one_listing_and_one_read(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
    world.place.requests.clear()
    world.exported("a")
    assert world.place.requests == {"list_entries": 1, "read_entry": 1}


def test_reading_needs_no_lease(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
        assert len(world.exported("b")) == 2
        assert len(world.exported("a")) == 2  # also beside the one that writes


def test_one_at_a_time(world: World) -> None:
    with world.writing("a"), pytest.raises(StateLocked, match=r"wfdeploy on a"), world.writing("b"):
        pytest.fail("two hold it")


def test_where_there_is_no_state_none_is_begun(tmp_path: Path) -> None:
    world = World(tmp_path)
    backend = world.machine("a")
    assert not backend.exists()
    with pytest.raises(StateUnusable, match="there is no state at memory://log"):
        backend.open(readonly=True)
    assert world.place.entries == {}


def test_a_state_is_begun_once(world: World) -> None:
    with pytest.raises(StateUnusable, match="there is a state at memory://log already"):
        world.machine("b").begin()


def test_a_state_of_another_project_is_refused(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    other.place = world.place
    backend = other.machine("a")
    backend.binding = BINDING._replace(project="other")
    with pytest.raises(StateUnusable, match="belongs to project p"):
        backend.open(readonly=True)


def test_open_attempts_leave_suspicion(world: World) -> None:
    with world.writing("a") as (backend, store):
        assert backend.is_latest(store)
        store.commit([Intend([attempt("g/a")])], precedes_request=True)
    with world.writing("b") as (backend, store):
        assert not backend.is_latest(store)
        store.commit([RecordOutcomes([attempt("g/a")], [5], Origin.TRIGGERED, 6)])
        backend.mark_latest(store)
    with world.writing("a") as (backend, store):
        assert backend.is_latest(store)


def test_a_take_over_is_suspect_and_what_the_former_holder_appends_late_is_refused(world: World) -> None:
    with world.writing("a") as (first, dead):
        dead.commit([Intend([attempt("g/a")])], precedes_request=True)
        with world.writing("b", timeout_s=1000) as (backend, store):
            assert not backend.is_latest(store)
            assert [one.address for one in store.attempts()] == ["g/a"]
            with pytest.raises(StateUnusable):
                first.permit.remaining_s()
            with pytest.raises(StateUnusable):
                dead.commit([PutRecord(record("g/a"))])
            store.commit([RecordOutcomes([attempt("g/a")], [5], Origin.TRIGGERED, 6)])


def test_an_entry_that_lands_before_the_fence_counts(world: World) -> None:
    """A create that was given up lands while the next holder is about to fence."""
    with world.writing("a") as (_, store):
        pass
    late: list[bytes] = []
    ours = world.machine("a")
    with ours.lock(0, lambda _: None), closing(ours.open(readonly=False)) as store:

        def lost(method: str) -> None:
            if method == "create_entry":
                raise ConnectionError

        number = len(world.place.entries)
        store.stage([PutRecord(record("g/late"))])
        late.append(store._staged.entry.to_bytes())  # type: ignore[attr-defined]
        world.place.before = lost
        with pytest.raises(ConnectionError):
            store.finish()
        world.place.before = lambda _: None

    def land(method: str) -> None:
        if method == "create_entry" and late:
            world.place.entries[number] = late.pop()

    world.place.before = land
    with world.writing("b") as (backend, store):
        assert [one.address for one in store.records()] == ["g/late"]
        assert not backend.is_latest(store)
        assert Entry.from_bytes(world.place.entries[number + 1]).kind is EntryKind.FENCE


def test_another_incarnation_is_suspect(world: World) -> None:
    world.place.identity = "restored"
    with world.writing("b") as (backend, store):
        assert not backend.is_latest(store)


def test_a_log_that_was_cut_is_refused_where_it_was_followed_and_suspect_elsewhere(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
    del world.place.entries[max(world.place.entries)]
    with pytest.raises(StateUnusable, match="it ends before it"):
        world.exported("a")
    with world.writing("fresh") as (backend, store):
        assert not backend.is_latest(store)


def test_a_log_that_was_replaced_is_refused(world: World) -> None:
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])
    last = max(world.place.entries)
    world.place.entries[last] = world.place.entries[last - 1]
    with pytest.raises(StateUnusable, match="that entry is another one"):
        world.exported("a")


def fill(world: World, name: str, count: int) -> None:
    with world.writing(name) as (backend, store):
        for number in range(count):
            store.commit([SetHead(number + len(world.place.entries))])
        store.commit([PutRecord(record(f"g/{name}-{len(world.place.entries)}"))])
        backend.mark_latest(store)


def test_after_many_entries_a_snapshot_is_left_and_what_is_behind_the_last_but_one_goes(world: World) -> None:
    for name in "aba":
        fill(world, name, following.SNAPSHOT_AFTER)
    assert len(world.place.snapshots) == 2
    oldest, newest = sorted(world.place.snapshots)
    behind = [number for number in world.place.entries if 0 < number <= oldest]
    assert {Entry.from_bytes(world.place.entries[number]).kind for number in behind} == {EntryKind.FENCE}
    assert len(behind) == 3
    world.place.requests.clear()
    fresh = world.exported("fresh")
    # Entry 0; those after the snapshot; and where there are none, its own: it says when it was written.
    assert world.place.requests["read_entry"] <= 1 + max(1, max(world.place.entries) - newest)
    assert fresh == world.exported("a")
    world.machine("b").path.unlink()
    assert world.exported("b") == fresh


def test_a_fence_stays_however_long_the_name_of_the_job_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = "".join(random.Random(4).choices(string.printable, k=20_000))
    monkeypatch.setattr(lease_content, "ci_job", lambda _: job)
    for name in "aba":
        fill(world, name, following.SNAPSHOT_AFTER)
    assert world.kinds().count(EntryKind.FENCE) == 4
    assert content(world.place).released is not None


def test_pruning_looks_only_at_what_no_earlier_one_has_seen(world: World) -> None:
    read: list[int] = []
    for _ in range(6):
        world.place.requests.clear()
        fill(world, "a", following.SNAPSHOT_AFTER)
        read.append(world.place.requests["read_entry"])
    assert read[-1] == read[-2]
    oldest = min(world.place.snapshots)
    behind = [number for number in world.place.entries if 0 < number <= oldest]
    assert {Entry.from_bytes(world.place.entries[number]).kind for number in behind} == {EntryKind.FENCE}


@pytest.mark.parametrize("commits", [0, 1])
def test_a_replica_that_was_overtaken_by_pruning_is_built_anew(world: World, commits: int) -> None:
    """Also one that ends with a fence, which is never pruned."""
    if commits:
        fill(world, "slow", commits)
    else:
        with world.writing("slow"):
            pass
    for name in "aba":
        fill(world, name, following.SNAPSHOT_AFTER)
    assert world.exported("slow") == world.exported("a")


@pytest.mark.parametrize("damage", [None, b"", b"SQLite format 3\0", b"nonsense" * 1000])
def test_a_replica_that_was_deleted_or_damaged_is_built_anew(world: World, damage: bytes | None) -> None:
    fill(world, "a", 3)
    expected = world.exported("a")
    path = world.machine("a").path
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert world.exported("a") == expected


def test_an_entry_that_is_missing_is_said_and_nothing_is_guessed(world: World) -> None:
    world.exported("behind")
    fill(world, "a", 3)
    missing = max(world.place.entries) - 1
    del world.place.entries[missing]
    for name in ("behind", "fresh"):
        with pytest.raises(StateUnusable, match=f"entry {missing} .* is missing, and later ones are there"):
            world.exported(name)


def test_a_reader_that_pruning_overtakes_while_it_builds_begins_again(world: World) -> None:
    for name in "aba":
        fill(world, name, following.SNAPSHOT_AFTER)

    def prune(method: str) -> None:
        if method == "read_snapshot":
            world.place.before = lambda _: None
            for _ in range(2):
                fill(world, "b", following.SNAPSHOT_AFTER)

    world.place.before = prune
    assert world.exported("fresh") == world.exported("a")


@pytest.mark.parametrize("damage", [b"", b"x", b"\x1f\x8b", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 9])
def test_a_damaged_snapshot_is_refused(world: World, damage: bytes) -> None:
    fill(world, "a", following.SNAPSHOT_AFTER)
    for number in world.place.snapshots:
        world.place.snapshots[number] = damage
    with pytest.raises(StateUnusable, match="damaged"):
        world.exported("fresh")


def test_a_lease_that_is_lost_ends_the_commits(world: World) -> None:
    with world.writing("a") as (_, store):
        world.time.pass_by(leases.LIFE_S + 1)
        with pytest.raises(StateUnusable, match="could not be renewed"):
            store.commit([PutRecord(record("g/a"))])
    assert world.exported("b") == world.exported("a")


# --- while a person is asked -----------------------------------------------------------------------------------


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer takes so long that the lease is given back meanwhile."""
    monkeypatch.setattr(backends, "_ASKED_FOR_S", 0.0)


def answered_late(
    world: World, meanwhile: Callable[[], None] = lambda: None, answer: bool = True
) -> Callable[[], bool]:
    def confirm() -> bool:
        end = monotonic() + 10
        while content(world.place).released is None:
            assert monotonic() < end
        meanwhile()
        return answer

    return confirm


def test_a_quick_answer_keeps_the_lease(world: World) -> None:
    with world.writing("a") as (backend, store):
        count = world.place.requests["swap_lease"]
        assert backend.ask(lambda: True)
        assert world.place.requests["swap_lease"] == count
        store.commit([PutRecord(record("g/a"))])


@pytest.mark.usefixtures("slowly")
def test_while_somebody_is_asked_others_may_read_and_lock(world: World) -> None:
    with world.writing("a") as (backend, store):
        fences = world.kinds().count(EntryKind.FENCE)
        assert backend.ask(answered_late(world))
        assert world.kinds().count(EntryKind.FENCE) == fences + 1
        store.commit([PutRecord(record("g/a"))])
    assert len(world.exported("b")) == 2


@pytest.mark.usefixtures("slowly")
def test_what_changed_meanwhile_is_planned_anew(world: World) -> None:
    def other() -> None:
        with world.writing("b"):
            pass  # its fence is enough: it may have sent something

    with world.writing("a") as (backend, store), pytest.raises(StateMoved):
        backend.ask(answered_late(world, other))
    with world.writing("a") as (_, store):
        store.commit([PutRecord(record("g/a"))])


@pytest.mark.usefixtures("slowly")
def test_who_declines_holds_no_lease(world: World) -> None:
    with world.writing("a") as (backend, store):
        assert not backend.ask(answered_late(world, answer=False))
        with world.writing("b"):
            pass
        with pytest.raises(StateUnusable):
            store.commit([PutRecord(record("g/a"))])


@pytest.mark.usefixtures("slowly")
def test_a_suspect_state_stays_so_and_is_no_other_one(world: World) -> None:
    with world.writing("a") as (backend, store):
        store.commit([Intend([attempt("g/a")])], precedes_request=True)
    with world.writing("b") as (backend, store):
        assert not backend.is_latest(store)
        assert backend.ask(answered_late(world))
        assert not backend.is_latest(store)
