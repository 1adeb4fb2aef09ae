"""Whatever is lost, delayed or refused: one history, and nobody who takes another's bytes for his own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from itertools import count
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.memory_log import Fate, MemoryLog, Objects
from wfdeploy.errors import StateUnreachable, StateUnusable
from wfdeploy.log_ports import LogBackend, SharedLog
from wfdeploy.model.shared_log import (
    Detached,
    NumberTaken,
    Stored,
    Undecided,
    WriteAnswer,
    WriteOutcome,
    Written,
    digest_of,
)
from wfdeploy.sharedlog.log import DecidedLog


class Clock:
    """Time that passes only while the log pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def log_over(backend: LogBackend, clock: Clock | None = None) -> SharedLog:
    clock = clock or Clock()
    return DecidedLog(backend, monotonic=lambda: clock.now, pause=clock.pause)


def fates(*scripted: Fate) -> Callable[[], Fate]:
    """These, one for each request, and then all is well."""
    left = iter(scripted)
    return lambda: next(left, Fate.PASS)


def test_what_a_first_try_raises_wrote_nothing() -> None:
    backend = MemoryLog(fate=fates(Fate.FORBIDDEN))
    with pytest.raises(StateUnusable):
        log_over(backend).append(0, b"a", "", within_s=5)
    assert backend.read_entry(0) is None


def test_after_an_undecided_try_no_error_decides_anything() -> None:
    backend = MemoryLog(fate=fates(Fate.LATE, Fate.PASS, *[Fate.FORBIDDEN] * 100))
    done = log_over(backend).append(0, b"a", "", within_s=5)
    assert done == Undecided("permission denied")
    backend.objects.deliver()
    backend.fate = fates()
    assert isinstance(log_over(backend).append(0, b"a", "", within_s=5), Written)


def test_an_empty_read_decides_nothing_and_the_same_bytes_are_offered_again() -> None:
    backend = MemoryLog(fate=fates(Fate.NEVER, Fate.PASS, Fate.NEVER, Fate.PASS))
    clock = Clock()
    assert log_over(backend, clock).append(0, b"a", "", within_s=5) == Written("1")
    assert len(clock.pauses) == 2


def test_pauses_grow_and_end_with_the_deadline() -> None:
    backend = MemoryLog(fate=lambda: Fate.NEVER)
    clock = Clock()
    assert isinstance(log_over(backend, clock).append(0, b"a", "", within_s=10), Undecided)
    assert clock.now <= 10
    assert max(clock.pauses) <= 2
    assert len(clock.pauses) < 20


def test_a_log_that_was_cut_is_told() -> None:
    backend = MemoryLog(checks_previous=True)
    log = log_over(backend)
    assert log.append(3, b"a", digest_of(b"x"), within_s=5) == Detached()
    backend.fate = fates(Fate.NEVER)
    assert isinstance(log.append(3, b"a", digest_of(b"x"), within_s=1), Undecided)


def test_a_conflict_with_nothing_there_is_tried_again() -> None:
    """Stores say so (409) when writers collide; it doesn't mean that an object is there."""

    class Colliding(MemoryLog):
        def create_entry(self, number: int, content: bytes, previous: str) -> WriteAnswer:
            if answers.pop(0):
                return WriteAnswer(WriteOutcome.REFUSED)
            return super().create_entry(number, content, previous)

    answers = [True, True, False]
    assert log_over(Colliding()).append(0, b"a", "", within_s=5) == Written("1")


def test_a_refused_swap_whose_bytes_stand_there_was_carried_out() -> None:
    backend = MemoryLog()
    log = log_over(backend)
    first = log.swap_lease(b"1", None, within_s=5)
    assert isinstance(first, Written)
    backend.fate = fates(Fate.LOST, Fate.NEVER)
    assert log.swap_lease(b"2", first.version, within_s=5) == Written("2")
    assert log.swap_lease(b"3", first.version, within_s=5) == NumberTaken(Stored(b"2", "2", 1_800_000_000_002))


def test_a_swap_of_no_lease_is_refused() -> None:
    assert log_over(MemoryLog()).swap_lease(b"1", "7", within_s=5) == NumberTaken(None)


def test_a_snapshot_that_another_wrote_stands() -> None:
    log = log_over(MemoryLog())
    assert log.create_snapshot(4, io.BytesIO(b"a"), within_s=5)
    assert not log.create_snapshot(4, io.BytesIO(b"b"), within_s=5)
    target = io.BytesIO()
    assert log.read_snapshot(4, target, within_s=5)
    assert target.getvalue() == b"a"


def test_a_snapshot_that_broke_off_is_read_again_from_the_start() -> None:
    class Breaking(MemoryLog):
        def read_snapshot(self, number: int, target: BinaryIO) -> bool:
            target.write(b"half")
            if breaks.pop():
                raise StateUnreachable("no answer")
            target.write(b" and half")
            return True

    breaks = [False, True]
    target = io.BytesIO()
    assert log_over(Breaking()).read_snapshot(4, target, within_s=5)
    assert target.getvalue() == b"half and half"


