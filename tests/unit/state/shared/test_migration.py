"""A state moves from a file to a log, back, and to another log, whatever interrupts it: exactly one place has it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING, NOW_MS, attempt, record
from tests.support.shared_logs import ManualClocks, MemoryBackend
from wfdeploy.errors import StateError, StateUnusable, UsageError
from wfdeploy.model.edits import Intend, PutRecord
from wfdeploy.ports import StateBackend
from wfdeploy.state.backend import SqliteBackend
from wfdeploy.state.export import export_lines
from wfdeploy.state.shared.backend import SharedBackend
from wfdeploy.state.shared.entries import Entry, EntryKind
from wfdeploy.state.shared.migration import End, FileEnd, SharedEnd, abort, migrate


class Killed(BaseException):
    """The process dies: from then on, none of its requests arrives."""


class World:
    """Logs by name, a folder with files, and commands that may be killed at their n-th request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = ManualClocks()
        self.logs = {name: MemoryBackend() for name in ("one", "two")}
        for name, place in self.logs.items():
            place.name = f"memory://{name}"

    def kill_at(self, number: int | None) -> None:
        """Every request from the n-th on (0: the next) fails."""
        left = [number]

        def before(_: str) -> None:
            if left[0] is not None:
                if left[0] <= 0:
                    raise Killed
                left[0] -= 1

        for place in self.logs.values():
            place.before = before

    def revive(self) -> None:
        """Let requests arrive again; the leases of what was killed are taken over."""
        self.kill_at(None)
        for name in self.logs:
            with self.backend(name).lock(1000, lambda _: None):
                pass

    def end(self, name: str) -> End:
        backend = self.backend(name)
        return SharedEnd(backend) if isinstance(backend, SharedBackend) else FileEnd(backend, host="here")

    def backend(self, name: str) -> SharedBackend | SqliteBackend:
        if name == "file":
            return SqliteBackend(
                path=self.folder / "state.db",
                binding=BINDING,
                command="test",
                environ={"XDG_STATE_HOME": str(self.folder / "home")},
                copied_with_state=(),
            )
        log = self.time.log(self.logs[name])
        return SharedBackend(
            lambda: log,
            name=f"memory://{name}",
            folder=self.folder / "replicas",
            binding=BINDING,
            command="test",
            environ={},
            clocks=self.time.clocks(),
            now_ms=lambda: NOW_MS,
        )

    def content(self, name: str) -> list[str]:
        """Of a usable state, without its serial. Raises: `StateError`."""
        backend: StateBackend = self.backend(name)
        if not backend.exists():
            raise StateError("there is no state")
        with closing(backend.open(readonly=True)) as store:
            return list(export_lines(store, serial=0))

    def usable(self) -> list[str]:
        found = []
        for name in ("file", *self.logs):
            try:
                self.content(name)
            except StateError:
                continue
            found.append(name)
        return found

    def begin(self, name: str) -> list[str]:
        backend: StateBackend = self.backend(name)
        with backend.lock(0, lambda _: None), closing(backend.create()) as store:
            store.commit([PutRecord(record("g/a")), PutRecord(record("g/b"))])
            backend.mark_latest(store)
        return self.content(name)

    def move(self, source: str, target: str) -> bool:
        return migrate(self.end(source), self.end(target), timeout_s=1000, on_wait=lambda _: None)

    def abort(self, source: str, target: str) -> None:
        abort(self.end(source), self.end(target), timeout_s=1000, on_wait=lambda _: None)

    def is_latest(self, name: str) -> bool:
        backend: StateBackend = self.backend(name)
        with backend.lock(1000, lambda _: None), closing(backend.open(readonly=False)) as store:
            return backend.is_latest(store)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], World]:
    count = iter(range(10_000))

    def fresh() -> World:
        folder = tmp_path / str(next(count))
        folder.mkdir()
        return World(folder)

    return fresh


@pytest.fixture
def world(make: Callable[[], World]) -> World:
    return make()


