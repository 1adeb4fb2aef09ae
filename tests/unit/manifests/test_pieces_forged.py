"""A cache of pieces that was changed by somebody without the key: as if it weren't there, or noticed as damaged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest

from tests.support import long_lists
from tests.support.long_lists import ITEMS, ORDERS, as_a_whole, changed_at, put, text_of, told
from wfdeploy.catalogue import chunks, database
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import CacheDamaged
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Project
from wfdeploy.model.run import Tally, term

COLUMNS = ", ".join(("grp", *chunks.Chunk._fields[1:], "runs"))


project, cache, _in_pieces = long_lists.given_project, long_lists.given_cache, long_lists.five_a_piece


def identities(project: Project, cache: Cache) -> list[tuple[str, str]]:
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        return [(run.address, run.fingerprint) for run in manifests.runs.runs()]


LIES = {
    "a row": "UPDATE chunks SET runs = replace(runs, '\"n042\"', '\"n999\"')",
    "a row that is gone": "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks ORDER BY id LIMIT 1 OFFSET 3)",
    "rows of another chunk": "UPDATE chunks SET runs = (SELECT runs FROM chunks ORDER BY id LIMIT 1)",
    "no JSON": "UPDATE chunks SET runs = '['",
    "JSON of another shape": "UPDATE chunks SET runs = '[]'",
    "its piece": "UPDATE chunks SET piece = (SELECT piece FROM chunks ORDER BY id LIMIT 1) WHERE id % 2",
    "no piece": "UPDATE chunks SET piece = x''",
    "another key": "UPDATE chunks SET piece = zeroblob(32)",
    "its shift of runs": "UPDATE chunks SET runs_before = runs_before + 1",
    "its shift of lines": "UPDATE chunks SET lines_before = 0",
    "its tally": "UPDATE chunks SET total = zeroblob(32)",
    "a tally of another kind": "UPDATE chunks SET total = x''",
    "its size": "UPDATE chunks SET size = size + 1",
    "its own ids": "UPDATE chunks SET own_ids = 1",
    "its first name": "UPDATE chunks SET first = 'a'",
    "its last name": "UPDATE chunks SET last = 'zzz'",
    "its digest": "UPDATE chunks SET digest = zeroblob(32)",
    "its group": "UPDATE chunks SET grp = (SELECT max(id) FROM groups)",
    "a group of nobody": "UPDATE groups SET entry = 99",
    "no entries": "DELETE FROM entries",
    "no groups": "DELETE FROM groups",
    "no chunks": "DELETE FROM chunks",
    "a group's name": "UPDATE groups SET name = 'hidden'",
    "no name": "UPDATE groups SET name = ''",
    "hidden settings": "UPDATE groups SET settings = '{}'",
    "a hidden count": "UPDATE groups SET count = 7 WHERE id = (SELECT max(id) FROM groups)",
    "a hidden group less": "DELETE FROM groups WHERE id = (SELECT max(id) FROM groups)",
    "a hidden group more": "INSERT INTO groups SELECT max(id) + 1, entry, '', '', 0, x'', 0 FROM groups",
    "the entry's code": "UPDATE entries SET code = zeroblob(32)",
    "the entry's key": "UPDATE entries SET key = 'x'",
    "chunks twice": f"INSERT INTO chunks SELECT id + 1000, {COLUMNS} FROM chunks",
}


def lie(cache: Cache, statement: str) -> None:
    """What somebody does who can write to the cache, and doesn't know the key."""
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        connection.execute(statement)
        assert connection.total_changes
        connection.commit()


def assert_not_believed(project: Project, cache: Cache) -> None:
    """It is as if nothing were there, or noticed; once thrown away, all is well."""
    with as_a_whole():
        whole = told(project, None, "lies")
    for _attempt in range(2):
        try:
            for _ in range(2):  # as it is read, and from the cache
                assert identities(project, cache) == [(run.address, run.fingerprint) for run in whole.runs]
            told(project, cache, "lies").assert_same(whole)
        except CacheDamaged:
            database.remove(cache.folder)
    told(project, cache, "lies").assert_same(whole)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("what", LIES)
