"""A state file and its log, damaged: unusable with a word about why, or a state. Nothing in between."""

from __future__ import annotations

import random

from tests.contracts.test_state_store import BINDING, record
from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import damage_database
from tests.fuzz.sound import check_error
from tests.fuzz.test_state_export import filled
from tests.support.scratch import scratch
from wfdeploy.errors import StateUnusable
from wfdeploy.model.edits import PutRecord
from wfdeploy.model.notification import NotificationKind
from wfdeploy.model.observed import RunState
from wfdeploy.state.export import export_lines
from wfdeploy.state.sqlite_store import SqliteStore


def all_of(store: SqliteStore) -> object:
    """Whatever a command would read."""
    return (
        store.head(), store.tallies(), list(store.record_keys()), list(store.records(["g/b", "h/b"])),
        list(store.standings([None, *RunState])), list(store.attempts()), store.generations(["g/b", "h/b", "g/x"]),
        store.groups(), store.schedules(), store.rollouts(), store.members("g"), list(store.former_addresses()),
        store.history(None), store.notifications(), store.notified(NotificationKind.DRIFT),
        store.unclaimed(), store.dismissed(), list(store.tombstones()), list(export_lines(store)),
    )  # fmt: skip


def test_a_state_file_is_unusable_or_a_state() -> None:
    with scratch() as folder:
        path, log = folder / "state.db", folder / "state.db-wal"
        with SqliteStore.create(path, BINDING) as store:
            filled(store)
            sound_log = log.read_bytes()
            early = path.read_bytes()
        sound = path.read_bytes()

        def example(rng: random.Random, done: Hunt) -> None:
            damage_database(rng, path, sound, early, sound_log)
            readonly = rng.random() < 0.5
            done.input = {"readonly": readonly, **{file.name: file.read_bytes() for file in folder.iterdir()}}
            try:
                with SqliteStore.open_existing(path, BINDING, readonly=readonly) as opened:
                    assert all_of(opened) == all_of(opened)
                    if not readonly:
                        opened.commit([PutRecord(record("g/new"))])
                        assert [one.address for one in opened.records(["g/new"])] == ["g/new"]
                done.note("a state")
            except StateUnusable as error:
                check_error(error)
                done.note("unusable")

        done = hunt("state files", 250, example, allowed=folder)
    assert min(done.outcomes["a state"], done.outcomes["unusable"]) > 20 or done.examples < 200
