"""Desired runs in a database: what comes out is what went in, today and from the cache; what is spoilt is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.catalogue.filling import KEY, cached, change, desired, fill
from wfdeploy.catalogue import catalogue as subject
from wfdeploy.catalogue import chunks, database
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.chunks import WHOLE_FILE
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import CacheDamaged
from wfdeploy.model.run import DesiredRun, Group, Identity, OnChange, OnRemove, Policy, Tally, term

RUNS = st.lists(
    st.builds(
        lambda group, name, fingerprint, delay: desired(f"{group}/{name}", fingerprint=fingerprint, delay_s=delay),
        st.sampled_from(["a", "a-b", "a0", "b"]),
        st.text(min_size=1, max_size=6).filter(lambda text: text.isprintable()),
        st.sampled_from(["1:a", "1:b"]),
        st.none() | st.integers(0, 9),
    ),
    unique_by=lambda run: run.address,
    max_size=30,
)


@given(RUNS)
def test_runs_come_out_in_address_order_with_their_tallies(runs: list[DesiredRun]) -> None:
    catalogue = fill(None, *runs)
    try:
        assert list(catalogue.runs()) == sorted(runs)
        assert len(catalogue) == len(runs)
        for name, group in catalogue.groups.items():
            members = [run for run in runs if run.group.name == name]
            assert group.tally == Tally.of(term(run.address, run.fingerprint, run.delivery) for run in members)
            assert list(catalogue.runs([name])) == sorted(members)
        some = runs[::2]
        assert catalogue.find([run.address for run in some] + ["a/", "c/x"]) == {run.address: run for run in some}
    finally:
        catalogue.close()


def test_the_cache_gives_back_what_was_put_in(tmp_path: Path) -> None:
    group = Group(
        "g", Policy(on_change=OnChange.ERROR, on_remove=OnRemove.CANCEL), Identity(("labels",), ("headers.x",))
    )
    runs = [
        desired("g/a", 0, group=group, workflow_run_id="mine", has_secrets=True),
        desired("g/b[é/x]", 1, group=group, delay_s=5),
        desired("h/a", 2, not_before_s=7),
    ]
    fill(tmp_path, *runs).close()
    with_cache = cached(tmp_path)
    assert list(with_cache.runs()) == runs
    assert [run.address for run in with_cache.with_own_ids()] == ["g/a"]
    with_cache.close()
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@given(
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=60),
    st.integers(1, 9),
    st.integers(1, 4),
)
def test_long_groups_are_brought_into_order_piece_by_piece(names: list[str], at_once: int, size: int) -> None:
    """Of two with one name, the first one stays, and the other is told with it."""
    runs = [desired(f"g/{name}", number) for number, name in enumerate(names)]
    first = {run.address: run for run in reversed(runs)}
    catalogue = Catalogue(None)
    with (
        pytest.MonkeyPatch.context() as patch,
        catalogue.new_entry(0, "m.yaml") as writer,
    ):
        patch.setattr(chunks, "MAX_SORTED", at_once)
        patch.setattr(chunks, "SIZE", size)
        writer.add_group(Group("g"), [(WHOLE_FILE, iter(runs))])
        refused = writer.take_refused()
    assert list(catalogue.runs()) == sorted(first.values())
    assert catalogue.groups["g"].tally == Tally.of(term(run.address, "1:a", "d") for run in first.values())
    assert catalogue.find([run.address for run in runs]) == first
    assert catalogue.duplicates is (len(first) < len(runs))
    assert {run.number for run, _ in refused} == {run.number for run in runs} - {run.number for run in first.values()}
    assert all(first[run.address] == other for run, other in refused)
    catalogue.close()


def test_an_address_that_is_declared_twice_is_noticed_and_named() -> None:
    catalogue = Catalogue(None)
    with catalogue.new_entry(0, "m.yaml") as writer:
        writer.add_group(Group("g"), [(WHOLE_FILE, iter([desired("g/a", 0), desired("g/b", 1), desired("g/a", 2)]))])
        assert [(run.number, first.number) for run, first in writer.take_refused()] == [(2, 0)]
    assert catalogue.duplicates
    catalogue.close()


def test_a_group_that_is_declared_twice_is_noticed() -> None:
    catalogue = Catalogue(None)
    for position in range(2):
        with catalogue.new_entry(position, "m.yaml") as writer:
            writer.add_group(Group("g"), [(WHOLE_FILE, iter([desired(f"g/{position}")]))])
    assert catalogue.duplicates
    catalogue.close()


def test_an_entry_without_a_key_is_gone_with_its_command(tmp_path: Path) -> None:
    fill(tmp_path, desired("g/a"), key=None).close()
    connection = sqlite3.connect(tmp_path / database.FILE)
    for table in ("entries", "groups", "chunks"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()


def test_an_entry_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[DesiredRun]:
        yield desired("g/a")
        raise RuntimeError("no more")

    catalogue = Catalogue(Cache(tmp_path, KEY))
    with pytest.raises(RuntimeError), catalogue.new_entry(0, "m.yaml") as writer:
        writer.add_group(Group("g"), [(WHOLE_FILE, broken())])
    catalogue.seal()
    catalogue.close()
    again = Catalogue(Cache(tmp_path, KEY))
    assert again.cached("key") is None
    again.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [('["1:a","1:a"]', '["1:a","1:z"]'), ('["a","b"]', '["b","a"]'), ('["a","b"]', '["a"]'), ('["a","b"]', "[")],
)
def test_a_chunk_that_was_changed_is_noticed_before_it_is_used(tmp_path: Path, before: str, after: str) -> None:
    fill(tmp_path, desired("g/a"), desired("g/b", 1)).close()
    change(tmp_path, "UPDATE chunks SET runs = replace(runs, ?, ?)", before, after)
    catalogue = cached(tmp_path)
    with pytest.raises(CacheDamaged):
        next(catalogue.runs())
    with pytest.raises(CacheDamaged):
        catalogue.find(["g/a"])
    catalogue.close()


@pytest.mark.parametrize(
    "statement",
    [
        *(
            f"UPDATE {table} SET {column} = {value}"
            for table, column, value in (
                ("entries", "reads", "'{}'"),
                ("entries", "notes", "'{}'"),
                ("entries", "code", "zeroblob(32)"),
                ("entries", "code", "x''"),
                ("groups", "name", "'h'"),
                ("groups", "settings", "replace(settings, 'keep', 'cancel')"),
                ("groups", "count", "2"),
                ("groups", "total", "zeroblob(32)"),
                ("groups", "respelled", "1"),
                ("chunks", "first", "'b'"),
                ("chunks", "last", "'z'"),
                ("chunks", "own_ids", "1"),
                ("chunks", "size", "1"),
                ("chunks", "total", "zeroblob(32)"),
                ("chunks", "piece", "zeroblob(32)"),
                ("chunks", "runs_before", "1"),
                ("chunks", "lines_before", "1"),
                ("chunks", "digest", "zeroblob(32)"),
                ("chunks", "grp", "grp + 1"),
            )
        ),
        "DELETE FROM groups",
        "DELETE FROM chunks",
        "DELETE FROM chunks WHERE first = 'n0500'",
        "INSERT INTO chunks SELECT id + 9, grp, 'z', 'z', own_ids, size, total, digest, piece, 0, 0, runs FROM chunks",
        "INSERT INTO groups SELECT id + 9, entry, 'other', settings, count, total, respelled FROM groups",
    ],
)
def test_an_entry_that_was_changed_is_not_there(tmp_path: Path, statement: str) -> None:
    fill(tmp_path, *(desired(f"g/n{number:04}", number) for number in range(700))).close()
    cached(tmp_path).close()
    change(tmp_path, statement)
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert catalogue.cached("key") is None
    catalogue.close()
    fill(tmp_path, desired("g/a")).close()  # it is made again
    cached(tmp_path).close()


def test_an_entry_is_no_other_files_and_no_other_states(tmp_path: Path) -> None:
    fill(tmp_path, desired("g/a")).close()
    fill(tmp_path, desired("g/a"), desired("g/b"), key="other").close()
    connection = sqlite3.connect(tmp_path / database.FILE)
    keys = [key for (key,) in connection.execute("SELECT key FROM entries ORDER BY id")]
    connection.executemany("UPDATE entries SET key = ? WHERE id = ?", [("x", 1), (keys[0], 2), (keys[1], 1)])
    connection.commit()
    connection.close()
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert [catalogue.cached(key) for key in ("key", "other")] == [None, None]
    catalogue.close()
    fill(tmp_path, desired("g/a")).close()
    stranger = Catalogue(Cache(tmp_path, b"s" * 32))
    assert stranger.cached("key") is None
    stranger.close()
    cached(tmp_path).close()


def test_chunks_that_changed_places_are_noticed(tmp_path: Path) -> None:
    fill(tmp_path, desired("g/a"), desired("h/a", 1, fingerprint="1:b")).close()
    connection = sqlite3.connect(tmp_path / database.FILE)
    (first, second) = (runs for (runs,) in connection.execute("SELECT runs FROM chunks ORDER BY id"))
    connection.executemany("UPDATE chunks SET runs = ? WHERE id = ?", [(second, 1), (first, 2)])
    connection.commit()
    connection.close()
    catalogue = cached(tmp_path)
    with pytest.raises(CacheDamaged):
        list(catalogue.runs())
    catalogue.close()


def test_a_reader_sees_its_entries_whatever_others_do(tmp_path: Path) -> None:
    fill(tmp_path, desired("g/a")).close()
    reader = cached(tmp_path)
    connection = sqlite3.connect(tmp_path / database.FILE)
    connection.executescript("DELETE FROM chunks; DELETE FROM groups; DELETE FROM entries;")
    connection.close()
    assert [run.address for run in reader.runs()] == ["g/a"]
    reader.close()


def test_what_was_not_used_lately_is_evicted_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "KEPT_RUNS", 3)
    day = 20_000
    for number in range(4):
        monkeypatch.setattr(subject, "_today", lambda number=number: day + number)
        runs = [desired(f"g{number}/{name}") for name in ("a", "b")]
        fill(tmp_path, *runs, key=f"k{number}").close()
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert [number for number in range(4) if catalogue.cached(f"k{number}")] == [2, 3]
    catalogue.close()
    monkeypatch.setattr(subject, "_today", lambda: day + 3 + subject.KEPT_DAYS)
    fill(tmp_path, desired("x/a"), key="new").close()
    catalogue = Catalogue(Cache(tmp_path, KEY))
    assert [number for number in range(4) if catalogue.cached(f"k{number}")] == [3]
    catalogue.close()
