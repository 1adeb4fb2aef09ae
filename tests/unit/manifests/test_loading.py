"""The manifests of a command: what is read for it, what other files say, and a cache that is damaged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.workbench import Workbench, group, run
from wfdeploy.errors import CacheDamaged, InvalidInput
from wfdeploy.manifests.loading import cache_folder, load, with_sound_cache
from wfdeploy.manifests.manifests import Manifests
from wfdeploy.model.event import Notice
from wfdeploy.model.plan import RequestedAction, Selection
from wfdeploy.model.project import Project


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    bench = Workbench(tmp_path, "http://127.0.0.1:9", "token")
    bench.write(group("one", [run("a"), run("b")]), file="one.yaml")
    bench.write(group("two", [run("c"), run("d", workflowRunId="own")]), file="two.yaml")
    return bench


def loaded(bench: Workbench, paths: Sequence[str] | None = None, selection: Selection | None = None) -> Manifests:
    return load(replace(bench.workspace, cwd=bench.root), paths, selection or Selection())


@pytest.mark.parametrize("action", RequestedAction)
def test_a_run_can_be_cancelled_and_resumed_while_manifests_are_broken(
    bench: Workbench, action: RequestedAction
) -> None:
    (bench.root / "manifests" / "one.yaml").write_text("kind: [\n", encoding="utf-8")
    if action in (RequestedAction.CANCEL, RequestedAction.RESUME):
        with closing(loaded(bench, selection=Selection(requested=action))) as manifests:
            assert not manifests.complete
            assert not manifests.groups
    else:
        with pytest.raises(InvalidInput):
            loaded(bench, selection=Selection(requested=action))


def test_all_of_a_project_leaves_nothing_elsewhere(bench: Workbench) -> None:
    with closing(loaded(bench)) as manifests:
        assert (set(manifests.groups), manifests.complete, manifests.elsewhere) == ({"one", "two"}, True, None)


def test_of_some_files_it_is_known_what_the_others_declare(bench: Workbench) -> None:
    with closing(loaded(bench, ["manifests/one.yaml"])) as manifests:
        elsewhere = manifests.elsewhere
        assert elsewhere is not None
        names = ["one/a", "two/c", "two/c@2026-11-23T03:00:00Z", "one/gone", "two/gone"]
        assert [elsewhere.accounts_for(name) for name in names] == [True, True, True, False, False]
        assert manifests.moved == ()


def test_what_the_others_move_is_known_too(bench: Workbench) -> None:
    moved = [{"from": "two/old", "to": "two/c"}]
    bench.write(group("two", [run("c"), run("d")], moved=moved), file="two.yaml")
    with closing(loaded(bench, ["manifests/one.yaml"])) as manifests:
        assert [move.origin for move in manifests.moved] == ["two/old"]
        elsewhere = manifests.elsewhere
        assert elsewhere is not None
        assert elsewhere.accounts_for("two/old")


def test_where_the_others_cannot_be_read_nothing_is_taken_for_removed(bench: Workbench) -> None:
    (bench.root / "manifests" / "two.yaml").write_text("kind: [\n", encoding="utf-8")
    with closing(loaded(bench, ["manifests/one.yaml"])) as manifests:
        elsewhere = manifests.elsewhere
        assert elsewhere is not None
        assert elsewhere.accounts_for("whatever/gone")
        assert (elsewhere.problem or "").startswith("manifests/two.yaml:")
        assert any("another manifest of the project can't be read" in caution for caution in manifests.cautions)


def test_outside_of_a_project_there_are_no_others(bench: Workbench) -> None:
    (bench.root / "manifests").rename(bench.root / "files")
    with closing(loaded(bench, ["files/one.yaml"])) as manifests:
        elsewhere = manifests.elsewhere
        assert elsewhere is not None
        assert not elsewhere.accounts_for("two/c")
        assert elsewhere.problem is None


def test_a_cache_is_kept_in_projects_only(tmp_path: Path) -> None:
    assert cache_folder(Project(root=tmp_path)) is None
    kept = tmp_path / ".wfdeploy" / "cache"
    assert cache_folder(Project(root=tmp_path, file=tmp_path / "wfdeploy.yaml")) == kept
    kept.parent.mkdir()
    assert cache_folder(Project(root=tmp_path)) == kept


def test_a_damaged_cache_is_thrown_away_once(bench: Workbench) -> None:
    bench.project = replace(bench.project, file=bench.root / "wfdeploy.yaml")
    folder = cache_folder(bench.project)
    assert folder is not None
    calls: list[int] = []

    def use() -> int:
        calls.append(len(calls))
        if not calls[-1]:
            raise CacheDamaged("the cache is damaged")
        return 7

    assert with_sound_cache(bench.workspace, use) == 7
    assert calls == [0, 1]
    (notice,) = bench.events
    assert isinstance(notice, Notice)
    assert "thrown away" in notice.message

    def never() -> None:
        raise CacheDamaged("the cache is damaged")

    with pytest.raises(CacheDamaged):
        with_sound_cache(bench.workspace, never)
