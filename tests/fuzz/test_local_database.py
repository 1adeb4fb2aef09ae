"""The embedded server's database, and a log beside it: unusable, or one that a server begins with."""

from __future__ import annotations

import random
from contextlib import closing

from tests.fuzz.hunt import Hunt, hunt
from tests.fuzz.mutation import damage_database
from tests.fuzz.sound import check_error
from tests.support.scratch import scratch
from wfdeploy.errors import StateUnusable
from wfdeploy.localserver.store.database import open_database, reading, server_id, transaction
from wfdeploy.localserver.store.records import DeliverySettings, RunState
from wfdeploy.localserver.store.run_store import RunStore
from wfdeploy.localserver.tenants import DEFAULT_TENANT, SigningKeys


def filled(store: RunStore, signing_keys: SigningKeys) -> None:
    for run_id in ("wfr_a", "wfr_b"):
        with store.transaction():
            store.add_run(
                tenant=DEFAULT_TENANT.name, run_id=run_id, url="http://127.0.0.1:9/x", state=RunState.STARTED,
                created_at=1, starts_at=1, caller_ip="127.0.0.1", labels=("x",), payload=b"{}",
                settings=DeliverySettings(),
            )  # fmt: skip
    signing_keys.rotate(DEFAULT_TENANT.name)
    store.note_stop(7)


def test_a_local_servers_database_is_unusable_or_one() -> None:
    with scratch() as folder:
        path, log = folder / "local.db", folder / "local.db-wal"
        with closing(open_database(path)) as connection:
            filled(RunStore(connection), SigningKeys.load(connection))
            sound_log = log.read_bytes()
        sound = path.read_bytes()

        def example(rng: random.Random, done: Hunt) -> None:
            damage_database(rng, path, sound, sound, sound_log)
            done.input = {file.name: file.read_bytes() for file in folder.iterdir()}
            try:
                with closing(open_database(path)) as connection, reading(path):
                    store, signing_keys = RunStore(connection), SigningKeys.load(connection)
                    store.latest_ms()
                    assert signing_keys.tenant(DEFAULT_TENANT.name)
                    assert server_id(connection)
                    with transaction(connection):
                        connection.execute("INSERT OR REPLACE INTO meta VALUES ('x', '1')")
                done.note("a database")
            except StateUnusable as error:
                check_error(error)
                done.note("unusable")

        done = hunt("local databases", 250, example, allowed=folder)
    assert min(done.outcomes["a database"], done.outcomes["unusable"]) > 20 or done.examples < 200
