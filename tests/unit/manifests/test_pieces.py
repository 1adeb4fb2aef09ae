"""A long list of which most is known: only what has changed is read, and the cache is never taken at its word."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.support import long_lists
from tests.support.long_lists import (
    ITEMS,
    ORDERS,
    as_a_whole,
    assert_as_a_whole,
    changed_at,
    counted,
    edited,
    put,
    text_of,
)
from wfdeploy.catalogue import catalogue, chunks, database
from wfdeploy.catalogue.entries import Cache
from wfdeploy.errors import InvalidInput
from wfdeploy.manifests import parsing
from wfdeploy.manifests.manifests import load_manifests, validate
from wfdeploy.manifests.reading import Loading
from wfdeploy.model.project import Project, Shard
from wfdeploy.operations.rendering import render

project, cache, _in_pieces = long_lists.given_project, long_lists.given_cache, long_lists.five_a_piece


def load(
    project: Project, cache: Cache | None, *, paths: Sequence[str] | None = None, **options: Any
) -> tuple[dict[str, str], int]:
    """Identities by address, and how many pieces were read."""
    how = Loading(cwd=project.root, cache=cache, **options)
    with counted() as made, load_manifests(project, paths, how) as manifests:
        return {run.address: run.fingerprint for run in manifests.runs.runs()}, len(made)


def expected(project: Project, **options: Any) -> dict[str, str]:
    with as_a_whole():
        return load(project, None, **options)[0]


EDITS: dict[str, Callable[[list[str], int], str]] = {
    "changed": changed_at,
    "added": lambda items, at: edited(items, at, "- {name: new}\n", instead=0),
    "removed": edited,
    "renamed": lambda items, at: edited(items, at, items[at].replace("name: n", "name: z")),
    "told otherwise": lambda items, at: edited(items, at, items[at] + "# why\n\n"),
}


# --- what is read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", EDITS)
@pytest.mark.parametrize("at", [0, 1, 42, 99])
def test_after_an_edit_few_pieces_are_read_and_then_none(
    project: Project, cache: Cache, order: str, how: str, at: int
) -> None:
    items = ORDERS[order]
    put(project.root, "a.yaml", text_of(items))
    first, all_ = load(project, cache)
    assert first == expected(project)
    assert all_ >= 10
    for text in (EDITS[how](items, at), EDITS[how](items, (at + 50) % 100), EDITS[how](items, 60)):
        put(project.root, "a.yaml", text)
        found, read = load(project, cache)
        assert (list(found.items()), found) == (sorted(expected(project).items()), expected(project))
        assert read <= 3
        assert load(project, cache) == (found, 0)


def test_an_unchanged_file_is_not_parsed(project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = load(project, cache)
    for name in ("parse_file", "parse_pieces"):
        monkeypatch.setattr(parsing.ManifestParser, name, lambda *_, **__: pytest.fail("a file was read anew"))
    assert load(project, cache) == (first, 0)


def test_a_version_that_was_there_before_is_known(project: Project, cache: Cache) -> None:
    first, _ = load(project, cache)
    put(project.root, "a.yaml", changed_at(ITEMS, 3))
    load(project, cache)
    put(project.root, "a.yaml", text_of(ITEMS))
    assert load(project, cache) == (first, 0)


def test_a_stretch_that_moves_is_known(project: Project, cache: Cache) -> None:
    first, _ = load(project, cache)
    put(project.root, "a.yaml", text_of([*ITEMS[60:], *ITEMS[:60]]))
    found, read = load(project, cache)
    assert found == first
    assert read <= 4
    assert_as_a_whole(project, cache, "moved")


def test_one_run_is_rendered_from_the_piece_that_declares_it(project: Project, cache: Cache) -> None:
    load(project, cache)
    with counted() as read, load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        address = list(manifests.runs.runs())[42].address
        (one,) = render(manifests, address)
        assert len(read) == 1
        assert one in render(manifests, None)


def test_pieces_of_several_versions_are_put_together(project: Project, cache: Cache) -> None:
    load(project, cache)
    for at in (10, 50, 90):
        put(project.root, "a.yaml", changed_at(ITEMS, at))
        load(project, cache)
    changed = [item.replace("text", "other") if at in (10, 50, 90) else item for at, item in enumerate(ITEMS)]
    put(project.root, "a.yaml", text_of(changed))
    found, read = load(project, cache)
    assert (found, read <= 2) == (expected(project), True)


@pytest.mark.parametrize("order", ORDERS)
def test_a_chunk_holds_no_more_than_it_may(
    project: Project, cache: Cache, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece may have several chunks."""
    monkeypatch.setattr(chunks, "SIZE", 2)
    put(project.root, "a.yaml", text_of(ORDERS[order]))
    load(project, cache)
    put(project.root, "a.yaml", changed_at(ORDERS[order], 30))
    found, read = load(project, cache)
    assert (found, read <= 2) == (expected(project), True)
    assert_as_a_whole(project, cache, "small chunks")