def test_a_listing_goes_on_page_by_page() -> None:
    log = log_over(backend := MemoryLog())
    for number in range(2_500):
        backend.objects.put(f"log/entries/{number:012d}", b"x", version=None)
    assert [listed.number for listed in log.list_entries(10, within_s=5)] == list(range(10, 2_500))


# --- properties -------------------------------------------------------------------------------------------------


def land(objects: Objects, draw: st.DataObject) -> None:
    """Carry out some of the late requests, in any order."""
    while objects.late:
        if not draw.draw(st.booleans(), label="land"):
            return
        objects.deliver(draw.draw(st.integers(0, len(objects.late) - 1), label="which"))


FATES: st.SearchStrategy[Fate] = st.sampled_from([Fate.PASS, Fate.PASS, *Fate])


class Writers:
    """Writers on one log. Each request meets a fate; before it, others may act, and late requests land."""

    def __init__(self, draw: st.DataObject, *, checks_previous: bool) -> None:
        self.objects = Objects()
        self.draw = draw
        self.names = count()
        self.depth = 0
        self.left = 40
        self.checks_previous = checks_previous
        self.claims: list[tuple[int, bytes]] = []
        """Number and content of entries that a writer was told are its own, or found."""

        self.refused: set[bytes] = set()
        """What was never written, as a writer was told."""

    def fate(self) -> Fate:
        self.left -= 1
        if self.left < 0:
            return Fate.PASS
        land(self.objects, self.draw)
        if self.depth < 4 and self.draw.draw(st.integers(0, 3), label="other") == 0:
            self.write()
        return self.draw.draw(FATES, label="fate")

    def backend(self) -> MemoryLog:
        return MemoryLog(self.objects, checks_previous=self.checks_previous, fate=self.fate)

    def history(self) -> list[bytes]:
        return [content for _, (content, _, _) in sorted(self.objects.content.items())]

    def write(self) -> None:
        """One writer reads the log as it is, and appends one entry."""
        self.depth += 1
        seen = self.history()
        content = b"%d" % next(self.names)
        previous = digest_of(seen[-1]) if seen else ""
        try:
            done = log_over(self.backend()).append(len(seen), content, previous, within_s=1)
        except (StateUnusable, StateUnreachable):
            self.refused.add(content)
        else:
            match done:
                case Written():
                    self.claims.append((len(seen), content))
                case NumberTaken(found):
                    self.refused.add(content)
                    if found is not None:
                        self.claims.append((len(seen), found.content))
                case Detached():
                    self.refused.add(content)
        self.depth -= 1


@settings(max_examples=400)
@given(st.data(), st.booleans())
def test_any_interleaving_of_writers_leaves_one_history(draw: st.DataObject, checks_previous: bool) -> None:
    writers = Writers(draw, checks_previous=checks_previous)
    for _ in range(draw.draw(st.integers(1, 6))):
        writers.write()
    while writers.objects.late:
        writers.objects.deliver()
    history = writers.history()
    assert len(set(history)) == len(history)
    assert all(history[number] == content for number, content in writers.claims)
    assert not writers.refused & set(history)
    numbers = [int(key[-12:]) for key in sorted(writers.objects.content)]
    assert numbers == list(range(len(numbers)))


@settings(max_examples=400)
@given(st.data())
def test_no_swap_is_lost_and_none_counts_twice(draw: st.DataObject) -> None:
    objects, names = Objects(), count(1)
    written, undecided, left = [b"0"], list[bytes](), [60]
    objects.put("log/lease", b"0", version=None)
    chain = {b"0": b""}
    """By content: the one that it replaced."""

    def fate() -> Fate:
        left[0] -= 1
        land(objects, draw)
        return Fate.PASS if left[0] < 0 else draw.draw(FATES, label="fate")

    seen: list[Stored] = []
    for _ in range(draw.draw(st.integers(1, 8))):
        now = MemoryLog(objects).read_lease()
        assert now is not None
        seen.append(now)
        basis = draw.draw(st.sampled_from(seen), label="basis")  # perhaps an older one
        content = b"%d" % next(names)
        chain[content] = basis.content
        try:
            done = log_over(MemoryLog(objects, fate=fate)).swap_lease(content, basis.version, within_s=1)
        except (StateUnusable, StateUnreachable):
            continue
        if isinstance(done, Written):
            written.append(content)
        elif isinstance(done, Undecided):
            undecided.append(content)
    while objects.late:
        objects.deliver()
    path = list(_back(objects.content["log/lease"][0], chain))
    assert set(written) <= set(path) <= {*written, *undecided}
    assert objects.versions == len(path)


def _back(content: bytes, chain: dict[bytes, bytes]) -> Iterable[bytes]:
    while content:
        yield content
        content = chain[content]
