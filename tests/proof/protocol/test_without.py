"""The real code without one of its protections: what goes wrong then, and does not with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contracts.test_state_store import attempt
from tests.proof.fleet.extras import Extra
from tests.proof.fleet.observer import Violation
from tests.proof.fleet.world import world
from tests.support.shared_logs import MemoryBackend
from tests.unit.state.shared.test_backend import World, fill
from wfdeploy.errors import StateError
from wfdeploy.model.edits import Intend
from wfdeploy.model.shared_log import WriteAnswer, WriteOutcome
from wfdeploy.state.shared import following, replica
from wfdeploy.state.shared import lease as leases
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.entries import EntryKind
from wfdeploy.state.shared.replica import Replica


class Remembering(MemoryBackend):
    """Knows all that ever stood at a number, and may hold a write back until somebody lets it arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: dict[int, set[bytes]] = defaultdict(set)
        self.holds_back = False
        self.late: list[tuple[int, bytes, str]] = []

    def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
        if self.holds_back:
            self.late.append((number, content, previous))
            return WriteAnswer(WriteOutcome.UNDECIDED, reason="no answer")
        answer = super().create_entry(number, content, previous)
        if answer.outcome is WriteOutcome.WRITTEN:
            self.ever[number].add(content)
        return answer

    def arrive(self) -> None:
        for write in self.late:
            self.create_entry(*write)


@pytest.fixture
def place() -> Remembering:
    return Remembering()


@pytest.fixture
def machines(tmp_path: Path, place: Remembering) -> World:
    made = World(tmp_path)
    made.place = place
    backend = made.machine("a")
    with backend.lock(0, lambda _: None):
        backend.create().close()
    return made


def prune_past_a_late_write(machines: World, place: Remembering) -> None:
    """A holder's create is on its way while it dies; others go on, and prune; then it arrives."""
    fill(machines, "a", 1)
    with machines.writing("a") as (backend, store):
        place.holds_back = True
        with pytest.raises(StateError):
            store.commit([Intend([attempt("g/late")])], precedes_request=True)
        place.holds_back = False
        assert backend.held.suspect
    for name in "bcb":
        fill(machines, name, following.SNAPSHOT_AFTER)
    assert place.late
    assert place.late[0][0] < min(place.snapshots)
    place.arrive()


def test_a_late_write_meets_a_fence_also_after_pruning(machines: World, place: Remembering) -> None:
    prune_past_a_late_write(machines, place)
    assert {number: len(found) for number, found in place.ever.items() if len(found) > 1} == {}
    assert machines.exported("fresh") == machines.exported("b")


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "fence", lambda self: self.end[0])


def _fences_go_too(patch: pytest.MonkeyPatch) -> None:
    whole = replica.read_entry

    def read_entry(serial: int, data: bytes) -> object:
        entry = whole(serial, data)
        if entry.kind is EntryKind.FENCE:
            object.__setattr__(entry, "kind", EntryKind.COMMIT)
        return entry

    patch.setattr(following, "read_entry", read_entry)


@pytest.mark.parametrize("breaks", [_no_fence, _fences_go_too])
def test_without_fences_two_entries_have_one_number(
    machines: World, place: Remembering, monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None]
) -> None:
    breaks(monkeypatch)
    prune_past_a_late_write(machines, place)
    assert max(len(found) for found in place.ever.values()) == 2


def sends_after_a_take_over(machines: World) -> bool:
    """Whether a holder that was stopped for longer than its lease may send when it goes on."""
    with machines.writing("a") as (stopped, store):
        store.commit([Intend([attempt("g/a")])], precedes_request=True)
        with machines.writing("b", timeout_s=1000):
            with suppress(StateError):
                return stopped.permit.remaining_s() > 0
            return False


def test_who_was_stopped_for_longer_than_its_lease_does_not_send(machines: World) -> None:
    assert not sends_after_a_take_over(machines)


def test_without_its_check_it_does(machines: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.Lease, "remaining_s", lambda self: 60.0)
    assert sends_after_a_take_over(machines)


# --- a whole apply ---------------------------------------------------------------------------------------------


def set_back() -> None:
    """The log is set back to an older copy right after an apply, before the server's logs show what that sent."""
    with world(SEED, frozenset({Extra.SHARED})) as one:
        place = one.bench.place
        assert place is not None
        place.be_quiet()
        one.server.faults.hide_delayed = False
        one._apply()
        one._pass(86_400)
        one._apply()
        entries, snapshots = dict(place.backend.entries), dict(place.backend.snapshots)
        one.team.change_half("kept")
        one._apply()
        one._pass(one.lag_s / 2 - 1)
        place.backend.entries, place.backend.snapshots = entries, snapshots
        for file in place.folder.glob("machine-*/*.db*"):
            file.unlink()
        one._apply()
        one._pass(86_400)
        one.judge.look()


SEED = 19
"""Of a world in which some runs end before the logs show them."""


def test_a_log_that_was_set_back_starts_nothing_again() -> None:
    set_back()


def test_without_suspicion_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedBackend, "is_latest", lambda self, store: True)
    with pytest.raises(Violation, match=r"accepted twice under one id|started twice"):
        set_back()