# --- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("at", [0, 57, 99])
def test_the_request_of_one_run_takes_one_piece(
    project: Project, cache: Cache, order: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(project.root, "a.yaml", text_of(ORDERS[order]))
    load(project, cache)
    wanted = f"list/n{at:03}"
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        run = dict(manifests.runs.find([wanted]))[wanted]  # type: ignore[index]
        with counted() as made:
            ((_, _, request),) = manifests.requests.each([(None, run)])
        assert len(made) == 1
        assert request.body.value == {"n": at, "text": "x" * 60}
        with counted() as made:
            manifests.requests.fetch([run])
            assert manifests.requests.of(run) == request
        assert len(made) == 1


def test_the_request_of_one_run_of_a_changed_file_takes_one_piece(project: Project, cache: Cache) -> None:
    """Those that were read are held, which is no reason to read all the others."""
    load(project, cache)
    put(project.root, "a.yaml", changed_at(ITEMS, 10))
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        found = manifests.runs.find(["list/n010", "list/n080"])
        runs = {run.address: run for run in found.values()}
        with counted() as made:
            manifests.requests.fetch(runs.values())
            values = [manifests.requests.of(run).body.value for run in runs.values()]
        assert values == [{"n": 10, "other": "x" * 60}, {"n": 80, "text": "x" * 60}]
        assert len(made) <= 1
        assert -1 not in made


def test_requests_of_some_runs_take_their_pieces(project: Project, cache: Cache) -> None:
    load(project, cache)
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        some = [(run.number, run) for run in manifests.runs.runs() if run.number in (3, 4, 70, 99)]
        with counted() as made:
            found = {number: request.body.value for number, _, request in manifests.requests.each(some)}
        assert found == {number: {"n": number, "text": "x" * 60} for number in (3, 4, 70, 99)}
        assert len(made) <= 4
        assert -1 not in made


def test_a_file_that_has_changed_meanwhile_is_no_longer_read(project: Project, cache: Cache) -> None:
    load(project, cache)
    with load_manifests(project, how=Loading(cwd=project.root, cache=cache)) as manifests:
        run = next(iter(manifests.runs.runs()))
        put(project.root, "a.yaml", changed_at(ITEMS, 50))
        with pytest.raises(InvalidInput):
            list(manifests.requests.each([(None, run)]))


# --- what is not read in pieces ----------------------------------------------------------------------------------

WRONG = {
    "a policy": "policy: {onChange: never}",
    "a policy of another kind": "policy: 1",
    "a rollout": "rollout: {stages: [1%]}",
    "a schedule": "schedule: 1",
    "an order": "dependsOn: [{name: other}]",
    "an identity": "identity: [labels]",
    "a field": "polcy: {}",
    "defaults": "defaults: {labels: 1}",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_header_is_told(project: Project, cache: Cache, what: str) -> None:
    load(project, cache)
    put(project.root, "a.yaml", text_of(ITEMS).replace("  runs:\n", f"  {WRONG[what]}\n  runs:\n"))
    assert "error" in str(assert_as_a_whole(project, cache, what).diagnostics).lower()


@pytest.mark.parametrize("before", ["metadata: {name: list}", "kind: RunGroup", "apiVersion: wfdeploy/v1"])
@pytest.mark.parametrize("after", ["", "metadata: {}", "metadata:", "kind: Project", "other: 1"])
def test_another_kind_of_file_is_told(project: Project, cache: Cache, before: str, after: str) -> None:
    load(project, cache)
    put(project.root, "a.yaml", text_of(ITEMS).replace(before, after))
    assert assert_as_a_whole(project, cache, after).diagnostics


@pytest.mark.parametrize("with_own_id", [False, True])
@pytest.mark.parametrize("at", [0, 50, 100])
def test_a_name_that_is_declared_twice_is_told(project: Project, cache: Cache, at: int, with_own_id: bool) -> None:
    items = [f"{item}  workflowRunId: own-{number}\n" if with_own_id else item for number, item in enumerate(ITEMS)]
    put(project.root, "a.yaml", text_of(items))
    load(project, cache)
    put(project.root, "a.yaml", edited(items, at, "- {name: n020}\n", instead=0))
    for one in (cache, None):
        told_ = assert_as_a_whole(project, one, "twice")
        assert [diagnostic.code for diagnostic in told_.diagnostics] == ["duplicate-address"]


@pytest.mark.parametrize("shard", [None, Shard(1, 3), Shard(2, 3), Shard(3, 3)])
def test_an_own_id_that_is_given_twice_is_told(project: Project, cache: Cache, shard: Shard | None) -> None:
    """Wherever the one of it stands, and whoever's part it is: all runs are checked."""
    first = edited(ITEMS, 5, "- {name: one, workflowRunId: mine}\n", instead=0)
    put(project.root, "a.yaml", first)
    load(project, cache, shard=shard)
    put(project.root, "a.yaml", first + "    - {name: other, workflowRunId: mine}\n")
    for _ in range(2):
        codes = [one.code for one in validate(project, how=Loading(cwd=project.root, cache=cache, shard=shard))]
        assert codes == ["duplicate-run-id"]


def test_a_warning_is_told_each_time(project: Project, cache: Cache) -> None:
    load(project, cache)
    put(project.root, "a.yaml", edited(ITEMS, 50, "- {name: no, forEach: {items: []}, key: '${{ row }}'}\n"))
    codes = [one.code for _ in range(3) for one in validate(project, how=Loading(cwd=project.root, cache=cache))]
    assert codes == ["no-rows"] * 3
    put(project.root, "a.yaml", changed_at(ITEMS, 50))
    found, read = load(project, cache)
    assert (found, read <= 3) == (expected(project), True)


def test_what_was_wrong_leaves_nothing_behind(project: Project, cache: Cache) -> None:
    """Requests of an attempt that led to nothing are no other runs' requests."""
    put(project.root, "a.yaml", edited(ITEMS, 99, "- {name: rows, matrix: {m: [1, 2]}, key: '${{ matrix.m }}'}\n"))
    assert_as_a_whole(project, cache, "generator", keep=50)
    assert_as_a_whole(project, None, "generator")


# --- what stays apart --------------------------------------------------------------------------------------------


def test_pieces_of_another_file_are_not_used(project: Project, cache: Cache) -> None:
    load(project, cache)
    put(project.root, "b.yaml", text_of(ITEMS, name="other"))
    found, read = load(project, cache)
    assert (found, read >= 10) == (expected(project), True)
    both = assert_as_a_whole(project, cache, "both")
    assert {(run.group.name, run.source.file) for run in both.runs} == {
        ("list", "manifests/a.yaml"),
        ("other", "manifests/b.yaml"),
    }
    put(project.root, "b.yaml", text_of(ITEMS, name="third"))
    assert_as_a_whole(project, cache, "third")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: list", "name: other"),
        ("app.example", "b.example"),
        ("  runs:", "  defaults: {retries: 1}\n  runs:"),
        ("  runs:", "  identity: {include: [labels]}\n  runs:"),
    ],
)
def test_pieces_under_another_header_are_not_used(project: Project, cache: Cache, before: str, after: str) -> None:
    load(project, cache)
    put(project.root, "a.yaml", text_of(ITEMS).replace(before, after))
    found, read = load(project, cache)
    assert (found, read >= 10) == (expected(project), True)


