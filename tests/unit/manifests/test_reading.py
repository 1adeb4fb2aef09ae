"""The cache of loaded manifests: it spares work, never says anything of its own, and never sends anything."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer
from tests.support.workbench import Workbench, counts, group, planned, run
from tests.unit.manifests.remembering import identities, manifest, no_parsing, put, said
from wfdeploy.catalogue import chunks, database
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests.manifests import load_manifests
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Project
from wfdeploy.model.run import Tally, term


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = put(tmp_path, {"manifests/a.yaml": manifest("a", "{name: x, body: 1}", "{name: y}")})
    cache = Cache(tmp_path / "cache", b"key")
    first = identities(project, cache)
    assert list(first) == ["a/x", "a/y"]
    with no_parsing(monkeypatch):
        assert identities(project, cache) == first
        with load_manifests(project, how=Loading(cwd=tmp_path, cache=cache)) as manifests:
            found = manifests.runs.find(["a/x"])["a/x"]  # type: ignore[index]
            assert manifests.requests.of(found).body.value == 1, "a request is found in its file again"


CHANGES: dict[str, dict[str, str]] = {
    "the file": {"manifests/a.yaml": manifest("a", "{name: x, body: 2, bodyFile: null}")},
    "a file that it names": {"manifests/body.json": "changed"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_is_seen(tmp_path: Path, what: str) -> None:
    files = {"manifests/a.yaml": manifest("a", "{name: x, bodyFile: body.json}"), "manifests/body.json": "{}"}
    project, cache = put(tmp_path, files), Cache(tmp_path / "cache", b"key")
    before = identities(project, cache)
    put(tmp_path, CHANGES[what])
    after = identities(project, cache)
    assert after != before
    assert after == identities(project, None)


def test_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    files = {"manifests/a.yaml": manifest("a", "{name: x, bodyFile: body.json}"), "manifests/body.json": "{}"}
    project, cache = put(tmp_path, files), Cache(tmp_path / "cache", b"key")
    identities(project, cache)
    (tmp_path / "manifests/body.json").unlink()
    assert [d.code for d in said(project, cache)] == ["body-file-missing"]


def test_variables_and_secrets_are_part_of_the_key(tmp_path: Path) -> None:
    text = manifest("a", "{name: x, body: '${{ vars.plan }}'}", "{name: y, body: '${{ secrets.TOKEN }}'}")
    project, cache = put(tmp_path, {"manifests/a.yaml": text}), Cache(tmp_path / "cache", b"key")
    before = identities(project, cache)
    other = identities(project, cache, variables={"plan": "free"})
    assert (other["a/x"] != before["a/x"], other["a/y"] == before["a/y"]) == (True, True)
    without = Project(root=tmp_path, vars=project.vars)
    assert [d.code for d in said(without, cache)] == ["undefined-secret"]


CLASHES = {
    "a group": (manifest("a", "{name: x}"), manifest("a", "{name: y}")),
    "an id": (
        manifest("a", "{name: x, workflowRunId: mine}"),
        manifest("b", "{name: x, workflowRunId: wfr_mine}"),
    ),
    "a move": (
        manifest("a", "{name: x}", more="  moved: [{from: c, to: a}]\n"),
        manifest("c", "{name: x}"),
    ),
}


@pytest.mark.parametrize("what", CLASHES)
def test_what_clashes_with_a_remembered_file_is_told_in_full(tmp_path: Path, what: str) -> None:
    first, second = CLASHES[what]
    project, cache = put(tmp_path, {"manifests/a.yaml": first}), Cache(tmp_path / "cache", b"key")
    identities(project, cache)
    put(tmp_path, {"manifests/b.yaml": second})
    expected = said(project, None)
    assert expected
    assert said(project, cache) == expected


def test_a_locked_cache_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    project, cache = put(tmp_path, {"manifests/a.yaml": manifest("a", "{name: x}")}), Cache(tmp_path / "cache", b"key")
    expected = identities(project, cache)
    put(tmp_path, {"manifests/b.yaml": manifest("b", "{name: x}")})
    other = sqlite3.connect(cache.folder / database.FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert identities(project, cache).keys() == {*expected, "b/x"}
    other.close()


def edit(bench: Workbench, statement: str, *values: object) -> None:
    connection = sqlite3.connect(bench.root / ".wfdeploy" / "cache" / database.FILE)
    connection.execute(statement, values)
    assert connection.total_changes
    connection.commit()
    connection.close()


def tamper(bench: Workbench, change: Callable[[chunks.Row], chunks.Row]) -> None:
    """Write other runs into the cache, and all sums that need no key."""
    connection = sqlite3.connect(bench.root / ".wfdeploy" / "cache" / database.FILE)
    (group,) = connection.execute("SELECT id FROM groups").fetchone()
    rows = [change(row) for row in chunks.rows(connection, chunks.listed(connection, group))]
    connection.close()
    text = json.dumps(list(zip(*rows, strict=True)))
    edit(bench, "UPDATE chunks SET runs = ?, digest = ?", text, sha256(text.encode()).digest())
    terms = (term(f"g/{name}", fingerprint, delivery) for name, fingerprint, delivery, *_ in rows)
    edit(bench, "UPDATE groups SET total = ?, count = ?", Tally.of(terms).to_bytes(), len(rows))


LIES: list[Callable[[chunks.Row], chunks.Row]] = [
    lambda row: (row[0], "1:" + "a" * 26, *row[2:]) if row[0] == "b" else row,
    lambda row: ("c", *row[1:]) if row[0] == "b" else row,
]


@pytest.mark.parametrize("change", LIES)
def test_a_cache_that_was_written_without_the_key_says_nothing(
    bench: Workbench, remote: ModelServer, change: Callable[[chunks.Row], chunks.Row]
) -> None:
    before = dict(remote.counts)
    tamper(bench, change)
    assert planned(bench.plan(offline=True)) == {}
    tamper(bench, change)
    assert counts(bench.apply()) == {"kept": 2}
    assert remote.counts == before


def test_a_cache_hides_no_new_run_and_removes_no_declared_one(bench: Workbench, remote: ModelServer) -> None:
    file = bench.root / ".wfdeploy" / "cache" / database.FILE
    (name,) = sqlite3.connect(file).execute("SELECT key FROM entries").fetchone()
    bench.write(group("g", [run("a"), run("b"), run("c")], policy={"onRemove": "cancel"}))
    assert planned(bench.plan(offline=True)) == {"g/c": "trigger"}
    # The entry of the file as it was, under the name of the one as it is, and the other way round.
    connection = sqlite3.connect(file)
    (other,) = connection.execute("SELECT key FROM entries WHERE key <> ?", (name,)).fetchone()
    for old, new in ((name, "x"), (other, name), ("x", other)):
        connection.execute("UPDATE entries SET key = ? WHERE key = ?", (new, old))
    connection.commit()
    connection.close()
    assert planned(bench.plan(offline=True)) == {"g/c": "trigger"}
    edit(bench, "DELETE FROM chunks")
    before = dict(remote.counts)
    assert counts(bench.apply()) == {"triggered": 1, "kept": 2}
    assert remote.counts.get("cancel") == before.get("cancel")


def test_the_cache_of_another_state_says_nothing(
    bench: Workbench, remote: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Workbench(tmp_path_factory.mktemp("other"), "http://127.0.0.1:9", "token", clock=remote.clock)
    other.wrap = bench.wrap
    other.write(group("g", [run("a"), run("b")]))
    other.apply()
    other.plan()
    name = f".wfdeploy/cache/{database.FILE}"
    for suffix in ("", "-wal", "-shm"):
        (bench.root / f"{name}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(other.root / name, bench.root / name)
    assert planned(bench.plan(offline=True)) == {}
    (entries,) = sqlite3.connect(bench.root / name).execute("SELECT count(*) FROM entries").fetchone()
    assert entries == 2, "read anew, and kept beside it"


def test_a_cache_that_is_not_utf8_is_made_anew(bench: Workbench) -> None:
    """What SQLite says about it isn't, either."""
    (file,) = (bench.root / ".wfdeploy" / "cache").glob("*.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = file.read_bytes()
    damaged = re.sub(rb"entriesentries(.)CREATE TABLE", b"\xffntriesentries\\1CREATE TABXE", sound)
    assert damaged != sound
    file.write_bytes(damaged)
    assert planned(bench.plan(offline=True)) == {}
    assert b"\xffntries" not in file.read_bytes()


def test_a_plan_after_the_first_apply_reads_nothing(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(group("g", [run("a"), run("b"), run("c")]))
    shutil.rmtree(bench.root / ".wfdeploy" / "state")
    bench.apply()
    with no_parsing(monkeypatch):
        assert planned(bench.plan()) == {}


def test_a_file_that_changes_before_it_is_sent_stops_the_apply(bench: Workbench, remote: ModelServer) -> None:
    new = [run(f"new-{number}") for number in range(9)]  # most of the group: their requests aren't looked at to plan
    bench.write(group("g", [run("a"), run("b"), run("c"), *new]))
    bench.plan()

    def edit(_: object) -> bool:
        bench.write(group("g", [run("a"), run("b"), run("c", body="other"), *new]))
        return True

    before = dict(remote.counts)
    with pytest.raises(InvalidInput, match="1 error"):
        bench.apply(confirm=edit)
    assert remote.counts == before


@pytest.mark.parametrize(
    "runs",
    [
        ("{name: a, body: 1}", "{name: a, body: 2}"),
        ("{name: a, body: 1}", "{name: b}", "{name: a, body: 1}"),
        ("{name: a, forEach: {items: [x, y, x]}, key: '${{ row }}'}",),
        ("{name: a, forEach: {file: ../rows.csv}, key: '${{ row.id }}', body: '${{ row }}'}",),
        ("{name: a, matrix: {n: [1, 2]}, key: 'k${{ 1 if matrix.n else 2 }}'}",),
        ("{name: a, matrix: {n: [1]}, key: '${{ matrix.n }}'}", "{name: a, matrix: {n: [1]}, key: '${{ matrix.n }}'}"),
    ],
)
def test_what_is_declared_twice_is_told_each_time(tmp_path: Path, runs: tuple[str, ...]) -> None:
    one = put(
        tmp_path,
        {
            "manifests/m.yaml": manifest("g", *runs),
            "rows.csv": "id,n\na,1\nb,2\na,3\n",
            "manifests/o.yaml": manifest("o"),
        },
    )
    told = [said(one, Cache(tmp_path / "cache", b"key")) for _ in range(3)]
    assert "duplicate-address" in [diagnostic.code for diagnostic in told[0]]
    assert told == [said(one, None)] * 3
    with pytest.raises(InvalidInput):
        identities(one, Cache(tmp_path / "cache", b"key"))
