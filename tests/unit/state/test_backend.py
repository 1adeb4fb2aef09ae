"""The backend of a state in a local file."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfdeploy.errors import StateLocked, StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget, SetHead
from wfdeploy.model.project import Project, Shard, Target
from wfdeploy.ports import StateBackend
from wfdeploy.state.backend import SqliteBackend


def backend(root: Path, *, shard: Shard | None = None, folder: str = ".wfdeploy/state") -> StateBackend:
    home = root / "home"
    home.mkdir(exist_ok=True)
    target = Target(
        project=Project(root=root / "project", name="p"),
        url="https://flows.example.com",
        state_file=root / "project" / folder / "default.db",
        shard=shard,
    )
    return SqliteBackend.of(target, "https://flows.example.com", command="test", environ={"HOME": str(home)})


def held(one: StateBackend) -> None:
    with one.lock(0.0, lambda _: None):
        pass


def test_a_state_is_begun_where_there_is_none(tmp_path: Path) -> None:
    one = backend(tmp_path, shard=Shard(1, 2))
    assert tuple(one.binding) == ("p", "default", "https://flows.example.com", "1/2")
    assert not one.exists()
    held(one)  # makes the directory
    one.create().close()
    assert one.exists()
    with pytest.raises(StateUnusable):
        one.create()
    store = one.open(readonly=True)
    assert (store.head().binding, store.head().redaction_key) == (one.binding, one.new_key)
    store.close()


def test_an_empty_state_has_the_key_of_the_one_to_come_and_leaves_nothing(tmp_path: Path) -> None:
    one = backend(tmp_path)
    store = one.empty()
    assert store.head().redaction_key == one.new_key
    store.commit([SetHead(1)])
    store.close()
    assert not one.exists()


def test_another_shards_state_is_refused(tmp_path: Path) -> None:
    one, other = backend(tmp_path, shard=Shard(1, 2)), backend(tmp_path, shard=Shard(2, 2))
    held(one)
    one.create().close()
    with pytest.raises(StateUnusable, match="belongs to"):
        other.open(readonly=True)


def test_a_link_to_nothing_is_a_state_that_nobody_may_begin(tmp_path: Path) -> None:
    one = backend(tmp_path)
    held(one)
    (tmp_path / "project/.wfdeploy/state/default.db").symlink_to(tmp_path / "nothing")
    assert one.exists()


def test_one_holds_the_lock_and_another_is_told_who(tmp_path: Path) -> None:
    one = backend(tmp_path)
    waited: list[str] = []
    with one.lock(0.0, waited.append), pytest.raises(StateLocked), backend(tmp_path).lock(0.2, waited.append):
        pass
    assert len(waited) == 1
    assert "(test)" in waited[0]


def test_a_directory_of_the_users_choice_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match="does not exist"):
        held(backend(tmp_path, folder="elsewhere"))


def test_a_marked_state_is_the_latest_until_it_changes_or_the_mark_is_cleared(tmp_path: Path) -> None:
    one = backend(tmp_path)
    held(one)
    store = one.create()
    assert not one.is_latest(store)
    one.mark_latest(store)
    assert one.is_latest(store)
    store.commit([Forget(Address("g/a")), SetHead(7)])
    assert not one.is_latest(store)
    one.mark_latest(store)
    one.clear_mark(store)
    assert not one.is_latest(store)
    store.close()


def test_an_export_comes_back_by_import_and_is_not_the_latest(tmp_path: Path) -> None:
    one = backend(tmp_path)
    held(one)
    store = one.create()
    store.commit([SetHead(7)])
    one.mark_latest(store)
    lines = list(one.export(store))
    store.close()
    (tmp_path / "other").mkdir()
    other = backend(tmp_path / "other")
    held(other)
    copy = other.import_(lines)
    assert copy.head().watermark_ms == 7
    assert list(other.export(copy)) == lines
    assert not one.is_latest(copy)
    copy.close()