def test_pieces_of_other_settings_are_not_used(project: Project, cache: Cache) -> None:
    items = [item.replace("{n:", "{plan: '${{ vars.plan }}', n:") for item in ITEMS]
    put(project.root, "a.yaml", text_of(items))
    first, _ = load(project, cache)
    put(project.root, "a.yaml", changed_at(items, 50))
    found, read = load(project, cache, variables={"plan": "free"})
    assert found == expected(project, variables={"plan": "free"})
    assert not set(found.values()) & set(first.values())
    assert read >= 10
    for shard in (Shard(1, 2), Shard(2, 2)):
        assert load(project, cache, shard=shard)[0] == expected(project, shard=shard)
    without = Project(root=project.root, vars=project.vars)
    assert load(without, cache)[1] >= 10


def test_pieces_of_another_state_are_not_used(project: Project, cache: Cache) -> None:
    load(project, Cache(cache.folder, b"other"))
    put(project.root, "a.yaml", changed_at(ITEMS, 50))
    found, read = load(project, cache)
    assert (found, read >= 10) == (expected(project), True)


def test_pieces_of_an_evicted_entry_are_read_anew(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(project, cache)
    monkeypatch.setattr(catalogue, "KEPT_RUNS", 0)
    put(project.root, "b.yaml", text_of(["- {name: a}\n"], name="other"))
    load(project, cache, paths=["manifests/b.yaml"])
    put(project.root, "a.yaml", changed_at(ITEMS, 50))
    found, read = load(project, cache)
    assert (found, read >= 10) == (expected(project), True)
    assert load(project, cache) == (found, 0)


def test_what_is_copied_outlives_the_entry_that_it_came_from(
    project: Project, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "KEPT_RUNS", 0)
    load(project, cache)
    for at in (10, 20, 30):
        put(project.root, "a.yaml", changed_at(ITEMS, at))
        found, read = load(project, cache)
        assert (found, read <= 6) == (expected(project), True)
    with closing(sqlite3.connect(cache.folder / database.FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM entries").fetchone() == (1,)
        orphans = "SELECT count(*) FROM chunks WHERE grp NOT IN (SELECT id FROM groups)"
        assert connection.execute(orphans).fetchone() == (0,)
