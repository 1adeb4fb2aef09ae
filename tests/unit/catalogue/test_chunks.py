"""Pieces of a file in a catalogue: rows that are copied are the rows that would be written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wfdeploy.catalogue import chunks, database
from wfdeploy.catalogue.catalogue import Catalogue
from wfdeploy.catalogue.chunks import PieceRef
from wfdeploy.catalogue.entries import Cache
from wfdeploy.model.address import Address
from wfdeploy.model.run import DesiredRun, Group, Source, Tally, term

KEY = b"k" * 32
GROUP = Group("g")


def runs_of(names: Sequence[str], first: int) -> list[DesiredRun]:
    """A piece's runs: each name with what depends on the name alone, and with the place where it stands."""
    return [
        DesiredRun(
            Address(f"g/{name}"),
            f"1:{name}",
            "d",
            GROUP,
            Source("m.yaml", 10 + 2 * number, number),
            number=number,
            workflow_run_id=name if name.startswith("b") else None,
        )
        for number, name in enumerate(names, first)
    ]


def load(folder: Path, version: Sequence[Sequence[str]]) -> tuple[Catalogue, int]:
    """A catalogue that holds a file of these pieces, and how many of them it knew."""
    catalogue = Catalogue(Cache(folder, KEY))
    keys = [repr(names).encode() for names in version]
    known = catalogue.pieces(set(keys))
    copied = 0

    def stretches() -> Iterator[tuple[PieceRef, Iterator[DesiredRun] | list[chunks.Chunk]]]:
        nonlocal copied
        first = 0
        for names, key in zip(version, keys, strict=True):
            copied += key in known
            yield PieceRef(key, first, 2 * first), known[key] if key in known else iter(runs_of(names, first))
            first += len(names)

    with catalogue.new_entry(0, "m.yaml") as writer:
        writer.add_group(GROUP, stretches())
        writer.key = repr(version)
    catalogue.seal()
    return catalogue, copied


def assert_holds(catalogue: Catalogue, version: Sequence[Sequence[str]]) -> None:
    expected: dict[str, DesiredRun] = {}
    for run in runs_of([name for names in version for name in names], 0):
        expected.setdefault(run.address, run)
    assert list(catalogue.runs()) == sorted(expected.values())
    assert catalogue.find(list(expected)) == expected
    own = [run for run in sorted(expected.values()) if run.workflow_run_id is not None]
    assert list(catalogue.with_own_ids()) == own
    tally = Tally.of(term(run.address, run.fingerprint, run.delivery) for run in expected.values())
    assert catalogue.groups["g"].tally == tally
    assert list(catalogue.groups) == ["g"]
    assert catalogue.duplicates is (len(expected) < sum(map(len, version)))
    assert catalogue.differing("g", lambda low, high: recorded(expected, low, high)) == set()


def recorded(runs: dict[str, DesiredRun], low: str, high: str) -> list[tuple[str, str, str]]:
    return [(run.address, run.fingerprint, run.delivery) for run in runs.values() if low <= run.address < high]


NAMES = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(NAMES, min_size=1, max_size=6, unique_by=repr),
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=4),
    st.sampled_from([1, 2, 500]),
    st.sampled_from([6, 20_000]),
)
def test_pieces_give_the_rows_that_were_written(
    pool: list[list[str]], order: list[list[int]], size: int, at_once: int
) -> None:
    """Versions of a file, each of some pieces in some order."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "SIZE", size)
        patch.setattr(chunks, "MAX_SORTED", at_once)
        kept: set[str] = set()
        for numbers in order:
            version = [pool[number % len(pool)] for number in numbers]
            catalogue, copied = load(Path(name), version)
            assert_holds(catalogue, version)
            assert copied == sum(repr(names) in kept for names in version)
            twins = catalogue.duplicates
            catalogue.close()
            if twins:
                continue  # it has no entry
            kept.update(map(repr, version))
            again = Catalogue(Cache(Path(name), KEY))
            found = again.cached(repr(version))
            assert found is not None
            again.take(found, 0, "m.yaml")
            again.seal()
            assert_holds(again, version)
            again.close()


@pytest.mark.parametrize("version", [[["a", "c"], ["b", "d"]], [["a", "b"], ["c", "d"]], [["c", "d"], ["a", "b"]]])
def test_nothing_is_left_that_belongs_to_nobody(tmp_path: Path, version: list[list[str]]) -> None:
    for more in ([], [["e"]], [["0"]]):
        load(tmp_path, [*version, *more])[0].close()
    with closing(sqlite3.connect(tmp_path / database.FILE)) as connection:
        lost = "SELECT count(*) FROM chunks WHERE grp NOT IN (SELECT id FROM groups)"
        assert connection.execute(lost).fetchone() == (0,)
        lost = "SELECT count(*) FROM groups WHERE entry NOT IN (SELECT id FROM entries)"
        assert connection.execute(lost).fetchone() == (0,)


def test_pieces_of_another_key_or_of_no_cache_are_not_known(tmp_path: Path) -> None:
    load(tmp_path, [["a"], ["b"]])[0].close()
    keys = {repr(["a"]).encode(), repr(["b"]).encode(), b""}
    own, stranger, none = Catalogue(Cache(tmp_path, KEY)), Catalogue(Cache(tmp_path, b"s" * 32)), Catalogue(None)
    assert [len(catalogue.pieces(keys)) for catalogue in (own, stranger, none)] == [2, 0, 0]
    for catalogue in (own, stranger, none):
        catalogue.close()


def test_an_entry_that_breaks_off_has_no_pieces(tmp_path: Path) -> None:
    catalogue = Catalogue(Cache(tmp_path, KEY))
    with pytest.raises(RuntimeError), catalogue.new_entry(0, "m.yaml") as writer:
        writer.add_group(GROUP, [(PieceRef(b"one"), iter(runs_of(["a"], 0))), (PieceRef(b"two", 1, 2), broken())])
    catalogue.seal()
    assert catalogue.pieces({b"one", b"two"}) == {}
    assert not catalogue.groups
    catalogue.close()


def broken() -> Iterator[DesiredRun]:
    yield from runs_of(["b"], 1)
    raise RuntimeError("no more")