WAYS = [("file", "one"), ("one", "file"), ("one", "two")]


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_state_moves_with_all_that_it_holds(world: World, source: str, target: str) -> None:
    before = world.begin(source)
    assert world.move(source, target)
    assert world.usable() == [target]
    assert world.content(target) == before
    assert world.is_latest(target)
    with pytest.raises(StateUnusable, match="has moved to"):
        world.content(source)
    assert not world.move(source, target)  # again: it has moved already


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_it_is_used_where_it_has_moved(world: World, source: str, target: str) -> None:
    world.begin(source)
    world.move(source, target)
    backend: StateBackend = world.backend(target)
    with backend.lock(0, lambda _: None), closing(backend.open(readonly=False)) as store:
        store.commit([PutRecord(record("g/c"))])
    assert len(world.content(target)) == 4
    backend = world.backend(source)
    with pytest.raises(StateUnusable, match="has moved to"), backend.lock(0, lambda _: None):
        backend.open(readonly=False)


def requests(make: Callable[[], World], source: str, target: str) -> Iterator[tuple[int, World, list[str]]]:
    """A world for each request at which a move can be killed, in which it was."""
    for number in range(1000):
        world = make()
        before = world.begin(source)
        world.kill_at(number)
        try:
            world.move(source, target)
        except Killed:
            world.revive()
            yield number, world, before
        else:
            assert number > 10
            return


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_move_that_was_killed_anywhere_can_be_repeated(make: Callable[[], World], source: str, target: str) -> None:
    for number, world, before in requests(make, source, target):
        assert len(world.usable()) <= 1, number
        world.move(source, target)
        assert world.usable() == [target], number
        assert world.content(target) == before, number


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_move_that_was_killed_anywhere_can_be_aborted_unless_it_is_too_late(
    make: Callable[[], World], source: str, target: str
) -> None:
    seen = set()
    for number, world, before in requests(make, source, target):
        try:
            world.abort(source, target)
        except StateError as error:
            seen.add(error.message.partition(" ")[2][:9])
        usable = world.usable()
        assert len(usable) == 1, number
        assert world.content(usable[0]) == before, number
        seen.add(usable[0])
    assert seen >= {source, target}


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_while_it_moves_no_place_is_usable_and_each_says_how_to_go_on(
    make: Callable[[], World], source: str, target: str
) -> None:
    found = 0
    for _, world, _ in requests(make, source, target):
        if source not in world.usable():
            with pytest.raises(StateUnusable) as refused:
                world.content(source)
            if "is being moved to" in refused.value.message:
                found += 1
                assert "--abort" in str(refused.value.hint)
            assert world.usable() in ([], [target])
    assert found


def test_an_abort_that_was_killed_can_be_repeated(make: Callable[[], World]) -> None:
    for source, target in WAYS:
        for number in range(1000):
            world = make()
            before = world.begin(source)
            world.logs["one" if target == "file" else target].before = lambda method: _die_at(method, "create_snapshot")
            if target == "file":
                world.end("one")
                end = world.end(source)
                world.logs["one"].before = lambda _: None
                _begin_moving(end, world.end(target))
            else:
                with pytest.raises(Killed):
                    world.move(source, target)
            world.revive()
            world.kill_at(number)
            try:
                world.abort(source, target)
            except Killed:
                world.revive()
                with contextlib.suppress(StateError):  # it was aborted already
                    world.abort(source, target)
                assert world.usable() == [source]
                assert world.content(source) == before
            else:
                world.kill_at(None)
                break
        assert world.usable() == [source]


def _die_at(method: str, last: str) -> None:
    if method == last:
        raise Killed


def _begin_moving(source: End, target: End) -> None:
    """A move that dies before it has copied anything."""

    def fill(*_: object, **__: object) -> None:
        raise Killed

    class Dying:
        def __getattr__(self, name: str) -> object:
            return fill if name == "fill" else getattr(target, name)

    with pytest.raises(Killed):
        migrate(source, Dying(), timeout_s=0, on_wait=lambda _: None)  # type: ignore[arg-type]