@pytest.mark.parametrize("changed", [False, True])
def test_a_changed_cache_never_gives_other_rows(
    project: Project, cache: Cache, order: str, what: str, changed: bool
) -> None:
    put(project.root, "a.yaml", text_of(ORDERS[order]))
    told(project, cache, "lies")
    lie(cache, LIES[what])
    if changed:
        put(project.root, "a.yaml", changed_at(ORDERS[order], 50))
    assert_not_believed(project, cache)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("changed", [False, True])
def test_rows_that_were_forged_with_their_sums_are_not_believed(
    project: Project, cache: Cache, order: str, changed: bool
) -> None:
    """All sums are right that need no key."""
    put(project.root, "a.yaml", text_of(ORDERS[order]))
    told(project, cache, "lies")
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        for id_, text in connection.execute("SELECT id, runs FROM chunks").fetchall():
            columns = json.loads(text)
            columns[1] = ["1:" + "a" * 26] * len(columns[1])
            forged = json.dumps(columns)
            total = Tally.of(term(f"list/{name}", *same) for name, *same in zip(*columns[:3], strict=True))
            connection.execute(
                "UPDATE chunks SET runs = ?, digest = ?, total = ? WHERE id = ?",
                (forged, sha256(forged.encode()).digest(), total.to_bytes(), id_),
            )
        connection.commit()
    if changed:
        put(project.root, "a.yaml", changed_at(ORDERS[order], 50))
    assert_not_believed(project, cache)


def test_chunks_that_were_put_into_an_entry_of_this_state_are_not_believed(project: Project, cache: Cache) -> None:
    """Those of another version, under the keys of this one's pieces."""
    identities(project, cache)
    put(project.root, "a.yaml", text_of([item.replace("text", "other") for item in ITEMS]))
    told(project, cache, "lies")
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        (one, other) = (id_ for (id_,) in connection.execute("SELECT id FROM groups ORDER BY id"))
        connection.execute("UPDATE chunks SET grp = ? WHERE grp = ?", (-1, one))
        connection.execute("UPDATE chunks SET grp = ? WHERE grp = ?", (one, other))
        connection.execute("UPDATE chunks SET grp = ? WHERE grp = ?", (other, -1))
        connection.commit()
    assert_not_believed(project, cache)


@pytest.mark.parametrize("group", ["(SELECT max(id) + 1 FROM groups)", "-1", "-2", str(-(2**62)), "0"])
@pytest.mark.parametrize("order", ORDERS)
def test_chunks_that_wait_for_a_group_to_come_are_not_believed(
    project: Project, cache: Cache, order: str, group: str
) -> None:
    """Ids of groups are numbers that anybody can foretell."""
    put(project.root, "a.yaml", text_of(ORDERS[order]))
    told(project, cache, "lies")
    columns = [[value] for value in ("zzz", "1:" + "a" * 26, "d", 999, 999, 999, None, None, None, None, None, False)]
    text = json.dumps(columns)
    total = Tally.of([term("list/zzz", "1:" + "a" * 26, "d")]).to_bytes()
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        connection.execute(
            f"INSERT INTO chunks ({COLUMNS}) VALUES ({group}, 'zzz', 'zzz', 0, 1, ?, ?, x'', 0, 0, ?)",
            (total, sha256(text.encode()).digest(), text),
        )
        connection.commit()
    put(project.root, "a.yaml", changed_at(ORDERS[order], 50))
    assert_not_believed(project, cache)


def test_groups_that_wait_for_an_entry_to_come_are_not_believed(project: Project, cache: Cache) -> None:
    told(project, cache, "lies")
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        connection.execute(
            "INSERT INTO groups (entry, name, settings, count, total, respelled) "
            "SELECT (SELECT max(id) + 1 FROM entries), 'forged', settings, count, total, 0 FROM groups"
        )
        connection.execute(
            f"INSERT INTO chunks ({COLUMNS}) SELECT (SELECT max(id) FROM groups), first, last, own_ids, size, total, "
            "digest, x'', 0, 0, runs FROM chunks"
        )
        connection.commit()
    put(project.root, "a.yaml", changed_at(ITEMS, 50))
    assert_not_believed(project, cache)
