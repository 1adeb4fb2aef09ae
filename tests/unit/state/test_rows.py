"""Rows that no wfdeploy wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.contracts.test_state_store import BINDING
from wfdeploy.errors import StateUnusable
from wfdeploy.model.address import Address
from wfdeploy.model.edits import Forget
from wfdeploy.state.sqlite_store import SqliteStore


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE head SET value = 5",
        "UPDATE head SET value = NULL WHERE key = 'lineage'",
        "UPDATE head SET value = 'x' WHERE key = 'serial'",
        "INSERT INTO head VALUES ('watermark_ms', 'soon')",
        "UPDATE history SET ended = 'never'",
        "UPDATE history SET value = '[]'",
        "INSERT INTO groups VALUES ('g', 'burn')",
        "INSERT INTO unclaimed VALUES ('wfr_a', 1, 'RUN_AWAY', NULL, NULL)",
    ],
)
def test_a_value_that_no_wfdeploy_wrote_is_damage(path: Path, edit: str) -> None:
    with SqliteStore.open_existing(path, BINDING) as store:
        store.commit([Forget(Address("g/a"))])
    connection = sqlite3.connect(path)
    connection.execute(edit)
    connection.commit()
    connection.close()
    with pytest.raises(StateUnusable, match="damaged"), SqliteStore.open_existing(path, BINDING) as store:
        assert (store.history(None), store.groups(), store.unclaimed()) is None