def test_an_aborted_move_never_opens_and_its_place_is_used_up(world: World) -> None:
    """The entry that would have opened it lands after the abort: something stands there."""
    before = world.begin("file")
    world.logs["one"].before = lambda method: _die_at(method, "create_entry")
    with pytest.raises(Killed):
        world.move("file", "one")
    world.revive()
    world.abort("file", "one")
    assert Entry.from_bytes(world.logs["one"].entries[0]).kind is EntryKind.ABORTED
    assert world.logs["one"].snapshots == {}
    assert world.content("file") == before
    assert world.is_latest("file")
    with pytest.raises(StateUnusable, match="aborted"):
        world.move("file", "one")
    with pytest.raises(StateUnusable, match="that was aborted"):
        world.backend("one").open(readonly=True)
    assert world.move("file", "two")


def test_a_state_that_may_be_old_is_distrusted_where_it_goes(world: World) -> None:
    world.begin("file")
    backend = world.backend("file")
    assert isinstance(backend, SqliteBackend)
    with closing(backend.open(readonly=False)) as store:
        store.commit([PutRecord(record("g/c"))])  # and nothing says that this is the latest
    world.move("file", "one")
    assert not world.is_latest("one")


def test_an_open_outcome_moves_too(world: World) -> None:
    world.begin("file")
    backend = world.backend("file")
    assert isinstance(backend, SqliteBackend)
    with closing(backend.open(readonly=False)) as store:
        store.commit([Intend([attempt("g/open")])], precedes_request=True)
        backend.mark_latest(store)
    before = world.content("file")
    world.move("file", "one")
    assert world.content("one") == before
    assert not world.is_latest("one")
    assert world.move("one", "two")
    assert not world.is_latest("two")


def test_another_state_is_never_replaced(world: World) -> None:
    world.begin("file")
    other = world.begin("one")
    with pytest.raises(StateUnusable, match="there is a state at memory://one already"):
        world.move("file", "one")
    with pytest.raises(StateError, match=r"there is a state .* already"):
        world.move("one", "file")
    assert world.usable() == ["file", "one"]
    assert world.content("one") == other


def test_a_move_elsewhere_waits_for_the_one_under_way(world: World) -> None:
    world.begin("file")
    world.logs["one"].before = lambda method: _die_at(method, "create_snapshot")
    with pytest.raises(Killed):
        world.move("file", "one")
    with pytest.raises(StateUnusable, match="is being moved to memory://one"):
        world.move("file", "two")
    with pytest.raises(StateUnusable, match="is being moved to memory://one"):
        world.abort("file", "two")


def test_what_can_be_no_move_is_refused(world: World) -> None:
    with pytest.raises(StateError, match="there is no state"):
        world.move("file", "one")
    world.begin("file")
    with pytest.raises(UsageError, match="to the same place"):
        world.move("file", "file")
    with pytest.raises(StateError, match="is not being moved"):
        world.abort("file", "one")
    world.move("file", "one")
    with pytest.raises(StateError, match="too late"):
        world.abort("file", "one")


def test_there_and_back(world: World) -> None:
    before = world.begin("one")
    world.move("one", "file")
    with pytest.raises(StateError, match="there is a state"):
        world.move("file", "one")  # the log that it left is closed
    world.move("file", "two")
    assert world.content("two") == before


def test_an_import_begins_a_state_that_is_distrusted(world: World, make: Callable[[], World]) -> None:
    before = world.begin("file")
    backend = world.backend("one")
    with backend.lock(0, lambda _: None), closing(backend.import_(before)) as store:
        assert list(export_lines(store, serial=0)) == before
    assert world.content("one") == before
    assert not world.is_latest("one")
    with backend.lock(0, lambda _: None), pytest.raises(StateUnusable, match="there is a state"):
        backend.import_(before)


def test_a_draft_that_was_tampered_with_is_refused(world: World) -> None:
    world.begin("file")
    world.move("file", "one")
    place = world.logs["one"]
    place.snapshots[0] = place.snapshots[0][:-20]
    for path in (world.folder / "replicas").glob("*.db"):
        path.unlink()
    with pytest.raises(StateUnusable, match="isn't the one that the state began with"):
        world.content("one")
