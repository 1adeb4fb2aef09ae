"""The lease of a shared state: taken, renewed, watched, taken over, lost, given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

import pytest

from tests.support.shared_logs import ManualClocks, MemoryBackend
from wfdeploy.errors import StateLocked, StateUnreachable, StateUnusable
from wfdeploy.model.shared_log import Stored
from wfdeploy.state.shared import lease as leases
from wfdeploy.state.shared.entries import Entry, EntryKind
from wfdeploy.state.shared.lease import Clocks, Lease, read, take, unlock
from wfdeploy.state.shared.lease_content import LOST, Holder, LeaseContent, Released

ME = Holder(host="here", user="me", pid=1, command="wfdeploy apply")
OTHER = Holder(host="there", user="she", pid=2, command="wfdeploy apply")
END = (7, "d" * 64)


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def time() -> ManualClocks:
    return ManualClocks()


def taken(
    backend: MemoryBackend,
    time: ManualClocks,
    holder: Holder = ME,
    *,
    timeout_s: float = 0.0,
    on_wait: Callable[[str], None] = lambda _: None,
    may_take_over: bool = True,
) -> tuple[Lease, Released | None]:
    return take(
        time.log(backend),
        holder,
        time.clocks(),
        timeout_s=timeout_s,
        on_wait=on_wait,
        is_begun=lambda: True,
        may_take_over=may_take_over,
    )


def given_back(backend: MemoryBackend, time: ManualClocks, holder: Holder = ME) -> None:
    """Taken once and given back, with nothing to suspect."""
    lease, _ = taken(backend, time, holder)
    lease.trust()
    lease.release(END, "first")


def content(backend: MemoryBackend) -> LeaseContent:
    assert backend.lease is not None
    found = LeaseContent.from_bytes(backend.lease.content)
    assert found is not None
    return found


def test_after_a_clean_release_it_is_taken_at_once_and_nothing_is_suspect(
    backend: MemoryBackend, time: ManualClocks
) -> None:
    given_back(backend, time, OTHER)
    before = time.steady_s
    lease, released = taken(backend, time)
    assert time.steady_s == before
    assert lease.suspect == ""
    assert released == Released(serial=7, digest="d" * 64, incarnation="first")
    assert lease.remaining_s() == leases.LIFE_S


def test_where_there_has_never_been_one_the_state_is_suspect(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, released = taken(backend, time)
    assert lease.suspect == LOST
    assert lease.stray_s == leases.LIFE_S
    assert released is None


def test_where_there_is_no_log_nothing_is_suspect(backend: MemoryBackend, time: ManualClocks) -> None:
    clocks = time.clocks()
    lease, _ = take(time.log(backend), ME, clocks, timeout_s=0, on_wait=lambda _: None, is_begun=lambda: False)
    assert (lease.suspect, lease.stray_s) == ("", 0)


def test_a_former_holder_that_may_still_send_is_waited_for_until_a_listing_has_told(
    backend: MemoryBackend, time: ManualClocks
) -> None:
    taken(backend, time, OTHER)
    log = time.log(backend)
    seen = read(log)
    assert seen is not None
    unlock(log, seen[1], by=OTHER)
    first, _ = taken(backend, time)
    assert first.stray_s == leases.LIFE_S
    first.release(END, "first")
    second, _ = taken(backend, time)
    assert second.stray_s == leases.LIFE_S
    second.trust()
    second.release(END, "first")
    third, _ = taken(backend, time)
    assert third.stray_s == 0


def test_a_held_lease_is_refused_at_once_with_its_holder(backend: MemoryBackend, time: ManualClocks) -> None:
    taken(backend, time, OTHER)
    with pytest.raises(StateLocked, match=r"locked by she on there \(process 2, wfdeploy apply\) since 20"):
        taken(backend, time)
    assert content(backend).holder == OTHER


def test_waiting_tells_the_holder_once_and_takes_it_when_it_is_given_back(
    backend: MemoryBackend, time: ManualClocks
) -> None:
    given_back(backend, time)
    lease, _ = taken(backend, time, OTHER)
    told: list[str] = []

    def on_wait(holder: str) -> None:
        told.append(holder)
        lease.release(END, "first")

    mine, _ = taken(backend, time, timeout_s=10, on_wait=on_wait)
    assert len(told) == 1
    assert "she on there" in told[0]
    assert mine.suspect == ""


def test_a_lease_that_nobody_renews_is_taken_over_after_a_life_and_a_tenth(
    backend: MemoryBackend, time: ManualClocks
) -> None:
    taken(backend, time, OTHER)
    began = time.steady_s
    lease, released = taken(backend, time, timeout_s=1000)
    assert 1.1 * leases.LIFE_S <= time.steady_s - began <= 1.1 * leases.LIFE_S + 2
    assert lease.suspect.startswith("the state was taken over from she on there")
    assert released is None


def test_a_lease_that_is_renewed_is_never_taken_over(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time, OTHER)

    class Renewed(ManualClocks):
        def pass_by(self, seconds: float) -> None:
            super().pass_by(seconds)
            time.pass_by(seconds)
            if int(self.steady_s) % 30 == 0:
                lease.renew()

    mine = Renewed()
    with pytest.raises(StateLocked):
        taken(backend, mine, timeout_s=1000)
    assert mine.steady_s >= 2000
    lease.remaining_s()


def test_where_the_backend_says_that_it_is_over_it_is_watched_without_a_timeout(
    backend: MemoryBackend, time: ManualClocks
) -> None:
    taken(backend, time, OTHER)
    backend.time_ms += 121_000
    began = time.steady_s
    lease, _ = taken(backend, time)
    assert time.steady_s - began >= 1.1 * leases.LIFE_S  # the hint proves nothing
    assert lease.suspect


def test_where_taking_over_is_not_allowed_nobody_does(backend: MemoryBackend, time: ManualClocks) -> None:
    taken(backend, time, OTHER)
    backend.time_ms += 121_000
    with pytest.raises(StateLocked):
        taken(backend, time, timeout_s=1000, may_take_over=False)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"[" * 100_000, b'{"counter": 1}', b"\xff"])
def test_a_lease_that_cannot_be_read_is_held(backend: MemoryBackend, time: ManualClocks, damage: bytes) -> None:
    backend.lease = Stored(damage, "v")
    with pytest.raises(StateLocked, match="a holder that can't be told"):
        taken(backend, time)
    lease, _ = taken(backend, time, timeout_s=1000)
    assert lease.suspect


def test_suspicion_stays_until_it_is_taken_away(backend: MemoryBackend, time: ManualClocks) -> None:
    given_back(backend, time)
    first, _ = taken(backend, time)
    first.distrust("why")
    first.distrust("another")
    first.release(END, "first")
    second, _ = taken(backend, time)
    assert second.suspect == "why"
    second.release(END, "first")  # it died, or gave up, before it could tell
    third, _ = taken(backend, time)
    assert third.suspect == "why"
    third.trust()
    third.release(END, "first")
    fourth, _ = taken(backend, time)
    assert fourth.suspect == ""


@pytest.mark.parametrize("clock", ["steady_s", "wall_s"])
def test_either_clock_ends_it(backend: MemoryBackend, time: ManualClocks, clock: str) -> None:
    lease, _ = taken(backend, time)
    setattr(time, clock, getattr(time, clock) + leases.LIFE_S - 1)
    assert 0 < lease.remaining_s() <= 1
    setattr(time, clock, getattr(time, clock) + 1)
    with pytest.raises(StateUnusable, match="could not be renewed for 120 seconds"):
        lease.remaining_s()
    with pytest.raises(StateUnusable):
        lease.append(1, b"x", "")
    assert backend.entries == {}


def test_a_renewal_counts_from_before_its_first_try(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time)
    left = iter([20.0, 0.0, 0.0])

    def slow(method: str) -> None:
        if method == "swap_lease":
            time.pass_by(next(left))

    backend.before = slow
    lease.renew()
    assert lease.remaining_s() == pytest.approx(leases.LIFE_S - 20)


def test_a_lease_that_was_taken_away_is_noticed_by_the_next_renewal(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time, OTHER)
    log = time.log(backend)
    seen = read(log)
    assert seen is not None
    unlock(log, seen[1], by=OTHER)
    mine, _ = taken(backend, time)
    assert mine.suspect.startswith("the lease was taken away by hand from she on there")
    with pytest.raises(StateUnusable, match="the lease of the state was lost: me on here"):
        lease.renew()
    with pytest.raises(StateUnusable, match="was lost"):
        lease.remaining_s()


def test_a_look_notices_it_too(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time, OTHER)
    lease.confirm()
    log = time.log(backend)
    seen = read(log)
    assert seen is not None
    unlock(log, seen[1], by=OTHER)
    with pytest.raises(StateUnusable, match="was lost"):
        lease.confirm()


def test_unlock_leaves_a_lease_alone_that_has_changed_since(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time, OTHER)
    log = time.log(backend)
    seen = read(log)
    assert seen is not None
    lease.renew()
    with pytest.raises(StateLocked, match="changed meanwhile"):
        unlock(log, seen[1], by=OTHER)
    lease.renew()


def test_a_removed_lease_is_lost(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time)
    backend.lease = None
    with pytest.raises(StateUnusable, match="it was removed"):
        lease.renew()


def test_an_outage_that_is_shorter_than_its_life_ends_nothing(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time)
    end = time.steady_s + 60

    def down(_: str) -> None:
        if time.steady_s < end:
            time.pass_by(1)
            raise StateUnreachable("no answer")

    backend.before = down
    with pytest.raises(StateUnreachable):
        lease.renew()  # the first try certainly wrote nothing
    while time.steady_s < end:
        time.pass_by(2)
    lease.renew()
    assert lease.remaining_s() == leases.LIFE_S


def test_each_tenure_writes_under_a_name_of_its_own(backend: MemoryBackend, time: ManualClocks) -> None:
    first, _ = taken(backend, time)
    first.release(END, "")
    second, _ = taken(backend, time)
    assert first.writer != second.writer
    assert second.writer.startswith("me on here")


def test_an_entry_of_somebody_else_is_named(backend: MemoryBackend, time: ManualClocks) -> None:
    lease, _ = taken(backend, time)
    theirs = Entry(serial=1, before="", kind=EntryKind.FENCE, writer=f"{OTHER} 00ff", at_ms=0)
    backend.entries[1] = theirs.to_bytes()
    with pytest.raises(StateUnusable, match=r"entry 1 .* written by somebody else: she on there"):
        lease.append(1, b"mine", "")


def test_a_thread_renews_it_until_it_is_given_back(backend: MemoryBackend) -> None:
    renewed = threading.Event()

    def seen(method: str) -> None:
        if method == "swap_lease" and backend.requests["swap_lease"] == 3:
            renewed.set()

    backend.before = seen
    log = ManualClocks().log(backend)
    lease, _ = take(log, ME, Clocks(steady=monotonic), timeout_s=0, on_wait=lambda _: None, is_begun=bool, life_s=0.4)
    lease.start()
    assert renewed.wait(10)
    lease.remaining_s()
    lease.release(END, "first")
    assert "lease" not in {thread.name for thread in threading.enumerate()}
    assert content(backend).released == Released(serial=7, digest="d" * 64, incarnation="first")
